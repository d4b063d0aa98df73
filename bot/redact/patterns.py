"""Finds certain secrets: values with the format of a secret, whatever the text around them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import re2

from bot.domain import SecretKind
from bot.redact.format_checks import CHECKS, IDENTIFIER
from bot.redact.normalize import lowered
from bot.resources import read_yaml

# Most characters of a match that its check reads.
MAX_CHECKED_CHARACTERS = 600
ORDER_WORD = re2.compile(
    rb"(?i)\b(?:order|invoice|tracking|parcel|ticket|case|ref|reference|part|serial|sku|item|imei|shipment|ean|gtin|upc|isbn|barcode|"
    rb"bestellung|rechnung|commande|pedido|ordine)\b[^\n]{0,12}$"
)
# Characters before a number in which a word for an order may stand.
ORDER_WORD_CHARACTERS = 40
BOUNDARY = rb"(?:\b|_)"
LONG_RUN = re2.compile(rb"[!-~]{16}")


class SecretMatch(NamedTuple):
    """A secret in a reading of a text: its kind, and its start and end."""

    kind: SecretKind
    start: int
    end: int
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFormat:
    """One row of bot/data/secret_formats.yaml."""

    name: str
    kind: SecretKind
    regex: Any
    check: str
    labels: tuple[str, ...]  # names that must be beside a number, lowered
    has_prefix: bool  # begins with fixed characters; then also searched split, encoded and altered
    certain: bool

    def spans(
        self, raw: bytes, start: int = 0, end: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Yield the spans of matches, not checked yet, without those cut out of a longer word."""
        group = min(self.regex.groups, 1)
        for match in self.regex.finditer(raw, start, end):
            low, high = match.span(group)
            if not (raw[high : high + 1].isalnum() and raw[high - 1 : high].isalnum()):
                yield low, high

    def passes(self, value: bytes) -> bool:
        """Return whether the value passes its format's check; organisation and user ids do not."""
        text = value[:MAX_CHECKED_CHARACTERS].decode("latin-1")
        return CHECKS[self.check](text) and not (
            IDENTIFIER.match(text) and text[:4] in ("org-", "user")
        )


def find_tokens(raw: bytes) -> Iterator[SecretMatch]:
    """Yield tokens, and values in places meant for a secret, such as a password parameter.

    `raw` is the text as Latin-1 bytes.
    """
    secret_format = secret_formats("tokens") if LONG_RUN.search(raw) else ()
    for each in (*secret_format, *secret_formats("places")):
        for start, end in each.spans(raw):
            if each.passes(raw[start:end]):
                yield SecretMatch(each.kind, start, end, each.certain)


def is_order_number(raw: bytes, start: int) -> bool:
    """Return whether a word for an order, a parcel or a ticket is right before the number."""
    return ORDER_WORD.search(raw[max(0, start - ORDER_WORD_CHARACTERS) : start]) is not None


@cache
def secret_formats(group: str) -> tuple[SecretFormat, ...]:
    """Return the formats of a group of the file: `tokens`, `places` or `numbers`."""
    table = read_yaml("secret_formats.yaml")
    return tuple(_read_format(row) for row in table[group])


def _read_format(row: dict[str, Any]) -> SecretFormat:
    pattern = row["pattern"]
    starts_with_word = pattern[0] not in "([?\\$" or pattern.startswith(("(?:", "(?i:", "["))
    boundary = BOUNDARY if starts_with_word and not pattern.startswith("[?&") else b""
    return SecretFormat(
        name=row["name"],
        kind=SecretKind(row["kind"]),
        regex=re2.compile(boundary + b"(?:" + pattern.encode() + b")"),
        check=row.get("check", "random"),
        labels=tuple(map(lowered, row.get("label", ()))),
        has_prefix=row.get("wrap", True) and _has_fixed_prefix(pattern),
        certain=row.get("certain", True),
    )


@cache
def prefixed_formats() -> tuple[SecretFormat, ...]:
    """Return the formats of tokens with a fixed prefix, without word boundaries.

    A text whose gaps were removed has no word boundaries.
    """
    return tuple(
        replace(
            secret_format, regex=re2.compile(secret_format.regex.pattern.removeprefix(BOUNDARY))
        )
        for secret_format in secret_formats("tokens")
        if secret_format.has_prefix
    )


def _has_fixed_prefix(pattern: str) -> bool:
    """Return whether the pattern begins with fixed characters.

    Any other pattern would match everywhere in prose whose spaces were removed.
    """
    bare = pattern.removeprefix("(?:").removeprefix("(?:")
    return not bare.startswith(("[", "("))
