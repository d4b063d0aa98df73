"""Runs durable jobs; it is the only module that imports dbos.

A job is short, carries one id and can run again at any point: *drain a conversation in order*,
*deliver what a person decided*. Everything that it needs is in the journal, and the next start
brings back any job that was lost. What waits for a person is a row, never a running job.

DBOS recovers only the jobs of its own executor id, and only when it starts; so each process has an
id of its own, a heartbeat, and takes over from those that fell silent.
"""

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer

from bot.errors import DeskError, MissingError
from bot.journal.engine import connect_rebuildable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bot.journal import Journal

log = logging.getLogger(__name__)
# Increased by hand when the steps of a job change. DBOS would compute a version from the source,
# which changes with every comment.
VERSION = "incident-desk-1"
NAME = "incident-desk"
QUEUE = "desk"
DRAIN = "drain"
DELIVER_DECISION = "decided"  # existing databases hold jobs under this name
POLL_SECONDS = 0.1  # between two looks at the queue; each takes CPU time, also where nothing waits
AT_ONCE = 8  # jobs of one process at a time, where none waits for a model
BATCH = 200  # finished jobs that are deleted at a time
FINISHED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

# Without a handler of its own, the logger of DBOS gets one that writes to stderr.
logging.getLogger("dbos").handlers[:] = [logging.NullHandler()]
logging.getLogger("dbos").propagate = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandlers:
    """What each kind of job does; each can be repeated.

    `drain` gets the id of a conversation, `deliver_decision` that of a case.
    """

    drain: Callable[[int], None]
    deliver_decision: Callable[[int], None]


class Jobs:
    """The job queue of one process; it can be started once.

    `at_once` bounds the jobs that run at a time; more make sense where jobs wait for a model.
    """

    def __init__(self, journal: "Journal", url: str, *, at_once: int = AT_ONCE) -> None:
        self.journal = journal
        self.at_once = at_once
        self.url = url
        self.shared = journal.engine.dialect.name != "sqlite"
        self.worker = f"desk-{os.getpid()}-{secrets.token_hex(4)}" if self.shared else "desk"
        self._lock: IO[bytes] | None = None
        self._engine = connect_rebuildable(url)
        self._client: DBOSClient | None = None
        self._running = _Running()
        self._idle: dict[str, float] = {}  # by job id: since when a pending job has had no thread

    def start(self, handlers: JobHandlers) -> None:
        """Start to work, first on what a crash left.

        MissingError when another desk works on the same SQLite database.
        """
        self._take_lock()
        config = DBOSConfig(
            name=NAME,
            system_database_url=self._dbos_url(),
            system_database_engine=self._engine,
            application_version=VERSION,
            executor_id=self.worker,
            serializer=DBOSPortableJSONSerializer(),
            log_level="ERROR",
            use_listen_notify=False,
            max_executor_threads=self.at_once + 4,
        )
        DBOS(config=config)
        for name, handler in (
            (DRAIN, handlers.drain),
            (DELIVER_DECISION, handlers.deliver_decision),
        ):
            DBOS.workflow(name=name, max_recovery_attempts=None)(_job(handler, self._running))
        DBOS.launch()
        DBOS.register_queue(
            QUEUE,
            worker_concurrency=self.at_once,
            partition_concurrency=1,
            polling_interval_sec=POLL_SECONDS,
            on_conflict="always_update",
        )
        self._client = DBOSClient(
            system_database_engine=self._engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=NAME,
            lazy=True,
        )

    def stop(self, seconds: int = 20) -> None:
        """Take no new job and wait up to `seconds` for those that run."""
        if self._client is None:
            return
        self._client.destroy()
        self._client = None
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds)
        self._engine.dispose()
        self._release_lock()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep other desks off this SQLite database meanwhile; on PostgreSQL others may work.

        MissingError when another desk works on it.
        """
        self._take_lock()
        try:
            yield
        finally:
            self._release_lock()

    def enqueue_drain(self, db: "Connection", conversation_id: int) -> None:
        """Enqueue a job that drains this conversation, in the transaction of the caller."""
        self._enqueue(db, DRAIN, f"drain:{conversation_id}:{secrets.token_hex(8)}", conversation_id)

    def enqueue_decision_delivery(self, db: "Connection", escalation_id: int) -> None:
        """Enqueue the job that delivers a decision, in the transaction of the caller.

        A case gets one such job, however often it is enqueued.
        """
        self._enqueue(db, DELIVER_DECISION, f"decision:{escalation_id}", escalation_id)

    def take_over(self, workers: list[str]) -> None:
        """Run the jobs of these workers, which fell silent."""
        DBOS._recover_pending_workflows(workers)  # noqa: SLF001 - no public function checks the owner

    def cancel_stuck(self, seconds: float) -> int:
        """Cancel jobs of this worker that no thread has worked on for `seconds`; return how many.

        DBOS leaves such a job behind when an error keeps it from storing that the job began or
        ended, and it would hold up its conversation until the next start.
        """
        pending = DBOS.list_workflows(
            status="PENDING", executor_id=self.worker, load_output=False, load_input=False
        )
        idle = {each.workflow_id for each in pending} - self._running.ids()
        now = time.monotonic()
        self._idle = {job_id: self._idle.get(job_id, now) for job_id in idle}
        stuck = [job_id for job_id, since in self._idle.items() if now - since > seconds]
        if stuck:
            DBOS.cancel_workflows(stuck)
        return len(stuck)

    def list_waiting_conversations(self) -> set[int]:
        """Return the conversations that a job is queued or running for."""
        jobs = DBOS.list_workflows(
            status=["ENQUEUED", "PENDING"], name=DRAIN, load_output=False, load_input=False
        )
        return {int(each.workflow_id.split(":")[1]) for each in jobs}

    def delete_finished(self) -> None:
        """Delete finished jobs; the journal records what was done."""
        while True:
            finished = DBOS.list_workflows(
                status=FINISHED, limit=BATCH, load_input=False, load_output=False
            )
            if not finished:
                return
            DBOS.delete_workflows([each.workflow_id for each in finished])

    def _enqueue(self, db: "Connection", job: str, job_id: str, row_id: int) -> None:
        if self._client is None:
            raise MissingError("the jobs have not been started")
        self._client.enqueue_in_transaction(
            db,
            {
                "workflow_name": job,
                "queue_name": QUEUE,
                "workflow_id": job_id,
                "queue_partition_key": f"{job}:{row_id}",
            },
            row_id,
        )

    def _take_lock(self) -> None:
        """Take the lock of a SQLite database, because two workers would take the same jobs."""
        path = self.journal.engine.url.database
        if self.shared or not path:
            return
        self._lock = Path(f"{path}.lock").open("ab")  # noqa: SIM115 - held until stop
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise MissingError(
                f"another desk works on {path}; stop it, or let several share a PostgreSQL "
                "named by DESK_DATABASE_URL"
            ) from None

    def _release_lock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def _dbos_url(self) -> str:
        """Return the URL of the journal, by which DBOS recognizes the kind of database."""
        url = self.journal.engine.url
        return url.render_as_string(hide_password=False)


class _Running:
    """The ids of the jobs that threads of this process work on; a job may run twice at a time."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def ids(self) -> set[str]:
        """Return the ids of the running jobs."""
        return set(self._ids)

    @contextmanager
    def job(self) -> Iterator[None]:
        """Record the current job while it runs."""
        job_id = DBOS.workflow_id or ""
        self._ids.append(job_id)
        try:
            yield
        finally:
            self._ids.remove(job_id)


def _job(handler: Callable[[int], None], running: _Running) -> Callable[[int], None]:
    """Return a job that hides the text of errors: DBOS stores it, and it may quote a message."""

    def job(about: int) -> None:
        try:
            with running.job():
                handler(about)
        except Exception as error:
            fault = type(error).__name__
            log.exception("a job broke", extra={"fault": fault})
            raise DeskError(f"the job broke: {fault}") from None

    return job
