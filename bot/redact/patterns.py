"""The certain tier: strings that are secret by their form, wherever they stand."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import re2

from bot.domain import SecretKind
from bot.redact.checks import CHECKS, IDENTIFIER
from bot.redact.normalize import lowered
from bot.resources import read_yaml

LONGEST_TESTED = 600  # characters of a match that its check reads
ORDERS = re2.compile(
    rb"(?i)\b(?:order|invoice|tracking|parcel|ticket|case|ref|reference|part|serial|sku|item|imei|shipment|ean|gtin|upc|isbn|barcode|"
    rb"bestellung|rechnung|commande|pedido|ordine)\b[^\n]{0,12}$"
)
LOOK_BACK = 40
BOUNDARY = rb"(?:\b|_)"
LONG_RUN = re2.compile(rb"[!-~]{16}")


class Match(NamedTuple):
    """A stretch of a view."""

    kind: SecretKind
    start: int
    end: int
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One line of secret_formats.yaml."""

    name: str
    kind: SecretKind
    regex: Any
    check: str
    labels: tuple[str, ...]  # lowered
    headed: bool  # a token known by how it begins: also sought taken apart, encoded, altered
    certain: bool

    def spans(
        self, raw: bytes, start: int = 0, end: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """What would be masked: not yet checked, never cut out of a longer word."""
        group = min(self.regex.groups, 1)
        for match in self.regex.finditer(raw, start, end):
            low, high = match.span(group)
            if not (raw[high : high + 1].isalnum() and raw[high - 1 : high].isalnum()):
                yield low, high

    def passes(self, value: bytes) -> bool:
        text = value[:LONGEST_TESTED].decode("latin-1")
        return CHECKS[self.check](text) and not (
            IDENTIFIER.match(text) and text[:4] in ("org-", "user")
        )


def token_matches(raw: bytes) -> Iterator[Match]:
    """Tokens, and what stands in a place made for a secret. `raw` is latin(view.text)."""
    held = formats("tokens") if LONG_RUN.search(raw) else ()
    for each in (*held, *formats("places")):
        for start, end in each.spans(raw):
            if each.passes(raw[start:end]):
                yield Match(each.kind, start, end, each.certain)


def is_order_number(raw: bytes, start: int) -> bool:
    """An order, a parcel or a ticket is named right before it."""
    return ORDERS.search(raw[max(0, start - LOOK_BACK) : start]) is not None


@cache
def formats(group: str) -> tuple[Format, ...]:
    table = read_yaml("secret_formats.yaml")
    return tuple(_format(row) for row in table[group])


def _format(row: dict[str, Any]) -> Format:
    pattern = row["pattern"]
    starts_with_word = pattern[0] not in "([?\\$" or pattern.startswith(("(?:", "(?i:", "["))
    boundary = BOUNDARY if starts_with_word and not pattern.startswith("[?&") else b""
    return Format(
        name=row["name"],
        kind=SecretKind(row["kind"]),
        regex=re2.compile(boundary + b"(?:" + pattern.encode() + b")"),
        check=row.get("check", "random"),
        labels=tuple(map(lowered, row.get("label", ()))),
        headed=row.get("wrap", True) and _has_head(pattern),
        certain=row.get("certain", True),
    )


@cache
def headed() -> tuple[Format, ...]:
    """Tokens known by how they begin, without the word boundary that squeezing takes away."""
    return tuple(
        replace(held, regex=re2.compile(held.regex.pattern.removeprefix(BOUNDARY)))
        for held in formats("tokens")
        if held.headed
    )


def _has_head(pattern: str) -> bool:
    """A format with no fixed beginning is found everywhere in squeezed prose."""
    bare = pattern.removeprefix("(?:").removeprefix("(?:")
    return not bare.startswith(("[", "("))
