"""An error that nobody foresaw, while mail is taken: no mail is lost, none holds up another."""

import errno
import logging
from collections import Counter
from collections.abc import Iterator

import pytest

from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.sandbox import SafeParser
from bot.corpus import Knowledge
from bot.errors import MissingError
from bot.journal import OutboxState, ReceivedMessage
from bot.ports import MailFolder
from bot.serve import service as serving
from bot.settings import Settings
from tests.support.running_desk import (
    EXPOSED,
    app_with,
    mail,
    mails_by_folder,
    outages,
    page,
    running,
    stored_reply,
    verbatim_responder,
)
from tests.support.waiting import wait_until as until


@pytest.fixture(scope="module")
def quick(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


@pytest.fixture
def app(settings: Settings, quick: Responder, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setattr(serving, "OUTAGE_SECONDS", (0.05, 0.1))
    with app_with(settings, quick) as app:
        yield app


def arrives(app: App, *mails: bytes) -> None:
    for raw in mails:
        app.mail.folder("new").add(raw)
    app.mailbox.wake()


@pytest.mark.parametrize("where", ["waiting", "wait"])
def test_a_mailbox_that_breaks_in_a_way_nobody_foresaw_is_told_and_tried_again(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    caplog.set_level(logging.WARNING)
    with running(app) as (service, shown):
        with monkeypatch.context() as broken:

            def breaks(*_: object) -> None:
                raise RuntimeError("x")

            broken.setattr(app.mailbox, where, breaks)
            app.mailbox.wake()
            until(lambda: "taking mail" in outages(caplog))
            until(lambda: "mailbox" in page(service, "/readyz")[1])
        arrives(app, mail(EXPOSED))
        until(lambda: shown)
        until(lambda: page(service, "/readyz")[0] == 200)


def test_a_mail_that_cannot_be_stored_holds_up_no_other_and_becomes_a_case(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = app.desk.store_message
    tries = Counter[str]()

    def picky(received: ReceivedMessage, enqueue_job: object = None) -> int | None:
        tries[received.key] += 1
        if received.key == "mail:<1@x.example>" or received.sender.startswith("ana1@"):
            raise UnicodeEncodeError("utf-8", "\udcfc", 0, 1, "x")
        return take(received, enqueue_job)  # type: ignore[arg-type]

    monkeypatch.setattr(app.desk, "store_message", picky)
    with running(app):
        arrives(app, mail(EXPOSED, 1), mail(EXPOSED, 2))
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 1})
        until(app.journal.cases.list_open)
        until(lambda: mails_by_folder(app)["Failed"] == 1)
    assert [case.reason for case in app.journal.cases.list_open()] == ["mail_fault"]
    assert max(tries.values()) == serving.MAX_ATTEMPTS
    assert mails_by_folder(app) == {"Processed": 1, "Held": 0, "Dropped": 0, "Failed": 1}


def test_a_mail_that_nothing_can_be_done_with_stays_where_it_lies_and_is_told(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, broken = app.desk.store_message, True

    def picky(received: ReceivedMessage, enqueue_job: object = None) -> int | None:
        if broken and (received.sender.startswith("ana1@") or not received.sender):
            raise MemoryError
        return take(received, enqueue_job)  # type: ignore[arg-type]

    monkeypatch.setattr(app.desk, "store_message", picky)
    with running(app) as (service, _):
        arrives(app, mail(EXPOSED, 1), mail(EXPOSED, 2))
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 1})
        until(lambda: "1 mails broke it" in page(service, "/readyz")[1])
        broken = False
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 2})
        until(lambda: page(service, "/readyz") == (200, '{"status": "ok"}'))


def test_an_error_after_a_mail_was_stored_makes_no_second_message_of_it(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, times = app.mailbox.settle, 0

    def breaks_once(ref: str, place: MailFolder) -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise RuntimeError("x")
        settle(ref, place)

    monkeypatch.setattr(app.mailbox, "settle", breaks_once)
    with running(app):
        arrives(app, mail(EXPOSED))
        until(lambda: mails_by_folder(app)["Processed"] == 1)
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 1})
    assert app.journal.count_rows()["message"] == 1
    assert app.journal.cases.list_open() == []


def test_a_bounce_that_broke_after_it_was_stored_still_reaches_its_send(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_id = stored_reply(app, 2)
    app.journal.mail_outbox.claim(send_id, "gone")
    app.journal.mail_outbox.mark_sent(send_id)
    (send,) = app.journal.mail_outbox.list_in_state(OutboxState.SENT)
    report = mail(f"Undelivered: Message-ID: {send.header}", 8)
    report = report.replace(b"Return-Path: <ana8@x.example>", b"Return-Path: <>")
    bounce, times = app.journal.mail_outbox.record_bounce, 0

    def breaks_once(header: str) -> bool:
        nonlocal times
        times += 1
        if times == 1:
            raise OSError(5, "x")
        return bounce(header)

    monkeypatch.setattr(app.journal.mail_outbox, "record_bounce", breaks_once)
    with running(app):
        arrives(app, report)
        until(lambda: app.journal.mail_outbox.count_by_state() == {"bounced": 1})
    assert len(app.journal.cases.list_open()) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC])
@pytest.mark.parametrize("where", ["settle", "parse"])
def test_a_machine_without_files_or_disk_is_an_outage_and_no_fault_of_a_mail(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str,
    number: int,
) -> None:  # fmt: skip
    caplog.set_level(logging.WARNING)
    with running(app) as (service, shown):
        owner = app.mailbox if where == "settle" else service.parser
        with monkeypatch.context() as broken:

            def breaks(*_: object) -> None:
                raise OSError(number, "scripted")

            broken.setattr(owner, where, breaks)
            arrives(app, mail(EXPOSED), mail(EXPOSED, 2))
            until(lambda: "taking mail" in outages(caplog))
            until(lambda: "mailbox" in page(service, "/readyz")[1])
        until(lambda: len(shown) == 2)
        until(lambda: page(service, "/readyz")[0] == 200)
    assert app.journal.cases.list_open() == []


def test_a_parser_that_cannot_start_for_want_of_files_faults_no_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parser = SafeParser()

    def no_files() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(parser._context, "Pipe", no_files)
    with pytest.raises(MissingError, match="Too many open files"):
        parser.parse(mail(EXPOSED))
