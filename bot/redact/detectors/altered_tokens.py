"""Finds tokens in other case, with other dashes, or written backwards."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import re2

from bot.redact.patterns import SecretFormat, SecretMatch, secret_formats

LONG_RUN = re2.compile(rb"[A-Za-z0-9]{8,}")


def find_altered_tokens(raw: bytes, plain: list[SecretMatch]) -> Iterator[SecretMatch]:
    """Yield altered tokens.

    `raw` is the text as Latin-1 bytes, `plain` what was found in it unaltered.
    """
    # Every altered token has such a run; most texts have none and need no further search.
    if not any(map(_looks_random, LONG_RUN.findall(raw))):
        return
    taken = {(match.start, match.end) for match in plain}
    altered = raw.replace(b"_", b"-")
    for secret_format in _loose_formats():
        yield from _find_in(secret_format, altered, taken)
    altered, length = raw[::-1], len(raw)
    for secret_format in secret_formats("tokens"):
        for match in _find_in(secret_format, altered, set()) if secret_format.has_prefix else ():
            yield SecretMatch(match.kind, length - match.end, length - match.start)


def _find_in(
    secret_format: SecretFormat, text: bytes, taken: set[tuple[int, int]]
) -> Iterator[SecretMatch]:
    """Yield tokens with a long run of letters and digits; names and slugs have words instead."""
    for start, end in secret_format.spans(text):
        value = text[start:end]
        drawn = (start, end) not in taken and any(map(_looks_random, LONG_RUN.findall(value)))
        if drawn and secret_format.passes(value):
            taken.add((start, end))
            yield SecretMatch(secret_format.kind, start, end)


def _looks_random(run: bytes) -> bool:
    return any(48 <= byte <= 57 for byte in run) and not run.isdigit()


@cache
def _loose_formats() -> tuple[SecretFormat, ...]:
    """Return the formats, ignoring case and with underscores as dashes."""
    return tuple(
        replace(
            secret_format, regex=re2.compile(b"(?i)" + _with_dashes(secret_format.regex.pattern))
        )
        for secret_format in secret_formats("tokens")
        if secret_format.has_prefix
    )


def _with_dashes(pattern: bytes) -> bytes:
    """Return a pattern with each underscore as a dash, last in a class, where it forms no range."""
    parts = re2.split(rb"(\[[^\]]*\])", pattern)
    return b"".join(
        part[:-1].replace(b"_", b"").removesuffix(b"-") + b"-]"
        if part.startswith(b"[") and b"_" in part
        else part.replace(b"_", b"-")
        for part in parts
    )
