"""Recognises a reply which says that our answer did not help, and escalates it.

The case lists the passages of that answer, so that the journal can count which of them do not help.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from bot.answering.reply import stands_in
from bot.corpus import Knowledge
from bot.domain import Escalation, EscalationReason, Message, Outcome, Passage, Role
from bot.policy.disguises import fold
from bot.text.words import listed_phrases

# Escalations for these reasons get the reason DID_NOT_HELP instead.
OPEN = frozenset({
    EscalationReason.UNSURE, EscalationReason.NOT_IN_POST, EscalationReason.OFF_TOPIC,
    EscalationReason.ASKED_AGAIN, EscalationReason.NO_QUESTION,
})  # fmt: skip


def says_it_did_not_help(text: str) -> bool:
    """Return whether the text says that an answer did not help, by the phrases of any language."""
    words = _spaced(text)
    return any(phrase in words for phrase in _phrases())


def with_feedback(
    outcomes: Sequence[Outcome], message: Message, own: str, knowledge: Knowledge
) -> list[Outcome]:
    """Return the outcomes, with an escalation where the asker says that our answer did not help.

    `own` is the asker's own text. Answers and refusals of other questions stay.
    """
    sent = [turn.text for turn in message.history if turn.role is Role.DESK]
    if not sent or not says_it_did_not_help(own):
        return list(outcomes)
    passages_sent = tuple(p for p in knowledge.offered if stands_in(p, sent[-1]))
    if any(o.reason in OPEN for o in outcomes):
        return [
            replace(o, reason=EscalationReason.DID_NOT_HELP, candidates=passages_sent)
            if isinstance(o, Escalation) and o.reason in OPEN
            else o
            for o in outcomes
        ]
    if any(isinstance(o, Escalation) for o in outcomes):
        return list(outcomes)  # a person reads it anyway, for a graver reason
    return [*outcomes, _complaint(outcomes[0].question if outcomes else own, passages_sent)]


def _complaint(question: str, passages_sent: tuple[Passage, ...]) -> Escalation:
    return Escalation(
        question=question, reason=EscalationReason.DID_NOT_HELP, candidates=passages_sent
    )


@cache
def _phrases() -> tuple[str, ...]:
    """Return the phrases of such replies: whole words between blanks, and parts of words."""
    whole = [_spaced(phrase) for phrase in listed_phrases("did_not_help")]
    within = [_spaced(phrase).strip() for phrase in listed_phrases("did_not_help_within")]
    return (*whole, *within)


def _spaced(text: str) -> str:
    """Return the folded words of a text, separated and surrounded by single blanks."""
    level = fold(text.replace("’", "'"))
    words = "".join(char if char.isalnum() or char == "'" else " " for char in level).split()
    return f" {' '.join(words)} "
