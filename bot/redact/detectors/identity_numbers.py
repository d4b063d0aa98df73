"""Identity numbers: found by form and checksum, most of them only beside their name."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import re2

from bot.redact.normalize import found_words, lowered
from bot.redact.patterns import Format, Match, formats, is_order_number

BEFORE, AFTER = 64, 50  # characters round a name in which its number stands, the number included
SOME_DIGITS = re2.compile(rb"[0-9](?:[ ./-]?[0-9A-Za-z]){4}")
# A number beside its name is masked with a wrong check digit too: people mistype.
FORGIVEN = frozenset(
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


def identity_matches(text: str, raw: bytes) -> Iterator[Match]:
    if not SOME_DIGITS.search(raw):
        return
    for held in formats("numbers"):
        if not held.labels:
            yield from _unnamed(held, raw)
    for held, start, end in _named_places(text, len(raw)):
        for low, high in _standing_alone(held, raw, start, end):
            passed = held.passes(raw[low:high])
            if passed or held.check in FORGIVEN:
                yield Match(held.kind, low, high, passed)


def _unnamed(held: Format, raw: bytes) -> Iterator[Match]:
    for low, high in _standing_alone(held, raw, 0, len(raw)):
        if held.passes(raw[low:high]) and not is_order_number(raw, low):
            yield Match(held.kind, low, high)


def _standing_alone(held: Format, raw: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Not a part of a longer number, a version, a phone number or a date and time."""
    for low, high in held.spans(raw, start, end):
        before, after = raw[max(0, low - 2) : low], raw[high : high + 2]
        joined = before[-1:] in (b"-", b".", b"/") and before[:1].isdigit()
        if (
            joined
            or before[-1:] in (b"+", b"$")
            or (after[:1] in (b"-", b".", b"/") and after[1:].isdigit())
        ):
            continue
        yield low, high


def _named_places(text: str, length: int) -> Iterator[tuple[Format, int, int]]:
    """Where each named number may stand; stretches that overlap are read once."""
    low = lowered(text).replace("_", " ")
    stretches: dict[str, list[tuple[int, int]]] = {}
    for start, end in found_words(_names(), low):
        stretches.setdefault(low[start:end], []).append(
            (max(0, start - AFTER), min(length, end + BEFORE))
        )
    for held in formats("numbers") if stretches else ():
        spans = sorted(s for name in held.labels for s in stretches.get(name, ()))
        for start, end in _joined(spans):
            yield held, start, end


def _joined(stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    held: tuple[int, int] | None = None
    for start, end in stretches:
        if held and start <= held[1]:
            held = held[0], max(held[1], end)
            continue
        if held:
            yield held
        held = start, end
    if held:
        yield held


@cache
def _names() -> Any:
    names = {name for held in formats("numbers") for name in held.labels}
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    rows = (_whole(name) for name in longest_first)
    return re2.compile("|".join(rows).encode())


def _whole(name: str) -> str:
    """Not inside a word, where the script has words apart."""
    bare = str(re2.escape(name))
    if not name.isascii():
        return bare
    return rf"\b{bare}\b" if name[-1].isalnum() else rf"\b{bare}"
