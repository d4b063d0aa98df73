"""The suspected tier: values that stand beside a word for password, code, key or recovery phrase.

How sure the place is (bound by ":" or "is", next to the word, merely near) decides how much like a
secret the value must look. Both sides of a cue are read, a bounded way, so the cost is linear.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice

import re2

from bot.redact.detectors.recovery_phrases import phrase_after, phrases_anywhere
from bot.redact.identifiers import Identifiers
from bot.redact.normalize import View, latin, lowered
from bot.redact.patterns import Match
from bot.redact.prose.backward_scanner import values_before
from bot.redact.prose.forward_scanner import values_behind
from bot.redact.prose.keywords import KINDS, WEAK, Keyword, SecretRole, cues
from bot.redact.prose.spelled_numbers import numbers_read_out
from bot.redact.prose.strong_passwords import loud_passwords

MOST_CUES = 1500
LOOK_AHEAD = 4
KEPT = re2.compile(rb"\b(?:org|user)-[A-Za-z0-9]{6,}")
FIGURED = re2.compile(rb"[!-~]*[0-9][!-~]*(?:\s+[!-~]*[0-9][!-~]*)*")


def window_matches(view: View, open_ids: Identifiers) -> Iterator[Match]:
    """What a folded view holds beside its cues; a word in a link or an address is none."""
    text, low = view.text, lowered(view.text)
    keywords = (cue for cue in cues(low) if not open_ids.hold(view.start(cue.start)))
    kept = [match.span() for match in KEPT.finditer(latin(text))]
    suspected = _suspected(text, low, list(islice(keywords, MOST_CUES + 1)))
    yield from (match for match in suspected if not _overlaps(kept, match))


def _overlaps(kept: list[tuple[int, int]], match: Match) -> bool:
    """Organisation and user ids stay readable for staff, whatever stands beside them."""
    place = bisect_left(kept, (match.end, 0))
    return place > 0 and kept[place - 1][1] > match.start


def _suspected(text: str, low: str, keywords: list[Keyword]) -> Iterator[Match]:
    done = 0
    for place, cue in enumerate(keywords[:MOST_CUES]):
        if cue.start < done:
            continue  # a value may hold the word: Password#1
        previous = _previous(keywords, place)
        following = _following(keywords, place, len(text))
        for start, end in _values(text, low, cue, previous, following):
            yield Match(KINDS[cue.role], start, end, certain=False)
            done = max(done, end)
    if len(keywords) > MOST_CUES:
        yield from _flood(text, keywords[-1].end)
    for start, end in numbers_read_out(low, keywords[:MOST_CUES]):
        yield Match(KINDS[SecretRole.CODE], start, end, certain=False)
    for start, end in loud_passwords(text, keywords[:MOST_CUES]):
        yield Match(KINDS[SecretRole.PASSWORD], start, end, certain=False)
    for start, end in phrases_anywhere(low):
        yield Match(KINDS[SecretRole.PHRASE], start, end, certain=False)


def _following(keywords: list[Keyword], place: int, length: int) -> int:
    """Where the next cue begins; a weak one parts no value from a stronger."""
    own = keywords[place].role in WEAK
    for cue in keywords[place + 1 : place + LOOK_AHEAD]:
        if own or cue.role not in WEAK:
            return cue.start
    return length


def _previous(keywords: list[Keyword], place: int) -> int:
    own = keywords[place].role in WEAK
    for cue in reversed(keywords[max(0, place - LOOK_AHEAD) : place]):
        if own or cue.role not in WEAK:
            return cue.end
    return 0


def _flood(text: str, start: int) -> Iterator[Match]:
    """No letter speaks so often of passwords: behind the last cue read, all that holds a figure."""
    for match in FIGURED.finditer(latin(text), start):
        low, high = match.span()
        yield Match(KINDS[SecretRole.PASSWORD], low, high, certain=False)


def _values(
    text: str, low: str, cue: Keyword, previous: int, following: int
) -> Iterator[tuple[int, int]]:
    if cue.role is SecretRole.PHRASE:
        yield from phrase_after(low, cue.end)
    yield from values_behind(text, cue, following)
    yield from values_before(text, cue, previous)
