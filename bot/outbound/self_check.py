"""Composes every kind of reply from the knowledge and checks it, before anybody asks.

The post and the templates of a new incident may not fit together: two equal templates, an unlisted
link. Their author learns this from `doctor`, and not from a mail that is held back.
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


def find_stopped_replies(outbound: Outbound) -> Iterator[str]:
    """Yield why replies of some kind would not be sent, as `LANGUAGE: REASON`, each once."""
    knowledge = outbound.knowledge
    for language in knowledge.templates:
        checks = map(outbound.check, _replies(knowledge, language))
        yield from dict.fromkeys(f"{language}: {c.why}" for c in checks if not c.allowed)


def _replies(knowledge: Knowledge, language: str) -> Iterator[str]:
    for outcomes, spans in _answers(knowledge):
        yield compose_reply(_response(outcomes, language, spans), knowledge)
    for clarification in knowledge.clarifications:
        asking = _response((build_escalation(Priority.NORMAL),), language)
        yield compose_reply(
            replace(asking, clarification=clarification.ask.get(language, "")),
            knowledge,
            case_number=1,
        )
    for known in _promising(knowledge):
        for outcomes in _others():
            yield compose_reply(_response(outcomes, language), known, case_number=1)


def _response(
    outcomes: tuple[Outcome, ...], language: str, spans: tuple[Span, ...] = ()
) -> Response:
    return Response(outcomes=outcomes, language=language, knowledge="", redactions=spans)


def _promising(knowledge: Knowledge) -> Iterator[Knowledge]:
    """Yield the knowledge once for each `answer_within`, the expected time of a person's answer."""
    for expected in ExpectedTime:
        incident = knowledge.incident.model_copy(update={"answer_within": expected})
        yield replace(knowledge, incident=incident)


def _answers(knowledge: Knowledge) -> Iterator[tuple[tuple[Outcome, ...], tuple[Span, ...]]]:
    """Yield outcomes of one passage with its companions each, then all that one reply can have."""
    for passage in knowledge.offered:
        beside = (knowledge.passages[i] for i in knowledge.companions([passage.id]))
        yield (build_answer(passage, *beside),), ()
    whole = build_answer(*knowledge.offered)
    yield (whole, build_refusal(), build_escalation(Priority.NORMAL)), ALL_SECRETS
    first = knowledge.offered[0]
    several = (
        build_answer(first, *map(knowledge.passages.__getitem__, knowledge.companions([first.id]))),
        build_answer(*knowledge.offered, question="2"),
        build_refusal("3"),
        build_escalation(Priority.PAGE, "4"),
    )
    yield several, ALL_SECRETS


def _others() -> Iterator[tuple[Outcome, ...]]:
    yield (build_refusal(),)
    for priority in Priority:
        yield (build_escalation(priority),)
        yield (build_refusal(), build_escalation(priority))


def build_answer(*passages: Passage, question: str = "") -> Answer:
    """Return an answer with these passages, from which a reply can be composed."""
    return Answer(
        question=question, reason=AnswerReason.PUBLISHED, probability=1.0, passages=passages,
        candidates=passages,
    )  # fmt: skip


def build_refusal(question: str = "") -> Refusal:
    """Return a refusal, from which a reply can be composed."""
    return Refusal(question=question, reason=RefusalReason.SECRET, probability=0.0, candidates=())


def build_escalation(priority: Priority, question: str = "") -> Escalation:
    """Return an escalation of this priority, from which a reply can be composed."""
    return Escalation(
        question=question, reason=EscalationReason.UNSURE, priority=priority, probability=0.0,
        candidates=(),
    )  # fmt: skip
