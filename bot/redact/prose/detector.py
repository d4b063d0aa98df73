"""Finds suspected secrets: values beside a word for password, code, key or recovery phrase.

The weaker the link to the keyword (bound by ":" or "is", next to it, merely near), the more a value
must look like a secret. A bounded distance is read on both sides of a keyword, so the cost is
linear.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from itertools import islice

import re2

from bot.redact.detectors.recovery_phrases import find_phrase_after, find_phrases
from bot.redact.identifiers import PublicIdentifiers
from bot.redact.normalize import MappedText, lowered, to_latin1
from bot.redact.patterns import SecretMatch
from bot.redact.prose.asked_passwords import find_asked_passwords
from bot.redact.prose.backward_scanner import find_values_before
from bot.redact.prose.changed_passwords import find_changed_passwords
from bot.redact.prose.forward_scanner import find_values_after
from bot.redact.prose.keywords import KIND_OF_ROLE, WEAK_ROLES, Keyword, SecretRole, find_keywords
from bot.redact.prose.spelled_numbers import find_spelled_numbers
from bot.redact.prose.spelled_passwords import find_spelled_passwords
from bot.redact.prose.strong_passwords import find_strong_passwords

# Most keywords of one text that are read; behind the last one, all runs with a digit are masked.
MAX_KEYWORDS = 1500
# Keywords on either side of one that are tried as the limit of the search for its values.
MAX_NEIGHBOURS = 4
READABLE_ID = re2.compile(rb"\b(?:org|user)-[A-Za-z0-9]{6,}")
RUN_WITH_DIGITS = re2.compile(rb"[!-~]*[0-9][!-~]*(?:\s+[!-~]*[0-9][!-~]*)*")


def find_prose_secrets(mapped: MappedText, open_ids: PublicIdentifiers) -> Iterator[SecretMatch]:
    """Yield the secrets beside the keywords of a folded text; words in `open_ids` are none."""
    text, lowered_text = mapped.text, lowered(mapped.text)
    keywords = (
        keyword
        for keyword in find_keywords(lowered_text)
        if not open_ids.hold(mapped.start(keyword.start))
    )
    kept = [match.span() for match in READABLE_ID.finditer(to_latin1(text))]
    suspected = _find_suspected(text, lowered_text, list(islice(keywords, MAX_KEYWORDS + 1)))
    yield from (match for match in suspected if not _overlaps(kept, match))


def _overlaps(kept: list[tuple[int, int]], match: SecretMatch) -> bool:
    """Return whether a match overlaps an organisation or user id, which staff need to read."""
    index = bisect_left(kept, (match.end, 0))
    return index > 0 and kept[index - 1][1] > match.start


def _find_suspected(text: str, lowered_text: str, keywords: list[Keyword]) -> Iterator[SecretMatch]:
    scanned_to = 0
    for index, keyword in enumerate(keywords[:MAX_KEYWORDS]):
        if keyword.start < scanned_to:
            continue  # the keyword is part of a value: Password#1
        previous = _end_of_previous(keywords, index)
        following = _start_of_next(keywords, index, len(text))
        for start, end in _find_values(text, lowered_text, keyword, previous, following):
            yield SecretMatch(KIND_OF_ROLE[keyword.role], start, end, certain=False)
            scanned_to = max(scanned_to, end)
    if len(keywords) > MAX_KEYWORDS:
        yield from _mask_rest(text, keywords[-1].end)
    considered = keywords[:MAX_KEYWORDS]
    for role, find in (
        (SecretRole.CODE, partial(find_spelled_numbers, lowered_text, considered)),
        (SecretRole.PASSWORD, partial(find_strong_passwords, text, considered)),
        (SecretRole.PASSWORD, partial(find_spelled_passwords, lowered_text, considered)),
        (SecretRole.PASSWORD, partial(find_changed_passwords, lowered_text, considered)),
        (SecretRole.PASSWORD, partial(find_asked_passwords, text)),
        (SecretRole.PHRASE, partial(find_phrases, lowered_text)),
    ):
        for start, end in find():
            yield SecretMatch(KIND_OF_ROLE[role], start, end, certain=False)


def _start_of_next(keywords: list[Keyword], index: int, length: int) -> int:
    """Return the start of the next keyword; a weak one does not limit the values of a stronger."""
    own = keywords[index].role in WEAK_ROLES
    for keyword in keywords[index + 1 : index + MAX_NEIGHBOURS]:
        if own or keyword.role not in WEAK_ROLES:
            return keyword.start
    return length


def _end_of_previous(keywords: list[Keyword], index: int) -> int:
    """Return the end of the previous keyword; a weak one does not limit those of a stronger."""
    own = keywords[index].role in WEAK_ROLES
    for keyword in reversed(keywords[max(0, index - MAX_NEIGHBOURS) : index]):
        if own or keyword.role not in WEAK_ROLES:
            return keyword.end
    return 0


def _mask_rest(text: str, start: int) -> Iterator[SecretMatch]:
    """Yield all runs with a digit behind `start`: no honest text has so many keywords."""
    for match in RUN_WITH_DIGITS.finditer(to_latin1(text), start):
        low, high = match.span()
        yield SecretMatch(KIND_OF_ROLE[SecretRole.PASSWORD], low, high, certain=False)


def _find_values(
    text: str, lowered_text: str, keyword: Keyword, previous: int, following: int
) -> Iterator[tuple[int, int]]:
    if keyword.role is SecretRole.PHRASE:
        yield from find_phrase_after(lowered_text, keyword.end)
    yield from find_values_after(text, keyword, following)
    yield from find_values_before(text, keyword, previous)
