"""Supervises threads that must not end and tasks whose failure must stop no other."""

import logging
import threading
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)
BACKOFF = (1, 2, 5, 15, 30)


class Supervisor:
    """The threads and tasks of one part of the desk, and which of them fail now.

    An error is one line in the log when it first occurs and one when it is over; in between the
    thread or task is tried again. `list_faults` is what `/readyz` and `doctor` show.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failing: dict[str, str] = {}

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
        except Exception as error:
            fault = type(error).__name__
            if name not in self._failing:
                log.exception(
                    "a task fails and is tried again", extra={"task": name, "fault": fault}
                )
            self._failing[name] = fault
            return False
        if self._failing.pop(name, None):
            log.warning("a task works again", extra={"task": name})
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
        failing = [f"{name}: fails ({fault})" for name, fault in dict(self._failing).items()]
        return [*self.list_dead_threads(), *failing]

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
        except BaseException as error:  # such as a library that means to end the process
            log.critical("a thread has ended", extra={"task": name, "fault": type(error).__name__})
            raise
