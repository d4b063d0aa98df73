"""Durable jobs, and the only module that imports dbos.

A job is short, carries one id and can run again at any point: *drain a conversation in order*,
*send what a person decided*. Everything it needs is in the journal: losing every job costs nothing
that the next start does not bring back. What waits for a person is a row, never a running job.

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
# Raised on purpose when a job's steps change; DBOS's own version changes with every comment.
VERSION = "incident-desk-1"
NAME = "incident-desk"
QUEUE = "desk"
POLL_SECONDS = 0.05
AT_ONCE = 8
BATCH = 200
FINISHED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

# DBOS brings a handler that writes what it likes to the stderr of the hour unless there is one.
logging.getLogger("dbos").handlers[:] = [logging.NullHandler()]
logging.getLogger("dbos").propagate = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandlers:
    """What a job does; each can be repeated."""

    drain: Callable[[int], None]
    deliver_decision: Callable[[int], None]


class Jobs:
    """The queue of one process; start it once."""

    def __init__(self, journal: "Journal", url: str, *, at_once: int = AT_ONCE) -> None:
        self.journal = journal
        self.at_once = at_once  # more where jobs wait for a model
        self.url = url
        self.shared = journal.engine.dialect.name != "sqlite"
        self.worker = f"desk-{os.getpid()}-{secrets.token_hex(4)}" if self.shared else "desk"
        self._lock: IO[bytes] | None = None
        self._engine = connect_rebuildable(url)
        self._client: DBOSClient | None = None
        self._running = _Running()
        self._idle: dict[str, float] = {}  # since when a job counts as running and does not

    def start(self, duties: JobHandlers) -> None:
        """Begin to work, first on what a crash left; MissingError when it may not."""
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
        for name, duty in (("drain", duties.drain), ("decided", duties.deliver_decision)):
            DBOS.workflow(name=name, max_recovery_attempts=None)(_job(duty, self._running))
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
        """Finish what is running, take nothing new."""
        if self._client is None:
            return
        self._client.destroy()
        self._client = None
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds)
        self._engine.dispose()
        self._release_lock()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Nobody else works on this SQLite meanwhile; on PostgreSQL others may."""
        self._take_lock()
        try:
            yield
        finally:
            self._release_lock()

    def enqueue_drain(self, db: "Connection", conversation_id: int) -> None:
        """Put a job for this conversation into the caller's transaction."""
        self._enqueue(
            db, "drain", f"drain:{conversation_id}:{secrets.token_hex(8)}", conversation_id
        )

    def enqueue_decision_delivery(self, db: "Connection", escalation_id: int) -> None:
        """Put the job that sends a person's decision into the caller's transaction; once."""
        self._enqueue(db, "decided", f"decision:{escalation_id}", escalation_id)

    def take_over(self, workers: list[str]) -> None:
        """Run the jobs of workers that fell silent."""
        DBOS._recover_pending_workflows(workers)  # noqa: SLF001 - no public way checks the owner

    def cancel_stuck(self, seconds: float) -> int:
        """End jobs that count as this worker's running ones for longer than `seconds`, but that no
        thread works on; how many.

        DBOS leaves a job so when an error keeps it from storing that the job began or ended, and
        such a job would hold up its conversation until the next start.
        """
        found = DBOS.list_workflows(
            status="PENDING", executor_id=self.worker, load_output=False, load_input=False
        )
        idle = {each.workflow_id for each in found} - self._running.ids()
        now = time.monotonic()
        self._idle = {job_id: self._idle.get(job_id, now) for job_id in idle}
        stuck = [job_id for job_id, since in self._idle.items() if now - since > seconds]
        if stuck:
            DBOS.cancel_workflows(stuck)
        return len(stuck)

    def list_waiting_conversations(self) -> set[int]:
        """Conversations that a job is queued or running for."""
        found = DBOS.list_workflows(
            status=["ENQUEUED", "PENDING"], name="drain", load_output=False, load_input=False
        )
        return {int(each.workflow_id.split(":")[1]) for each in found}

    def delete_finished(self) -> None:
        """Forget finished jobs; the journal says what was done."""
        while True:
            found = DBOS.list_workflows(
                status=FINISHED, limit=BATCH, load_input=False, load_output=False
            )
            if not found:
                return
            DBOS.delete_workflows([each.workflow_id for each in found])

    def _enqueue(self, db: "Connection", job: str, job_id: str, about: int) -> None:
        if self._client is None:
            raise MissingError("the jobs have not been started")
        self._client.enqueue_in_transaction(
            db,
            {
                "workflow_name": job,
                "queue_name": QUEUE,
                "workflow_id": job_id,
                "queue_partition_key": f"{job}:{about}",
            },
            about,
        )

    def _take_lock(self) -> None:
        """SQLite is for one worker: its jobs would be taken by both."""
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
        """Only looked at for its kind: the connections are ours."""
        url = self.journal.engine.url
        return url.render_as_string(hide_password=False)


class _Running:
    """Ids of the jobs that a thread of this process works on; one can run twice at a time."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def ids(self) -> set[str]:
        return set(self._ids)

    @contextmanager
    def job(self) -> Iterator[None]:
        job_id = DBOS.workflow_id or ""
        self._ids.append(job_id)
        try:
            yield
        finally:
            self._ids.remove(job_id)


def _job(duty: Callable[[int], None], running: _Running) -> Callable[[int], None]:
    def job(about: int) -> None:
        """The engine stores what an error says, and an error may quote a message."""
        try:
            with running.job():
                duty(about)
        except Exception as error:
            fault = type(error).__name__
            log.exception("a job broke", extra={"fault": fault})
            raise DeskError(f"the job broke: {fault}") from None

    return job
