"""Distinguishes real secrets from placeholders: tokens look random, placeholders consist of words.

The checks are named in bot/data/secret_formats.yaml. Each takes the value as text and reads at most
its first MAX_CHECKED_CHARACTERS.
"""

import base64
import binascii
from collections.abc import Callable

import re2

from bot.redact.validators import CHECKSUMS

# A value with fewer different characters at its end is a placeholder.
MIN_DISTINCT_CHARACTERS = 5
# Characters of a value that are checked.
MAX_CHECKED_CHARACTERS = 512
# Least number of case changes in a random value; CamelCase has fewer.
MIN_CASE_CHANGES = 3
DIGITS = frozenset("0123456789")
# Least length of the part at the end of a value that must look random.
MIN_TAIL_CHARACTERS = 12
PLACEHOLDER = re2.compile(
    r"(?i)\*{2}|\.{3}|…|•{2}|x{5}|_{4}|example|placeholder|redacted|removed|filtered|your[_-]|[_-]your|my[_-]?(?:api|secret|key)|"
    r"insert|dummy|changeme|[_-]here$|^here[_-]|^[<\[{]|^\$\{|(?-i:^\$[A-Z_]+$)|^%[a-z_]+%$",
)
IDENTIFIER = re2.compile(
    r"(?:org|user|proj|asst|thread|run|msg|file|batch|ftjob|resp|req|chatcmpl|vs|call|step|app|cus|acct|inv|evt|pk|"
    r"in|ch|pi|sub|price|seti|cs|txn|item|log|build|job|task|trace|span|tx)"
    r"[-_][A-Za-z0-9_-]+$"
)
CASE_OF_BYTE = bytes(
    ord("u" if chr(code).isupper() else "l" if chr(code).islower() else " ") for code in range(256)
)
UUID = re2.compile(r"(?i)\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$")
ADDRESS = re2.compile(r"@[\w-]+\.[A-Za-z]")
SPELT_WORDS = re2.compile(r"[A-Za-z]?[a-z]+(?:[-_.][A-Z]?[a-z]+|[-_.][A-Z]+|[-_.][0-9]{1,4})+$")
SHOWN_PASSWORDS = frozenset(
    [
        "pass",
        "password",
        "passwd",
        "pwd",
        "secret",
        "user",
        "username",
        "port",
        "host",
        "token",
        "key",
    ]
)


def looks_random(value: str) -> bool:
    """Return whether a value is random: digits or mixed case at its end, no hyphenated words."""
    value = value[:MAX_CHECKED_CHARACTERS]
    tail = value[-max(MIN_TAIL_CHARACTERS, len(value) * 3 // 5) :]
    chars = set(tail)
    if len(chars) < MIN_DISTINCT_CHARACTERS or PLACEHOLDER.search(value):
        return False
    if SPELT_WORDS.match(value) or IDENTIFIER.match(value):
        return False
    return bool(chars & DIGITS) or count_case_changes(tail) >= MIN_CASE_CHANGES


def count_case_changes(text: str) -> int:
    """Return how often the case changes between neighbouring letters."""
    cases = text.encode("latin-1", "replace").translate(CASE_OF_BYTE)
    return cases.count(b"lu") + cases.count(b"ul")


def is_random_capitals(value: str) -> bool:
    """Return whether a value of capitals and digits is random and no placeholder."""
    return (
        not PLACEHOLDER.search(value[:MAX_CHECKED_CHARACTERS])
        and len(set(value[4:MAX_CHECKED_CHARACTERS])) >= MIN_DISTINCT_CHARACTERS
    )


def is_basic_login(value: str) -> bool:
    """Return whether the value decodes from Base64 to user:password."""
    try:
        login = base64.b64decode(
            value[:4096] + "=" * (-len(value[:4096]) % 4), b"-_" if "-" in value else None
        )
    except (binascii.Error, ValueError):
        return False
    return b":" in login and all(32 <= byte < 127 for byte in login)


def is_no_placeholder(value: str) -> bool:
    """Return whether a value in the position of a password is no placeholder."""
    return (
        not PLACEHOLDER.search(value[:MAX_CHECKED_CHARACTERS])
        and value.lower() not in SHOWN_PASSWORDS
    )


def is_secret_parameter(value: str) -> bool:
    """Return whether the value of a URL parameter with a suspicious name is a secret."""
    return is_no_placeholder(value) and (
        any(c.isdigit() for c in value[:MAX_CHECKED_CHARACTERS])
        or count_case_changes(value[:MAX_CHECKED_CHARACTERS]) >= MIN_CASE_CHANGES
    )


def is_letters_with_signs(value: str) -> bool:
    """Return whether the value has letters with digits or punctuation and is no address."""
    text = value[:MAX_CHECKED_CHARACTERS]
    if (
        not is_no_placeholder(text)
        or "://" in text
        or text.startswith(("//", "www."))
        or ADDRESS.search(text)
    ):
        return False
    letters, digits = any(c.isalpha() for c in text), any(c.isdigit() for c in text)
    return letters and (digits or any(c in "!#$%^&*+=~" for c in text))


def accept_any(_value: str) -> bool:
    """Return True for every value: the format alone decides."""
    return True


def is_licence_number(value: str) -> bool:
    """Return whether the value has at least five digits, as a driving licence number does."""
    return sum(c.isdigit() for c in value) >= 5


def is_account_number(value: str) -> bool:
    """Return whether the value has at least six digits, as a bank account number does."""
    return sum(c.isdigit() for c in value) >= 6


# The names that secret_formats.yaml gives the checks.
CHECKS: dict[str, Callable[[str], bool]] = {
    "none": accept_any, "random": looks_random, "shouted": is_random_capitals,
    "basic": is_basic_login, "spoken": is_no_placeholder, "parameter": is_secret_parameter,
    "secretive": is_letters_with_signs, "licence": is_licence_number,
    "account": is_account_number, **CHECKSUMS,
}  # fmt: skip
