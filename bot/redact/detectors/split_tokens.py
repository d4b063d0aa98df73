"""Tokens that a mail program, a page or a person has taken apart.

A token is sought in the text without its gaps, then followed through the original piece by piece:
the next piece belongs to it when it looks drawn at random too, so what stands behind a key stays.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import re2

from bot.redact.checks import case_changes, random
from bot.redact.lexicon import words
from bot.redact.normalize import View, latin, squeezed
from bot.redact.patterns import Format, Match, headed

# Between two pieces of one token whatever they look like: a soft break, an inline tag, a joint.
JOINS = re2.compile(
    rb"[ \t]*=|\\$|\*+$|[\"'].*[+.&\\].*[\"']$|"
    rb"(?:</?(?i:b|i|u|em|strong|span|font|a|code|mark|wbr)\b[^<>]*>|<!--[^<>]*-->)+$"
)
BODY = 20  # the least that is called a token once gaps are allowed
LEAST_EVEN = 3  # pieces of one length that are no chance
SHORT = 3  # pieces up to this length say nothing about themselves
MOST_PIECES = 300
HEAD = 12  # characters in which a token says whose it is: "sk - proj - …"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tight:
    """A text and the same without its gaps, both with one byte a character."""

    raw: bytes
    squeezed: bytes
    at: Sequence[int]  # where each byte of `squeezed` stands in `raw`

    def text(self, span: tuple[int, int]) -> str:
        return self.squeezed[slice(*span)].decode("latin-1")

    def gap_before(self, place: int) -> bytes:
        return self.raw[self.at[place - 1] + 1 : self.at[place]] if place else b""

    def is_cut(self, place: int) -> bool:
        """The word goes on where the format is full."""
        behind = self.at[place - 1] + 1
        return self.raw[behind : behind + 1].isalnum()


def wrapped_matches(view: View, plain: list[Match]) -> Iterator[Match]:
    """Tokens with gaps inside; `plain` is what was found without squeezing."""
    raw = latin(view.text)
    squeezed_view = squeezed(View(text=view.text, at=range(len(view.text))))
    tight = _Tight(raw=raw, squeezed=latin(squeezed_view.text), at=squeezed_view.at)
    taken = sorted({match.start: match.end for match in plain}.items())
    for held in headed():
        for match in held.regex.finditer(tight.squeezed):
            span = _followed(held, tight, *match.span())
            if span and _is_new(taken, *span):
                yield Match(held.kind, *span)


def _is_new(taken: list[tuple[int, int]], low: int, high: int) -> bool:
    """It reaches further than what was found before, and does not run into the next one."""
    place = bisect_left(taken, (low, 0))
    if place < len(taken) and taken[place][0] == low:
        return taken[place][1] < high and (place + 1 == len(taken) or taken[place + 1][0] >= high)
    return place == len(taken) or taken[place][0] >= high


def _followed(held: Format, tight: _Tight, start: int, end: int) -> tuple[int, int] | None:
    """Where the token stands in the original, or None when prose was squeezed into one."""
    first = tight.at[start]
    if tight.raw[max(0, first - 1) : first].isalnum():
        return None
    stop = _stop(tight, list(islice(_pieces(tight, start, end), MOST_PIECES + 1)))
    if stop - start < BODY:
        return None
    whole = held.regex.match(tight.squeezed, start, stop)
    if not whole or not random(tight.text(whole.span())):
        return None
    return first, tight.at[whole.end() - 1] + 1


def _pieces(tight: _Tight, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of the squeezed text that had no gap inside; a dash goes with the next."""
    low = start
    for place in range(start + 1, end):
        parted = tight.at[place] != tight.at[place - 1] + 1
        if parted and tight.squeezed[low:place] not in (b"-", b"_"):
            yield low, place
            low = place
    yield low, end


def _stop(tight: _Tight, pieces: list[tuple[int, int]]) -> int:
    """The end of the last piece that belongs to the token."""
    longest = 0
    for count, (low, high) in enumerate(pieces[:MOST_PIECES]):
        in_head = high - pieces[0][0] <= HEAD
        if count and not in_head and not _is_regular(tight, pieces[: count + 2], count, longest):
            cut = tight.is_cut(high)
            if not _belongs(tight.text((low, high)), tight.gap_before(low), longest, cut=cut):
                return low
        longest = max(longest, len(tight.squeezed[low:high].strip(b"-_.")))
    return pieces[:MOST_PIECES][-1][1]


def _is_regular(tight: _Tight, pieces: list[tuple[int, int]], count: int, longest: int) -> bool:
    """Cut into pieces of one length: the next has it too, or looks drawn; the rest is shorter."""
    low, high = pieces[count]
    unspeakable = _unspeakable(tight.text((low, high)))
    if high - low == longest:
        behind = [tight.text(span) for span in pieces[count + 1 :]]
        return unspeakable or any(len(text) == longest or _drawn(text) for text in behind)
    even = count >= LEAST_EVEN and all(b - a == longest for a, b in pieces[1:count])
    return even and high - low < longest and not _is_spoken(tight.text((low, high)))


def _is_spoken(piece: str) -> bool:
    word = piece.lower()
    if len(piece) == 1 and piece.isupper() and piece not in "AI":
        return False
    return word in words("stop_words") or word in words("conjunctions")


def _unspeakable(piece: str) -> bool:
    return piece.isupper() or not set(piece.lower()) & set("aeiouy")


def _belongs(piece: str, gap: bytes, longest: int, *, cut: bool) -> bool:
    if JOINS.match(gap):
        return True
    if cut and piece.isalpha() and piece[1:].islower():
        return False
    if longest <= SHORT and len(piece) <= longest:
        return True
    if b"\n" not in gap and longest >= 2 * BODY and len(piece) < BODY // 2:
        return (
            any(map(str.isdigit, piece))
            and any(map(str.isupper, piece))
            and any(map(str.islower, piece))
        )
    return _drawn(piece) or (len(piece) == longest and not piece.isalpha())


def _drawn(piece: str) -> bool:
    """Digits among letters, case turning inside, or the marks of a token."""
    letters = sum(c.isalpha() for c in piece)
    digits = sum(c.isdigit() for c in piece)
    capital = piece[:1].isupper() and piece[1:].islower()
    if digits and letters:
        return True
    if piece.isdigit():
        return len(piece) > SHORT
    return (case_changes(piece) >= 1 and not capital) or (
        ("-" in piece or "_" in piece) and len(piece) < BODY
    )
