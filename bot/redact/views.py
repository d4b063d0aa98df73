"""Readings of a text in which a disguised secret shows, each with the way back to the original.

A view holds one character for each character that it kept, so a place in a view is a place in the
original by one look-up, and never more than that: no diffing, no search.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import re2

LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\ufeff\uffa0"
    + "".join(
        map(
            chr,
            [
                *range(0x200B, 0x2010),
                *range(0x202A, 0x202F),
                *range(0x2060, 0x2070),
                *range(0x300, 0x370),
            ],
        )
    )
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0000, 0xE0FFF)]))
)
QUOTE_MARKER = re2.compile(rb"(?:\n|^)[ \t]*(?:[>|][ \t]?|[-*][ \t]+)+")
SOFT_BREAK = re2.compile(rb"=[ \t]*\r?\n")
# What a page or a program puts inside a key: tags of a line, the joint of two string constants.
TAG = re2.compile(
    rb"</?(?i:b|i|u|em|strong|span|font|a|code|mark|wbr|br|div)\b[^<>]{0,200}>|<!--[^<>]{0,80}-->"
)
JOINT = re2.compile(
    rb"[\"'][ \t]{0,9}[+.&\\]?[ \t]{0,9}\r?\n[ \t]{0,40}[+.&]?[ \t]{0,9}[\"']|"
    rb"[\"'](?:[ \t]{0,9}[+.&][ \t]{0,9})?[\"']"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`text[i]` stands at `at[i]` of the original."""

    text: str
    at: Sequence[int]
    behind: Sequence[int] | None = None  # where the original goes on, when some stand for several

    def start(self, place: int) -> int:
        return self.at[place]

    def end(self, place: int) -> int:
        """Behind the character before `place`, so that nothing dropped after it is masked."""
        if not place:
            return 0
        return self.behind[place - 1] if self.behind else self.at[place - 1] + 1


def folded(text: str) -> View:
    """What is read: nothing invisible; full-width forms, digits, dashes and quotes made plain."""
    if not any(c in INVISIBLE for c in set(text)):
        return View(text=text.translate(_plain_forms()), at=range(len(text)))
    at = [i for i, c in enumerate(text) if c not in INVISIBLE]
    return View(text="".join(text[i] for i in at).translate(_plain_forms()), at=at)


def latin(text: str) -> bytes:
    """One byte a character, so that a match in bytes is a match in characters."""
    return text.encode("latin-1", "replace")


def lowered(text: str) -> str:
    """Lower case and bare letters, still one character for each."""
    return text.translate(_bare_letters()).lower()


def found_words(regex: Any, text: str) -> Iterator[tuple[int, int]]:
    """Matches of a bytes pattern in any script, as characters; one pass over the text."""
    encoded = text.encode()
    place = seen = 0
    for match in regex.finditer(encoded):
        start, end = match.span()
        place += len(encoded[seen:start].decode())
        length = len(encoded[start:end].decode())
        yield place, place + length
        place, seen = place + length, end


def squeezed(view: View) -> View:
    """Without spaces, soft line breaks, marks of quoted lines, tags and escaping backslashes."""
    raw = latin(view.text)
    dropped = bytearray(len(raw))
    for pattern in (QUOTE_MARKER, SOFT_BREAK, TAG, JOINT):
        for match in pattern.finditer(raw):
            start, end = match.span()
            dropped[start:end] = b"\1" * (end - start)
    spaces = b" \t\\*" + LINE_BREAKS.encode("latin-1", "ignore")
    kept = [i for i, b in enumerate(raw) if not dropped[i] and b not in spaces]
    return View(text="".join(view.text[i] for i in kept).translate(_lookalikes()), at=kept)


@cache
def _plain_forms() -> dict[int, str]:
    """A table for one-to-one compatibility forms; surrogates become a mark that UTF-8 can carry."""
    table: dict[int, str] = {}
    ranges = (
        (0x80, 0x3400),
        (0xA600, 0xAC00),
        (0xF900, 0x10000),
        (0x1D400, 0x1D800),
        (0x1F100, 0x1F190),
    )
    for code in (c for low, high in ranges for c in range(low, high)):
        char = chr(code)
        plain = unicodedata.normalize("NFKC", char)
        if len(plain) == 1 and plain != char and plain.isascii():
            table[code] = plain
        elif unicodedata.category(char) == "Nd":
            table[code] = str(unicodedata.digit(char))
        elif unicodedata.category(char) == "Pd" or code in (0x2212, 0x2043, 0x02D7):
            table[code] = "-"
        elif unicodedata.category(char) == "Zs":
            table[code] = " "
    table |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    table |= dict.fromkeys(map(ord, "“”„‟«»「」『』《》″〝〞＂"), '"')
    table |= dict.fromkeys(map(ord, "‘’‚‛‹›`´′ʼ"), "'")
    table |= {0x2028: "\n", 0x2029: "\n", 0x85: "\n", 0x2192: ">", 0x21D2: ">", 0x27A1: ">"}
    return table


@cache
def _bare_letters() -> dict[int, str]:
    """Latin letters without accents; the dotted capital I, whose lower case is two characters."""
    table = {
        0x130: "i",
        0x131: "i",
        0xF8: "o",
        0xD8: "o",
        0x142: "l",
        0x141: "l",
        0x111: "d",
        0x110: "d",
    }
    table |= {0xDF: "s", 0x451: "е", 0x401: "е"}
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        bare = unicodedata.normalize("NFD", chr(code))[0]
        if bare.isascii():
            table[code] = bare
    return table


@cache
def _lookalikes() -> dict[int, int]:
    """Letters of other alphabets that pass for Latin ones in a key."""
    return str.maketrans(
        "асеорхуѕіјкһԁԛԝвмнтАВСЕНІЈКМОРЅТХоαεικνορτυχ",
        "aceopxysijkhdqwbmhtABCEHIJKMOPSTXoaeiknoptux",
    )
