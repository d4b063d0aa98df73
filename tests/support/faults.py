"""Errors on demand: a running desk whose every call can be made to raise, in each of its threads.

A point is a call as one thread makes it, before it is made or after it was. What a desk reaches is
found out by running it; then one point after the other is armed and raises once.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import InvalidRequestError, OperationalError

from bot.errors import MissingError

BEFORE, AFTER = "before", "after"
INTO = ("FROM", "INTO", "UPDATE")
WRITES = ("INSERT", "UPDATE", "DELETE")
OURS = ("heartbeat", "maintenance", "sending", "slack-", "intake", "queue-worker")

ERRORS: tuple[Callable[[], Exception], ...] = (
    lambda: RuntimeError("scripted"),
    lambda: UnicodeEncodeError("ascii", "\u00fc", 0, 1, "scripted"),
    lambda: OSError(5, "scripted"),
    lambda: OperationalError("SELECT 1", {}, Exception("scripted")),
    MemoryError,
    lambda: InvalidRequestError("scripted"),
    lambda: MissingError("scripted"),
    lambda: RecursionError("scripted"),
)


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A call, as one thread makes it."""

    thread: str
    call: str
    when: str


class Faults:
    """Watches calls, and raises at the one that is armed."""

    def __init__(self) -> None:
        self.reached = Counter[Point]()
        self.fired = threading.Event()
        self._armed: tuple[Point, Callable[[], Exception]] | None = None
        self._lock = threading.Lock()
        self._writes = Counter[int]()  # by thread
        self._role = threading.local()  # what a library's thread does for the desk at the moment

    def arm(self, point: Point, error: Callable[[], Exception]) -> None:
        """The next time that `point` is reached, it raises; once."""
        self.fired.clear()
        with self._lock:
            self._armed = (point, error)

    def disarm(self) -> None:
        with self._lock:
            self._armed = None

    def hit(self, call: str, when: str) -> None:
        point = Point(getattr(self._role, "name", "") or _thread(), call, when)
        with self._lock:
            self.reached[point] += 1
            if self._armed is None or self._armed[0] != point:
                return
            error, self._armed = self._armed[1], None
        self.fired.set()
        raise error()

    def watch(self, owner: object, *left_out: str) -> None:
        """Every public method of `owner` becomes a point, and one more where it writes."""
        for name in dir(type(owner)):
            method = getattr(owner, name, None)
            if not name.startswith("_") and name not in left_out and callable(method):
                self.replace(owner, name, effect=False)

    def replace(self, owner: object, name: str, *, effect: bool) -> None:
        """One callable attribute of `owner` becomes a point before it is called.

        And one afterwards where it has an effect outside of the desk, or wrote into the database:
        after a look, an error is the same as before it.
        """
        call, made = f"{type(owner).__name__}.{name}", getattr(owner, name)

        def watched(*args: Any, **more: Any) -> Any:
            self.hit(call, BEFORE)
            thread = threading.get_ident()
            written = self._writes[thread]
            result = made(*args, **more)
            if effect or self._writes[thread] > written:
                self.hit(call, AFTER)
            return result

        setattr(owner, name, watched)

    def name(self, owner: object, name: str, role: str) -> None:
        """Whichever thread calls this attribute of `owner` is called `role` meanwhile."""
        made = getattr(owner, name)

        def named(*args: Any) -> Any:
            self._role.name = role
            try:
                return made(*args)
            finally:
                self._role.name = ""

        setattr(owner, name, named)

    def watch_sql(self, engine: sql.Engine, label: str) -> None:
        """Every kind of statement on `engine` becomes a point, and every commit."""

        @sql.event.listens_for(engine, "before_cursor_execute")
        def statement(_c: object, _cur: object, text: str, *_more: object) -> None:
            words = text.split()
            self._writes[threading.get_ident()] += words[0] in WRITES
            tables = [w for before, w in pairwise(words) if before in INTO]
            self.hit(f"{label} {words[0]} {' '.join(tables[:1])}", BEFORE)

        @sql.event.listens_for(engine, "commit")
        def commit(_c: object) -> None:
            self.hit(f"{label} COMMIT", BEFORE)


def _thread() -> str:
    """Which of the desk's threads this is; `library`: one that DBOS or Slack's SDK keeps."""
    name = threading.current_thread().name
    if name.startswith(OURS):
        return name
    if "process_request_thread" in name:
        return "http"
    return "main" if name == "MainThread" else "library"
