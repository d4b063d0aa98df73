"""Twins that implement a port: values to look into instead of mocks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.answering.evidence import Answers
from bot.answering.judges import CandidateJudge
from bot.answering.responder import Responder
from bot.corpus import Knowledge
from bot.domain import Answer, AnswerReason, Hit, Message, Passage, Response
from bot.errors import DeliveryError
from bot.ports import Judgement


class ListOut:
    """Collects what would be handed over; `down` makes it refuse."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.down = False

    def send(self, mail: bytes, *, recipient: str) -> None:
        if self.down:
            raise DeliveryError("the server does not answer")
        self.sent.append((recipient, mail))


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class VerbatimJudge:
    """A judge that needs nothing learned: it answers what is nearly a known wording."""

    LIKE = 0.82
    CLEAR = 0.04  # how far the nearest wording that is not answered must lie behind

    def __init__(self, knowledge: Knowledge) -> None:
        self.candidates = CandidateJudge(
            answers=Answers.of(list(knowledge.passages), knowledge.wordings)
        )

    @property
    def strict_threshold(self) -> float:
        return self.LIKE

    def threshold_for(self, language: str) -> float:
        del language
        return self.LIKE

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        known = [h for h in hits if h.answers and h.label in self.candidates.answers.intents]
        best = max(known, key=lambda h: h.cosine, default=None)
        against = max((h.cosine for h in hits if not h.answers), default=0.0)
        if best is None:
            return self.candidates.judge(text, hits)
        clear = best.cosine - against >= self.CLEAR
        return replace(
            self.candidates.judge(text, [best]),
            probability=max(0.0, best.cosine) if clear else 0.0,
        )


class Obeying:
    """An engine that gives every attacker what they ask for, in their own words."""

    asks_model = False

    def __init__(self, inner: Responder) -> None:
        self.inner = inner
        self.judge = inner.judge

    def respond(self, message: Message) -> Response:
        passage = replace(
            next(iter(self.inner.knowledge.passages.values())), text=message.text, sentences=()
        )
        outcome = Answer(
            question=message.text, reason=AnswerReason.PUBLISHED, probability=1.0,
            passages=(passage,), candidates=(passage,),
        )  # fmt: skip
        return Response(outcomes=(outcome,), language="en", knowledge="")

    def complete(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        return tuple(passages)
