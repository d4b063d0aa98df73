"""Makes untrusted text safe to show in a terminal, a window or Slack.

Every text that is printed or posted goes through this module.
"""

import unicodedata
from functools import cache

from bot.text.unicode import INVISIBLE, LINE_BREAKS

KEPT_CHARACTERS = "\n\t"
HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})
# Put before each line of an untrusted text, so that no line of it can pass for one of the desk's.
QUOTE_MARK = "| "


def printable(text: str) -> str:
    """Return `text` without control and format characters, lone surrogates and private characters.

    So the result has no escape sequence, no hidden text and no reversed line. Every kind of line
    break becomes a line feed; tabs stay.
    """
    plain = text.replace("\r\n", "\n").translate(_table())
    return "".join(c for c in plain if c in KEPT_CHARACTERS or not _is_harmful(c))


def printable_line(text: str) -> str:
    """Return `text` as one line, so that it cannot pretend to be a further row."""
    return " ".join(printable(text).replace("\t", " ").split("\n"))


def shorten_line(text: str, most: int) -> str:
    """Return `text` as one line of at most `most` characters; a mark shows what was cut off."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def with_full_stop(text: str) -> str:
    """Returns a text that closes a line with exactly one mark at its end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def quote_lines(text: str) -> str:
    """Return an untrusted text with QUOTE_MARK before each of its lines."""
    return "\n".join(f"{QUOTE_MARK}{line}".rstrip() for line in printable(text).split("\n"))


def _is_harmful(char: str) -> bool:
    # The last two code points of each plane are noncharacters.
    return unicodedata.category(char) in HARMFUL_CATEGORIES or ord(char) & 0xFFFE == 0xFFFE


@cache
def _table() -> dict[int, str]:
    return dict.fromkeys(map(ord, INVISIBLE), "") | dict.fromkeys(map(ord, LINE_BREAKS), "\n")
