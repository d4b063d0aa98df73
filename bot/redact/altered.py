"""Tokens whose letters are all there but changed: other case, other dashes, written backwards."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import re2

from bot.redact.formats import Format, Match, formats

LONG_RUN = re2.compile(rb"[A-Za-z0-9]{8,}")
DASHED, LINED = bytes.maketrans(b"_", b"-"), bytes.maketrans(b"-", b"_")


def altered_matches(raw: bytes, plain: list[Match]) -> Iterator[Match]:
    """`raw` is latin(view.text); `plain` is what was found in it unaltered."""
    if not LONG_RUN.search(raw):
        return
    taken = {(match.start, match.end) for match in plain}
    for table in (DASHED, LINED):
        told = raw.translate(table)
        for held in _loose(table):
            yield from _found(held, told, taken)
    told, length = raw[::-1], len(raw)
    for held in formats("tokens"):
        for match in _found(held, told, set()) if held.headed else ():
            yield Match(match.kind, length - match.end, length - match.start)


def _found(held: Format, told: bytes, taken: set[tuple[int, int]]) -> Iterator[Match]:
    """Altered tokens must hold a long run of letters and figures: names and slugs have words."""
    for start, end in held.spans(told):
        value = told[start:end]
        drawn = (start, end) not in taken and any(map(_is_drawn, LONG_RUN.findall(value)))
        if drawn and held.passes(value):
            taken.add((start, end))
            yield Match(held.kind, start, end)


def _is_drawn(run: bytes) -> bool:
    return any(48 <= byte <= 57 for byte in run) and not run.isdigit()


@cache
def _loose(table: bytes) -> tuple[Format, ...]:
    """The formats in any case, with one kind of dash."""
    return tuple(
        replace(held, regex=re2.compile(b"(?i)" + _with_dashes(held.regex.pattern, table)))
        for held in formats("tokens")
        if held.headed
    )


def _with_dashes(pattern: bytes, table: bytes) -> bytes:
    """Dashes outside of classes; inside, both are allowed already or neither is."""
    parts = re2.split(rb"(\[[^\]]*\])", pattern)
    return b"".join(p if p.startswith(b"[") else p.translate(table) for p in parts)
