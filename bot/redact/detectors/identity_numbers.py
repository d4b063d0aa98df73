"""Finds identity numbers by format and checksum, most of them only beside their name."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import re2

from bot.redact.normalize import find_words, lowered
from bot.redact.patterns import SecretFormat, SecretMatch, is_order_number, secret_formats

# Characters behind and before a name in which its number is searched, including the number.
CHARACTERS_AFTER_NAME, CHARACTERS_BEFORE_NAME = 64, 50
SOME_DIGITS = re2.compile(rb"[0-9](?:[ ./-]?[0-9A-Za-z]){4}")
# Checks whose numbers are masked beside their name even if the check digit is wrong (mistyped).
MISTYPED_CHECKS = frozenset(
    [
        "verhoeff",
        "cpf",
        "dni",
        "steuer_id",
        "bsn",
        "pesel",
        "personnummer",
        "fnr",
        "nhs",
        "tckn",
        "rut",
    ],
)


def find_identity_numbers(text: str, raw: bytes) -> Iterator[SecretMatch]:
    """Yield identity numbers. `text` is a folded text, `raw` the same as Latin-1 bytes."""
    if not SOME_DIGITS.search(raw):
        return
    for secret_format in secret_formats("numbers"):
        if not secret_format.labels:
            yield from _find_unnamed(secret_format, raw)
    for secret_format, start, end in _named_places(text, len(raw)):
        for low, high in _find_separate(secret_format, raw, start, end):
            passed = secret_format.passes(raw[low:high])
            if passed or secret_format.check in MISTYPED_CHECKS:
                yield SecretMatch(secret_format.kind, low, high, passed)


def _find_unnamed(secret_format: SecretFormat, raw: bytes) -> Iterator[SecretMatch]:
    for low, high in _find_separate(secret_format, raw, 0, len(raw)):
        if secret_format.passes(raw[low:high]) and not is_order_number(raw, low):
            yield SecretMatch(secret_format.kind, low, high)


def _find_separate(
    secret_format: SecretFormat, raw: bytes, start: int, end: int
) -> Iterator[tuple[int, int]]:
    """Yield matches that are not part of a longer number, version, phone number or timestamp."""
    for low, high in secret_format.spans(raw, start, end):
        before, after = raw[max(0, low - 2) : low], raw[high : high + 2]
        joined = before[-1:] in (b"-", b".", b"/") and before[:1].isdigit()
        if (
            joined
            or before[-1:] in (b"+", b"$")
            or (after[:1] in (b"-", b".", b"/") and after[1:].isdigit())
        ):
            continue
        yield low, high


def _named_places(text: str, length: int) -> Iterator[tuple[SecretFormat, int, int]]:
    """Yield the stretches around names in which their numbers may be; overlapping ones merged."""
    lowered_text = lowered(text).replace("_", " ")
    stretches: dict[str, list[tuple[int, int]]] = {}
    for start, end in find_words(_name_pattern(), lowered_text):
        stretches.setdefault(lowered_text[start:end], []).append(
            (max(0, start - CHARACTERS_BEFORE_NAME), min(length, end + CHARACTERS_AFTER_NAME))
        )
    for secret_format in secret_formats("numbers") if stretches else ():
        spans = sorted(s for name in secret_format.labels for s in stretches.get(name, ()))
        for start, end in _join_overlapping(spans):
            yield secret_format, start, end


def _join_overlapping(stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for start, end in stretches:
        if current and start <= current[1]:
            current = current[0], max(current[1], end)
            continue
        if current:
            yield current
        current = start, end
    if current:
        yield current


@cache
def _name_pattern() -> Any:
    names = {name for secret_format in secret_formats("numbers") for name in secret_format.labels}
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    rows = (_as_whole_word(name) for name in longest_first)
    return re2.compile("|".join(rows).encode())


def _as_whole_word(name: str) -> str:
    """Return an expression for a name, as a whole word if the script separates words."""
    bare = str(re2.escape(name))
    if not name.isascii():
        return bare
    return rf"\b{bare}\b" if name[-1].isalnum() else rf"\b{bare}"
