"""Finds and masks secrets and identity numbers, before anything is stored, logged or sent on.

A secret is found in one of two ways. A certain one has a known format or checksum; the asker is
warned about it. A suspected one is a likely value beside a word for password, code or recovery
phrase; it is masked, and the reply does not mention it.

Patterns run on RE2, because one mail kept Python's `re` busy for minutes, over one byte for each
character, so that an offset in the bytes is an offset in the text.
"""

from collections.abc import Iterator

from bot.domain import Redaction, SecretKind, Span
from bot.redact.detectors.altered_tokens import find_altered_tokens
from bot.redact.detectors.encoded_tokens import find_encoded_tokens
from bot.redact.detectors.identity_numbers import find_identity_numbers
from bot.redact.detectors.payment_cards import find_cards, find_ibans
from bot.redact.detectors.private_keys import find_private_keys
from bot.redact.detectors.split_tokens import find_split_tokens
from bot.redact.escapes import decode_escapes
from bot.redact.identifiers import PublicIdentifiers
from bot.redact.normalize import (
    MappedText,
    folded,
    look_alike_readings,
    lowered,
    to_latin1,
    without_marks,
)
from bot.redact.patterns import SecretMatch, find_tokens
from bot.redact.prose.detector import find_prose_secrets

__all__ = ["redact"]

# The name of each kind of secret in its mask.
KIND_NAMES = {
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
    """Return `text` with each secret replaced by a mask that names its kind; never raises.

    The spans of the result are offsets in `text`, in order, and do not overlap.
    """
    if not text:
        return Redaction(text=text)
    open_ids = PublicIdentifiers(text)
    spans = [
        span
        for mapped in _read_disguises(text)
        for span in _find_spans(mapped, open_ids)
        if span.certain or not open_ids.hold(span.start)
    ]
    merged = _merge(sorted(spans, key=lambda span: (span.start, -span.end)))
    if not merged:
        return Redaction(text=text)
    parts, position = [], 0
    for span in merged:
        parts += [text[position : span.start], f"[removed: {KIND_NAMES[span.kind]}]"]
        position = span.end
    return Redaction(text="".join([*parts, text[position:]]), spans=tuple(merged))


def _read_disguises(text: str) -> Iterator[MappedText]:
    """Yield the text folded, with escapes decoded, and with lookalike letters as ASCII.

    A secret that is found in any of these readings is masked.
    """
    mapped = folded(text)
    yield mapped
    yield from look_alike_readings(without_marks(text))
    if plain := decode_escapes(mapped):
        yield plain
        yield from look_alike_readings(plain)


def _find_spans(mapped: MappedText, open_ids: PublicIdentifiers) -> Iterator[Span]:
    for kind, start, end, certain in _find_matches(mapped, open_ids):
        if end > start:
            yield Span(kind=kind, start=mapped.start(start), end=mapped.end(end), certain=certain)


def _find_matches(mapped: MappedText, open_ids: PublicIdentifiers) -> Iterator[SecretMatch]:
    raw = to_latin1(mapped.text)
    tokens = list(find_tokens(raw))
    yield from tokens
    yield from find_split_tokens(mapped, tokens)
    yield from find_encoded_tokens(raw)
    yield from find_altered_tokens(raw, tokens)
    yield from find_private_keys(raw, lowered(mapped.text))
    yield from find_cards(raw)
    yield from find_ibans(raw)
    yield from find_identity_numbers(mapped.text, raw)
    yield from find_prose_secrets(mapped, open_ids)


def _merge(spans: list[Span]) -> list[Span]:
    """Return the spans in order, with overlapping ones merged; a certain one gives the kind."""
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
