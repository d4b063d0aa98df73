"""Splits a folded text into sentences, so that a rule never reads across two of them."""

import re

# Matches behind an end mark, or behind a full stop and a space that do not follow an abbreviation.
ENDS = re.compile(
    r"(?<=[?!。؟।])(?<!<!)[\"')\]]* *"
    r"|(?<![ .(]art)(?<![ .(]nr)(?<! dr)(?<! mr)(?<! sr)(?<! no)"
    r"(?<=[a-z0-9)\]\"'\u0080-\uffff][.;]) +"
    r"| ?\n ?"
)


def as_lines(text: str) -> bytes:
    """Return the sentences of `text` as lines, each once, in UTF-8.

    A text of several lines is also split with its line breaks removed: mail programs break lines at
    any word, and so does somebody who wants a demand to be missed.
    """
    lines = _lines(text)
    if "\n" in text.strip():
        lines += _lines(" ".join(text.split()))
    return "\n".join(dict.fromkeys(lines)).encode("utf-8", "replace")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in ENDS.split(text) if line and line.strip()]
