"""The running desk: what it tells, what it does when parts fail, what it takes over."""

import json
import logging
import smtplib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sql
from pydantic import SecretStr
from typing_extensions import override

from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.local import LocalMailbox
from bot.channels.mail.marks import MARK_HEADER, make_mark
from bot.channels.mail.parse import ParsedMail
from bot.channels.mail.sandbox import SafeParser
from bot.commands.case_review import decide_case, queue_lines
from bot.commands.doctor import run_checks
from bot.commands.reconcile import reconcile_journal
from bot.corpus import Knowledge
from bot.domain import HealthLine
from bot.errors import DeliveryError, InputError, MissingError, RefusedError, UncertainError
from bot.infra.http_server import HttpPort, HttpResponse
from bot.journal import CaseAction, Journal, OutboxState
from bot.journal.clock import stamp, wall_clock
from bot.journal.engine import writing
from bot.outbound import Outbound
from bot.ports import Mail
from bot.serve.maintenance import MaintenanceIntervals
from bot.serve.service import Service
from bot.settings import Settings
from bot.staff.case_rows import format_age
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.support.fakes import Time
from tests.support.ports import free_port
from tests.support.running_desk import (
    EXPOSED,
    app_that_cannot_decide,
    app_with,
    local_mailbox,
    mail,
    mails_by_folder,
    outages,
    page,
    received,
    running,
    stored_reply,
    verbatim_responder,
)
from tests.support.waiting import SAFETY_NET_SECONDS
from tests.support.waiting import wait_until as until

LAWYERS = "Which law firm advises you about the budget of the marketing team?"


@pytest.fixture(scope="module")
def quick(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


@pytest.fixture
def app(settings: Settings, quick: Responder) -> Iterator[App]:
    with app_with(settings, quick) as app:
        yield app


def test_health_metrics_and_places(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot")
    box = local_mailbox(app)
    with running(app) as (service, shown):
        for raw in (
            mail(EXPOSED, 1), mail(EXPOSED, 1), mail(LAWYERS, 2), mail("", 3),
            mail("I am away.", 4, Auto_Submitted="auto-replied"),
        ):  # fmt: skip
            box.new.add(raw)
        box.wake()
        until(lambda: len(shown) == 4 and not app.journal.mail_outbox.list_due())
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 2})
        assert page(service, "/healthz") == (200, '{"status": "ok"}')
        assert page(service, "/readyz")[0] == 200
        status, text = page(service, "/metrics")
        service.stop()
        assert json.loads(page(service, "/readyz")[1])["faults"] == ["stopping"]
    assert status == 200
    for line in (
        'desk_mails_total{rule="R18 otherwise",verdict="answer"} 2.0',
        'desk_mails_total{rule="R3 duplicate",verdict="drop"} 1.0',
        'desk_mails_total{rule="R5 auto-submitted",verdict="drop"} 1.0',
        'desk_outcomes_total{kind="answer",reason="published"} 1.0',
        "desk_probability_count 3.0", "desk_reply_seconds_count", 'desk_sends{state="sent"} 2.0',
        "desk_cases_open 2.0", "desk_case_oldest_seconds", "desk_messages_undecided 0.0",
    ):  # fmt: skip
        assert line in text, line
    assert mails_by_folder(app) == {"Processed": 2, "Held": 1, "Dropped": 2, "Failed": 0}
    assert "law firm" not in caplog.text
    assert app.journal.workers.list_all() == []


def test_a_mail_by_smtp_wakes_the_desk(app: App) -> None:
    with running(app) as (_, shown), smtplib.SMTP("127.0.0.1", app.settings.smtp_port) as server:
        server.sendmail("ana1@x.example", ["incident@desk.example"], mail(EXPOSED))
        until(lambda: shown)


def test_receipts_and_bounces_settle_a_send(app: App) -> None:
    sent = stored_reply(app, 1)
    bounced = stored_reply(app, 2)
    for send_id in (sent, bounced):
        app.journal.mail_outbox.claim(send_id, "gone")
        app.journal.mail_outbox.mark_unknown(send_id, "the line broke")
    headers = {s.id: s.header for s in app.journal.mail_outbox.list_in_state(OutboxState.UNKNOWN)}
    marks = {each: make_mark(app.installation_key, header) for each, header in headers.items()}
    own = mail("own copy", 7, **{MARK_HEADER: marks[sent]})
    own = own.replace(b"<7@x.example>", headers[sent].encode())
    returned = f"Message-ID: {headers[bounced]}\n{MARK_HEADER}: {marks[bounced]}"
    report = mail(f"Undelivered: {returned}", 8)
    report = report.replace(b"Return-Path: <ana8@x.example>", b"Return-Path: <>")
    with running(app) as (_, shown):
        local_mailbox(app).new.add(own)
        local_mailbox(app).new.add(report)
        app.mailbox.wake()
        until(lambda: len(shown) == 2)
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 1, "bounced": 1})
    assert [case.reason for case in app.journal.cases.list_open()] == ["held"]
    assert any("bounced" in line for line in queue_lines(app.journal, read_staff_texts(KNOWLEDGE)))


def claimed_long_ago(app: App, send_id: int) -> None:
    """By a terminal that is on no list, longer ago than any lease."""
    assert app.journal.mail_outbox.claim(send_id, "terminal-1")
    long_ago = stamp(wall_clock() - timedelta(hours=1))
    with writing(app.journal.engine) as db:
        db.execute(sql.text("UPDATE outbox SET changed_at = :at"), {"at": long_ago})


class Way:
    """A way out that behaves as told."""

    def __init__(self, error: DeliveryError | None) -> None:
        self.error = error
        self.sent: list[str] = []

    def send(self, mail: bytes, *, recipient: str) -> None:
        assert mail
        if self.error:
            raise self.error
        self.sent.append(recipient)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (RefusedError("550 no such user"), OutboxState.FAILED),
        (UncertainError("the line broke"), OutboxState.UNKNOWN),
        (DeliveryError("450 later"), OutboxState.READY),
    ],
)
def test_each_way_of_failing_has_its_state(
    app: App, error: DeliveryError, state: OutboxState
) -> None:
    app.desk.delivery.out = Way(error)
    send_id = stored_reply(app, 1)
    assert app.desk.deliver() == 0
    (send,) = app.journal.mail_outbox.list_in_state(state)
    assert (send.id, send.fault) == (send_id, str(error))
    assert bool(app.journal.cases.list_open()) == (state is OutboxState.FAILED)


def test_after_the_last_try_it_has_failed(app: App) -> None:
    app.desk.delivery.out = Way(DeliveryError("450 later"))
    assert app.journal.limits
    app.journal.limits = replace(app.journal.limits, retry_seconds=(1, 1))
    send_id = stored_reply(app, 1)
    for _ in range(3):
        with writing(app.journal.engine) as db:
            db.execute(sql.text("UPDATE outbox SET next_attempt_at = ''"))
        app.desk.deliver()
    assert [s.id for s in app.journal.mail_outbox.list_in_state(OutboxState.FAILED)] == [send_id]
    assert not app.desk.deliver()


def test_a_send_of_somebody_else_is_left_alone(app: App) -> None:
    send_id = stored_reply(app, 1)
    (send,) = app.journal.mail_outbox.list_due()
    app.journal.mail_outbox.claim(send_id, "other")
    assert not app.desk.delivery._deliver_safely(send)


def test_a_mail_that_waited_is_sent_by_the_upkeep(app: App) -> None:
    way = Way(DeliveryError("450 later"))
    app.desk.delivery.out = way
    stored_reply(app, 1)
    app.desk.deliver()
    way.error = None
    with writing(app.journal.engine) as db:
        db.execute(sql.text("UPDATE outbox SET next_attempt_at = ''"))
    with running(app):
        until(lambda: way.sent == ["ana1@x.example"])


def test_what_a_dead_terminal_was_sending_is_looked_up(app: App) -> None:
    claimed_long_ago(app, stored_reply(app, 1))
    with running(app):
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 1})


def test_no_receipt_in_time_is_for_a_person(app: App) -> None:
    app.desk.delivery.was_sent = lambda _header: None
    claimed_long_ago(app, stored_reply(app, 1))
    assert app.journal.limits
    app.journal.limits = replace(app.journal.limits, receipt_seconds=0)
    with running(app):
        until(lambda: app.journal.mail_outbox.count_by_state() == {"held": 1})
    assert len(app.journal.cases.list_open()) == 1


def test_jobs_that_were_lost_are_put_again(app: App) -> None:
    message_id = app.desk.store_message(received(EXPOSED))
    with running(app, MaintenanceIntervals(beat=0.1, forgotten=0.1, tidy=0.1, send=5)):
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 1})
        second = app.desk.store_message(received(EXPOSED, 2))
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 2})
    assert message_id != second


def test_overdue_cases_are_reminded_of(app: App, caplog: pytest.LogCaptureFixture) -> None:
    message_id = app.desk.store_message(received(LAWYERS))
    assert message_id
    app.desk.decide_message(message_id)
    with writing(app.journal.engine) as db:
        db.execute(sql.text("UPDATE escalation SET due_at = '2026-01-01T00:00:00.000+00:00'"))
    assert "OVERDUE" in "\n".join(queue_lines(app.journal, read_staff_texts(KNOWLEDGE)))
    with running(app):
        until(lambda: "a case is past its due time" in caplog.text)


@pytest.mark.parametrize("error", [InputError("no address"), ValueError("a bug")])
def test_what_cannot_be_decided_is_a_persons(app: App, error: Exception) -> None:
    broken = app_that_cannot_decide(app, error)
    with running(broken, MaintenanceIntervals(beat=0.1, forgotten=0.1, send=5)) as (_, shown):
        local_mailbox(app).new.add(mail(EXPOSED))
        broken.mailbox.wake()
        until(app.journal.cases.list_open)
        until(lambda: shown)
    (case,) = app.journal.cases.list_open()
    assert case.reason == "mail_fault"
    assert [handled.response for handled in shown] == [None]


def test_an_outage_of_the_mailbox_is_one_line_and_ends(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[int] = []
    down = threading.Event()
    down.set()

    class Box(LocalMailbox):
        @override
        def waiting(self) -> Iterator[Mail]:
            if down.is_set():
                tried.append(1)
                raise MissingError("no line")
            return super().waiting()

        @override
        def wait(self, seconds: float) -> None:
            super().wait(min(seconds, 0.05))

    box = Box(app.settings.home / "mail")
    away = App(app.settings, journal=app.journal, responder=app.responder, mailbox=box)
    with running(away) as (service, shown):
        until(lambda: outages(caplog))
        assert "mailbox" in page(service, "/readyz")[1]
        until(lambda: len(tried) >= 2)
        down.clear()
        box.new.add(mail(EXPOSED))
        until(lambda: shown)
        assert page(service, "/readyz")[0] == 200
    assert outages(caplog) == ["taking mail"]


def test_upkeep_that_fails_is_one_line_and_goes_on(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(app, lambda _handled: None)
    calls = 0
    supervisor = service.maintenance.supervisor

    def fails() -> None:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise ValueError("x")

    supervisor.start("tidying", fails, pause=0.01, unit=0.01)
    try:
        until(supervisor.list_faults)
        until(lambda: calls > 6)
        assert supervisor.list_faults() == []
    finally:
        supervisor.stop(5)
    assert caplog.text.count("a task fails and is tried again") == 1
    assert caplog.text.count("a task works again") == 1
    assert service.maintenance.list_faults() == []
    service.maintenance._beaten -= 100
    assert service.maintenance.list_faults() == ["heartbeat"]


def test_reconcile_needs_no_jobs(app: App) -> None:
    app.desk.store_message(received(EXPOSED, 1))
    app.desk.store_message(received(LAWYERS, 2))
    app.desk.store_message(received(EXPOSED, 3, sender="nobody"))
    app.journal.mail_outbox.claim(stored_reply(app, 4), "desk")
    assert list(reconcile_journal(app)) == [
        "2 messages decided, 1 left for a person",
        "3 mails delivered, 1 looked up, 0 of unknown fate",
    ]
    assert app.journal.list_undecided() == []
    assert next(iter(reconcile_journal(app))).startswith("0 messages")


def test_doctor_names_what_an_approved_text_may_not_carry(app: App) -> None:
    english = app.knowledge.templates["en"].model_copy(update={"footer": "See evil.example."})
    outbound = Outbound(replace(app.knowledge, templates={"en": english}))
    edited = App(app.settings, journal=app.journal, responder=app.responder, outbound=outbound)
    found = next(f for f in run_checks(edited) if f.name == "replies")
    assert not found.good
    assert "evil.example" in found.says


def test_doctor_sees_what_is_stuck(app: App) -> None:
    def finding(name: str) -> HealthLine:
        return next(f for f in run_checks(app) if f.name == name)

    assert finding("jobs").good
    assert finding("sends").good
    assert finding("clock").good
    app.desk.delivery.out = Way(RefusedError("550"))
    stored_reply(app, 1)
    app.desk.deliver()
    app.desk.store_message(received(EXPOSED, 2))
    with writing(app.journal.engine) as db:
        db.execute(sql.text("UPDATE message SET received_at = '2026-01-01T00:00:00.000+00:00'"))
        db.execute(
            sql.text(
                "INSERT INTO audit (at, actor, event) VALUES ('2199-01-01T00:00:00.000+00:00', 'x', 'y')"
            )
        )
    assert not finding("jobs").good
    assert not finding("sends").good
    assert not finding("clock").good


@pytest.mark.parametrize(
    ("page", "good", "says"),
    [
        ("desk_model_open 1.0\n", True, "is asked"),
        ("desk_model_open 0.0\n", False, "the desk decides alone"),
        ("desk_model_open 0.0\ndesk_model_resting 1.0\n", False, "left alone for a while"),
        ("desk_model_open 1.0\ndesk_model_believed 0.0\n", True, "does not count"),
        ("desk_model_open 1.0\ndesk_model_calls 7.0\n", True, "7 of 600 calls"),
        (None, True, "no desk runs here"),
    ],
)
def test_doctor_tells_whether_the_running_desk_asks_its_model(
    app: App,
    page: str | None,
    good: bool,  # noqa: FBT001 - a table
    says: str,
) -> None:
    port = HttpPort(0)
    port.get("/metrics", lambda: HttpResponse(body=(page or "").encode(), kind="text/plain"))
    port.start()
    if page is None:
        port.stop()
    app.settings = app.settings.model_copy(
        update={"model": "openai:x", "openai_api_key": SecretStr("no key"), "http_port": port.port}
    )
    try:
        (found,) = [f for f in run_checks(app) if f.name == "chat model"]
        assert (found.good, says in found.says) == (good, True), found
    finally:
        if page is not None:
            port.stop()


def test_a_case_without_a_draft_cannot_be_approved(app: App) -> None:
    message_id = app.desk.store_message(received(EXPOSED))
    assert message_id
    app.journal.mark_failed(message_id, "x")
    (case,) = app.journal.cases.list_open()
    with pytest.raises(InputError, match="--text"):
        decide_case(app, case.id, text=None, approve=True, confirm=bool)
    assert "edited, 1 mail sent" in decide_case(
        app, case.id, text="We have read it.", approve=False, confirm=bool
    )


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0, "0 min"), (0.5, "30 min"), (1, "1 h"), (47, "47 h"), (50, "2 d"), (-1, "0 min")],
)
def test_ages(hours: float, said: str) -> None:
    assert format_age(timedelta(hours=hours)) == said


def test_a_person_decides_while_the_desk_runs(app: App) -> None:
    """The job of the decision hands its mail over."""
    message_id = app.desk.store_message(received(LAWYERS))
    assert message_id
    app.desk.decide_message(message_id)
    (case,) = app.journal.cases.list_open()
    with running(app, MaintenanceIntervals(beat=0.1, send=60)):
        assert app.desk.resolve(
            case.id,
            actor="eve",
            action=CaseAction.EDITED,
            text="We do not say.",
            enqueue_job=app.jobs.enqueue_decision_delivery,
        )
        until(lambda: app.journal.mail_outbox.count_by_state() == {"sent": 2})


def test_another_worker_that_fell_silent_is_taken_over(
    postgres: str, app: App, settings: Settings
) -> None:
    from tests.servers.postgres import database

    with database(postgres, "silent") as url:
        own = {"database_url": url, "smtp_port": free_port(), "http_port": 0}
        mine = App(
            settings.model_copy(update=own), knowledge=app.knowledge, responder=app.responder
        )
        send_id, now = stored_reply(mine, 1), Time()
        now.now = wall_clock()  # and from here on it stands still
        mine.journal.workers._clock = mine.journal.mail_outbox._clock = now
        mine.journal.workers.record_heartbeat("desk-dead", "1")
        mine.journal.mail_outbox.claim(send_id, "desk-dead")
        pace = MaintenanceIntervals(beat=0.1, send=0.1)
        now.forward(pace.lease - 1)
        with running(mine, pace) as (service, _):
            until(lambda: mine.jobs.worker in mine.journal.workers.list_all())
            assert mine.journal.mail_outbox.count_by_state() == {"sending": 1}, (
                "the lease holds to its end"
            )
            now.forward(2)
            until(lambda: mine.journal.mail_outbox.count_by_state() == {"sent": 1})
            assert mine.journal.workers.list_all() == [mine.jobs.worker]
            assert "desk_taken_over_total 1.0" in page(service, "/metrics")[1]
        mine.journal.close()


def test_maintenance_that_takes_longer_than_the_lease_keeps_the_worker_alive(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = MaintenanceIntervals(beat=0.05, lease=0.5)
    begun, go_on = threading.Event(), threading.Event()

    def learn() -> bool:
        begun.set()
        go_on.wait(SAFETY_NET_SECONDS)
        return False

    monkeypatch.setattr(app, "learn_answers", learn)
    workers, beats = app.journal.workers, Counter[str]()
    record = workers.record_heartbeat

    def count_and_record(name: str, version: str) -> None:
        record(name, version)
        beats[name] += 1

    monkeypatch.setattr(workers, "record_heartbeat", count_and_record)
    with running(app, pace):
        assert begun.wait(SAFETY_NET_SECONDS)
        before = beats[app.jobs.worker]
        until(lambda: beats[app.jobs.worker] > before + 10)
        assert not go_on.is_set()
        go_on.set()


def test_a_journal_without_limits_waits_a_minute(app: App) -> None:
    app.journal.limits = None
    assert isinstance(app.journal, Journal)
    app.desk.delivery.out = Way(DeliveryError("450"))
    stored_reply(app, 1)
    app.desk.deliver()
    assert app.journal.mail_outbox.list_due() == []


def test_a_mail_that_breaks_the_intake_is_a_persons_and_stops_nothing(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    class Picky(SafeParser):
        @override
        def parse(self, raw: bytes) -> ParsedMail:
            if b"poison" in raw:
                raise RecursionError("poison")
            return super().parse(raw)

    for raw in (mail("poison", 1), mail("poison", 1), mail(EXPOSED, 2)):
        local_mailbox(app).new.add(raw)
    service = Service(app, lambda _handled: None)
    service.parser = Picky()
    service.start()
    try:
        service.run(until=lambda: app.journal.mail_outbox.count_by_state() == {"sent": 1})
    finally:
        service.close()
    assert [case.reason for case in app.journal.cases.list_open()] == ["mail_fault"]
    assert mails_by_folder(app) == {"Processed": 1, "Held": 0, "Dropped": 0, "Failed": 2}
    assert caplog.text.count("a mail broke the intake") == 2
