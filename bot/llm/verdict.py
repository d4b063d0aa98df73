"""What a model selected, checked: it can hold an answer back, or confirm one the evidence allows.

The model's word is one more piece of evidence, never the last. Its ids must be among the passages
that were sent, its spans must stand in the message, and what it confirms must be among the first
that the desk itself ranks. A yes counts only from a model that says no where the post is silent
(trust.py); from any other it changes nothing, and only its no is heard.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.limits import ModelLimits
from bot.ports import Judgement, PassageSelection, Selected, SelectionDecision

MAX_ENTRIES = 20
MAX_PASSAGES = 3
QUOTED = 2  # passages of an answer: the first of a judgement


class SelectionError(ValueError):
    """A model's output that breaks the contract; the desk decides without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerdict:
    """What two calls say of one question together: passages that both name, or a no."""

    passages: tuple[str, ...] = ()

    @property
    def confirms(self) -> bool:
        return bool(self.passages)


def checked(
    entries: Sequence[PassageSelection], *, text: str, offered: Sequence[str]
) -> tuple[PassageSelection, ...]:
    """`entries` as they are; SelectionError for an unknown id, a made-up span, an empty answer."""
    if len(entries) > MAX_ENTRIES:
        raise SelectionError("too many entries")
    known, said = frozenset(offered), _folded(text)
    for entry in entries:
        if not entry.span.strip() or _folded(entry.span) not in said:
            raise SelectionError("a span does not stand in the message")
        if len(entry.passages) > MAX_PASSAGES or not known.issuperset(entry.passages):
            raise SelectionError("a passage was not offered")
        if (entry.decision is SelectionDecision.ANSWER) is not bool(entry.passages):
            raise SelectionError("an answer needs passages, and only an answer has them")
    return tuple(entries)


def overlaps(entry: PassageSelection, question: str) -> bool:
    """Do they speak of the same words?"""
    asked, said = _folded(question), _folded(entry.span)
    return said in asked or asked in said


def agreed_verdict(question: str, selected: Selected) -> ModelVerdict | None:
    """The more cautious word of the two calls; None where they leave it to the desk.

    Both must confirm, and the best passage of each must be among those of the other.
    """
    one, other = (_entry_for(question, entries) for entries in (selected.one, selected.other))
    if one is None or other is None:
        said = one or other
        return None if said is None or _confirms(said) else ModelVerdict()
    common = tuple(p for p in one.passages if p in other.passages)
    agree = one.passages[:1] == common[:1] and other.passages[0] in common if common else False
    return (
        ModelVerdict(passages=common)
        if agree and _confirms(one) and _confirms(other)
        else ModelVerdict()
    )


def at_stake(
    judged: Judgement, word: ModelVerdict | None, *, threshold: float, limits: ModelLimits
) -> bool:
    """Would a yes change what the desk does by itself?

    Nothing is at stake for a judge that is certain of nothing: its number is no probability.
    """
    chosen = _chosen(judged, word, limits) if word else ()
    if not chosen or not judged.certainty or judged.probability < limits.floor:
        return False
    return judged.probability < threshold or chosen[0] not in judged.passages[:QUOTED]


def weighed(
    judged: Judgement, word: ModelVerdict | None, *, trusted: bool, limits: ModelLimits
) -> Judgement:
    """The evidence with the model's verdict: held back, as it was, or in its order and lifted."""
    if word is None:
        return judged
    chosen = _chosen(judged, word, limits)
    if not chosen or not (trusted or chosen[0] in judged.passages[:QUOTED]):
        return replace(judged, probability=0.0)
    if not trusted:
        return judged
    order = tuple(dict.fromkeys([*chosen, *judged.passages]))
    return replace(judged, probability=_lifted(judged.probability, limits), passages=order)


def _chosen(judged: Judgement, word: ModelVerdict, limits: ModelLimits) -> tuple[str, ...]:
    """Of what both calls name, what the desk itself ranks; in the order of the model."""
    return tuple(p for p in word.passages if p in judged.passages[: limits.among])


def _lifted(probability: float, limits: ModelLimits) -> float:
    if probability < limits.floor:
        return probability
    kept = min(probability, 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(kept / (1 - kept)) + limits.adds)))


def _entry_for(question: str, entries: Sequence[PassageSelection]) -> PassageSelection | None:
    """What was said of this question; of several that overlap, what holds back most."""
    matching = [e for e in entries if overlaps(e, question)]
    return min(matching, key=_confirms, default=None)


def _confirms(entry: PassageSelection) -> bool:
    return entry.decision is SelectionDecision.ANSWER and entry.states


def _folded(text: str) -> str:
    """Without spaces, which not every language writes between sentences."""
    return "".join(text.lower().split())
