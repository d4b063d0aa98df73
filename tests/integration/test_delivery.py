"""A delivery that ends in an unforeseen error is retried, or fails with a case; it is never left."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.smtp import SmtpOut
from bot.commands.case_review import queue_lines
from bot.commands.doctor import run_checks
from bot.commands.reconcile import reconcile_journal
from bot.corpus import Knowledge
from bot.errors import DeliveryError, MissingError, RefusedError
from bot.journal import OutboxState
from bot.journal.engine import writing
from bot.serve.health_checks import MANY_ATTEMPTS, find_send_fault
from bot.serve.maintenance import MaintenanceIntervals
from bot.serve.service import Service
from bot.settings import Relay, Settings
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.servers.scripted_smtp import Script
from tests.servers.scripted_smtp import running as smtp_server
from tests.support.running_desk import (
    EXPOSED,
    app_with,
    mail,
    page,
    received,
    running,
    verbatim_responder,
)
from tests.support.waiting import SAFETY_NET_SECONDS
from tests.support.waiting import wait_until as until

UNFORESEEN = [
    RuntimeError("x"),
    UnicodeEncodeError("ascii", "ü", 0, 1, "x"),
    OSError(5, "x"),
    MemoryError(),
    sql.exc.InvalidRequestError("x"),
    AssertionError("x"),
]


@pytest.fixture(scope="module")
def quick(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


@pytest.fixture
def app(settings: Settings, quick: Responder) -> Iterator[App]:
    with app_with(settings, quick) as app:
        yield app


class Way:
    """A way out that breaks for one recipient, before it took the mail or afterwards."""

    def __init__(self, error: Exception, *, after: bool = False) -> None:
        self.error, self.after = error, after
        self.sent: dict[str, int] = {}

    def send(self, mail: bytes, *, recipient: str) -> None:
        header = str(message_from_bytes(mail, policy=SMTP)["Message-ID"])
        broken = recipient.startswith("ana1@")
        if not broken or self.after:
            self.sent[header] = self.sent.get(header, 0) + 1
        if broken:
            raise self.error

    def was_sent(self, header: str) -> bool | None:
        return header in self.sent


def decided(app: App, *numbers: int, sender: str = "") -> None:
    for n in numbers:
        message_id = app.desk.store_message(received(EXPOSED, n, sender))
        assert message_id
        app.desk.decide_message(message_id)


def due_again(app: App) -> None:
    with writing(app.journal.engine) as db:
        db.execute(sql.text("UPDATE outbox SET next_attempt_at = ''"))


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda e: type(e).__name__)
def test_a_hand_over_that_always_breaks_is_retried_and_then_a_case(
    app: App, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    way = Way(error)
    app.desk.delivery.out, app.desk.delivery.was_sent = way, way.was_sent
    decided(app, 1, 2, 3)
    assert app.desk.deliver() == 2, "one broken mail stops no other"
    assert app.journal.mail_outbox.count_by_state() == {"ready": 1, "sent": 2}
    assert caplog.text.count("a delivery broke") == 1
    for _ in range(4):
        due_again(app)
        app.desk.deliver()
    assert app.journal.mail_outbox.count_by_state() == {"failed": 1, "sent": 2}
    (send,) = app.journal.mail_outbox.list_in_state(OutboxState.FAILED)
    assert type(error).__name__ in send.fault
    assert [case.message_id for case in app.journal.cases.list_open()] == [send.message_id]
    assert any(
        f"mail {send.id} to" in line
        for line in queue_lines(app.journal, read_staff_texts(KNOWLEDGE))
    )
    assert not next(line for line in run_checks(app) if line.name == "sends").good


def test_a_mail_that_was_taken_before_the_error_is_not_sent_again(app: App) -> None:
    way = Way(RuntimeError("x"), after=True)
    app.desk.delivery.out, app.desk.delivery.was_sent = way, way.was_sent
    decided(app, 1)
    for _ in range(3):
        due_again(app)
        app.desk.deliver()
    assert app.journal.mail_outbox.count_by_state() == {"sent": 1}
    assert list(way.sent.values()) == [1]


def test_a_mail_that_nobody_can_look_up_waits_for_its_copy_and_then_for_a_person(app: App) -> None:
    def broken(_header: str) -> bool | None:
        raise ValueError("x")

    app.desk.delivery.out, app.desk.delivery.was_sent = Way(RuntimeError("x")), broken
    decided(app, 1)
    app.desk.deliver()
    assert app.journal.mail_outbox.count_by_state() == {"unknown": 1}
    assert app.journal.limits
    app.journal.limits = replace(app.journal.limits, receipt_seconds=0)
    with running(app):
        until(lambda: app.journal.mail_outbox.count_by_state() == {"held": 1})
    assert len(app.journal.cases.list_open()) == 1


def test_a_check_that_breaks_lets_nothing_out_and_ends_with_a_case(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(RuntimeError("x"))
    app.desk.delivery.out = way
    decided(app, 2)

    def broken(_mail: bytes, *, automatic: bool) -> None:
        raise RecursionError(automatic)

    monkeypatch.setattr(app.desk.outbound, "check_mail", broken)
    for _ in range(4):
        due_again(app)
        app.desk.deliver()
    assert way.sent == {}
    assert app.journal.mail_outbox.count_by_state() == {"failed": 1}
    assert len(app.journal.cases.list_open()) == 1


def test_a_result_that_could_not_be_stored_is_found_out_after_the_lease(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is away at the very moment; the row of this living worker is no orphan."""
    way = Way(RuntimeError("x"))
    app.desk.delivery.out, app.desk.delivery.was_sent = way, way.was_sent
    app.desk.delivery.worker = app.jobs.worker
    decided(app, 2)
    with monkeypatch.context() as away:

        def missing(_send_id: int) -> bool:
            raise MissingError("the database does not answer")

        away.setattr(app.journal.mail_outbox, "mark_sent", missing)
        with pytest.raises(MissingError):
            app.desk.deliver()
    assert app.journal.mail_outbox.count_by_state() == {"sending": 1}
    assert app.desk.delivery.list_abandoned(60) == [], "a hand-over may take its time"
    service = Service(app, lambda _handled: None)
    service.maintenance.intervals = MaintenanceIntervals(lease=0)
    service.maintenance.take_over_silent_workers()
    assert app.journal.mail_outbox.count_by_state() == {"sent": 1}
    assert list(way.sent.values()) == [1]


def test_what_a_thread_has_in_hand_is_not_taken_from_it(app: App) -> None:
    decided(app, 2)
    seen = []

    class Slow(Way):
        @override
        def send(self, mail: bytes, *, recipient: str) -> None:
            seen.append(app.desk.delivery.list_abandoned(0))
            super().send(mail, recipient=recipient)

    app.desk.delivery.out = Slow(RuntimeError("x"))
    assert app.desk.deliver() == 1
    assert seen == [[]]


def test_a_mail_that_kills_the_process_each_time_is_not_tried_for_ever(app: App) -> None:
    app.desk.delivery.was_sent = lambda _header: False
    decided(app, 2)
    for _ in range(20):
        due_again(app)
        for send in app.journal.mail_outbox.list_due():
            app.journal.mail_outbox.claim(send.id, "dead")
        app.desk.delivery.settle_interrupted(app.journal.mail_outbox.list_claimed_by(["dead"]))
    assert app.journal.mail_outbox.count_by_state() == {"failed": 1}
    assert len(app.journal.cases.list_open()) == 1


def test_an_address_outside_ascii_goes_out_in_the_form_that_the_server_takes(app: App) -> None:
    for offers in (True, False):
        for found in smtp_server(Script(), enable_SMTPUTF8=offers):
            relay = Relay(host="127.0.0.1", port=found.port, tls=False, timeout=SAFETY_NET_SECONDS)
            app.desk.delivery.out = SmtpOut(relay, address=app.settings.address)
            app.desk.delivery.was_sent = lambda _header: None
            n = 10 * offers
            decided(app, n + 1, sender="ana@bücher.example")
            decided(app, n + 2, sender="jörg@bücher.example")
            app.desk.deliver()
            got = [envelope.rcpt_tos[0] for envelope in found.script.got]
            both = ["ana@xn--bcher-kva.example", "jörg@xn--bcher-kva.example"]
            assert got == (both if offers else both[:1])
            for envelope in found.script.got:
                assert isinstance(envelope.content, bytes)
                assert f"To: {envelope.rcpt_tos[0]}\r\n".encode() in envelope.content
    (send,) = app.journal.mail_outbox.list_in_state(OutboxState.FAILED)
    assert "SMTPUTF8" in send.fault
    assert [case.message_id for case in app.journal.cases.list_open()] == [send.message_id]


def test_a_domain_that_cannot_exist_is_a_case_and_no_crash(app: App) -> None:
    with running(app):
        app.mailbox.wake()
        raw = mail(EXPOSED, 1).replace(b"From: ana1@x.example", "From: ana@ü..example".encode())
        app.mail.folder("new").add(raw)
        app.mailbox.wake()
        until(app.journal.cases.list_open)
    assert app.journal.list_undecided() == []


@pytest.mark.parametrize("kind", [RefusedError, MissingError])
def test_doctor_counts_what_should_have_gone_out(app: App, kind: type[Exception]) -> None:
    """Whatever keeps the sender from its work, somebody who looks sees that mail waits."""
    decided(app, 1, 2)
    if kind is MissingError:
        app.journal.mail_outbox.claim(app.journal.mail_outbox.list_due()[0].id, "gone")
    with writing(app.journal.engine) as db:
        long_ago = "2026-01-01T00:00:00.000+00:00"
        db.execute(
            sql.text(f"UPDATE outbox SET next_attempt_at = '{long_ago}', changed_at = '{long_ago}'")
        )
    found = next(line for line in run_checks(app) if line.name == "sends")
    assert (found.good, "2 should have gone out" in found.says) == (False, True)


def test_a_mail_server_that_takes_nothing_is_told_and_what_waits_can_be_tried_at_once(
    app: App,
) -> None:
    class Away:
        def send(self, mail: bytes, *, recipient: str) -> None:
            raise DeliveryError(f"no connection for {len(mail)} bytes to {recipient}")

    decided(app, 1)
    out, app.desk.delivery.out = app.desk.delivery.out, Away()
    for _ in range(MANY_ATTEMPTS):
        assert find_send_fault(app.journal) == ""
        app.desk.deliver()
        app.journal.mail_outbox.retry_now()
    assert "1 mails were not taken" in find_send_fault(app.journal)
    app.desk.deliver()
    app.desk.delivery.out = out
    assert app.desk.deliver() == 0, "its next attempt is minutes away"
    assert "1 mails delivered" in " ".join(reconcile_journal(app))
    assert find_send_fault(app.journal) == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_that_ended_and_tasks_that_fail_are_told_by_readyz_and_doctor(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    fails = True

    def tidy() -> None:
        if fails:
            raise ValueError("x")

    app.journal.delete_old_counts = tidy  # type: ignore[method-assign]
    with running(app, MaintenanceIntervals(beat=0.05, tidy=0.0)) as (service, _):
        app.settings = app.settings.model_copy(update={"http_port": service.http.port})
        until(lambda: "forgetting what is done: fails (ValueError)" in page(service, "/readyz")[1])
        assert page(service, "/healthz")[0] == 200, "a new process would not help"
        found = next(line for line in run_checks(app) if line.name == "desk")
        assert (found.good, "forgetting what is done" in found.says) == (False, True)
        fails = False
        until(lambda: page(service, "/readyz") == (200, '{"status": "ok"}'))
        assert next(line for line in run_checks(app) if line.name == "desk").good

        def ends() -> None:
            raise SystemExit

        service.maintenance.supervisor.start("short-lived", ends)
        until(lambda: "short-lived: its thread has ended" in page(service, "/readyz")[1])
        assert page(service, "/healthz")[0] == 503
    assert caplog.text.count("a task fails and is tried again") == 1
    assert caplog.text.count("a thread has ended") == 1
