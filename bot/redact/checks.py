"""Does a found string pass for what its format says? Tokens are random, placeholders spelt."""

import base64
import binascii
from collections.abc import Callable

import re2

from bot.redact.validators import CHECKSUMS

FEW_LETTERS = 5  # a tail of fewer different characters is a placeholder
LONGEST = 512
CHANGES = 3  # CamelCase has fewer
FIGURES = frozenset("0123456789")
TAIL = 12  # characters at the end that must look drawn at random
PLACEHOLDER = re2.compile(
    r"(?i)\*{2}|\.{3}|…|•{2}|x{5}|_{4}|example|placeholder|redacted|removed|filtered|your[_-]|[_-]your|my[_-]?(?:api|secret|key)|"
    r"insert|dummy|changeme|[_-]here$|^here[_-]|^[<\[{]|^\$\{|(?-i:^\$[A-Z_]+$)|^%[a-z_]+%$",
)
IDENTIFIER = re2.compile(
    r"(?:org|user|proj|asst|thread|run|msg|file|batch|ftjob|resp|req|chatcmpl|vs|call|step|app|cus|acct|inv|evt|pk|"
    r"in|ch|pi|sub|price|seti|cs|txn|item|log|build|job|task|trace|span|tx)"
    r"[-_][A-Za-z0-9_-]+$"
)
CASES = bytes(
    ord("u" if chr(code).isupper() else "l" if chr(code).islower() else " ") for code in range(256)
)
UUID = re2.compile(r"(?i)\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$")
ADDRESS = re2.compile(r"@[\w-]+\.[A-Za-z]")
SPELT = re2.compile(r"[A-Za-z]?[a-z]+(?:[-_.][A-Z]?[a-z]+|[-_.][A-Z]+|[-_.][0-9]{1,4})+$")
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


def random(value: str) -> bool:
    """Drawn at random, not spelt: digits or mixed case at its end, no words joined by dashes."""
    value = value[:LONGEST]
    tail = value[-max(TAIL, len(value) * 3 // 5) :]
    chars = set(tail)
    if len(chars) < FEW_LETTERS or PLACEHOLDER.search(value):
        return False
    if SPELT.match(value) or IDENTIFIER.match(value):
        return False
    return bool(chars & FIGURES) or case_changes(tail) >= CHANGES


def case_changes(text: str) -> int:
    """How often the case turns between neighbouring letters."""
    cases = text.encode("latin-1", "replace").translate(CASES)
    return cases.count(b"lu") + cases.count(b"ul")


def shouted(value: str) -> bool:
    """Capitals and digits at random."""
    return not PLACEHOLDER.search(value[:LONGEST]) and len(set(value[4:LONGEST])) >= FEW_LETTERS


def basic(value: str) -> bool:
    """Decodes to user:password."""
    try:
        login = base64.b64decode(
            value[:4096] + "=" * (-len(value[:4096]) % 4), b"-_" if "-" in value else None
        )
    except (binascii.Error, ValueError):
        return False
    return b":" in login and all(32 <= byte < 127 for byte in login)


def spoken(value: str) -> bool:
    """A password in a place made for one; only placeholders are let through."""
    return not PLACEHOLDER.search(value[:LONGEST]) and value.lower() not in SHOWN_PASSWORDS


def parameter(value: str) -> bool:
    """The value of a URL parameter with a suspicious name."""
    return spoken(value) and (
        any(c.isdigit() for c in value[:LONGEST]) or case_changes(value[:LONGEST]) >= CHANGES
    )


def secretive(value: str) -> bool:
    """Letters with digits or signs, and no address."""
    text = value[:LONGEST]
    if not spoken(text) or "://" in text or text.startswith(("//", "www.")) or ADDRESS.search(text):
        return False
    letters, digits = any(c.isalpha() for c in text), any(c.isdigit() for c in text)
    return letters and (digits or any(c in "!#$%^&*+=~" for c in text))


def anything(_value: str) -> bool:
    return True


def licence(value: str) -> bool:
    return sum(c.isdigit() for c in value) >= 5


def account(value: str) -> bool:
    return sum(c.isdigit() for c in value) >= 6


CHECKS: dict[str, Callable[[str], bool]] = {
    "none": anything, "random": random, "shouted": shouted, "basic": basic, "spoken": spoken,
    "parameter": parameter, "secretive": secretive, "licence": licence, "account": account,
    **CHECKSUMS,
}  # fmt: skip
