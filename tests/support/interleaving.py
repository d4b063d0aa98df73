"""Lets another thread act at an exact point of a step, so that a race is the same each time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy import Engine

from tests.support.waiting import wait_until

WAITS_FOR_LOCK = sql.text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Beside:
    """Something that happens in a thread of its own; `raised` has what it raised."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.raised: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    @property
    def began(self) -> bool:
        return self._thread.ident is not None

    def begin(self, waits: Callable[[], bool]) -> None:
        """Let it happen until it has ended, or waits for the caller, as `waits` says."""
        self._thread.start()
        wait_until(lambda: not self._thread.is_alive() or waits())

    def end(self) -> None:
        """Return when it has ended."""
        if self.began:
            self._thread.join()

    def _run(self) -> None:
        try:
            self.act()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.raised.append(error)


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


def before_each_call(
    patch: pytest.MonkeyPatch, owner: object, name: str, act: Callable[[], object]
) -> None:
    """Have `act` happen right before each call of a method."""
    real: Callable[..., Any] = getattr(owner, name)

    def interposed(*args: Any, **named: Any) -> Any:
        act()
        return real(*args, **named)

    patch.setattr(owner, name, interposed)


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
    beside = Beside(act)

    def interpose(
        _db: object,
        _cursor: object,
        statement: str,
        _values: object,
        _context: object,
        _many: object,
    ) -> None:
        if not beside.began and statement.startswith(begin):
            beside.begin(lambda: _waits(engine))

    sql.event.listen(engine, "before_cursor_execute", interpose)
    try:
        yield beside.raised
    finally:
        sql.event.remove(engine, "before_cursor_execute", interpose)
        beside.end()
    assert beside.began, f"no statement began with {begin!r}"


def is_waited_for(path: Path) -> bool:
    """Return whether a thread of any process waits for the lock of this file or folder."""
    waiting = (line for line in Path("/proc/locks").read_text().splitlines() if "->" in line)
    return any(f":{path.stat().st_ino} " in line for line in waiting)


def _waits(engine: Engine) -> bool:
    with engine.connect() as db:
        return bool(db.execute(WAITS_FOR_LOCK).scalar())
