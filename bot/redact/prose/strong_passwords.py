"""Finds passwords by their shape alone, in a text about passwords: Fluffy!99, letme1n$now."""

import re
from collections.abc import Iterator

import re2

from bot.redact.normalize import lowered, to_latin1
from bot.redact.prose.keywords import Keyword, KeywordProximity, SecretRole
from bot.redact.prose.tokenizer import TokenShape, parse_token
from bot.redact.prose.value_candidates import count_digits
from bot.redact.word_lists import word_list

# Most characters from a keyword for password, login or habit.
MAX_DISTANCE = 240
ROLES = frozenset([SecretRole.PASSWORD, SecretRole.LOGIN, SecretRole.HABIT])
LETTER, WORD = rb"[A-Za-z\xc0-\xff]", rb"[A-Za-z\xc0-\xff0-9_-]"
# Punctuation between letters and digits; "@" only before a number, as in Chandni@88.
WORD_WITH_SIGN = re2.compile(
    LETTER + WORD + rb"*(?:@[0-9]{1,6}|[!$^*#]{1,3}" + WORD + rb"+(?:[!$^*#]|" + WORD + rb")*)"
)
LINK_MARKS_BEFORE, LINK_MARKS_AFTER = frozenset("/=@#&?%+.-_"), frozenset("/=%(@")
# The least letters of such a password.
MIN_LETTERS = 3


def find_strong_passwords(text: str, keywords: list[Keyword]) -> Iterator[tuple[int, int]]:
    """Yield such passwords near a keyword. `text` is that of a folded text."""
    proximity = KeywordProximity(keywords, ROLES)
    if not proximity:
        return
    for match in WORD_WITH_SIGN.finditer(to_latin1(text)):
        start, end = match.span()
        password = text[start:end].rstrip(".-")
        beside = proximity.to(start, end, behind=MAX_DISTANCE, before=MAX_DISTANCE)
        if beside and _stands_alone(text, start, end) and _is_strong(password):
            yield start, start + len(password)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether it is not part of a link, a path, an address or an assignment."""
    goes_on = text[end : end + 2].lstrip(".")[:1].isalnum()
    return (
        not goes_on
        and text[start - 1 : start] not in LINK_MARKS_BEFORE
        and text[end : end + 1] not in LINK_MARKS_AFTER
    )


def _is_strong(password: str) -> bool:
    named = lowered(re.split(r"[!$^*@#]", password)[0]) in word_list("labels")
    letters = sum(char.isalpha() for char in password)
    mixed = count_digits(password) > 0 and letters >= MIN_LETTERS
    return mixed and not named and parse_token(password, 0).shape is TokenShape.STRONG
