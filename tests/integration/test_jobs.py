"""Durable jobs on both databases, and what other processes find of them."""

import logging
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from bot.errors import MissingError
from bot.infra.jobs import JobHandlers, Jobs
from bot.journal import Journal
from bot.journal.engine import reading, writing
from tests.support.waiting import SAFETY_NET_SECONDS
from tests.support.waiting import wait_until as until

Started = Callable[..., Jobs]


def nothing(_about: int) -> None:
    return


def test_dbos_has_no_handler_of_its_own() -> None:
    # Its own would hold the stderr of the moment, and fail when that is closed.
    assert [type(h) for h in logging.getLogger("dbos").handlers] == [logging.NullHandler]


@pytest.fixture
def journal(database_url: str) -> Iterator[Journal]:
    made = Journal(database_url)
    yield made
    made.close()


@pytest.fixture
def started(journal: Journal, database_url: str) -> Iterator[Started]:
    made: list[Jobs] = []

    def start(
        drain: Callable[[int], None] = nothing, decided: Callable[[int], None] = nothing
    ) -> Jobs:
        jobs = Jobs(journal, database_url)
        jobs.start(JobHandlers(drain=drain, deliver_decision=decided))
        made.append(jobs)
        return jobs

    yield start
    for jobs in made:
        jobs.stop()


def test_a_job_runs_when_its_transaction_is_committed_and_only_then(
    journal: Journal, started: Started
) -> None:
    seen: list[int] = []
    jobs = started(drain=seen.append)

    def undone() -> None:
        with writing(journal.engine) as db:
            jobs.enqueue_drain(db, 1)
            raise LookupError

    with pytest.raises(LookupError):
        undone()
    with writing(journal.engine) as db:
        jobs.enqueue_drain(db, 2)
    until(lambda: bool(seen))
    until(lambda: not jobs.list_waiting_conversations())
    assert seen == [2]


def test_one_conversation_is_never_drained_twice_at_once(
    journal: Journal, started: Started
) -> None:
    running: Counter[int] = Counter()
    most: Counter[int] = Counter()
    done: list[int] = []
    guard = threading.Lock()

    def drain(conversation: int) -> None:
        with guard:
            running[conversation] += 1
            most[conversation] = max(most[conversation], running[conversation])
        time.sleep(0.05)
        with guard:
            running[conversation] -= 1
            done.append(conversation)

    jobs = started(drain=drain)
    with writing(journal.engine) as db:
        for n in range(12):
            jobs.enqueue_drain(db, n % 3)
    assert jobs.list_waiting_conversations() <= {0, 1, 2}
    until(lambda: len(done) == 12)
    assert max(most.values()) == 1


def test_a_decision_is_worked_on_once(journal: Journal, started: Started) -> None:
    seen: list[int] = []
    jobs = started(decided=seen.append)
    for _ in range(2):
        with writing(journal.engine) as db:
            jobs.enqueue_decision_delivery(db, 7)
    until(lambda: bool(seen))
    until(lambda: not jobs.list_waiting_conversations())
    time.sleep(0.3)
    assert seen == [7]


def test_a_job_that_fails_does_not_stop_the_others(journal: Journal, started: Started) -> None:
    seen: list[int] = []

    def drain(conversation: int) -> None:
        if conversation == 1:
            raise ValueError("broken")
        seen.append(conversation)

    jobs = started(drain=drain)
    with writing(journal.engine) as db:
        jobs.enqueue_drain(db, 1)
        jobs.enqueue_drain(db, 2)
    until(lambda: seen == [2])
    until(lambda: not jobs.list_waiting_conversations())


def test_the_engine_keeps_ids_only_as_json_and_forgets_what_is_done(
    journal: Journal, started: Started
) -> None:
    jobs = started()
    with writing(journal.engine) as db:
        jobs.enqueue_drain(db, 41)
    until(lambda: not jobs.list_waiting_conversations())
    where = "dbos." if jobs.shared else ""
    query = sql.text(f"SELECT count(*) FROM {where}workflow_status")
    with reading(journal.engine) as db:
        inputs = list(db.execute(sql.text(f"SELECT inputs FROM {where}workflow_input")).scalars())
    assert any('"positionalArgs":[41]' in str(each) for each in inputs)
    jobs.delete_finished()
    with reading(journal.engine) as db:
        assert db.execute(query).scalar() == 0


def test_jobs_that_were_not_started_take_nothing(journal: Journal, database_url: str) -> None:
    jobs = Jobs(journal, database_url)
    with pytest.raises(MissingError), writing(journal.engine) as db:
        jobs.enqueue_drain(db, 1)
    jobs.stop()


def test_a_second_process_on_sqlite_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.sqlite3"
    journal = Journal(url)
    script = (
        "import sys, time; from bot.infra.jobs import Jobs; from bot.journal import Journal\n"
        f"with Jobs(Journal({url!r}), {url!r}).exclusively(): print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout
    assert other.stdin
    assert other.stdout.readline() == b"in\n"
    jobs = Jobs(journal, url)
    with pytest.raises(MissingError, match="DESK_DATABASE_URL"):
        jobs.start(JobHandlers(drain=nothing, deliver_decision=nothing))
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    with jobs.exclusively():
        pass
    jobs.stop()
    journal.close()


def test_workers_on_postgresql_have_names_of_their_own(postgres: str) -> None:
    journal = Journal(postgres)
    names = {Jobs(journal, postgres).worker for _ in range(3)}
    assert len(names) == 3
    with Jobs(journal, postgres).exclusively(), Jobs(journal, postgres).exclusively():
        pass
    journal.close()


def test_a_job_that_an_error_left_pending_does_not_hold_up_its_conversation(
    journal: Journal, started: Started
) -> None:
    """DBOS says of such a job that this living worker runs it, and waits for its end for ever."""
    done: list[int] = []
    goes_on = threading.Event()

    def drain(conversation_id: int) -> None:
        if conversation_id == 8:
            goes_on.wait(SAFETY_NET_SECONDS)
        done.append(conversation_id)

    jobs = started(drain)
    with writing(journal.engine) as db:
        jobs.enqueue_drain(db, 7)
        schema = "" if db.dialect.name == "sqlite" else "dbos."
        db.execute(
            sql.text(f"UPDATE {schema}workflow_status SET status = 'PENDING', executor_id = :me"),
            {"me": jobs.worker},
        )
    with writing(journal.engine) as db:
        jobs.enqueue_drain(db, 7)
        jobs.enqueue_drain(db, 8)
    until(lambda: jobs._running.ids() != set())
    assert jobs.cancel_stuck(0) == 0, "seen for the first time"
    assert done == []
    until(lambda: jobs.cancel_stuck(0) == 1)
    until(lambda: done == [7])
    assert jobs.cancel_stuck(0) == 0, "a job that a thread works on is none"
    goes_on.set()
    until(lambda: jobs.list_waiting_conversations() == set())
    assert done == [7, 8]
