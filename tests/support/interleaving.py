"""Lets another thread act at an exact point of a step, so that a race is the same each time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy import Engine

from tests.support.waiting import wait_until

WAITS_FOR_LOCK = sql.text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def after_call(
    patch: pytest.MonkeyPatch, owner: object, name: str, act: Callable[[], object]
) -> None:
    """Have `act` happen right after the first call of a method, before its caller goes on."""
    _interpose(patch, owner, name, act, first=False)


def before_call(
    patch: pytest.MonkeyPatch, owner: object, name: str, act: Callable[[], object]
) -> None:
    """Have `act` happen right before the first call of a method."""
    _interpose(patch, owner, name, act, first=True)


def _interpose(
    patch: pytest.MonkeyPatch, owner: object, name: str, act: Callable[[], object], *, first: bool
) -> None:
    real: Callable[..., Any] = getattr(owner, name)
    due = [True]

    def act_once() -> None:
        if due:
            due.clear()
            act()

    def interposed(*args: Any, **named: Any) -> Any:
        if first:
            act_once()
        result = real(*args, **named)
        if not first:
            act_once()
        return result

    patch.setattr(owner, name, interposed)


@contextmanager
def before_statement(
    engine: Engine, begin: str, act: Callable[[], object]
) -> Iterator[list[BaseException]]:
    """Have `act` happen in a thread of its own before the first statement with this beginning.

    The statement goes on when `act` has ended or waits for a lock of the transaction, which it then
    gets at the commit. On leaving, `act` has ended; what it raised is in the list. Only PostgreSQL
    lets two transactions write at the same time.
    """
    raised: list[BaseException] = []
    threads: list[threading.Thread] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    def interpose(
        _db: object,
        _cursor: object,
        statement: str,
        _values: object,
        _context: object,
        _many: object,
    ) -> None:
        if threads or not statement.startswith(begin):
            return
        thread = threading.Thread(target=run)
        threads.append(thread)
        thread.start()
        wait_until(lambda: not thread.is_alive() or _waits(engine))

    sql.event.listen(engine, "before_cursor_execute", interpose)
    try:
        yield raised
    finally:
        sql.event.remove(engine, "before_cursor_execute", interpose)
        for thread in threads:
            thread.join()
    assert threads, f"no statement began with {begin!r}"


def _waits(engine: Engine) -> bool:
    with engine.connect() as db:
        return bool(db.execute(WAITS_FOR_LOCK).scalar())
