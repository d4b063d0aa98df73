"""Any error at any call of any thread of the running desk ends in a state that somebody sees."""

import logging
import mailbox
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.channels.mail.local import LocalMailbox
from bot.channels.slack import SlackAccess
from bot.commands.case_review import queue_lines
from bot.corpus.limits import read_limits
from bot.journal import Journal, MessageState, OutboxState
from bot.journal.slack_records import SlackEventState, SlackPostState
from bot.journal.tables import escalation, message, outbox, slack_event, slack_outbox
from bot.serve import service
from bot.serve.maintenance import MaintenanceIntervals
from bot.serve.service import Service
from bot.settings import Settings
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE, home_of
from tests.servers import postgres
from tests.servers.slack_side import ALICE, BOB, SlackSide
from tests.support.faults import ERRORS, Faults, Point
from tests.support.kills import ready
from tests.support.ports import free_port
from tests.support.running_desk import EXPOSED, mail
from tests.support.slack_app import SlackApp
from tests.support.slack_stand import FAST, UNSURE
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

LEASE = 1.0  # seconds
PAUSE_SECONDS = 0.3  # until the desk is given something to do again
AT_ONCE = 40  # faults between two looks at whether everything has settled
# "library" are threads of libraries: those in which the HTTP port answers requests.
THREADS = {
    "heartbeat",
    "maintenance",
    "sending",
    "intake",
    "job",
    "library",
    "slack-act",
    "slack-ask",
    "slack-post",
}
# DBOS says nothing of what it tries again by itself; a job that it leaves is seen in the journal.
IN_A_LIBRARY = ("jobs ",)
VISIBLE = {OutboxState.FAILED, OutboxState.UNRESOLVED, OutboxState.UNKNOWN}


class HttpSide(SlackSide):
    """Delivers by HTTP, whose answer says at once that something broke, also beside a socket."""

    @override
    def interact(self, payload: dict[str, Any]) -> dict[str, Any]:
        lines, self.lines = self.lines, []
        try:
            return super().interact(payload)
        finally:
            self.lines = lines


class Running:
    """A desk with Slack, its users and its staff; every call of it is watched."""

    def __init__(self, app: SlackApp, side: SlackSide) -> None:
        self.app, self.side, self.faults = app, side, Faults()
        self.slack = app.slack
        self.service = Service(app, lambda _handled: None)
        self.service.maintenance.intervals = MaintenanceIntervals(
            beat=0.1, lease=LEASE, send=0.1, forgotten=0.5, tidy=0.2
        )
        for supervisor in (self.service.maintenance.supervisor, self.slack.supervisor):
            supervisor.outages.seconds = 0.0  # each failure is a line, as each is looked for
        self.reader = Journal(app.settings.database)
        self.mails = 0

    def watch(self) -> None:
        journal, faults = self.app.journal, self.faults
        for part in (
            journal, journal.cases, journal.mail_outbox, journal.workers, journal.slack,
            journal.slack.leader, self.app.jobs, self.slack.card_sync, self.slack.outbox_worker, self.slack.secret_notices,
            self.slack.button_handler, self.slack.question_handler, self.slack.channel_permissions,
        ):  # fmt: skip
            faults.watch(part, "close", "stop", "start", "exclusively", "wake", "remove", "health")
        desk = self.app.desk
        watched: tuple[tuple[object, tuple[str, ...]], ...] = (
            (desk, ("store_message", "decide_message", "deliver", "compose", "on_checkpoint")),
            (desk.delivery, ("settle_interrupted", "list_abandoned")),
        )
        for owner_of_calls, names in watched:
            for name in names:
                faults.replace(owner_of_calls, name, effect=False)
        effects: tuple[tuple[object, str], ...] = (
            (self.app.mailbox, "settle"), (self.app.desk.delivery.out, "send"),
            (self.slack.client, "call"), (self.slack.client, "respond"), (self.service, "show"),
        )  # fmt: skip
        looks: tuple[tuple[object, str], ...] = (
            (self.app.mailbox, "waiting"), (self.app.mailbox, "wait"), (self.service.parser, "parse"),
            (self.app.desk.delivery, "was_sent"), (self.app.desk.outbound, "check"),
            (self.app.desk.outbound, "check_mail"), (self.app.desk.responder, "respond"),
            (self.service.metrics, "count_response"), (self.slack.client, "call_with_form"),
        )  # fmt: skip
        for owner, name in (*effects, *looks):
            faults.replace(owner, name, effect=(owner, name) in effects)
        for name in ("_drain", "_deliver_decision"):
            faults.name(self.service, name, "job")
        faults.watch_sql(journal.engine, "journal")
        faults.watch_sql(self.app.jobs._engine, "jobs")

    def live(self) -> None:
        """A moment in the life of users and staff."""
        box = self.app.mailbox
        assert isinstance(box, LocalMailbox)
        for text in (EXPOSED, UNSURE) if self.mails % 3 == 0 else (EXPOSED,):
            self.mails += 1
            box.new.add(mail(text, self.mails))
        box.wake()
        for case in self.reader.cases.list_open()[:1]:
            read = self.reader.cases.read(case.id)
            if read is None or not self.side.cards():
                continue
            with suppress(AssertionError, OSError, ValueError):
                action = "claim" if not read.owner else "not_ours"
                self.side.click(ALICE, action, f"{case.id}:{read.version if read.owner else ''}")
        with suppress(AssertionError, OSError):
            self.side.dm(ALICE, EXPOSED)

    def unsettled(self) -> list[str]:
        """What is in a half state, or was lost or done twice; empty when all is well."""
        found = self.rows(message.c.state, MessageState.RECEIVED, "message undecided")
        found += self.rows(outbox.c.state, OutboxState.SENDING, "mail in sending")
        found += self.rows(outbox.c.state, OutboxState.READY, "mail not sent")
        found += self.rows(slack_outbox.c.state, SlackPostState.SENDING, "post in sending")
        found += self.rows(slack_outbox.c.state, SlackPostState.READY, "post not made")
        found += self.rows(slack_event.c.state, SlackEventState.NEW, "event not acted on")
        found += [
            f"a job of conversation {each} waits"
            for each in self.app.jobs.list_waiting_conversations()
        ]
        box = self.app.settings.home / "mail" / "new" / "new"
        found += [f"mail not taken: {each.name}" for each in box.iterdir()]
        found += self.unseen()
        return found

    def rows(self, column: Any, state: str, says: str) -> list[str]:
        with self.reader.engine.connect() as db:
            query = sql.select(sql.func.count()).where(column == state)
            count = db.execute(query).scalar_one()
        return [f"{says}: {count}"] if count else []

    def unseen(self) -> list[str]:
        """Faults that ended, but where nobody looks."""
        lines = "\n".join(queue_lines(self.reader, read_staff_texts(KNOWLEDGE)))
        with self.reader.engine.connect() as db:
            failed = sql.select(message.c.id).where(
                message.c.state == MessageState.FAILED,
                message.c.id.not_in(sql.select(escalation.c.message_id)),
            )
            found = [f"message {n} failed without a case" for n in db.execute(failed).scalars()]
        hidden = [
            f"mail {send.id} is {send.state} and nobody sees it"
            for send in self.reader.mail_outbox.list_in_state(*VISIBLE)
            if f"mail {send.id} to" not in lines
        ]
        return found + hidden

    def ended(self) -> list[str]:
        """Threads that are gone, and tasks that still fail."""
        return [
            *self.service.maintenance.supervisor.list_faults(),
            *self.slack.supervisor.list_faults(),
        ]

    def failing(self) -> list[str]:
        """What /readyz tells of now, as far as it passes by itself."""
        found = [*self.ended(), *self.slack.troubles.values()]
        return [
            *found,
            *(["intake"] if self.service._failures or self.service._left_in_mailbox else []),
        ]

    def until(self, holds: Callable[[], object], about: list[Any]) -> None:
        wait_until(holds, lambda: (about, self.failing()))

    def settle(self, about: list[Any]) -> None:
        """Wait until nothing is in a half state; the desk has as long as the machine needs."""
        wait_until(
            lambda: not [*self.unsettled(), *self.ended()],
            lambda: ([*self.unsettled(), *self.ended()], about),
        )


@contextmanager
def running(app: SlackApp, side: SlackSide) -> Iterator[Running]:
    made = Running(app, side)
    made.watch()
    made.service.start()
    side.request_url = f"http://127.0.0.1:{made.service.http.port}/slack/events"
    thread = threading.Thread(target=made.service.run, name="intake", daemon=True)
    thread.start()
    try:
        yield made
        assert thread.is_alive(), "the intake has ended"
    finally:
        made.faults.disarm()
        made.service.stop()
        thread.join(SAFETY_NET_SECONDS)
        made.service.close()
        made.reader.close()
        app.journal.close()


@pytest.fixture
def database_of_run(
    request: pytest.FixtureRequest, fault_run: int, tmp_path: Path
) -> Iterator[str]:
    """PostgreSQL in the first run and in every other one, where there is one; else SQLite."""
    if fault_run % 2 or postgres.missing():
        yield f"sqlite:///{tmp_path}/journal.sqlite3"
        return
    server = request.getfixturevalue("postgres")
    with postgres.database(server, f"faults_{fault_run}") as url:
        yield url


@pytest.fixture
def whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_of_run: str
) -> Iterator[Running]:
    monkeypatch.setattr(service, "OUTAGE_SECONDS", (0.05, 0.1, 0.2))
    side = HttpSide()
    settings = Settings(
        home=home_of(tmp_path / "home"), knowledge=KNOWLEDGE, database_url=database_of_run,
        smtp_port=free_port(), http_port=0,
    )  # fmt: skip
    access = SlackAccess(
        bot_token=side.bot_token, app_token=side.app_token, signing_secret=side.secret,
        channel=side.triage, staff=frozenset({ALICE, BOB}), base_url=side.base_url,
    )  # fmt: skip
    quick = ready()
    app = SlackApp(
        settings, access, replace(FAST, post=0.01), knowledge=quick.knowledge, responder=quick,
        limits=replace(read_limits(KNOWLEDGE), retry_seconds=(1, 1, 1, 1), receipt_seconds=1, caps=()),
    )  # fmt: skip
    with running(app, side) as made:
        yield made
    side.close()


def points_of(whole: Running) -> list[Point]:
    """What the threads of the desk reach again and again, once everything has been met before."""
    before = Counter[Point]()
    for moments in (10, 6):
        before = Counter(whole.faults.reached)
        for _ in range(moments):
            whole.live()
            time.sleep(0.2)
        whole.settle([])
    again = whole.faults.reached - before
    return sorted(point for point in again if point.thread != "main")


def break_at(whole: Running, point: Point, error: Callable[[], Exception]) -> None:
    """Let the desk live until this point has raised."""
    whole.faults.arm(point, error)

    def fired() -> bool:
        if whole.faults.fired.is_set():
            return True
        whole.live()
        return whole.faults.fired.wait(PAUSE_SECONDS)

    wait_until(fired, lambda: f"{point} was not reached again")


def is_said(whole: Running, caplog: pytest.LogCaptureFixture, records: int) -> bool:
    """Is there a line in the log since, or a remark in /readyz?"""
    return len(caplog.records) > records or bool(whole.failing())


@pytest.mark.no_cover
def test_an_error_at_any_call_of_any_thread_ends_where_somebody_sees_it(
    whole: Running, caplog: pytest.LogCaptureFixture, fault_run: int
) -> None:
    caplog.set_level(logging.WARNING)
    points = points_of(whole)
    assert {point.thread for point in points} >= THREADS
    done: list[tuple[Point, str]] = []
    for number, point in enumerate(points):
        whole.until(lambda: not whole.failing(), done[-1:])
        error, records = ERRORS[(number + fault_run) % len(ERRORS)], len(caplog.records)
        break_at(whole, point, error)
        done.append((point, type(error()).__name__))
        if not point.call.startswith(IN_A_LIBRARY):
            whole.until(partial(is_said, whole, caplog, records), done[-1:])
        if number % AT_ONCE == AT_ONCE - 1:
            whole.settle(done[-AT_ONCE:])
    whole.settle(done[-AT_ONCE:])
    replies = mailbox.Maildir(whole.app.settings.home / "mail" / "sent", create=False)
    replied = Counter(reply["In-Reply-To"] for reply in replies)
    assert [mail for mail, times in replied.items() if times > 1] == [], "somebody was told twice"
