"""Runs a desk on a local mailbox with word search and known wordings, which needs no index."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import pytest
from typing_extensions import override

from bot.adapters.bm25 import BM25
from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.local import LocalMailbox
from bot.corpus import Knowledge
from bot.desk import Desk
from bot.journal import ReceivedMessage, StoredDecision
from bot.ports import MailFolder
from bot.serve.maintenance import MaintenanceIntervals
from bot.serve.service import HandledMail, Service
from bot.settings import Settings
from tests.conftest import KNOWLEDGE
from tests.support.fakes import VerbatimJudge
from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS

EXPOSED = "What is the December 19 clarification?"


def verbatim_responder(knowledge: Knowledge) -> Responder:
    """Return a responder that starts at once: word search, and answers to known wordings."""
    app = App(Settings(knowledge=KNOWLEDGE))
    return Responder(
        knowledge=knowledge, retriever=BM25(app.records()), judge=VerbatimJudge(knowledge)
    )


@contextmanager
def app_with(settings: Settings, responder: Responder) -> Iterator[App]:
    """Give an app on free ports that uses `responder`; its journal is closed at the end."""
    own_ports = settings.model_copy(update={"smtp_port": free_port(), "http_port": 0})
    app = App(own_ports, knowledge=responder.knowledge, responder=responder)
    yield app
    app.journal.close()


def app_that_cannot_decide(app: App, error: Exception) -> App:
    """Return an app on the parts of another; its desk raises this error for every message."""

    class Broken(Desk):
        @override
        def decide_message(self, message_id: int) -> StoredDecision:
            raise error

    broken = Broken(
        knowledge=app.knowledge, responder=app.responder, journal=app.journal, outbound=app.outbound,
        compose=app.desk.compose, out=app.desk.delivery.out,
    )  # fmt: skip
    return App(
        app.settings,
        knowledge=app.knowledge,
        responder=app.responder,
        journal=app.journal,
        desk=broken,
    )


@contextmanager
def running(
    app: App, intervals: MaintenanceIntervals | None = None
) -> Iterator[tuple[Service, list[HandledMail]]]:
    """Run the service of an app in a thread; give it and the mails that it has handled."""
    shown: list[HandledMail] = []
    service = Service(app, shown.append)
    service.maintenance.intervals = intervals or MaintenanceIntervals(beat=0.1, send=0.1)
    service.start()
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service, shown
    finally:
        service.stop()
        thread.join(SAFETY_NET_SECONDS)
        service.close()


def outages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the names of the tasks whose failure was logged, once for each line."""
    return [
        str(vars(record)["task"])
        for record in caplog.records
        if record.message == "a task fails and is tried again"
    ]


def local_mailbox(app: App) -> LocalMailbox:
    """Return the mailbox of an app, which is a local one in these tests."""
    box = app.mailbox
    assert isinstance(box, LocalMailbox)
    return box


def mail(text: str, n: int = 1, **headers: str) -> bytes:
    """Return the bytes of the mail number `n` with this text and further headers."""
    message = EmailMessage()
    message["From"] = f"ana{n}@x.example"
    message["To"] = "incident@desk.example"
    message["Subject"] = f"question {n}"
    message["Message-ID"] = f"<{n}@x.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return f"Return-Path: <ana{n}@x.example>\r\n".encode() + message.as_bytes()


def received(text: str, n: int = 1, sender: str = "") -> ReceivedMessage:
    """Return the message number `n` with this text, as it is stored."""
    return ReceivedMessage(
        channel="email", thread_key=f"t{n}", key=f"k{n}", raw_ref="r", verdict="answer", rule="R18",
        sender=sender or f"ana{n}@x.example", headers={"message_id": f"<{n}@x>", "references": ""}, text=text,
    )  # fmt: skip


def page(service: Service, path: str) -> tuple[int, str]:
    """Return status and body of a page of the running service."""
    line = http.client.HTTPConnection("127.0.0.1", service.http.port, timeout=SAFETY_NET_SECONDS)
    try:
        line.request("GET", path)
        response = line.getresponse()
        return response.status, response.read().decode()
    finally:
        line.close()


def mails_by_folder(app: App) -> dict[str, int]:
    """Return how many settled mails lie in each folder."""
    return {
        folder: len(list((app.settings.home / "mail" / folder / "cur").iterdir()))
        for folder in MailFolder
    }


def stored_reply(app: App, n: int) -> int:
    """Store and decide the message number `n`, and return the id of its reply in the outbox."""
    message_id = app.desk.store_message(received(EXPOSED, n))
    assert message_id
    app.desk.decide_message(message_id)
    (send,) = [s for s in app.journal.mail_outbox.list_due() if s.message_id == message_id]
    return send.id
