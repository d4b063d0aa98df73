"""Makes what a scripted model answers, and the desk that asks it."""

from collections.abc import Sequence
from typing import Any

from bot.adapters.chat_model import ChatSelector
from bot.answering.responder import Responder
from bot.app import App
from bot.domain import Message, Response
from bot.llm.budget import Bounds, Budget
from tests.servers.model_server import Answer as Scripted
from tests.servers.model_server import ModelServer, model_server
from tests.support.waiting import SAFETY_NET_SECONDS

KNOWN = "Were my API keys exposed?"


GOLD = "faq-openai-passwords-api-keys-payment"


def entry(
    span: str, decision: str = "answer", passages: Sequence[str] = (GOLD,), *, states: bool = True
) -> dict[str, Any]:
    return {"span": span, "decision": decision, "passages": list(passages), "states": states}


def says(*entries: dict[str, Any]) -> Scripted:
    return lambda _body: {"questions": list(entries)}


def asking(
    app: App,
    server: ModelServer,
    *,
    deadline: float = SAFETY_NET_SECONDS,
    bounds: Bounds | None = None,
) -> Responder:
    selector = ChatSelector(
        "openai:scripted", budget=Budget(bounds or Bounds()), deadline=deadline,
        options={"api_key": "no key", "base_url": server.url},
    )  # fmt: skip
    made = app.responder
    return Responder(
        knowledge=app.knowledge,
        retriever=made.finder.retriever,
        judge=made.finder.judge,
        selector=selector,
    )


def respond(app: App, answer: Scripted, text: str, **options: Any) -> Response:
    with model_server(answer) as server:
        return asking(app, server, **options).respond(Message(text=text))
