"""The running desk with a slow model, from the SMTP port to the reply."""

import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest
from pydantic import SecretStr

from bot.adapters.chat_model import ChatSelector
from bot.answering.responder import Responder
from bot.app import App
from bot.domain import Answer, Message
from bot.serve.service import HandledMail, Service
from bot.settings import Settings
from tests.servers.model_server import ModelServer, asked, model_server
from tests.support.model_answers import KNOWN, entry
from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

MAILS = 20


def served(app: App, settings: Settings, server: ModelServer) -> App:
    told = {
        "smtp_port": free_port(), "http_port": 0, "model": "openai:scripted",
        "openai_api_key": SecretStr("no key"), "openai_base_url": server.url,
    }  # fmt: skip
    own = settings.model_copy(update=told)
    made = app.responder
    made.respond(Message(text=KNOWN))  # a desk that has been up for a while
    priced = App(own, knowledge=app.knowledge)
    selector = ChatSelector(
        "openai:scripted", budget=priced.budget, deadline=SAFETY_NET_SECONDS,
        options=own.model_options,
    )  # fmt: skip
    responder = Responder(
        knowledge=app.knowledge,
        retriever=made.finder.retriever,
        judge=made.finder.judge,
        selector=selector,
    )
    return App(own, knowledge=app.knowledge, budget=priced.budget, responder=responder)


def post(app: App) -> None:
    """From twenty people, as their mail server would."""
    with smtplib.SMTP("127.0.0.1", app.settings.smtp_port) as line:
        for number in range(MAILS):
            mail = EmailMessage()
            mail["From"] = f"user{number}@x.example"
            mail["To"] = app.settings.address
            mail["Subject"] = f"question {number}"
            mail.set_content(KNOWN)
            line.send_message(mail)


@contextmanager
def serving(desk: App) -> Iterator[list[HandledMail]]:
    """The desk at work; what it has handled."""
    shown: list[HandledMail] = []
    service = Service(desk, shown.append)
    service.start()
    taking = threading.Thread(target=service.run)
    taking.start()
    try:
        yield shown
    finally:
        service.stop()
        taking.join(SAFETY_NET_SECONDS)
        service.close()


@pytest.mark.no_cover
def test_twenty_mails_wait_for_a_slow_model_together(app: App, settings: Settings) -> None:
    all_taken = threading.Event()

    def script(body: dict[str, Any]) -> Any:
        all_taken.wait(SAFETY_NET_SECONDS)
        return {"questions": [entry(asked(body))]}

    with model_server(script) as server:
        desk = served(app, settings, server)
        with serving(desk) as shown:
            post(desk)
            # The model holds every answer back, and yet all mail is taken and asked about.
            wait_until(lambda: desk.journal.count_rows()["message"] == MAILS)
            wait_until(lambda: len(server.bodies) == 2 * MAILS)
            assert not shown
            all_taken.set()
            wait_until(lambda: len(shown) == MAILS)
    outcomes = [o for h in shown if h.response for o in h.response.outcomes]
    assert [type(o) for o in outcomes] == [Answer] * MAILS
    assert {h.response.notes for h in shown if h.response} == {("model: confirmed",)}
