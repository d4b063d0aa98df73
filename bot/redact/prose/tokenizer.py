"""Splits the text around a keyword into tokens, each a word, a number or a likely secret.

Only slices of bounded length are split. Nothing is cached, because a cache would keep secrets.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import re2

from bot.redact.format_checks import IDENTIFIER, PLACEHOLDER, UUID, count_case_changes
from bot.redact.word_lists import is_name

# Characters of scripts without spaces; a run of them is a token of its own.
JOINED = "\u3001-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f\uf900-\ufaff"
TOKEN = re.compile(rf"\n|[{JOINED}]+|<[^\s<{JOINED}]*|[^\s<{JOINED}]+")
JOINED_RUN = re.compile(rf"[{JOINED}]+$")
LEAD = re.compile(r"[\"'(\[{<:=>*,;~|/¿¡\-]*")
TRAIL = re.compile(r"[\"')\]}>,;.:?*|<…]*$")
# Most characters of the last token behind the end of a slice.
MAX_VALUE_CHARACTERS = 300
# Most characters of a token that is too short for a secret.
MAX_HARMLESS_CHARACTERS = 3
# Most characters of a token by which its shape is determined.
MAX_CLASSIFIED_CHARACTERS = 80

NO_SECRET = re2.compile(
    r"[^@\s]+@[^@\s]+\.[a-z]{2,}$|[a-z][a-z0-9+.-]*://|www\.|\[?removed|"
    r"[\w.-]+\.(?:pdf|png|jpe?g|gif|docx?|xlsx?|csv|zip|txt|html?|php|py|js|ts|json|ya?ml|eml|msg|exe|mp[34])$|"
    r"(?:[a-z0-9-]+\.)+(?:com|org|net|io|ai|dev|app|de|fr|es|it|uk|eu|co|ru|jp|cn|nl|example|test|gov|edu|info|me)(?:[/:].*)?$|"
    r"\d{4}[-./]\d{1,2}[-./]\d{1,2}(?:t.*)?$|(?:(?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12]\d|3[01])|(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|1[0-2]))[-./]\d{2,4}$|\d{8}t\d{4,6}z?$|\d{1,2}[:h]\d{2}(?::\d{2})?[a-z]*$|"
    r"[$€£¥₹]\d[\d.,]*[kmb]?$|\d[\d.,]*[%€$£¥₹]$|\+\d[\d-]*$|[^@\s]+@\d+(?:\.\d+){3}$|\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d+)?$|v?\d+(?:\.\d+)+[a-z]?$|\d+(?:,\d{3})+$|"
    r"[245]\d\d[- ][245]\.\d{1,3}\.\d{1,3}$|"
    r"(?:[0-9a-f]{2}:){3,}[0-9a-f]{2}$|(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{1,4}$|(?:sha\d{1,3}|md5)[:~-].*$|"
    r"0x[0-9a-f]{6,}$|bc1[a-z0-9]{20,}$|(?:arn|urn|cid|ft|mid):.*$|"
    r"aaaa[bce]3nza.*$|-*_?part_\d.*$|<[^>]*>?$|/?[a-z0-9]+>|rfc ?\d+$|\$\{|\{\{|%\w+%$|#\d+$",
)
USUAL_MIXTURE = re2.compile(
    r"\d+(?:st|nd|rd|th|s|x|h|hrs?|min|sec|ms|am|pm|kb|mb|gb|tb|k|m|d|w|y|er|eme|nd|er|de|te|ste|o|a|px|km|kg|usd|eur|uhr)$|"
    r"\d+'[a-z]+$|\d+-(?:[a-z]+)(?:-[a-z]+)*$|[a-z]+-\d{1,2}$|[a-z]{1,3}\d{1,3}$|[a-z]{1,3}\d{1,2}[a-z]?$|\d{1,2}[a-z]{3,9}$|\d{1,2}(?:jan|feb|mar|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]{0,6}\d{0,4}$|"
    r"[0-9a-f]{7,}$|\d+\+$|[a-z]{1,10}[-_]?\d+-\d+$|(?:user|admin|account|test|team|group|case|ticket|order)[-_]?\d*$|"
    r"[a-z][\w.-]*=.*$|[a-z!-]+/[\d.]+$|[a-z]+;\d+$|[a-z]+/[a-z]+$|[a-z]&[a-z]$|@[a-z0-9_.]+$|#[a-z]+$|[a-z]+(?:_[a-z]+)+$|[a-z]+'?s?$",
)
SHOUTED_ID = re2.compile(r"[A-Z]{1,8}[-_#]?\d{3,}$|[A-Z0-9]{10,}$|[A-Z]{2,}\d*(?:-[A-Z0-9]+)+$")
PATH = re.compile(r"[\w.~-]+(?:/[\w.~-]+){2,}$")
NUMBER = re2.compile(r"\d+(?:[- ]\d+)*$")
MARKS = frozenset("!@#$%^&*+=~|\\?")


class TokenShape(StrEnum):
    """The shape of a token, without regard to its context."""

    EMPTY = "empty"
    WORD = "word"  # letters, hyphens, apostrophes
    CASED = "cased"  # letters that change case inside
    NUMBER = "number"
    USUAL = "usual"  # a mix of characters that is common in texts: 3rd, PROJ-12, a commit
    STRONG = "strong"  # a mix of characters that is rare except in secrets
    NEVER = "never"  # an address, a date, a placeholder, an id that staff need


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token; `lead` and `trail` are the punctuation before and behind its `text`."""

    text: str
    start: int
    shape: TokenShape
    lead: str = ""
    trail: str = ""

    @property
    def end(self) -> int:
        """The offset behind the text of the token."""
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """The text in lower case."""
        return self.text.lower()


def tokenize(text: str, start: int, end: int) -> Iterator[Token]:
    """Yield the tokens that begin before `end`; a line break is a token of its own."""
    for match in TOKEN.finditer(text, start, min(len(text), end + MAX_VALUE_CHARACTERS)):
        if match.start() >= end:
            return
        yield parse_token(match.group(), match.start())


def parse_token(run: str, start: int) -> Token:
    """Split a run without spaces into its text and the punctuation around it."""
    if run == "\n":
        return Token(text="", start=start, shape=TokenShape.EMPTY, lead="\n")
    lead = LEAD.match(run)
    front = lead.end() if lead else 0
    rest = run[front:]
    trail = TRAIL.search(rest)
    back = trail.start() if trail else len(rest)
    if "(" in rest[:back] and rest[back : back + 1] == ")":
        back += 1
    text = rest[:back]
    return Token(
        text=text,
        start=start + front,
        shape=classify_shape(text),
        lead=run[:front],
        trail=rest[back:],
    )


def classify_shape(text: str) -> TokenShape:
    """Return the shape of a token's text."""
    if not text:
        return TokenShape.EMPTY
    text = text[:MAX_CLASSIFIED_CHARACTERS]
    if text.isalpha() and text[1:] == text[1:].lower():
        return TokenShape.WORD
    if _is_never_secret(text):
        return TokenShape.NEVER
    if NUMBER.match(text.encode()):
        return TokenShape.NUMBER
    return _classify_mixture(text)


def _classify_mixture(text: str) -> TokenShape:
    digits = any(c.isdigit() for c in text)
    letters = any(c.isalpha() for c in text)
    marked = bool(MARKS & set(text.rstrip("!?") if letters else text))
    if letters and not (digits or marked or "_" in text.strip("_")):
        return _classify_letters(text)
    strong = (letters or (digits and marked)) and not _is_usual_mixture(text)
    return TokenShape.STRONG if strong else TokenShape.USUAL


def _classify_letters(text: str) -> TokenShape:
    changes = count_case_changes(text)
    inside = changes > 1 or (changes == 1 and not text[0].isupper())
    return TokenShape.CASED if inside and not is_name(text.lower()) else TokenShape.WORD


def _is_never_secret(text: str) -> bool:
    if text.islower() and PATH.match(text):
        return True
    raw = text.encode()
    plain = text.isalnum() and not text[0].isdigit()
    if not plain and IDENTIFIER.match(raw) and not text.startswith("pk"):
        return any(c.isdigit() for c in text) or text.startswith(("org-", "user-"))
    return bool((not plain and NO_SECRET.match(text.lower().encode())) or PLACEHOLDER.search(raw))


def _is_usual_mixture(text: str) -> bool:
    bare = text.lower().rstrip("!?")
    raw = bare.encode()
    if is_name(bare) or SHOUTED_ID.match(text.encode()) or UUID.match(raw):
        return True
    return len(bare) <= MAX_HARMLESS_CHARACTERS or bool(USUAL_MIXTURE.match(raw))
