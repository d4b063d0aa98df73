"""Runs what must happen beside the intake: heartbeat, take-over, retries, reminders, clean-up."""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bot.channels.mail.local import LocalMailbox
from bot.errors import DeskError
from bot.infra.jobs import VERSION
from bot.infra.memory import release_free_memory
from bot.infra.supervision import Supervisor
from bot.journal import OutboxState
from bot.journal.activity import MODEL_USED
from bot.journal.retention import BATCH
from bot.ports import MailFolder

if TYPE_CHECKING:
    from bot.app import App
    from bot.infra.metrics import Metrics
    from bot.ports import MailArchive

log = logging.getLogger(__name__)
# How old the last heartbeat of this process may be before it reports itself as stalled.
STALLED_SECONDS = 30.0
STOP_SECONDS = 30.0  # how long stopping waits for a delivery that is under way
RELEASE_SECONDS = 60.0  # between two times that free memory is given back to the system
HOUR_SECONDS = 3600.0  # between two looks for what is too old
SETTLED = (MailFolder.PROCESSED.value, MailFolder.DROPPED.value)
FOR_A_PERSON = (MailFolder.HELD.value, MailFolder.FAILED.value)
NO_RECEIPT = "its own copy never came back; it may have arrived"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceIntervals:
    """How often each task is done, in seconds; a worker silent for the lease counts as dead."""

    beat: float = 2.0
    lease: float = 10.0
    send: float = 1.0
    forgotten: float = 30.0  # after which an undecided message gets a new job
    tidy: float = 30.0
    intake: float = 2.0  # between two looks at whether the intake listens


class Maintenance:
    """Three threads of a running desk: heartbeat, maintenance, and mails that waited.

    The heartbeat has a thread of its own, because a worker whose maintenance takes longer than the
    lease, such as one that learns or deletes old mails, would count as dead otherwise.
    """

    def __init__(self, app: "App", metrics: "Metrics") -> None:
        self.intervals = MaintenanceIntervals()
        self.app = app
        self.desk = app.desk
        self.journal = app.journal
        self.jobs = app.jobs
        self.metrics = metrics
        self.budget = app.budget
        self._model_used = (0, 0)  # calls and tokens that were recorded since the start
        self.supervisor = Supervisor()
        self._beaten = time.monotonic()
        self._tidied = time.monotonic()
        self._released_at = time.monotonic()
        self._retention_at = time.monotonic() + self.intervals.tidy
        self._add_gauges()

    def start(self) -> None:
        """Register this worker, finish what a crash left, then start the threads."""
        self.journal.workers.record_heartbeat(self.jobs.worker, VERSION)
        if not self.jobs.shared:
            # Nobody else works on this database, so a mail in `sending` is not being sent.
            self.desk.delivery.settle_interrupted(
                self.journal.mail_outbox.list_claimed_by([self.jobs.worker])
            )
        self.take_over_silent_workers()
        self.enqueue_missing_jobs(0)
        # A failed heartbeat is repeated soon, for a worker silent for the lease counts as dead.
        beat, send = self.intervals.beat, self.intervals.send
        self.supervisor.start("heartbeat", self._beat, pause=beat, unit=beat, backoff=(1,))
        self.supervisor.start("maintenance", self._maintain, pause=beat, unit=beat, backoff=(1,))
        self.supervisor.start("sending", self._send, pause=send, unit=send)

    def stop(self) -> None:
        """Stop the threads after what they are doing now."""
        self.supervisor.stop(STOP_SECONDS)
        self.supervisor.attempt("recording what the model took", self._record_model_use)

    def deregister(self) -> None:
        """Remove this worker from the journal, so that no other waits for its lease to end."""
        try:
            self.journal.workers.remove(self.jobs.worker)
        except DeskError:
            log.warning("the worker could not say that it stops")

    def list_faults(self) -> list[str]:
        """Return the faults of the process that only a restart repairs."""
        stalled = time.monotonic() - self._beaten > STALLED_SECONDS
        return [*(["heartbeat"] if stalled else []), *self.supervisor.list_dead_threads()]

    def take_over_silent_workers(self) -> None:
        """Take over jobs and mails of workers that fell silent, and settle interrupted mails."""
        silent = [
            w
            for w in self.journal.workers.list_silent(self.intervals.lease)
            if w != self.jobs.worker
        ]
        if silent:
            self.jobs.take_over(silent)
            self.desk.delivery.settle_interrupted(self.journal.mail_outbox.list_claimed_by(silent))
            for each in silent:
                self.journal.workers.remove(each)
                self.metrics.taken_over.inc()
                log.warning("took over from a silent worker", extra={"worker": each})
        self.desk.delivery.settle_interrupted(
            self.journal.mail_outbox.list_orphaned(self.intervals.lease)
        )
        self.desk.delivery.settle_interrupted(
            self.desk.delivery.list_abandoned(self.intervals.lease)
        )

    def enqueue_missing_jobs(self, seconds: float) -> int:
        """Enqueue a job for each conversation that waits without one; return how many.

        Conversations count whose message has been undecided for longer than `seconds`.
        """
        stalled = self.journal.list_stalled_conversations(seconds)
        if not stalled:
            return 0
        waiting = self.jobs.list_waiting_conversations()
        missing = [each for each in stalled if each not in waiting]
        self.journal.enqueue(missing, self.jobs.enqueue_drain)
        if missing:
            log.warning("jobs were missing and were put again", extra={"count": len(missing)})
        return len(missing)

    def _beat(self) -> None:
        self.journal.workers.record_heartbeat(self.jobs.worker, VERSION)
        self._beaten = time.monotonic()

    def _maintain(self) -> None:
        """Do each maintenance task; one that fails stops no other.

        MissingError when the journal is away: then each of them would fail.
        """
        self.journal.workers.list_all()  # only to learn whether the journal is there
        for name, task in (
            ("taking over from silent workers", self.take_over_silent_workers),
            ("releasing stuck jobs", self._cancel_stuck_jobs),
            (
                "putting lost jobs again",
                lambda: self.enqueue_missing_jobs(self.intervals.forgotten),
            ),
            ("reminding of cases", self._record_reminders),
            ("settling mails of unknown fate", self._recheck_unknown),
            ("forgetting what is done", self._delete_finished),
            ("taking texts out of old rows", self._apply_retention),
            ("learning what people answered", self._learn_answers),
            ("giving memory back", self._release_memory),
        ):
            self.supervisor.attempt(name, task)

    def _send(self) -> None:
        """Share answers with cases that ask the same, then deliver every mail that is due."""
        self.app.sharing.share_waiting()
        self.desk.deliver()

    def _cancel_stuck_jobs(self) -> None:
        if released := self.jobs.cancel_stuck(self.intervals.lease):
            log.warning("jobs were stuck and were released", extra={"count": released})

    def _record_reminders(self) -> None:
        for case, count in self.journal.cases.record_due_reminders():
            self.metrics.reminders.inc()
            log.warning("a case is past its due time", extra={"case_id": case, "count": count})

    def _delete_finished(self) -> None:
        if time.monotonic() - self._tidied > self.intervals.tidy:
            self._tidied = time.monotonic()
            self.jobs.delete_finished()
            self.journal.delete_old_counts()
            self._record_model_use()

    def _release_memory(self) -> None:
        if time.monotonic() - self._released_at > RELEASE_SECONDS:
            self._released_at = time.monotonic()
            release_free_memory()

    def _record_model_use(self) -> None:
        """Append the model's calls and tokens since the last time to the audit, for the reports."""
        used = (self.budget.spent["calls"], self.budget.spent["tokens"])
        calls, tokens = (now - before for now, before in zip(used, self._model_used, strict=True))
        if calls:
            self.journal.append_audit(f"{MODEL_USED}{calls}:{tokens}")
            self._model_used = used

    def _apply_retention(self) -> None:
        """Remove one batch of what is past its retention, each hour; sooner while there is more."""
        if time.monotonic() < self._retention_at:
            return
        self._retention_at = time.monotonic() + HOUR_SECONDS
        taken = apply_retention(self.app)
        if any(taken.values()):
            log.info("old texts were taken out", extra={"count": sum(taken.values())})
        if max(taken.values(), default=0) >= BATCH:
            self._retention_at = time.monotonic() + self.intervals.tidy

    def _learn_answers(self) -> None:
        if self.app.learn_answers():
            log.info("the desk has learned what people answered")

    def _recheck_unknown(self) -> None:
        """Look once more for mails whose receipt did not come in time; else a person gets them."""
        if self.journal.limits is None:
            return
        for mail in self.journal.mail_outbox.list_unknown(self.journal.limits.receipt_seconds):
            if self.desk.delivery.recheck_unknown(mail, mail.fault or NO_RECEIPT):
                log.error("no receipt came; a person must look", extra={"outbox_id": mail.id})

    def _add_gauges(self) -> None:
        self.metrics.watch(
            "desk_cases_open", "Cases that wait for a person", self._count_open_cases
        )
        self.metrics.watch(
            "desk_case_oldest_seconds", "Age of the oldest open case", self._oldest_case_seconds
        )
        self.metrics.watch(
            "desk_messages_undecided", "Messages that were not decided yet",
            lambda: float(self.journal.count_undecided()),
        )  # fmt: skip
        self.metrics.watch_counts(
            "desk_sends", "Outgoing mails by state", "state", self._count_sends
        )

    def _count_sends(self) -> dict[str, int]:
        counts = self.journal.mail_outbox.count_by_state()
        return {state.value: counts.get(state, 0) for state in OutboxState}

    def _count_open_cases(self) -> float:
        return float(self.journal.cases.count_open())

    def _oldest_case_seconds(self) -> float:
        opened_at = self.journal.cases.oldest_opened_at()
        if not opened_at:
            return 0.0
        return (datetime.now(UTC) - datetime.fromisoformat(opened_at)).total_seconds()


def apply_retention(app: "App") -> dict[str, int]:
    """Remove one batch of everything past its retention, and return the counts by kind.

    DeliveryError when the mailbox does not answer, and OSError, after all else was done, when
    learned questions cannot be removed from the knowledge folder.
    """
    settings, retention = app.settings, app.journal.retention
    taken = {
        name: batch(days)
        for name, days, batch in (
            ("text", settings.keep_text_days, retention.blank_messages),
            ("case", settings.keep_case_days, retention.blank_cases),
            ("send", settings.keep_send_days, retention.blank_sends),
            ("slack", settings.keep_slack_days, retention.delete_slack),
        )
        if days
    }
    now = app.journal.clock()
    with app.mail.archives() as archives:
        for archive in archives:
            local = isinstance(archive, LocalMailbox)
            if local and settings.keep_send_days:
                before = now - timedelta(days=settings.keep_send_days)
                taken["sent"] = archive.delete_older(["sent"], before, BATCH)
            if days := settings.keep_mail_days if local else settings.keep_imap_days:
                before = now - timedelta(days=days)
                taken |= _delete_settled(archive, before, retention.oldest_open_case())
    taken["learned"] = app.label_review.forget_erased()
    taken["proposed"] = app.team_answer_review.forget_erased()
    return taken


def _delete_settled(archive: "MailArchive", before: datetime, oldest_open: str) -> dict[str, int]:
    """Delete settled mails that came before a time, and return how many by the kind of folder.

    The mail of an open case stays, for somebody may have to look at it; `oldest_open` is when the
    oldest such mail came, empty for none.
    """
    held_before = min(before, datetime.fromisoformat(oldest_open)) if oldest_open else before
    name = type(archive).__name__
    return {
        f"settled {name}": archive.delete_older(SETTLED, before, BATCH),
        f"held {name}": archive.delete_older(FOR_A_PERSON, held_before, BATCH),
    }
