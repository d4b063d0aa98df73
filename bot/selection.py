"""What a model selected, checked: it can hold an answer back, or confirm one the evidence allows.

The model's word is one more piece of evidence, never the last. Its ids must be among the passages
that were sent, its spans must stand in the message, and what it confirms below the threshold must
be what the desk itself ranks first. So a hostile model can make the desk answer less, and beyond
that only pick between passages that the desk would show to staff as its own candidates.
"""

import math
from collections.abc import Sequence

from bot.ports import Decided, Entry, Judgement, Selected

MAX_ENTRIES = 20
MAX_PASSAGES = 3
TOP = 5  # of the desk's own ranking: a model may choose among these
LEADING = 2  # and below the threshold only from these
# Not calibrated on a live model yet, so on the safe side: the log-odds that two agreeing calls add,
# and the least evidence of our own that they can lift.
AGREED = 2.2
FLOOR = 0.12


class SelectionError(ValueError):
    """A model's output that breaks the contract; the desk decides without it."""


def checked(entries: Sequence[Entry], *, text: str, offered: Sequence[str]) -> tuple[Entry, ...]:
    """`entries` as they are; SelectionError for an unknown id, a made-up span, an empty answer."""
    if len(entries) > MAX_ENTRIES:
        raise SelectionError("too many entries")
    known, said = frozenset(offered), _folded(text)
    for entry in entries:
        if not entry.span.strip() or _folded(entry.span) not in said:
            raise SelectionError("a span does not stand in the message")
        if len(entry.passages) > MAX_PASSAGES or not known.issuperset(entry.passages):
            raise SelectionError("a passage was not offered")
        if (entry.decision is Decided.ANSWER) is not bool(entry.passages):
            raise SelectionError("an answer needs passages, and only an answer has them")
    return tuple(entries)


def entry_for(question: str, entries: Sequence[Entry]) -> Entry | None:
    """What was said of this question; of several that overlap, what holds back most."""
    found = [e for e in entries if overlaps(e, question)]
    return min(found, key=_confirms, default=None)


def overlaps(entry: Entry, question: str) -> bool:
    """Do they speak of the same words?"""
    asked, said = _folded(question), _folded(entry.span)
    return said in asked or asked in said


def joined(question: str, selected: Selected) -> tuple[Entry | None, bool]:
    """The more cautious word of the two calls, and whether both confirm the same passage."""
    both = [entry_for(question, entries) for entries in (selected.one, selected.other)]
    one, other = both
    if one is None or other is None:
        return one or other, False
    same = one.passages[:1] == other.passages[:1] and one.states and other.states
    return min(one, other, key=_confirms), bool(_confirms(one) and _confirms(other) and same)


def weighed(judged: Judgement, one: Entry | None, *, agreed: bool) -> Judgement:
    """The evidence with the model's verdict: passages in its order, probability up or down."""
    if one is None:
        return judged
    ours = judged.passages[:TOP]
    chosen = [p for p in one.passages if p in ours]
    held_back = one.decision is not Decided.ANSWER or not chosen or chosen[0] != one.passages[0]
    if held_back or not one.states:
        return _changed(judged, 0.0, judged.passages)
    order = tuple(dict.fromkeys([*chosen, *judged.passages]))
    lifts = agreed and judged.probability >= FLOOR and chosen[0] in judged.passages[:LEADING]
    return _changed(judged, _lifted(judged.probability) if lifts else judged.probability, order)


def _changed(judged: Judgement, probability: float, order: tuple[str, ...]) -> Judgement:
    return Judgement(
        probability=probability, passages=order, label=judged.label,
        certainty=judged.certainty, features=judged.features,
    )  # fmt: skip


def _lifted(probability: float) -> float:
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(kept / (1 - kept)) + AGREED)))


def _confirms(entry: Entry) -> bool:
    return entry.decision is Decided.ANSWER and entry.states


def _folded(text: str) -> str:
    return " ".join(text.lower().split())
