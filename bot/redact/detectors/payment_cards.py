"""Finds payment cards and bank accounts: digit groups whose issuer, length and checksum agree."""

from collections.abc import Iterator

import re2

from bot.domain import SecretKind
from bot.redact.patterns import SecretMatch, is_order_number
from bot.redact.validators import luhn, mod97

NUMBERS = re2.compile(rb"[0-9]{4}(?:[._/][0-9]{4}){3}|[0-9]{2,}(?:[ -]{1,3}[0-9]{2,})*")
# Text directly before or behind digits that makes them part of a longer id or version.
PART_BEFORE = re2.compile(rb"[A-Za-z0-9.]$|[A-Za-z]-$")
PART_BEHIND = re2.compile(rb"[A-Za-z0-9]|-[A-Za-z]")
GROUPS = re2.compile(rb"[0-9]+")
IBAN = re2.compile(rb"(?i)(?:\b|_)([A-Z]{2}[0-9]{2}(?:[ .-]{0,2}[A-Z0-9]){11,40})")
# Digits of a card number in use (ISO/IEC 7812).
MIN_CARD_DIGITS, MAX_CARD_DIGITS = 13, 19
# Digit groups that one card number may be written in.
MAX_GROUPS = 8
# First digits -> lengths in use (ISO/IEC 7812).
ISSUERS: tuple[tuple[range, int, tuple[int, ...]], ...] = (
    (range(4, 5), 1, (16, 13, 19)),
    (range(50, 60), 2, (16,)),
    (range(2221, 2721), 4, (16,)),
    (range(34, 35), 2, (15,)),
    (range(37, 38), 2, (15,)),
    (range(6011, 6012), 4, (16, 19)),
    (range(644, 660), 3, (16, 19)),
    (range(3528, 3590), 4, (16,)),
    (range(300, 306), 3, (14,)),
    (range(36, 37), 2, (14,)),
    (range(38, 40), 2, (14, 16)),
    (range(62, 63), 2, (16, 17, 18, 19)),
    (range(5018, 5021), 4, (16,)),
    (range(6759, 6764), 4, (16, 18)),
    (range(2200, 2205), 4, (16,)),
    (range(508, 509), 3, (16,)),
    (range(606, 608), 3, (16,)),
    (range(636, 638), 3, (16,)),
)
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
    "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip


def find_cards(raw: bytes) -> Iterator[SecretMatch]:
    """Yield card numbers. `raw` is the text as Latin-1 bytes."""
    for match in NUMBERS.finditer(raw):
        start, end = match.span()
        if end - start < MIN_CARD_DIGITS:
            continue
        around = raw[max(0, start - 2) : start], raw[end : end + 2]
        if not (PART_BEFORE.search(around[0]) or PART_BEHIND.match(around[1])):
            yield from _cards_in(raw, start, end)


def _cards_in(raw: bytes, start: int, end: int) -> Iterator[SecretMatch]:
    """Yield whole digit groups that are a card number; a date or code beside them is left out."""
    groups = [match.span() for match in GROUPS.finditer(raw, start, end)]
    position = 0
    while position < len(groups):
        taken = _card_from(raw, groups[position : position + MAX_GROUPS])
        if taken:
            yield SecretMatch(SecretKind.CARD, groups[position][0], groups[position + taken - 1][1])
        position += taken or 1


def _card_from(raw: bytes, groups: list[tuple[int, int]]) -> int:
    """Return how many of the groups make a card; 0 for none."""
    start = groups[0][0]
    if raw[start : start + 1] not in (b"2", b"3", b"4", b"5", b"6"):
        return 0
    digits = b""
    for taken, (low, high) in enumerate(groups, 1):
        digits += raw[low:high]
        if len(digits) > MAX_CARD_DIGITS:
            return 0
        if len(digits) >= MIN_CARD_DIGITS and _is_card(digits.decode()):
            return 0 if taken == 1 and is_order_number(raw, start) else taken
    return 0


def _is_card(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    fits = any(
        int(digits[:size]) in first and len(digits) in lengths for first, size, lengths in ISSUERS
    )
    return fits and luhn(digits)


def find_ibans(raw: bytes) -> Iterator[SecretMatch]:
    """Yield IBANs, cut to the length for their country, so that following words are not masked."""
    position = 0
    while match := IBAN.search(raw, position):
        start, position = match.start(1), match.start(1) + 4
        end = _end_of_iban(raw, start, match.end())
        if end and mod97("".join(c for c in raw[start:end].decode("latin-1") if c.isalnum())):
            yield SecretMatch(SecretKind.BANK_ACCOUNT, start, end)
            position = end


def _end_of_iban(raw: bytes, start: int, stop: int) -> int:
    length = IBAN_LENGTHS.get(raw[start : start + 2].decode("latin-1").upper(), 0)
    seen = 0
    for index in range(start, stop):
        seen += raw[index : index + 1].isalnum()
        if length and seen == length:
            return 0 if raw[index + 1 : index + 2].isalnum() else index + 1
    return 0
