"""Tokens whose letters are all there but changed: other case, other dashes, written backwards."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import re2

from bot.redact.patterns import Format, Match, formats

LONG_RUN = re2.compile(rb"[A-Za-z0-9]{8,}")


def altered_matches(raw: bytes, plain: list[Match]) -> Iterator[Match]:
    """`raw` is latin(view.text); `plain` is what was found in it unaltered."""
    # Whatever is found below holds such a run: most texts have none, and are done here.
    if not any(map(_is_drawn, LONG_RUN.findall(raw))):
        return
    taken = {(match.start, match.end) for match in plain}
    altered = raw.replace(b"_", b"-")
    for held in _loose():
        yield from _found(held, altered, taken)
    altered, length = raw[::-1], len(raw)
    for held in formats("tokens"):
        for match in _found(held, altered, set()) if held.headed else ():
            yield Match(match.kind, length - match.end, length - match.start)


def _found(held: Format, text: bytes, taken: set[tuple[int, int]]) -> Iterator[Match]:
    """Altered tokens must hold a long run of letters and figures: names and slugs have words."""
    for start, end in held.spans(text):
        value = text[start:end]
        drawn = (start, end) not in taken and any(map(_is_drawn, LONG_RUN.findall(value)))
        if drawn and held.passes(value):
            taken.add((start, end))
            yield Match(held.kind, start, end)


def _is_drawn(run: bytes) -> bool:
    return any(48 <= byte <= 57 for byte in run) and not run.isdigit()


@cache
def _loose() -> tuple[Format, ...]:
    """The formats in any case, for a text with one kind of dash."""
    return tuple(
        replace(held, regex=re2.compile(b"(?i)" + _with_dashes(held.regex.pattern)))
        for held in formats("tokens")
        if held.headed
    )


def _with_dashes(pattern: bytes) -> bytes:
    """Each line under is a dash; in a class it stands last, where it is no range."""
    parts = re2.split(rb"(\[[^\]]*\])", pattern)
    return b"".join(
        part[:-1].replace(b"_", b"").removesuffix(b"-") + b"-]"
        if part.startswith(b"[") and b"_" in part
        else part.replace(b"_", b"-")
        for part in parts
    )
