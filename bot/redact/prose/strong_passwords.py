"""Passwords by their form alone, in a text that speaks of passwords: Fluffy!99, letme1n$now."""

import re
from collections.abc import Iterator

import re2

from bot.redact.lexicon import words
from bot.redact.normalize import latin, lowered
from bot.redact.prose.candidates import figures
from bot.redact.prose.keywords import Keyword, Nearby, SecretRole
from bot.redact.prose.tokenizer import TokenShape, piece

NEAR = 240  # characters from a word for password, login or habit
ROLES = frozenset([SecretRole.PASSWORD, SecretRole.LOGIN, SecretRole.HABIT])
# A sign between letters and figures; "@" only before a number, as in Chandni@88.
LETTER, WORD = rb"[A-Za-z\xc0-\xff]", rb"[A-Za-z\xc0-\xff0-9_-]"
SIGNED = re2.compile(
    LETTER + WORD + rb"*(?:@[0-9]{1,6}|[!$^*#]{1,3}" + WORD + rb"+(?:[!$^*#]|" + WORD + rb")*)"
)
OPENERS, CLOSERS = frozenset("/=@#&?%+.-_"), frozenset("/=%(@")
LEAST_LETTERS = 3


def loud_passwords(text: str, keywords: list[Keyword]) -> Iterator[tuple[int, int]]:
    """`text` is that of a folded view, `keywords` its cues."""
    near = Nearby(keywords, ROLES)
    if not near:
        return
    for match in SIGNED.finditer(latin(text)):
        start, end = match.span()
        password = text[start:end].rstrip(".-")
        beside = near.to(start, end, behind=NEAR, before=NEAR)
        if beside and _stands_alone(text, start, end) and _is_loud(password):
            yield start, start + len(password)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """No part of a link, a path, an address or an assignment."""
    goes_on = text[end : end + 2].lstrip(".")[:1].isalnum()
    return (
        not goes_on
        and text[start - 1 : start] not in OPENERS
        and text[end : end + 1] not in CLOSERS
    )


def _is_loud(password: str) -> bool:
    named = lowered(re.split(r"[!$^*@#]", password)[0]) in words("labels")
    letters = sum(char.isalpha() for char in password)
    mixed = figures(password) > 0 and letters >= LEAST_LETTERS
    return mixed and not named and piece(password, 0).shape is TokenShape.STRONG
