"""Revises the outcomes of a message for its conversation and for the message as a whole."""

from collections.abc import Sequence
from dataclasses import replace

from bot.answering.reply import stands_in
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Refusal,
    RefusalReason,
    Role,
)

# Reasons of a question that is escalated only because the desk has no sure answer.
OPEN = frozenset(
    {EscalationReason.UNSURE, EscalationReason.NOT_IN_POST, EscalationReason.OFF_TOPIC}
)


def escalate_repeats(outcomes: Sequence[Outcome], message: Message) -> list[Outcome]:
    """Return the outcomes, where answers that repeat an earlier one become escalations.

    An answer repeats when its best passage was already sent in this conversation: it did not help.
    """
    sent = "\n".join(turn.text for turn in message.history if turn.role is Role.DESK)
    return [_ask_again(o) if sent and _stands_in(sent, o) else o for o in outcomes]


def _stands_in(sent: str, outcome: Outcome) -> bool:
    quotes = outcome.passages if isinstance(outcome, Answer) else ()
    return bool(quotes) and stands_in(quotes[0], sent)


def _ask_again(outcome: Outcome) -> Escalation:
    shown = outcome.reason is AnswerReason.PHISHING_SAMPLE
    return Escalation(
        question=outcome.question,
        reason=EscalationReason.PHISHING_SAMPLE if shown else EscalationReason.ASKED_AGAIN,
        probability=outcome.probability,
        candidates=outcome.candidates,
    )


def hand_to_person(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes for an asker who wants a person: an escalation for each question.

    A refusal for a named reason stays, with an escalation beside it. An escalation keeps its reason
    unless it is one of OPEN or LANGUAGE.
    """
    revised: list[Outcome] = []
    for each in outcomes:
        if isinstance(each, Escalation) and each.reason not in OPEN | {EscalationReason.LANGUAGE}:
            revised.append(each)
            continue
        if isinstance(each, Refusal) and each.reason is not RefusalReason.REQUEST:
            revised.append(each)
        revised.append(
            Escalation(
                question=each.question,
                reason=EscalationReason.WANTS_PERSON,
                probability=each.probability,
                candidates=each.candidates,
            )
        )
    return revised


def mark_suspicious_mail(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes, where answers and open escalations have the reason PHISHING_SAMPLE."""
    return [_mark(outcome) for outcome in outcomes]


def _mark(outcome: Outcome) -> Outcome:
    match outcome:
        case Answer():
            return replace(outcome, reason=AnswerReason.PHISHING_SAMPLE)
        case Escalation() if outcome.reason in OPEN:
            return replace(outcome, reason=EscalationReason.PHISHING_SAMPLE)
        case _:
            return outcome
