"""The advisory locks of PostgreSQL: one number for each purpose, and no wait without an end."""

import ast
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.corpus.limits import Scope, shipped_limits
from bot.domain import Response
from bot.errors import MissingError
from bot.journal import Decision, Journal, ReceivedMessage, Reply, engine
from bot.journal.engine import writing
from bot.journal.locks import AdvisoryLock, lock_until_commit, try_lock_for_session
from bot.serve.maintenance import MaintenanceIntervals
from tests.conftest import ROOT
from tests.servers.postgres import database

DBOS_MIGRATION = 1_234_567_890  # dbos/_sys_db_postgres.py, on the same database
TAKEN_BY = (lock_until_commit.__name__, try_lock_for_session.__name__)


def test_each_advisory_lock_has_a_number_of_its_own() -> None:
    numbers = [lock.value for lock in AdvisoryLock.__members__.values()]
    assert len(numbers) == len(set(numbers))
    assert DBOS_MIGRATION not in numbers


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted((ROOT / "bot").rglob("*.py")):
        if path.name != "locks.py":
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_no_other_module_asks_for_an_advisory_lock_by_itself() -> None:
    """Neither as a function of SQLAlchemy's nor in a text of SQL."""
    named = [
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and "advisory" in node.attr)
        or (isinstance(node, ast.Constant) and "advisory_" in str(node.value))
    ]
    assert named == []


def test_every_advisory_lock_is_taken_under_its_name_and_for_one_purpose() -> None:
    taken = [
        ast.unparse(node.args[1])
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in TAKEN_BY
    ]
    assert Counter(taken) == Counter(f"AdvisoryLock.{name}" for name in AdvisoryLock.__members__)


@contextmanager
def two_journals(server: str, name: str) -> Iterator[tuple[Journal, Journal]]:
    with database(server, name) as url:
        one, other = (Journal(url, limits=shipped_limits()) for _ in range(2))
        try:
            yield one, other
        finally:
            one.slack.leader.resign()
            one.close()
            other.close()


def decide(journal: Journal, n: int) -> bool:
    """Store a message and decide it with an automatic reply, which the caps count."""
    message_id = journal.receive(
        ReceivedMessage(
            channel="email",
            thread_key=f"t{n}",
            key=f"k{n}",
            raw_ref="r",
            verdict="answer",
            rule="R18",
            sender="ana@x.example",
            headers={},
            text="?",
        )
    )
    assert message_id
    response = Response(outcomes=(), language="en", knowledge="k")
    reply = Reply(recipient="ana@x.example", message_id=f"<r{n}@x.example>", body=b"x")

    def capped(_scope: Scope) -> Decision:
        return Decision(response=response)

    return journal.decide(message_id, response, draft="", reply=reply, capped=capped).first


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a lock that nobody gives back is told so after a moment."""
    monkeypatch.setattr(engine, "BUSY_MILLISECONDS", 500)


@pytest.mark.usefixtures("impatient")
def test_replies_are_counted_while_a_process_leads_slack_for_its_whole_life(postgres: str) -> None:
    with two_journals(postgres, "locks_leader") as (one, other):
        assert one.slack.leader.is_leader()
        for n, journal in enumerate((one, other)):
            assert decide(journal, n)
        assert one.mail_outbox.count_by_state() == {"ready": 2}
        assert one.slack.leader.is_leader()
        assert not other.slack.leader.is_leader()


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_nobody_gives_back_is_an_error_and_no_endless_wait(postgres: str) -> None:
    with two_journals(postgres, "locks_wait") as (one, other):
        with writing(one.engine) as db:
            lock_until_commit(db, AdvisoryLock.REPLY_CAPS)
            with pytest.raises(MissingError, match="lock timeout"):
                decide(other, 1)
        assert other.list_undecided()
        assert decide(other, 2), "and the desk goes on when it was given back"


def test_the_server_gives_up_a_desk_that_is_gone_before_its_lease_is_over(postgres: str) -> None:
    """Its locks end with its session: a machine without power closes no connection."""
    for make in (engine.connect, engine.connect_rebuildable):
        made = make(postgres)
        with made.connect() as db:
            idle, interval, count = (
                int(db.exec_driver_sql(f"SHOW tcp_keepalives_{name}").scalar_one())
                for name in ("idle", "interval", "count")
            )
        assert 0 < idle + interval * count < MaintenanceIntervals().lease
        made.dispose()
