"""Revises the outcomes of a message for its conversation and for the message as a whole."""

from collections.abc import Sequence
from dataclasses import replace

from bot.answering.prepared_message import PreparedMessage
from bot.answering.reply import stands_in
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Passage,
    Refusal,
    RefusalReason,
    Role,
)
from bot.policy import wants_person, without_quotes

# Reasons of a question that is escalated only because the desk has no sure answer.
NO_SURE_ANSWER = frozenset(
    {EscalationReason.UNSURE, EscalationReason.NOT_IN_POST, EscalationReason.OFF_TOPIC}
)
# Escalations for these reasons get the reason DID_NOT_HELP instead.
COMPLAINED_OF = NO_SURE_ANSWER | {EscalationReason.ASKED_AGAIN, EscalationReason.NO_QUESTION}


def revise_outcomes(
    outcomes: Sequence[Outcome],
    prepared: PreparedMessage,
    knowledge: Knowledge,
    *,
    handed_over: bool,
) -> list[Outcome]:
    """Return the outcomes of a message's questions, revised for its conversation.

    `handed_over` says that the asker wanted a person in an earlier message.
    """
    message = prepared.message
    repeated = _escalate_repeats(outcomes, message)
    revised = _with_feedback(repeated, prepared, knowledge)
    wants = any(map(wants_person, (message.subject, without_quotes(prepared.cleaned.own))))
    if handed_over or wants or any(o.reason is EscalationReason.WANTS_PERSON for o in revised):
        return _hand_to_person(revised)
    return revised


def was_handed_over(turns: Sequence[str]) -> bool:
    """Return whether the asker wanted a person in one of their earlier messages."""
    return any(map(wants_person, map(without_quotes, turns)))


def _escalate_repeats(outcomes: Sequence[Outcome], message: Message) -> list[Outcome]:
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


def _with_feedback(
    outcomes: Sequence[Outcome], prepared: PreparedMessage, knowledge: Knowledge
) -> list[Outcome]:
    """Return the outcomes, with an escalation where the asker says that our answer did not help.

    Answers and refusals of other questions stay. The case lists the passages of that answer, so
    that the journal can count which of them do not help.
    """
    sent = [turn.text for turn in prepared.message.history if turn.role is Role.DESK]
    if not sent or not prepared.did_not_help:
        return list(outcomes)
    passages_sent = tuple(p for p in knowledge.offered if stands_in(p, sent[-1]))
    if any(o.reason in COMPLAINED_OF for o in outcomes):
        return [
            replace(o, reason=EscalationReason.DID_NOT_HELP, candidates=passages_sent)
            if isinstance(o, Escalation) and o.reason in COMPLAINED_OF
            else o
            for o in outcomes
        ]
    if any(isinstance(o, Escalation) for o in outcomes):
        return list(outcomes)  # a person reads it anyway, for a graver reason
    return [
        *outcomes,
        _complaint(outcomes[0].question if outcomes else prepared.cleaned.own, passages_sent),
    ]


def _complaint(question: str, passages_sent: tuple[Passage, ...]) -> Escalation:
    return Escalation(
        question=question, reason=EscalationReason.DID_NOT_HELP, candidates=passages_sent
    )


def _hand_to_person(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes for an asker who wants a person: an escalation for each question.

    A refusal for a named reason stays, with an escalation beside it. An escalation keeps its reason
    unless it is one of NO_SURE_ANSWER or LANGUAGE.
    """
    revised: list[Outcome] = []
    for each in outcomes:
        if isinstance(each, Escalation) and each.reason not in NO_SURE_ANSWER | {
            EscalationReason.LANGUAGE
        }:
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
        case Escalation() if outcome.reason in NO_SURE_ANSWER:
            return replace(outcome, reason=EscalationReason.PHISHING_SAMPLE)
        case _:
            return outcome
