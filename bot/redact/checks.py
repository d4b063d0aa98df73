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


def random(found: str) -> bool:
    """Drawn at random, not spelt: digits or mixed case at its end, no words joined by dashes."""
    found = found[:LONGEST]
    tail = found[-max(TAIL, len(found) * 3 // 5) :]
    chars = set(tail)
    if len(chars) < FEW_LETTERS or PLACEHOLDER.search(found):
        return False
    if SPELT.match(found) or IDENTIFIER.match(found):
        return False
    return bool(chars & FIGURES) or case_changes(tail) >= CHANGES


def case_changes(text: str) -> int:
    """How often the case turns between neighbouring letters."""
    cases = text.encode("latin-1", "replace").translate(CASES)
    return cases.count(b"lu") + cases.count(b"ul")


def shouted(found: str) -> bool:
    """Capitals and digits at random."""
    return not PLACEHOLDER.search(found[:LONGEST]) and len(set(found[4:LONGEST])) >= FEW_LETTERS


def basic(found: str) -> bool:
    """Decodes to user:password."""
    try:
        told = base64.b64decode(
            found[:4096] + "=" * (-len(found[:4096]) % 4), b"-_" if "-" in found else None
        )
    except (binascii.Error, ValueError):
        return False
    return b":" in told and all(32 <= byte < 127 for byte in told)


def spoken(found: str) -> bool:
    """A password in a place made for one; only placeholders are let through."""
    return not PLACEHOLDER.search(found[:LONGEST]) and found.lower() not in SHOWN_PASSWORDS


def parameter(found: str) -> bool:
    """The value of a URL parameter with a suspicious name."""
    return spoken(found) and (
        any(c.isdigit() for c in found[:LONGEST]) or case_changes(found[:LONGEST]) >= CHANGES
    )


def secretive(found: str) -> bool:
    """Letters with digits or signs, and no address."""
    text = found[:LONGEST]
    if not spoken(text) or "://" in text or text.startswith(("//", "www.")) or ADDRESS.search(text):
        return False
    letters, digits = any(c.isalpha() for c in text), any(c.isdigit() for c in text)
    return letters and (digits or any(c in "!#$%^&*+=~" for c in text))


def anything(_found: str) -> bool:
    return True


def licence(found: str) -> bool:
    return sum(c.isdigit() for c in found) >= 5


def account(found: str) -> bool:
    return sum(c.isdigit() for c in found) >= 6


CHECKS: dict[str, Callable[[str], bool]] = {
    "none": anything, "random": random, "shouted": shouted, "basic": basic, "spoken": spoken,
    "parameter": parameter, "secretive": secretive, "licence": licence, "account": account,
    **CHECKSUMS,
}  # fmt: skip
