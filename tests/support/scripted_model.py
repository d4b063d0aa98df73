"""A model that says what a test lets it say, and a desk that looks each question up only once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.answering.responder import Responder
from bot.app import App
from bot.domain import Answer, Hit, Message, Passage, Response
from bot.ports import (
    Judge,
    Judgement,
    ModelSelection,
    PassageSelection,
    Retriever,
    SelectionDecision,
    Selector,
)

Says = Callable[[str], ModelSelection]


class Responds(Protocol):
    """A desk, or one that remembers what a desk said."""

    def respond(self, message: Message) -> Response: ...


@dataclass
class Scripted:
    """A selector whose two calls say the same."""

    says: Says
    asked: list[str] = field(default_factory=list)

    def select(self, text: str, offered: Sequence[Passage]) -> ModelSelection:
        del offered
        self.asked.append(text)
        return self.says(text)


@dataclass
class Once:
    """The real retriever and judge, asked once for each text: several desks share what they say."""

    retriever: Retriever
    inner: Judge
    known: dict[Any, Any] = field(default_factory=dict)

    def search(self, text: str, *, limit: int) -> tuple[Hit, ...]:
        key = (text, limit)
        if key not in self.known:
            self.known[key] = self.retriever.search(text, limit=limit)
        return tuple(self.known[key])

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        if text not in self.known:
            self.known[text] = self.inner.judge(text, hits)
        judged: Judgement = self.known[text]
        return judged

    @property
    def strict_threshold(self) -> float:
        return self.inner.strict_threshold

    def threshold_for(self, language: str) -> float:
        return self.inner.threshold_for(language)


def both(text: str, passages: Sequence[str]) -> ModelSelection:
    """Both calls name these for the whole message; none: the post does not say it."""
    decision = SelectionDecision.ANSWER if passages else SelectionDecision.NOT_IN_POST
    said = (
        PassageSelection(
            span=text, decision=decision, passages=tuple(passages[:3]), states=bool(passages)
        ),
    )
    return ModelSelection(one=said, other=said)


def desk_with(app: App, once: Once, selector: Selector | None) -> Responder:
    """A fresh desk, which knows nothing of its model yet."""
    return Responder(knowledge=app.knowledge, retriever=once, judge=once, selector=selector)


def quoted(desk: Responds, message: Message) -> set[str]:
    """The passages that a reply would quote."""
    answers = [o for o in desk.respond(message).outcomes if isinstance(o, Answer)]
    return {p.id for o in answers for p in o.passages}
