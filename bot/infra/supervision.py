"""Supervises threads that must not end and tasks whose failure must stop no other."""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)
BACKOFF = (1, 2, 5, 15, 30)
# The shortest time between two log lines about the same outage.
LOG_SECONDS = 60.0
# Errors that are temporary outages of the system, not faults of what was being handled.
EXHAUSTED = frozenset({
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EROFS,
})  # fmt: skip


def is_exhaustion(error: BaseException) -> bool:
    """Return whether the system has no more files, memory, processes or disk."""
    return isinstance(error, OSError) and error.errno in EXHAUSTED


def _name_fault(error: BaseException) -> str:
    """Return the type of an error, with the system's message where it has an error number.

    Any other message may quote a mail or an address, and so stays out of the log.
    """
    kind = type(error).__name__
    if isinstance(error, OSError) and error.errno:
        return f"{kind}: {os.strerror(error.errno)}"
    return kind


class OutageLog:
    """The tasks that fail now, with a log that has at most one line a minute for an outage.

    The end of an outage is logged if its beginning was. `seconds` replaces the minute and `tick`
    the clock, which counts seconds.
    """

    def __init__(
        self, *, seconds: float = LOG_SECONDS, tick: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._tick = tick
        self._lock = threading.Lock()
        self._failing: dict[str, str] = {}
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}
        self._announced: set[str] = set()

    def record_failure(self, name: str, error: BaseException, *, expected: bool = False) -> None:
        """Record that the task `name` failed; an `expected` error is logged without traceback."""
        fault = _name_fault(error)
        with self._lock:
            self._failing[name] = fault
            self._unlogged[name] = count = self._unlogged.get(name, 0) + 1
            if self._tick() - self._logged_at.get(name, -self.seconds) < self.seconds:
                return
            self._logged_at[name] = self._tick()
            self._unlogged[name] = 0
            self._announced.add(name)
        log.error(
            "a task fails and is tried again",
            extra={"task": name, "fault": fault, "count": count},
            exc_info=None if expected else error,
        )

    def record_success(self, name: str) -> None:
        """Record that the task `name` worked."""
        if name not in self._failing:
            return
        with self._lock:
            self._failing.pop(name, None)
            announced = name in self._announced
            self._announced.discard(name)
        if announced:
            log.warning("a task works again", extra={"task": name})

    def list_failing(self) -> list[str]:
        """Return the names of the tasks whose last attempt failed."""
        return list(dict(self._failing))

    def list_faults(self) -> list[str]:
        """Return the tasks whose last attempt failed, each with the name of its error."""
        return [f"{name}: fails ({fault})" for name, fault in dict(self._failing).items()]


class Supervisor:
    """The threads and tasks of one part of the desk, and which of them fail now.

    An outage is one line in the log a minute and one when it is over; in between the thread or task
    is tried again. `list_faults` is what `/readyz` and `doctor` show.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.outages = OutageLog()
        self._threads: list[threading.Thread] = []

    def start(
        self,
        name: str,
        step: Callable[[], object],
        *,
        pause: float = 0.0,
        unit: float = 1.0,
        backoff: Sequence[float] = BACKOFF,
    ) -> None:
        """Repeat `step` in a thread of its own until `stop`, with `pause` seconds in between.

        After the nth failure in a row it waits `unit` times the nth number of `backoff`.
        """
        thread = threading.Thread(
            target=self._repeat, args=(name, step, pause, [unit * each for each in backoff]),
            name=name, daemon=True,
        )  # fmt: skip
        self._threads.append(thread)
        thread.start()

    def attempt(self, name: str, task: Callable[[], object]) -> bool:
        """Do `task`; return False when it failed, which `list_faults` shows until it works."""
        try:
            task()
        except Exception as error:  # noqa: BLE001 - the outage log says it
            self.outages.record_failure(name, error)
            return False
        self.outages.record_success(name)
        return True

    def stop(self, seconds: float) -> None:
        """Stop every thread after what it is doing now; wait up to `seconds` for each."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(timeout=seconds)
        self._threads.clear()

    def list_dead_threads(self) -> list[str]:
        """Return the threads that have ended although nobody stopped them."""
        if self.stopping.is_set():
            return []
        return [f"{t.name}: its thread has ended" for t in self._threads if not t.is_alive()]

    def list_faults(self) -> list[str]:
        """Return ended threads, and threads and tasks whose last attempt failed."""
        return [*self.list_dead_threads(), *self.outages.list_faults()]

    def _repeat(
        self, name: str, step: Callable[[], object], pause: float, waits: Sequence[float]
    ) -> None:
        failures, wait = 0, pause
        try:
            while not self.stopping.wait(wait):
                if self.attempt(name, step):
                    failures, wait = 0, pause
                else:
                    wait = waits[min(failures, len(waits) - 1)]
                    failures += 1
        except BaseException as error:  # such as a library that calls sys.exit
            log.critical("a thread has ended", extra={"task": name, "fault": type(error).__name__})
            raise
