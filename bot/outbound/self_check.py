"""Composes every kind of reply from the knowledge and checks it, before anybody asks.

Another incident's post or templates may not fit together: two templates alike, a link that is on no
list. Whoever wrote them hears of it from `doctor`, not from a mail that stays.
"""

from collections.abc import Iterator
from itertools import chain

from bot.answering.reply import compose_reply
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
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
        replies = (
            compose_reply(
                Response(outcomes=o, language=language, knowledge="", redactions=s), knowledge
            )
            for o, s in chain(_answers(knowledge), _others())
        )
        checks = (outbound.check(text) for text in replies)
        yield from dict.fromkeys(f"{language}: {c.why}" for c in checks if not c.allowed)


def _answers(knowledge: Knowledge) -> Iterator[tuple[tuple[Outcome, ...], tuple[Span, ...]]]:
    """Yields each passage with its companions, and then all that can stand in one reply."""
    for passage in knowledge.offered:
        beside = (knowledge.passages[i] for i in knowledge.companions([passage.id]))
        yield (answer(passage, *beside),), ()
    whole = answer(*knowledge.offered)
    yield (whole, refusal(), handover(Priority.NORMAL)), ALL_SECRETS


def _others() -> Iterator[tuple[tuple[Outcome, ...], tuple[Span, ...]]]:
    yield (refusal(),), ()
    for priority in Priority:
        yield (handover(priority),), ()
        yield (refusal(), handover(priority)), ()


def answer(*passages: Passage) -> Answer:
    """Returns an answer with these passages, as a reply needs it; it holds no question."""
    return Answer(
        question="", reason=AnswerReason.PUBLISHED, probability=1.0, passages=passages,
        candidates=passages,
    )  # fmt: skip


def refusal() -> Refusal:
    """Returns a refusal, as a reply needs it."""
    return Refusal(question="", reason=RefusalReason.SECRET, probability=0.0, candidates=())


def handover(priority: Priority) -> Escalation:
    """Returns an escalation of this priority, as a reply needs it."""
    return Escalation(
        question="", reason=EscalationReason.UNSURE, priority=priority, probability=0.0,
        candidates=(),
    )  # fmt: skip
