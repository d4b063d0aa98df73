"""Composes every kind of reply from the knowledge and checks it, before anybody asks.

Another incident's post or templates may not fit together: two templates alike, a link that is on no
list. Whoever wrote them hears of it from `doctor`, not from a mail that stays.
"""

from collections.abc import Iterator
from dataclasses import replace

from bot.answering.reply import compose_reply
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    ExpectedTime,
    Outcome,
    Passage,
    Priority,
    Refusal,
    RefusalReason,
    Response,
    SecretKind,
    Span,
)
from bot.outbound import Outbound

ALL_SECRETS = tuple(Span(kind=kind, start=0, end=1) for kind in SecretKind)


def stopped(outbound: Outbound) -> Iterator[str]:
    """Yields which replies would not leave, and why; each reason once a language."""
    knowledge = outbound.knowledge
    for language in knowledge.templates:
        checks = map(outbound.check, _replies(knowledge, language))
        yield from dict.fromkeys(f"{language}: {c.why}" for c in checks if not c.allowed)


def _replies(knowledge: Knowledge, language: str) -> Iterator[str]:
    for outcomes, spans in _answers(knowledge):
        yield compose_reply(_response(outcomes, language, spans), knowledge)
    for each in knowledge.clarifications:
        asking = _response((handover(Priority.NORMAL),), language)
        yield compose_reply(
            replace(asking, clarification=each.ask.get(language, "")), knowledge, case_number=1
        )
    for known in _promising(knowledge):
        for outcomes in _others():
            yield compose_reply(_response(outcomes, language), known, case_number=1)


def _response(
    outcomes: tuple[Outcome, ...], language: str, spans: tuple[Span, ...] = ()
) -> Response:
    return Response(outcomes=outcomes, language=language, knowledge="", redactions=spans)


def _promising(knowledge: Knowledge) -> Iterator[Knowledge]:
    """Yields the knowledge with each time in which a person may be expected to answer."""
    for expected in ExpectedTime:
        incident = knowledge.incident.model_copy(update={"answer_within": expected})
        yield replace(knowledge, incident=incident)


def _answers(knowledge: Knowledge) -> Iterator[tuple[tuple[Outcome, ...], tuple[Span, ...]]]:
    """Yields each passage with its companions, and then all that can stand in one reply."""
    for passage in knowledge.offered:
        beside = (knowledge.passages[i] for i in knowledge.companions([passage.id]))
        yield (answer(passage, *beside),), ()
    whole = answer(*knowledge.offered)
    yield (whole, refusal(), handover(Priority.NORMAL)), ALL_SECRETS
    first = knowledge.offered[0]
    several = (
        answer(first, *map(knowledge.passages.__getitem__, knowledge.companions([first.id]))),
        answer(*knowledge.offered, question="2"),
        refusal("3"),
        handover(Priority.PAGE, "4"),
    )
    yield several, ALL_SECRETS


def _others() -> Iterator[tuple[Outcome, ...]]:
    yield (refusal(),)
    for priority in Priority:
        yield (handover(priority),)
        yield (refusal(), handover(priority))


def answer(*passages: Passage, question: str = "") -> Answer:
    """Returns an answer with these passages, as a reply needs it."""
    return Answer(
        question=question, reason=AnswerReason.PUBLISHED, probability=1.0, passages=passages,
        candidates=passages,
    )  # fmt: skip


def refusal(question: str = "") -> Refusal:
    """Returns a refusal, as a reply needs it."""
    return Refusal(question=question, reason=RefusalReason.SECRET, probability=0.0, candidates=())


def handover(priority: Priority, question: str = "") -> Escalation:
    """Returns an escalation of this priority, as a reply needs it."""
    return Escalation(
        question=question, reason=EscalationReason.UNSURE, priority=priority, probability=0.0,
        candidates=(),
    )  # fmt: skip
