"""Normalizes a text in several ways, so that disguised secrets are found, and maps offsets back.

Each result is a reading of the text. A MappedText has an offset into the original for each of its
characters, so that a position is mapped back by one look-up.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import re2

from bot.text.unicode import (
    INVISIBLE,
    LINE_BREAKS,
    MARKS,
    ascii_readings,
    bare_letters,
    ligatures,
    look_alikes,
    other_script_letters,
    plain_forms,
    reading_table,
)

RUN = re.compile(r"\S+")
WORD = re.compile(r"[^\W_]+")
# Least length of a run that may contain a part of a token.
MIN_RUN_CHARACTERS = 5
# Characters beside such a run in which its keyword may stand.
CONTEXT_CHARACTERS = 120
# A token has digits, changes of case, or punctuation; a word with an umlaut has none of these.
TOKEN_LIKE = re.compile(r"[0-9=/_:]|[a-z][A-Z]")
QUOTE_MARKER = re2.compile(rb"(?:\n|^)[ \t]*(?:[>|][ \t]?|[-*][ \t]+)+")
SOFT_BREAK = re2.compile(rb"=[ \t]*\r?\n")
# Text that a page or a program inserts into a key: inline tags, the joint of two string constants.
TAG = re2.compile(
    rb"</?(?i:b|i|u|em|strong|span|font|a|code|mark|wbr|br|div)\b[^<>]{0,200}>|<!--[^<>]{0,80}-->"
)
JOINT = re2.compile(
    rb"[\"'][ \t]{0,9}[+.&\\]?[ \t]{0,9}\r?\n[ \t]{0,40}[+.&]?[ \t]{0,9}[\"']|"
    rb"[\"'](?:[ \t]{0,9}[+.&][ \t]{0,9})?[\"']"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedText:
    """A normalized reading of a text: `text[i]` comes from offset `at[i]` of the original."""

    text: str
    at: Sequence[int]
    # For each character, the offset behind it in the original; None where each stands for one.
    behind: Sequence[int] | None = None

    def start(self, position: int) -> int:
        """Return the offset in the original of the character at `position`."""
        return self.at[position]

    def end(self, position: int) -> int:
        """Return the offset in the original behind the character before `position`.

        Thus characters that were dropped after it are not masked.
        """
        if not position:
            return 0
        return self.behind[position - 1] if self.behind else self.at[position - 1] + 1


def folded(text: str) -> MappedText:
    """Return the basic reading, without invisible characters, and with plain ASCII forms of
    full-width characters, digits, dashes and quotes.
    """
    return _with_plain_forms(without_marks(text))


def without_marks(text: str) -> MappedText:
    """Return `text` without invisible characters and without odd combining marks.

    Combining marks are dropped if they belong to no script, or follow an ASCII character, which no
    language writes.
    """
    odd = {c for c in set(text) if c in INVISIBLE or unicodedata.category(c) in ("Mn", "Me")}
    if not odd:
        return MappedText(text=text, at=range(len(text)))
    at = [i for i, kept in enumerate(_is_read(text, odd)) if kept]
    return MappedText(text="".join(text[i] for i in at), at=at)


def _with_plain_forms(mapped: MappedText) -> MappedText:
    return replace(mapped, text=mapped.text.translate(plain_forms()))


def _is_read(text: str, odd: set[str]) -> Iterator[bool]:
    """Yield for each character whether it is kept."""
    last = ""
    for char in text:
        kept = char not in odd or not (char in INVISIBLE or char in MARKS or ("!" <= last <= "~"))
        last = char if kept else last
        yield kept


def look_alike_readings(mapped: MappedText) -> Iterator[MappedText]:
    """Yield readings in which lookalike letters are replaced by ASCII ones, the likeliest first.

    `mapped` is a text without marks, not folded, because a digit of another script may imitate a
    letter; or one with decoded escapes. Only words and possible tokens that mix such letters with
    ASCII characters are changed, so that an honest text in another script has no such reading.
    There is more than one reading only for a character that imitates several letters, as Ι does I
    and l.
    """
    if mapped.text.isascii() or look_alikes().isdisjoint(mapped.text):
        return
    parts = [match.span() for match in RUN.finditer(mapped.text) if _is_mixed_run(match.group())]
    parts += [match.span() for match in WORD.finditer(mapped.text) if _is_mixed_word(match.group())]
    position = 0
    while parts:
        yield _read_as_ascii(mapped, sorted(parts), position)
        position += 1
        parts = [part for part in parts if _has_reading(mapped.text[slice(*part)], position)]


def _is_mixed_run(run: str) -> bool:
    if len(run) < MIN_RUN_CHARACTERS or run.isascii() or not TOKEN_LIKE.search(run):
        return False
    return not look_alikes().isdisjoint(run)


def _is_mixed_word(word: str) -> bool:
    """Return whether the word has letters of two scripts, as pаssword with a Cyrillic а does."""
    return not (word.isascii() or other_script_letters().isdisjoint(word)) and any(
        c.isascii() for c in word
    )


def _has_reading(part: str, position: int) -> bool:
    return any(len(ascii_readings().get(char, "")) > position for char in set(part))


def _read_as_ascii(mapped: MappedText, parts: list[tuple[int, int]], position: int) -> MappedText:
    """Return `parts` and the text near them, with lookalikes replaced by candidate number
    `position`.

    A ligature becomes its letters.
    """
    start = mapped.text.rfind(" ", 0, max(0, parts[0][0] - CONTEXT_CHARACTERS)) + 1
    stop = mapped.text.find(" ", max(end for _, end in parts) + CONTEXT_CHARACTERS)
    stop = len(mapped.text) if stop < 0 else stop
    read: list[str] = []
    copied_to = start
    for low, high in parts:
        read += [
            mapped.text[copied_to:low],
            mapped.text[max(low, copied_to) : high].translate(reading_table(position)),
        ]
        copied_to = max(copied_to, high)
    vicinity = MappedText(
        text="".join([*read, mapped.text[copied_to:stop]]),
        at=mapped.at[start:stop],
        behind=mapped.behind and mapped.behind[start:stop],
    )
    return _with_plain_forms(_without_ligatures(vicinity))


def _without_ligatures(mapped: MappedText) -> MappedText:
    """Return the text with each ligature as its letters, all mapped to that one character."""
    if ligatures().keys().isdisjoint(mapped.text):
        return mapped
    read = [ligatures().get(char, char) for char in mapped.text]
    kept = [i for i, letters in enumerate(read) for _ in letters]
    return MappedText(
        text="".join(read),
        at=[mapped.at[i] for i in kept],
        behind=[mapped.end(i + 1) for i in kept],
    )


def to_latin1(text: str) -> bytes:
    """Return one byte for each character, so that byte offsets are character offsets."""
    return text.encode("latin-1", "replace")


def lowered(text: str) -> str:
    """Return the text in lower case without accents, with the same number of characters."""
    return text.translate(bare_letters()).lower()


def find_words(regex: Any, text: str) -> Iterator[tuple[int, int]]:
    """Yield the matches of a bytes pattern in a text of any script, as character offsets."""
    encoded = text.encode()
    position = seen = 0
    for match in regex.finditer(encoded):
        start, end = match.span()
        position += len(encoded[seen:start].decode())
        length = len(encoded[start:end].decode())
        yield position, position + length
        position, seen = position + length, end


def without_gaps(mapped: MappedText) -> MappedText:
    """Return the text without spaces, soft breaks, quote marks, tags and escaping backslashes."""
    raw = to_latin1(mapped.text)
    dropped = bytearray(len(raw))
    for pattern in (QUOTE_MARKER, SOFT_BREAK, TAG, JOINT):
        for match in pattern.finditer(raw):
            start, end = match.span()
            dropped[start:end] = b"\1" * (end - start)
    spaces = b" \t\\*" + LINE_BREAKS.encode("latin-1", "ignore")
    kept = [i for i, b in enumerate(raw) if not dropped[i] and b not in spaces]
    return MappedText(
        text="".join(mapped.text[i] for i in kept).translate(reading_table()), at=kept
    )
