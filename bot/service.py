"""`incident-desk serve`: a mailbox, workers, and nothing lost when it is killed.

A mail stays in the mailbox until its message is committed together with its job; the job decides
it from the journal and hands its reply over from the outbox. Each step can run again after a crash.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.app import App
from bot.channels.mail.intake import Read, read, received, unreadable
from bot.channels.mail.rules import Policy, Verdict
from bot.channels.mail.sandbox import SafeParser
from bot.desk import HOLD, Step
from bot.domain import Response
from bot.errors import DeskError, MissingError
from bot.http import HttpPort, Page, status_page
from bot.jobs import Duties
from bot.journal import Received
from bot.metrics import CONTENT_TYPE, Metrics
from bot.ports import Mail, Place
from bot.settings import MailKind
from bot.upkeep import Upkeep

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)
WAIT_SECONDS = 60.0
WATCH_SECONDS = 0.05
OUTAGE_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
TRIES = 3
PLACES = {
    Verdict.ANSWER: Place.PROCESSED,
    Verdict.HOLD: Place.HELD,
    Verdict.DROP: Place.DROPPED,
    Verdict.BOUNCE: Place.DROPPED,
    Verdict.RECEIPT: Place.DROPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """One mail's way through the desk, as a row to show."""

    subject: str
    verdict: str
    rule: str
    response: Response | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What is known of a mail only while it is handled: it is stored nowhere."""

    subject: str
    began: float


class Service:
    """The intake loop; jobs decide and send, the upkeep looks after what was left."""

    def __init__(self, app: App, show: Callable[[Handled], None]) -> None:
        self.app = app
        self.show = show
        self.desk = app.desk
        self.journal = app.journal
        self.mailbox = app.mailbox
        self.jobs = app.jobs
        self.slack = app.slack
        self.parser = SafeParser()
        self.policy = Policy(
            own=frozenset({app.settings.address}),
            authserv_id=app.settings.authserv_id,
            local=app.settings.mail is MailKind.LOCAL,
            is_sent=self.journal.sends.knows,
        )
        self.metrics = Metrics()
        self.http = HttpPort(app.settings.http_port)
        self.upkeep = Upkeep(app, self.metrics)
        self.metrics.watch("desk_mailbox_up", "1 while mail can be taken", self._up)
        self.stopping = threading.Event()
        self.at: Callable[[Step], None] = self.desk.at
        self._taken: dict[int, _Taken] = {}
        self._showing = threading.Lock()
        self._failures = 0
        if app.settings.model:
            self.metrics.watch_model(app.budget, believed=lambda: app.responder.believed)
        self.metrics.watch("desk_slack_up", "Slack is used, and nothing is wrong", self._slack_up)

    def start(self) -> None:
        """Accept mail and begin to work; MissingError when a port or the database is taken.

        SettingsError names a wrong setting of the mailbox; one that is only away is waited for.
        """
        self.app.check_mail()
        self.at = self.desk.at
        self.desk.worker = self.jobs.worker
        self.jobs.start(Duties(drain=self._drain, decided=self._decided))
        self.upkeep.start()
        for path, page in (("/healthz", self._health), ("/readyz", self._ready)):
            self.http.get(path, page)
        self.http.get("/metrics", lambda: Page(body=self.metrics.text(), kind=CONTENT_TYPE))
        if self.slack:
            self.http.post("/slack/events", self.slack.http_adapter)
            self.slack.acts.taking = lambda: not self._failures
            self.slack.measured(self.metrics.watch)
            self.slack.start()
        self.http.start()
        if self.app.intake:
            self.app.intake.start()

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Take mail until `stop` is called or `until` says so."""
        seconds = WAIT_SECONDS if until is None else WATCH_SECONDS
        while not self.stopping.is_set():
            if self._pass():
                self._failures = 0
            if until and until():
                return
            if not self._failures:
                self.mailbox.wait(seconds)
            else:
                self.stopping.wait(OUTAGE_SECONDS[min(self._failures, len(OUTAGE_SECONDS)) - 1])

    def stop(self) -> None:
        """Accept no more, finish the mail at hand."""
        self.stopping.set()
        self.mailbox.wake()

    def close(self) -> None:
        """Finish what is running, then release ports, child process and database."""
        self.stopping.set()
        if self.app.intake:
            self.app.intake.stop()
        if self.slack:
            self.slack.close()
        self.upkeep.stop()
        self.jobs.stop()
        self.http.stop()
        self.parser.close()
        self.upkeep.leave()

    def _pass(self) -> bool:
        """Take what waits; an outage of mailbox or database is one line, and tried again."""
        try:
            for mail in self.mailbox.waiting():
                if self.stopping.is_set():
                    break
                self._take_safely(mail)
        except DeskError as error:
            self._failures += 1
            if self._failures == 1:
                log.error("no mail can be taken", extra={"fault": type(error).__name__})  # noqa: TRY400 - one line
            return False
        if self._failures:
            log.warning("mail is taken again", extra={"attempts": self._failures})
        return True

    def _take_safely(self, mail: Mail) -> None:
        """A mail that breaks the intake is a person's, and holds up no other."""
        try:
            self._take(mail)
        except DeskError:
            raise
        except Exception as error:
            fault = type(error).__name__
            message_id = self.desk.take(unreadable(mail))
            if message_id is not None:
                self.journal.fail(message_id, fault)
            self.mailbox.settle(mail.ref, Place.FAILED)
            self.metrics.mails.labels(verdict="hold", rule="R0 not readable").inc()
            log.exception("a mail broke the intake", extra={"message_id": message_id})

    def _slack_up(self) -> float:
        return float(self.slack is not None and all(line.good for line in self.slack.health()))

    def _take(self, mail: Mail) -> None:
        self.at(Step.FETCHED)
        found = read(mail.raw, self.parser, self.policy)
        stored = received(found, mail.ref)
        self.at(Step.READ)
        began = time.monotonic()
        message_id = self.desk.take(stored, self._work)
        self.at(Step.STORED)
        if message_id is None:
            self._again(stored, mail)
            return
        self._taken[message_id] = _Taken(subject=found.subject, began=began)
        self._attach(found, mail)
        self.mailbox.settle(mail.ref, PLACES[found.ruling.verdict])
        self.at(Step.SETTLED)
        self.metrics.mails.labels(verdict=stored.verdict, rule=stored.rule).inc()
        log.info(
            "taken",
            extra={"message_id": message_id, "verdict": stored.verdict, "rule": stored.rule},
        )
        if stored.final:
            self._shown(message_id, stored, None)

    def _work(self, db: "Connection", conversation_id: int) -> None:
        self.jobs.drain(db, conversation_id)
        self.at(Step.STORING)

    def _again(self, stored: Received, mail: Mail) -> None:
        """A mail that is in the journal: a duplicate, or this one before a crash."""
        known = self.journal.known(stored.key)
        place = Place.DROPPED
        if known and known[1] == mail.ref:
            place = PLACES[Verdict(known[0])]
        self.mailbox.settle(mail.ref, place)
        self.metrics.mails.labels(verdict="drop", rule="R3 duplicate").inc()
        log.info("a duplicate", extra={"rule": "R3 duplicate"})

    def _attach(self, found: Read, mail: Mail) -> None:
        """Receipts and bounces say what became of a mail of ours."""
        if found.ruling.verdict is Verdict.RECEIPT:
            self.journal.sends.receipt(found.mail.message_id)
        if found.ruling.verdict is Verdict.BOUNCE:
            for header in self.app.own_ids(mail.raw):
                self.journal.sends.bounce(header)

    def _drain(self, conversation_id: int) -> None:
        """The job: decide what waits in a conversation, in order, and hand the replies over."""
        self.at(Step.STARTED)
        undecided = self.journal.undecided(conversation_id)
        for message_id in undecided:
            self._decide(message_id)
        self.desk.deliver(conversation_id)
        for message_id in undecided:
            taken = self._taken.pop(message_id, None)
            if taken:
                self.metrics.reply.observe(time.monotonic() - taken.began)
        self.at(Step.DRAINED)

    def _decided(self, escalation_id: int) -> None:
        """The job: hand over what a person decided."""
        self.desk.deliver(self.journal.cases.conversation(escalation_id))

    def _decide(self, message_id: int) -> None:
        try:
            decided = self.desk.work(message_id)
        except MissingError:
            raise
        except DeskError as error:
            self._give_up(message_id, error)
            return
        except Exception as error:
            if self.journal.attempt(message_id) < TRIES:
                raise
            self._give_up(message_id, error)
            return
        self.at(Step.DECIDED)
        if not decided.first:
            return
        stored = self.journal.message(message_id)
        self.metrics.answered(decided.response)
        if decided.cap:
            self.metrics.caps.labels(cap=decided.cap).inc()
        log.info("decided", extra={"message_id": message_id, "cap": decided.cap})
        self._shown(message_id, stored, decided.response)

    def _give_up(self, message_id: int, error: Exception) -> None:
        fault = type(error).__name__
        self.journal.fail(message_id, fault)
        log.error("left for a person", extra={"message_id": message_id, "fault": fault})
        self._shown(message_id, self.journal.message(message_id), None)

    def _shown(self, message_id: int, stored: Received, response: Response | None) -> None:
        taken = self._taken.get(message_id)
        if stored.final:
            self._taken.pop(message_id, None)
        verdict = "hold" if stored.verdict == HOLD else stored.verdict
        subject = taken.subject if taken else "(from before the restart)"
        with self._showing:
            self.show(
                Handled(subject=subject, verdict=verdict, rule=stored.rule, response=response)
            )

    def _up(self) -> float:
        return float(not self._failures)

    def _health(self) -> Page:
        return status_page(self.upkeep.faults())

    def _ready(self) -> Page:
        faults = self.upkeep.faults()
        try:
            self.journal.ping()
        except MissingError:
            faults.append("database")
        if self._failures:
            faults.append("mailbox")
        if self.stopping.is_set():
            faults.append("stopping")
        return status_page(faults, self.slack.remarks() if self.slack and not faults else [])
