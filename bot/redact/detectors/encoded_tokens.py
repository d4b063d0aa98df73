"""Finds tokens in another encoding: Base64, hexadecimal, or with a separator between characters."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import re2

from bot.redact.patterns import SecretMatch, prefixed_formats

# Lines of Base64; the last one may be short, but a word below the block is not part of it.
BASE64 = re2.compile(
    rb"[A-Za-z0-9+/_-]{20,}(?:[ \t>]*\r?\n[ \t>]*[A-Za-z0-9+/_-]{20,})*"
    rb"(?:[ \t>]*\r?\n[ \t>]*(?:[A-Za-z0-9+/_-]{1,19}=|[A-Za-z0-9+/_-]{1,18}[A-Z0-9]\b))?={0,2}"
)
HEX = re2.compile(rb"(?:(?:0x)?[0-9a-fA-F]{2}[ :,]{0,2}){20,}")
SEPARATORS = (b".", b"-", b"*", b"/", b"|", b"+", b",", b"_", b", ", b" - ", b" . ", b"  ")
# Separates two decoded texts; no token contains it.
TEXT_SEPARATOR = b"\n\0\n"


def find_encoded_tokens(raw: bytes) -> Iterator[SecretMatch]:
    """Yield encoded stretches that contain a token.

    All are decoded and searched as one text, one format after the other.
    """
    stretches = [
        (m.span(), _decode_or_empty(decode, m.group()))
        for pattern, decode in DECODERS
        for m in pattern.finditer(raw)
    ]
    if not stretches:
        return
    decoded = TEXT_SEPARATOR.join(text for _, text in stretches)
    starts = list(accumulate((len(text) + len(TEXT_SEPARATOR) for _, text in stretches), initial=0))
    hits = {}
    for secret_format in prefixed_formats():
        for match in secret_format.regex.finditer(decoded):
            position = bisect_right(starts, match.start()) - 1
            if position not in hits and secret_format.passes(match.group()):
                hits[position] = secret_format.kind
    for position, kind in hits.items():
        yield SecretMatch(kind, *stretches[position][0])


def _decode_or_empty(decode: Callable[[bytes], bytes], encoded: bytes) -> bytes:
    try:
        return decode(encoded)
    except (binascii.Error, ValueError):
        return b""


def _decode_base64_twice(encoded: bytes) -> bytes:
    """Return the decoded text and, if that is Base64 again, the text decoded once more."""
    once = _decode_base64(encoded)
    return (
        once + TEXT_SEPARATOR + _decode_or_empty(_decode_base64, once)
        if BASE64.fullmatch(once)
        else once
    )


def _decode_base64(encoded: bytes) -> bytes:
    bare = encoded.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n>=")
    bare = bare[: len(bare) - 1] if len(bare) % 4 == 1 else bare
    return base64.b64decode(bare + b"=" * (-len(bare) % 4))


def _decode_hex(encoded: bytes) -> bytes:
    return bytes.fromhex(encoded.replace(b"0x", b"").translate(None, b":, ").decode())


def _separated_decoder(separator: bytes) -> tuple[Any, Callable[[bytes], bytes]]:
    """Return the pattern and decoder of texts with a separator throughout, as s.k.-.p.r.o.j."""
    bare = re2.escape(separator)
    pattern = re2.compile(rb"(?:[!-~]" + bare + rb"){19,}[!-~]")
    return pattern, lambda encoded: encoded[:: len(separator) + 1]


DECODERS: tuple[tuple[Any, Callable[[bytes], bytes]], ...] = (
    (BASE64, _decode_base64_twice),
    (HEX, _decode_hex),
    *map(_separated_decoder, SEPARATORS),
)
