"""Runs `incident-desk serve`: takes mails in, decides them in jobs and reports its health.

A mail stays in the mailbox until its message is committed together with its job; the job decides it
from the journal and delivers its reply from the outbox. Each step can run again after a crash.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from bot.app import App
from bot.channels.mail.intake import (
    JudgedMail,
    build_received_message,
    build_unreadable_message,
    judge_mail,
)
from bot.channels.mail.rule_input import reported_ids
from bot.channels.mail.rules import MailVerdict
from bot.channels.mail.sandbox import SafeParser
from bot.desk import HOLD, Checkpoint
from bot.domain import Response
from bot.errors import DeskError, MissingError
from bot.infra.http_server import HttpPort, HttpResponse, status_page
from bot.infra.jobs import JobHandlers
from bot.infra.metrics import CONTENT_TYPE, Metrics
from bot.infra.supervision import is_exhaustion
from bot.infra.traces import Step, Traces, now
from bot.journal import OutgoingMail, ReceivedMessage, StoredDecision
from bot.ports import Mail, MailFolder
from bot.serve.health_checks import CHECK_SECONDS, HealthCheck, HealthChecks, build_running_checks
from bot.serve.maintenance import Maintenance

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)
WAIT_SECONDS = 60.0  # how long a wait for new mail lasts at most
WATCH_SECONDS = 0.05  # the same while `run` watches a condition
OUTAGE_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)  # after so many failures in a row
TAKING = "taking mail"
MAX_ATTEMPTS = 3  # to take or to decide one mail; then a person gets it
FOLDERS = {
    MailVerdict.ANSWER: MailFolder.PROCESSED,
    MailVerdict.HOLD: MailFolder.HELD,
    MailVerdict.DROP: MailFolder.DROPPED,
    MailVerdict.BOUNCE: MailFolder.DROPPED,
    MailVerdict.RECEIPT: MailFolder.DROPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandledMail:
    """What the desk did with one mail, as a row to show."""

    subject: str
    verdict: str
    rule: str
    response: Response | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _MailInProgress:
    """What is known of a mail while it is handled; it is kept in memory only."""

    subject: str
    began: float


class Service:
    """The intake loop of a running desk; `show` is called for each handled mail."""

    def __init__(self, app: App, show: Callable[[HandledMail], None]) -> None:
        self.app = app
        self.show = show
        self.desk = app.desk
        self.journal = app.journal
        self.mailbox = app.mailbox
        self.jobs = app.jobs
        self.slack = app.slack
        self.web = app.web
        self.parser = SafeParser(app.knowledge.own_words)
        self.policy = app.mail_policy
        self.metrics = Metrics()
        self.traces = Traces(
            app.settings.traces, version=metadata.version("incident-desk"),
            seed=app.knowledge.incident.key,
        )  # fmt: skip
        self._untold: set[str] = set()  # current faults that /readyz shows by name only
        self.http = HttpPort(app.settings.http_port, app.settings.http_host)
        self.maintenance = Maintenance(app, self.metrics)
        self.stopping = threading.Event()
        self.on_checkpoint: Callable[[Checkpoint], None] = self.desk.on_checkpoint
        self._in_progress: dict[int, _MailInProgress] = {}
        self._showing = threading.Lock()
        self.checks = HealthChecks(self._list_checks())
        self._failures = 0
        self._attempts = Counter[str]()  # for mails that broke the intake, by where they lie
        self._left_in_mailbox = 0  # mails that an error left in the mailbox in the last pass
        self._passes_with_leftovers = 0  # passes in a row that left some
        self._add_gauges()

    def _add_gauges(self) -> None:
        app = self.app
        self.metrics.watch("desk_mailbox_up", "1 while mail can be taken", self._mail_is_taken)
        self.metrics.watch(
            "desk_mails_waiting", "Mails that wait to be taken", lambda: float(self.mailbox.backlog)
        )
        if app.settings.model:
            self.metrics.watch_model(app.budget, believed=lambda: app.responder.believed)
        self.metrics.watch(
            "desk_slack_up", "Slack is used, and nothing is wrong", self._slack_is_healthy
        )
        self.metrics.watch_counts(
            "desk_check_failed", "1 for a check of /readyz that finds a fault", "check",
            self.checks.count_failed,
        )  # fmt: skip

    def start(self) -> None:
        """Start to take mail and to work.

        MissingError when a port or the database is in use, SettingsError for another key than that
        of the desks beside it; a mailbox that does not answer is waited for.
        """
        self.app.check_installation_key()
        self.on_checkpoint = self.desk.on_checkpoint
        self.desk.delivery.worker = self.jobs.worker
        self.desk.delivery.on_delivery = self._record_delivery
        self.jobs.start(JobHandlers(drain=self._drain, deliver_decision=self._deliver_decision))
        self.maintenance.start()
        for path, page in (("/healthz", self._health), ("/readyz", self._ready)):
            self.http.get(path, page)
        self.http.get(
            "/metrics", lambda: HttpResponse(body=self.metrics.render(), kind=CONTENT_TYPE)
        )
        if self.slack:
            self.http.post("/slack/events", self.slack.http_adapter)
            self.slack.button_handler.mail_is_taken = lambda: not self._failures
            self.slack.add_metrics(self.metrics.watch)
            self.slack.start()
        self.metrics.watch(
            "desk_http_cut_off", "Connections to the HTTP port that were cut off",
            self.http.count_cut_off,
        )  # fmt: skip
        if self.web:
            self.http.mount("", self.web.asgi)  # after the fixed paths, which keep their handlers
        self.http.start()
        self._start_intake()
        self.checks.list_faults(vital=True)  # loads what the checks need before the first request
        log.info("started", extra=self._describe_desk())

    def _start_intake(self) -> None:
        """Open the SMTP port of the local mailbox, and open it again should its thread end."""
        intake = self.app.intake
        if intake is None:
            return
        intake.start()
        self.metrics.watch(
            "desk_intake_open", "Connections of the mail port", intake.gate.count_open
        )

        def keep_open() -> None:
            intake.list_faults()  # this call also notices the end of an outage
            if not intake.is_running():
                intake.stop()
                intake.start()

        pause = self.maintenance.intervals.intake
        self.maintenance.supervisor.start("intake port", keep_open, pause=pause)

    @property
    def web_link(self) -> str:
        """Return the link that lets a person into the desk in a browser; empty without one."""
        return self.web.link(self.http.host, self.http.port) if self.web else ""

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Take mail until `stop` is called or `until` returns True after a pass."""
        seconds = WAIT_SECONDS if until is None else WATCH_SECONDS
        while not self.stopping.is_set():
            if self._take_waiting():
                self._failures = 0
            if until and until():
                return
            self._wait(seconds)

    def stop(self) -> None:
        """End `run` after the mail that it handles now."""
        self.stopping.set()
        self.mailbox.wake()

    def close(self) -> None:
        """Finish what is running, then release ports, child process and worker registration."""
        self.stopping.set()
        if self.app.intake:
            self.app.intake.stop()
        if self.slack:
            self.slack.close()
        self.maintenance.stop()
        self.jobs.stop()
        self.http.stop()
        self.parser.close()
        self.maintenance.deregister()
        self.traces.close()
        log.info("stopped", extra=self._describe_desk())

    def _wait(self, seconds: float) -> None:
        """Wait for new mail, up to `seconds`; after failures, for a time that grows with them."""
        if self._failures:
            self.stopping.wait(_outage(self._failures))
            return
        try:
            self.mailbox.wait(
                min(seconds, _outage(self._passes_with_leftovers))
                if self._passes_with_leftovers
                else seconds
            )
        except Exception as error:  # noqa: BLE001 - _record_failure logs it
            self._record_failure(error)

    def _take_waiting(self) -> bool:
        """Take the waiting mails; return False after an outage, which is logged once."""
        left = 0
        try:
            for mail in self.mailbox.waiting():
                if self.stopping.is_set():
                    break
                left += not self._take_safely(mail)
        except Exception as error:  # noqa: BLE001 - _record_failure logs it
            self._record_failure(error)
            return False
        self.maintenance.supervisor.outages.record_success(TAKING)
        self._left_in_mailbox, self._passes_with_leftovers = (
            left,
            self._passes_with_leftovers + 1 if left else 0,
        )
        return True

    def _record_failure(self, error: Exception) -> None:
        self._failures += 1
        self.maintenance.supervisor.outages.record_failure(
            TAKING, error, expected=isinstance(error, DeskError | OSError)
        )

    def _take_safely(self, mail: Mail) -> bool:
        """Take one mail; one that breaks the intake goes to a person and holds up no other.

        Returns False when the mail is left where it lies, for the next pass. If it was stored
        before the error, the next pass recognizes it.
        """
        try:
            parsed = self._read(mail)
        except Exception as error:
            _raise_outage(error)
            log.exception("a mail broke the intake", extra={"fault": type(error).__name__})
            return self._escalate_unreadable(mail, error)
        try:
            self._store_mail(parsed, mail)
        except Exception as error:
            _raise_outage(error)
            log.exception("a mail broke the intake", extra={"fault": type(error).__name__})
            self._attempts[mail.ref] += 1
            return self._attempts[mail.ref] >= MAX_ATTEMPTS and self._escalate_unreadable(
                mail, error
            )
        self._attempts.pop(mail.ref, None)
        return True

    def _escalate_unreadable(self, mail: Mail, error: Exception) -> bool:
        """Store a mail that cannot be read, with a case for a person; return whether it worked."""
        try:
            message_id = self.desk.store_message(build_unreadable_message(mail))
            if message_id is not None:
                self.journal.mark_failed(message_id, type(error).__name__)
            self.mailbox.settle(mail.ref, MailFolder.FAILED)
        except Exception as second:
            _raise_outage(second)
            fault = type(second).__name__
            log.exception("a mail could not be left for a person", extra={"fault": fault})
            return False
        self._attempts.pop(mail.ref, None)
        self.metrics.mails.labels(verdict="hold", rule="R0 not readable").inc()
        return True

    def _slack_is_healthy(self) -> float:
        return float(self.slack is not None and all(line.good for line in self.slack.list_health()))

    def _read(self, mail: Mail) -> JudgedMail:
        self.on_checkpoint(Checkpoint.FETCHED)
        return judge_mail(mail.raw, self.parser, self.policy, is_cut=mail.is_cut)

    def _store_mail(self, parsed: JudgedMail, mail: Mail) -> None:
        """Store a parsed mail together with its job, then move it out of the mailbox."""
        stored = build_received_message(parsed, mail.ref)
        self.on_checkpoint(Checkpoint.READ)
        began, at = time.monotonic(), now()
        message_id = self.desk.store_message(stored, self._enqueue_drain)
        self.on_checkpoint(Checkpoint.STORED)
        if message_id is None:
            self._settle_known(parsed, stored, mail)
            return
        self._in_progress[message_id] = _MailInProgress(subject=parsed.subject, began=began)
        self._record_receipt_or_bounce(parsed)
        self.mailbox.settle(mail.ref, FOLDERS[parsed.ruling.verdict])
        self.on_checkpoint(Checkpoint.SETTLED)
        self.metrics.mails.labels(verdict=stored.verdict, rule=stored.rule).inc()
        log.info(
            "taken",
            extra={"message_id": message_id, "verdict": stored.verdict, "rule": stored.rule},
        )
        self.traces.record(
            Step.INTAKE, message_id=message_id, began=at, verdict=stored.verdict, rule=stored.rule
        )
        if stored.final:
            self._report(message_id, stored, None)

    def _enqueue_drain(self, db: "Connection", conversation_id: int) -> None:
        self.jobs.enqueue_drain(db, conversation_id)
        self.on_checkpoint(Checkpoint.STORING)

    def _settle_known(self, parsed: JudgedMail, stored: ReceivedMessage, mail: Mail) -> None:
        """Move away a mail whose message is stored: a duplicate, or one taken before a crash."""
        known = self.journal.find_by_key(stored.key)
        place = MailFolder.DROPPED
        if known and known[1] == mail.ref:
            place = FOLDERS[MailVerdict(known[0])]
            self._record_receipt_or_bounce(parsed)
        self.mailbox.settle(mail.ref, place)
        self.metrics.mails.labels(verdict="drop", rule="R3 duplicate").inc()
        log.info("a duplicate", extra={"rule": "R3 duplicate"})

    def _record_receipt_or_bounce(self, parsed: JudgedMail) -> None:
        """Record what a receipt or a bounce says about a mail of ours."""
        if parsed.ruling.verdict is MailVerdict.RECEIPT:
            self.journal.mail_outbox.record_receipt(parsed.mail.message_id)
        if parsed.ruling.verdict is MailVerdict.BOUNCE:
            for header in reported_ids(parsed.mail, self.policy):
                self.journal.mail_outbox.record_bounce(header)

    def _drain(self, conversation_id: int) -> None:
        """Decide what waits in a conversation, in order, and deliver the replies (a job)."""
        self.on_checkpoint(Checkpoint.STARTED)
        undecided = self.journal.list_undecided(conversation_id)
        for message_id in undecided:
            self._decide(message_id)
        self.desk.deliver(conversation_id)
        for message_id in undecided:
            taken = self._in_progress.pop(message_id, None)
            if taken:
                self.metrics.reply.observe(time.monotonic() - taken.began)
        self.on_checkpoint(Checkpoint.DRAINED)

    def _deliver_decision(self, escalation_id: int) -> None:
        """Deliver what a person decided in a case (a job)."""
        self.desk.deliver(self.journal.cases.conversation_of(escalation_id))
        case = self.journal.cases.read(escalation_id)
        if case and case.decision:
            self.traces.record(
                Step.CASE, message_id=case.message_id, case_id=case.id,
                began=int(datetime.fromisoformat(case.opened_at).timestamp() * 1e9),
                reason=case.reason, action=case.decision.action.value,
            )  # fmt: skip

    def _record_delivery(self, mail: OutgoingMail, began: int) -> None:
        self.traces.record(
            Step.DELIVERY, message_id=mail.message_id or 0, began=began, outbox_id=mail.id,
            automatic=mail.automatic, attempts=mail.attempts,
        )  # fmt: skip

    def _decide(self, message_id: int) -> None:
        began = now()
        try:
            decided = self.desk.decide_message(message_id)
        except MissingError:
            raise
        except DeskError as error:
            self._give_up(message_id, error)
            return
        except Exception as error:
            if is_exhaustion(error) or self.journal.count_attempt(message_id) < MAX_ATTEMPTS:
                raise
            self._give_up(message_id, error)
            return
        self.on_checkpoint(Checkpoint.DECIDED)
        if not decided.first:
            return
        if decided.case_number:
            self.app.sharing.share(decided.case_number)
        stored = self.journal.read_message(message_id)
        self.metrics.count_response(decided.response)
        if decided.cap:
            self.metrics.caps.labels(cap=decided.cap).inc()
        said = self._describe_decision(message_id, decided)
        log.info("decided", extra=said)
        about = {"language": decided.response.language, "knowledge": decided.response.knowledge}
        self.traces.record(Step.DECISION, began=began, **{**said, **about})
        self._report(message_id, stored, decided.response)

    def _describe_decision(self, message_id: int, decided: StoredDecision) -> dict[str, Any]:
        """Return the log fields of a decided message: numbers and members of enumerations only."""
        outcomes = decided.response.outcomes
        kinds = dict.fromkeys(type(each).__name__.lower() for each in outcomes)
        return {
            "message_id": message_id, "cap": decided.cap, "outcome": " ".join(kinds) or "silent",
            "reason": " ".join(dict.fromkeys(each.reason.value for each in outcomes)),
            "case_id": self.journal.cases.find_number(message_id),
            "milliseconds": round(decided.response.milliseconds),
        }  # fmt: skip

    def _describe_desk(self) -> dict[str, object]:
        """Return what the log says of the desk when it starts and when it stops."""
        settings, knowledge = self.app.settings, self.app.knowledge
        parts = [settings.mail.value, "slack" * bool(self.slack), "model" * bool(settings.model)]
        return {
            "version": metadata.version("incident-desk"), "mode": " ".join(filter(None, parts)),
            "incident": knowledge.incident.key or knowledge.post.title,
            "reader": self.app.encoder.name, "knowledge": knowledge.version,
            "worker": self.jobs.worker,
        }  # fmt: skip

    def _give_up(self, message_id: int, error: Exception) -> None:
        fault = type(error).__name__
        self.journal.mark_failed(message_id, fault)
        log.error("left for a person", extra={"message_id": message_id, "fault": fault})
        self._report(message_id, self.journal.read_message(message_id), None)

    def _report(self, message_id: int, stored: ReceivedMessage, response: Response | None) -> None:
        taken = self._in_progress.get(message_id)
        if stored.final:
            self._in_progress.pop(message_id, None)
        verdict = "hold" if stored.verdict == HOLD else stored.verdict
        subject = taken.subject if taken else "(from before the restart)"
        with self._showing:
            self.show(
                HandledMail(subject=subject, verdict=verdict, rule=stored.rule, response=response)
            )

    def _list_checks(self) -> list[HealthCheck]:
        checks = build_running_checks(self.app)
        if intake := self.app.intake:
            hangs = "the port for mail does not answer; restart the desk"
            checks.append(
                HealthCheck(
                    name="intake",
                    find_fault=lambda: "" if intake.answers(CHECK_SECONDS / 2) else hangs,
                )
            )
        return checks

    def _mail_is_taken(self) -> float:
        return float(not self._failures)

    def _list_remarks(self) -> list[str]:
        """Return what is wrong although mail is taken and answered."""
        remarks = self.maintenance.supervisor.list_faults()
        if self._left_in_mailbox:
            remarks.append(f"intake: {self._left_in_mailbox} mails broke it and are tried again")
        if self.app.intake:
            remarks += self.app.intake.list_faults()
        remarks += self.checks.list_faults(vital=False)
        return [*remarks, *(self.slack.list_faults() if self.slack else [])]

    def _health(self) -> HttpResponse:
        return status_page(self.maintenance.list_faults())

    def _ready(self) -> HttpResponse:
        faults = [*self.maintenance.list_faults(), *self.checks.list_faults(vital=True)]
        if self._failures:
            faults.append("mailbox: it does not answer; the desk tries again and again")
        if self.stopping.is_set():
            faults.append("stopping")
        remarks = [] if faults else self._list_remarks()
        if self.app.settings.is_http_local:
            return status_page(faults, remarks)
        self._log_untold({*faults, *remarks})
        return status_page(_names(faults), _names(remarks))

    def _log_untold(self, found: set[str]) -> None:
        """Log each new fault in full, because /readyz shows a network its name only."""
        for each in found - self._untold:
            log.warning("what /readyz names is wrong", extra={"fault": each})
        self._untold = found


def _names(found: list[str]) -> list[str]:
    """Return the names of faults without their texts, which name hosts, users and paths."""
    return [each.partition(":")[0] for each in found]


def _raise_outage(error: Exception) -> None:
    """Raise `error` again when it is an outage and therefore no fault of the mail."""
    if isinstance(error, DeskError) or is_exhaustion(error):
        raise error


def _outage(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row."""
    return OUTAGE_SECONDS[min(failures, len(OUTAGE_SECONDS)) - 1]
