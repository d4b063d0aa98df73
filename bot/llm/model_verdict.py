"""Checks what a model selected and applies it: it can hold an answer back, or confirm one.

The model's verdict is only further evidence. Its ids must be among the passages that were sent, its
spans must stand in the message, and a passage that it confirms must be among the first that the
desk itself ranks. A yes counts only from a model that says no where the post is silent (trust.py);
from any other model only a no counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.corpus.limits import ModelLimits
from bot.ports import Judgement, ModelSelection, PassageSelection, SelectionDecision

# The most entries of one selection, one for each question of a message.
MAX_ENTRIES = 20
# The most passages of one entry.
MAX_PASSAGES = 3
# The most passages that an answer quotes: the first of a judgement.
QUOTED_PASSAGES = 2


class SelectionError(ValueError):
    """A model's output that breaks the contract; the desk decides without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerdict:
    """The combined verdict of two calls on one question: the passages that both name, or a no."""

    passages: tuple[str, ...] = ()

    @property
    def confirms(self) -> bool:
        """Does the model say that the post answers the question?"""
        return bool(self.passages)


def checked(
    entries: Sequence[PassageSelection], *, text: str, offered: Sequence[str]
) -> tuple[PassageSelection, ...]:
    """Return `entries` unchanged; raise SelectionError when they break the contract.

    They break it with an id that was not `offered`, a span that is not in `text`, too many entries
    or passages, an answer without passages, or passages without an answer.
    """
    if len(entries) > MAX_ENTRIES:
        raise SelectionError("too many entries")
    known, message = frozenset(offered), _without_spaces(text)
    for entry in entries:
        if not entry.span.strip() or _without_spaces(entry.span) not in message:
            raise SelectionError("a span does not stand in the message")
        if len(entry.passages) > MAX_PASSAGES or not known.issuperset(entry.passages):
            raise SelectionError("a passage was not offered")
        if (entry.decision is SelectionDecision.ANSWER) is not bool(entry.passages):
            raise SelectionError("an answer needs passages, and only an answer has them")
    return tuple(entries)


def overlaps(entry: PassageSelection, question: str) -> bool:
    """Is the question a part of the entry's span, or the span a part of the question?"""
    question_text, span = _without_spaces(question), _without_spaces(entry.span)
    return span in question_text or question_text in span


def agreed_verdict(question: str, selected: ModelSelection) -> ModelVerdict | None:
    """Return the combined verdict of the two calls; None where they leave it to the desk.

    It is a yes only where both calls confirm, and the best passage of each is among those of the
    other. It is None where neither call has an entry, or only one has and confirms; else a no.
    """
    one, other = (_entry_for(question, entries) for entries in (selected.one, selected.other))
    if one is None or other is None:
        only_entry = one or other
        return None if only_entry is None or _confirms(only_entry) else ModelVerdict()
    common = tuple(p for p in one.passages if p in other.passages)
    agree = one.passages[:1] == common[:1] and other.passages[0] in common if common else False
    return (
        ModelVerdict(passages=common)
        if agree and _confirms(one) and _confirms(other)
        else ModelVerdict()
    )


def is_at_stake(
    judged: Judgement, verdict: ModelVerdict | None, *, threshold: float, limits: ModelLimits
) -> bool:
    """Would a yes change what the desk decides by itself?

    It never does where the judge gives no certainty: then its figure is no probability.
    """
    chosen = _ranked_passages(judged, verdict, limits) if verdict else ()
    if not chosen or not judged.certainty or judged.probability < limits.floor:
        return False
    return judged.probability < threshold or chosen[0] not in judged.passages[:QUOTED_PASSAGES]


def apply_verdict(
    judged: Judgement, verdict: ModelVerdict | None, *, trusted: bool, limits: ModelLimits
) -> Judgement:
    """Return the judgement with the model's verdict applied.

    A no sets its probability to 0. A trusted yes puts the model's passages first and raises the
    probability. A yes that is not trusted changes nothing for a passage that the desk quotes by
    itself, and counts as a no for another.
    """
    if verdict is None:
        return judged
    chosen = _ranked_passages(judged, verdict, limits)
    if not chosen or not (trusted or chosen[0] in judged.passages[:QUOTED_PASSAGES]):
        return replace(judged, probability=0.0)
    if not trusted:
        return judged
    order = tuple(dict.fromkeys([*chosen, *judged.passages]))
    quoted = min(len(chosen), QUOTED_PASSAGES)
    return replace(
        judged, probability=_raise_probability(judged.probability, limits), passages=order,
        quoted_alone=quoted, quoted_among_several=quoted,
    )  # fmt: skip


def _ranked_passages(
    judged: Judgement, verdict: ModelVerdict, limits: ModelLimits
) -> tuple[str, ...]:
    """Return the passages that both calls name and the desk ranks high, in the model's order."""
    return tuple(p for p in verdict.passages if p in judged.passages[: limits.among])


def _raise_probability(probability: float, limits: ModelLimits) -> float:
    """Return the probability raised by a trusted yes, which adds `limits.adds` log-odds."""
    if probability < limits.floor:
        return probability
    kept = min(probability, 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(kept / (1 - kept)) + limits.adds)))


def _entry_for(question: str, entries: Sequence[PassageSelection]) -> PassageSelection | None:
    """Return the entry on this question, or None; of several one that does not confirm, if any."""
    matching = [e for e in entries if overlaps(e, question)]
    return min(matching, key=_confirms, default=None)


def _confirms(entry: PassageSelection) -> bool:
    return entry.decision is SelectionDecision.ANSWER and entry.states


def _without_spaces(text: str) -> str:
    """Return the text in lower case without spaces: some languages put none between sentences."""
    return "".join(text.lower().split())
