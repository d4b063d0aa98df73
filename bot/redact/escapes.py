r"""Decodes the escapes of a text: %2D, &#45;, \u002d and =2D are all a dash.

Percent-encoding, HTML entities and string escapes are replaced by their characters, and a tag by a
space, so that detectors find a key in a link or in the source of a page.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape

from bot.redact.normalize import MappedText, folded

# `re` is linear here too, as every branch is a few characters, and faster for many matches.
ESCAPE = re.compile(
    r"%25(?:2[DdEe]|5[Ff])|%[0-9A-Fa-f]{2}|&#[0-9]{1,6};?|&#[xX][0-9A-Fa-f]{1,5};?|"
    r"&[A-Za-z]{2,8};|\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,5}\}|\\x[0-9A-Fa-f]{2}|"
    r"=(?:2[DdEe]|5[Ff]|20|3[DdAa])|</?[A-Za-z][A-Za-z0-9]{0,9}(?:\s[^<>]{0,200})?/?>"
)


def decode_escapes(mapped: MappedText) -> MappedText | None:
    """Return a folded text with each escape decoded; None when it has none."""
    text: list[str] = []
    places: list[int] = []
    behind: list[int] = []
    position = 0
    for start, end, char in _find_escapes(mapped.text):
        text += [mapped.text[position:start], char]
        places += mapped.at[position:start]
        behind += [spot + 1 for spot in mapped.at[position:start]]
        if char:
            places.append(mapped.at[start])
            behind.append(mapped.end(end))
        position = end
    if not position:
        return None
    text.append(mapped.text[position:])
    places += mapped.at[position:]
    behind += [spot + 1 for spot in mapped.at[position:]]
    return MappedText(text="".join(text), at=places, behind=behind)


def _find_escapes(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the start and end of each escape and its decoded character."""
    for match in ESCAPE.finditer(text):
        escape = match.group()
        # A tag may be long, so the cache does not keep it.
        char = " " if escape[0] == "<" else _decode_escape(escape)
        if char is not None:
            yield *match.span(), char


@lru_cache(maxsize=1024)
def _decode_escape(escape: str) -> str | None:
    """Return the character of an escape: "" for an invisible one, None for what is no escape."""
    if escape[0] == "&":
        char = unescape(escape)
    elif escape[0] == "\\":
        char = chr(int(escape.strip("\\ux{}"), 16))
    else:
        char = chr(int(escape[-2:], 16))
    if len(char) != 1 or (escape[0] in "%=" and not char.isascii()):
        return None
    return folded(char).text
