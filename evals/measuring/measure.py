"""Runs cases through the desk, in one process or several, always in the same order."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from typing import Protocol
from urllib.parse import urlsplit

from bot.answering.reply import compose_reply
from bot.app import App
from bot.commands.public_json import name_kind, name_reason, name_visible_decision
from bot.corpus import Knowledge
from bot.corpus.post import clean
from bot.domain import (
    Answer,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Response,
    Role,
    Turn,
)
from bot.llm.budget import Budget
from bot.outbound import Outbound
from bot.redact import redact
from bot.settings import Settings, read_settings
from evals.measuring.grade import Decision, DeskResult, Part
from evals.measuring.schema import Case

CHUNK = 25
SCRIPTED = "scripted: no quality"
# Reasons of escalations that another threshold might have answered; the others come from rules.
OPEN = frozenset(
    {
        EscalationReason.UNSURE,
        EscalationReason.OFF_TOPIC,
        EscalationReason.NOT_IN_POST,
        EscalationReason.PHISHING_SAMPLE,
    }
)
Say = Callable[[int], None]


class MessageResponder(Protocol):
    """Responds to a message: the desk's responder, or a scripted one of a test."""

    def respond(self, message: Message) -> Response: ...


@dataclass(frozen=True, kw_only=True)
class EvaluatedDesk:
    """A responder with the knowledge that its replies are checked against."""

    knowledge: Knowledge
    responder: MessageResponder
    threshold: float = 0.0
    fitted: bool = False
    model: str = ""  # that selects; empty: offline
    budget: Budget | None = None
    price: float = 0.0  # for a million tokens of the model

    @cached_property
    def outbound(self) -> Outbound:
        return Outbound(self.knowledge)

    @cached_property
    def published(self) -> str:
        """The published post, read from its file; every quote must occur in it."""
        path = self.knowledge.folder / "incident-post.md"
        return clean(path.read_text(encoding="utf-8"), self.knowledge.notes.links)


def desk_of_settings() -> EvaluatedDesk:
    """Return the desk of the current settings, with the name, budget and price of its model."""
    settings = read_settings()
    app = App(settings)
    return EvaluatedDesk(
        knowledge=app.knowledge,
        responder=app.responder,
        threshold=app.responder.judge.threshold_for("en"),
        fitted=app.fit is not None,
        model=_model(settings),
        budget=app.budget if settings.model else None,
        price=settings.model_price,
    )


def _model(settings: Settings) -> str:
    """Return the model's name; a server on this machine is marked as scripted, not a model."""
    near = urlsplit(settings.openai_base_url).hostname in ("127.0.0.1", "localhost")
    return f"{settings.model}, {SCRIPTED}" if settings.model and near else settings.model


def run_cases(
    cases: Sequence[Case],
    desk: EvaluatedDesk,
    make: Callable[[], EvaluatedDesk],
    *,
    jobs: int,
    say: Say,
) -> list[DeskResult]:
    """Return what the desk does with each case, in order.

    With several `jobs`, each child process makes its own desk by `make`.
    """
    chunks = [cases[i : i + CHUNK] for i in range(0, len(cases), CHUNK)]
    if jobs <= 1:
        return _collect(([run_case(desk, case) for case in chunk] for chunk in chunks), say)
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_Worker.start, initargs=(make,)
    ) as pool:
        return _collect(pool.map(_Worker.see, chunks), say)


def run_case(desk: EvaluatedDesk, case: Case) -> DeskResult:
    """Return what the desk does with one case, and how many milliseconds the response took."""
    began = time.perf_counter()
    response = desk.responder.respond(_message(case))
    taken = (time.perf_counter() - began) * 1000
    reply = compose_reply(response, desk.knowledge)
    got = name_visible_decision(response)
    return DeskResult(
        decision=_decision(got),
        reason=name_reason(response),
        parts=tuple(_part(o) for o in response.outcomes),
        reply=reply,
        words=_words_quoted(response),
        verbatim=all(_published(desk, o) for o in response.outcomes),
        allowed=not reply or desk.outbound.check(reply).allowed,
        leaks=sum(span.certain for span in redact(reply).spans),
        milliseconds=taken,
        model="".join(response.asked),
    )


class _Worker:
    """The desk of one process."""

    desk: EvaluatedDesk

    @classmethod
    def start(cls, make: Callable[[], EvaluatedDesk]) -> None:
        cls.desk = make()

    @staticmethod
    def see(chunk: Sequence[Case]) -> list[DeskResult]:
        return [run_case(_Worker.desk, case) for case in chunk]


def _collect(batches: Iterable[list[DeskResult]], say: Say) -> list[DeskResult]:
    results: list[DeskResult] = []
    for batch in batches:
        results += batch
        say(len(results))
    return results


def _message(case: Case) -> Message:
    masked = redact(case.text)
    history = tuple(
        Turn(role=Role(turn.role), text=redact(turn.text).text) for turn in case.turns[:-1]
    )
    return Message(text=masked.text, channel=case.channel, history=history, redactions=masked.spans)


def _part(outcome: Outcome) -> Part:
    answered = isinstance(outcome, Answer)
    return Part(
        decision=_decision(name_kind(outcome)),
        reason=outcome.reason.value,
        probability=round(outcome.probability, 4),
        open=answered or (isinstance(outcome, Escalation) and outcome.reason in OPEN),
        quoted=tuple(p.id for p in outcome.passages) if isinstance(outcome, Answer) else (),
        candidates=tuple(p.id for p in outcome.candidates),
    )


def _words_quoted(response: Response) -> int:
    """Return the number of words in all quoted passages, each passage counted once."""
    answers = [o for o in response.outcomes if isinstance(o, Answer)]
    quoted = {p.id: p.text for answer in answers for p in answer.passages}
    return sum(len(text.split()) for text in quoted.values())


def _published(desk: EvaluatedDesk, outcome: Outcome) -> bool:
    """Return whether every quoted line occurs in the post, under a known passage id."""
    if not isinstance(outcome, Answer):
        return True
    return bool(outcome.passages) and all(
        p.id in desk.knowledge.passages and " ".join(line.split()) in desk.published
        for p in outcome.passages
        for line in p.text.split("\n")
    )


def _decision(name: str) -> Decision:
    match name:
        case "answer" | "refuse" | "escalate" | "silent":
            return name
        case _:
            raise ValueError(name)
