"""Tokens written in another code: Base64, hexadecimal, each letter parted from the next."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import re2

from bot.redact.patterns import Match, headed

# The last line is short; a word that stands under the block is none of its lines.
BASE64 = re2.compile(
    rb"[A-Za-z0-9+/_-]{20,}(?:[ \t>]*\r?\n[ \t>]*[A-Za-z0-9+/_-]{20,})*"
    rb"(?:[ \t>]*\r?\n[ \t>]*(?:[A-Za-z0-9+/_-]{1,19}=|[A-Za-z0-9+/_-]{1,18}[A-Z0-9]\b))?={0,2}"
)
HEX = re2.compile(rb"(?:(?:0x)?[0-9a-fA-F]{2}[ :,]{0,2}){20,}")
SEPARATORS = (b".", b"-", b"*", b"/", b"|", b"+", b",", b"_", b", ", b" - ", b" . ", b"  ")
BETWEEN = b"\n\0\n"


def encoded_matches(raw: bytes) -> Iterator[Match]:
    """Stretches in which a token hides; decoded and read as one text, each format once."""
    stretches = [
        (m.span(), _decoded(decode, m.group()))
        for pattern, decode in DECODERS
        for m in pattern.finditer(raw)
    ]
    if not stretches:
        return
    decoded = BETWEEN.join(text for _, text in stretches)
    starts = list(accumulate((len(text) + len(BETWEEN) for _, text in stretches), initial=0))
    hits = {}
    for held in headed():
        for match in held.regex.finditer(decoded):
            place = bisect_right(starts, match.start()) - 1
            if place not in hits and held.passes(match.group()):
                hits[place] = held.kind
    for place, kind in hits.items():
        yield Match(kind, *stretches[place][0])


def _decoded(decode: Callable[[bytes], bytes], encoded: bytes) -> bytes:
    try:
        return decode(encoded)
    except (binascii.Error, ValueError):
        return b""


def _from_base64(encoded: bytes) -> bytes:
    """Decoded, and once more: what was encoded twice is text again after the first."""
    once = _base64(encoded)
    return once + BETWEEN + _decoded(_base64, once) if BASE64.fullmatch(once) else once


def _base64(encoded: bytes) -> bytes:
    bare = encoded.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n>=")
    bare = bare[: len(bare) - 1] if len(bare) % 4 == 1 else bare
    return base64.b64decode(bare + b"=" * (-len(bare) % 4))


def _from_hex(encoded: bytes) -> bytes:
    return bytes.fromhex(encoded.replace(b"0x", b"").translate(None, b":, ").decode())


def _letters_apart(separator: bytes) -> tuple[Any, Callable[[bytes], bytes]]:
    """s.k.-.p.r.o.j: a character, the separator, a character."""
    bare = re2.escape(separator)
    pattern = re2.compile(rb"(?:[!-~]" + bare + rb"){19,}[!-~]")
    return pattern, lambda encoded: encoded[:: len(separator) + 1]


DECODERS: tuple[tuple[Any, Callable[[bytes], bytes]], ...] = (
    (BASE64, _from_base64),
    (HEX, _from_hex),
    *map(_letters_apart, SEPARATORS),
)
