"""Find and mask secrets and identity numbers, before anything is stored, logged or sent on.

Two tiers in one call. Certain: formats and checksums; the asker is warned about these. Suspected: a
risky value beside a word for password, code or recovery phrase; masked, never announced. Patterns
run on RE2 over one byte a character: one mail hung `re` for minutes, and places need no conversion.
"""

from collections.abc import Iterator

from bot.domain import Redaction, SecretKind, Span
from bot.redact.detectors.altered_tokens import altered_matches
from bot.redact.detectors.encoded_tokens import encoded_matches
from bot.redact.detectors.identity_numbers import identity_matches
from bot.redact.detectors.payment_cards import card_matches, iban_matches
from bot.redact.detectors.private_keys import block_matches
from bot.redact.detectors.split_tokens import wrapped_matches
from bot.redact.escapes import unescaped
from bot.redact.identifiers import Identifiers
from bot.redact.normalize import View, folded, latin, look_alike_readings, shown
from bot.redact.patterns import Match, token_matches
from bot.redact.prose.detector import window_matches

__all__ = ["redact"]

WORDS = {
    SecretKind.API_KEY: "API key",
    SecretKind.TOKEN: "access token",
    SecretKind.PASSWORD: "password",
    SecretKind.CODE: "code",
    SecretKind.RECOVERY: "recovery code",
    SecretKind.PRIVATE_KEY: "private key",
    SecretKind.CARD: "card number",
    SecretKind.BANK_ACCOUNT: "bank account number",
    SecretKind.IDENTITY_NUMBER: "identity number",
    SecretKind.CREDENTIAL_URL: "login in a link",
}


def redact(text: str) -> Redaction:
    """`text` with each secret replaced by what it was; never raises on any string."""
    open_ids = Identifiers(text)
    spans = [
        span
        for view in _readings(text)
        for span in _found(view, open_ids)
        if span.certain or not open_ids.hold(span.start)
    ]
    merged = _merged(sorted(spans, key=lambda span: (span.start, -span.end)))
    if not merged:
        return Redaction(text=text)
    parts, place = [], 0
    for span in merged:
        parts += [text[place : span.start], f"[removed: {WORDS[span.kind]}]"]
        place = span.end
    return Redaction(text="".join([*parts, text[place:]]), spans=tuple(merged))


def _readings(text: str) -> Iterator[View]:
    """As it stands, with its escapes read, and with look-alike letters read as ASCII ones.

    What is found in any of them is masked.
    """
    view = folded(text)
    yield view
    yield from look_alike_readings(shown(text))
    if plain := unescaped(view):
        yield plain
        yield from look_alike_readings(plain)


def _found(view: View, open_ids: Identifiers) -> Iterator[Span]:
    for kind, start, end, certain in _matches(view, open_ids):
        if end > start:
            yield Span(kind=kind, start=view.start(start), end=view.end(end), certain=certain)


def _matches(view: View, open_ids: Identifiers) -> Iterator[Match]:
    raw = latin(view.text)
    tokens = list(token_matches(raw))
    yield from tokens
    yield from wrapped_matches(view, tokens)
    yield from encoded_matches(raw)
    yield from altered_matches(raw, tokens)
    yield from block_matches(raw)
    yield from card_matches(raw)
    yield from iban_matches(raw)
    yield from identity_matches(view.text, raw)
    yield from window_matches(view, open_ids)


def _merged(spans: list[Span]) -> list[Span]:
    """Ordered, not overlapping; of two that overlap the certain one gives the kind."""
    merged: list[Span] = []
    for span in spans:
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            continue
        last = merged[-1]
        lead = span if span.certain and not last.certain else last
        merged[-1] = Span(
            kind=lead.kind, start=last.start, end=max(last.end, span.end), certain=lead.certain
        )
    return merged
