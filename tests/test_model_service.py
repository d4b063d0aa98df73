"""The running desk with a slow model, from the SMTP port to the reply."""

import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from pydantic import SecretStr

from bot.app import App
from bot.domain import Answer, Message
from bot.responder import Responder
from bot.service import Handled, Service
from bot.settings import Settings
from tests.servers.model_server import ModelServer, asked, model_server
from tests.test_chat_model import KNOWN, entry
from tests.test_service import free_port

MAILS = 20
LATENCY = 2.0
MOST = 12.0  # seconds on a machine that has other work; alone it takes 4


def served(app: App, settings: Settings, server: ModelServer) -> App:
    told = {
        "smtp_port": free_port(), "http_port": 0, "model": "openai:scripted",
        "openai_api_key": SecretStr("no key"), "openai_base_url": server.url,
    }  # fmt: skip
    mine = App(settings.model_copy(update=told))
    made = app.responder
    made.respond(Message(text=KNOWN))  # a desk that has been up for a while
    mine.__dict__["responder"] = Responder(
        knowledge=mine.knowledge, retriever=made.retriever, judge=made.judge, selector=mine.selector
    )
    return mine


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


def until(reached: Callable[[], bool]) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() < began + 60
        time.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def serving(desk: App) -> Iterator[list[Handled]]:
    """The desk at work; what it has handled."""
    shown: list[Handled] = []
    service = Service(desk, shown.append)
    service.start()
    taking = threading.Thread(target=service.run)
    taking.start()
    try:
        yield shown
    finally:
        service.stop()
        taking.join(20)
        service.close()


def test_twenty_mails_wait_for_a_slow_model_together(app: App, settings: Settings) -> None:
    all_taken = threading.Event()

    def script(body: dict[str, Any]) -> Any:
        all_taken.wait(60)
        time.sleep(LATENCY)
        return {"questions": [entry(asked(body))]}

    with model_server(script) as server:
        desk = served(app, settings, server)
        with serving(desk) as shown:
            post(desk)
            # The model holds every answer back, and yet all mail is taken and asked about.
            until(lambda: desk.journal.counts()["message"] == MAILS)
            until(lambda: len(server.bodies) == 2 * MAILS)
            assert not shown
            all_taken.set()
            assert until(lambda: len(shown) == MAILS) < MOST
    outcomes = [o for h in shown if h.response for o in h.response.outcomes]
    assert [type(o) for o in outcomes] == [Answer] * MAILS
    assert {h.response.notes for h in shown if h.response} == {("model: confirmed",)}
