"""What a model may cost: calls and tokens an hour, and when to leave it alone."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HOUR = 3600.0


class SpentError(Exception):
    """No call now; its text says which bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Per hour, and for one process."""

    calls: int = 600
    tokens: int = 2_000_000
    at_once: int = 20  # more wait for their turn
    failures: int = 5  # in a row; then the model is left alone for a while
    rest: float = 60.0  # seconds


class Budget:
    """Counts what was spent in the last hour; safe to use from many threads."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self.clock = clock
        self.faults = Counter[str]()  # by class, for metrics and doctor
        self.spent = Counter[str]()  # calls and tokens since the start
        self._calls: deque[tuple[float, int]] = deque()
        self._running = 0
        self._in_a_row = 0
        self._rests_until = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def call(self) -> Iterator[Callable[[int], None]]:
        """Room for one call; tell the yielded function the tokens it took. SpentError: no room."""
        spent = [0]
        self._begin()
        try:
            yield lambda tokens: spent.__setitem__(0, tokens)
        except Exception as error:
            self._failed(type(error).__name__)
            raise
        else:
            with self._lock:
                self._in_a_row = 0
        finally:
            with self._lock:
                self._running -= 1
                self._calls.append((self.clock(), spent[0]))
                self.spent.update(calls=1, tokens=spent[0])

    @property
    def state(self) -> str:
        """`open`, or why no call is made now."""
        with self._lock:
            return self._closed() or "open"

    def _begin(self) -> None:
        with self._lock:
            if reason := self._closed():
                self.faults[reason] += 1
                raise SpentError(reason)
            self._running += 1

    def _closed(self) -> str:
        now = self.clock()
        while self._calls and self._calls[0][0] <= now - HOUR:
            self._calls.popleft()
        if now < self._rests_until:
            return "resting"
        if len(self._calls) + self._running >= self.bounds.calls:
            return "calls_spent"
        if sum(tokens for _, tokens in self._calls) >= self.bounds.tokens:
            return "tokens_spent"
        return ""

    def _failed(self, kind: str) -> None:
        with self._lock:
            self.faults[kind] += 1
            self._in_a_row += 1
            if self._in_a_row >= self.bounds.failures:
                self._rests_until, self._in_a_row = self.clock() + self.bounds.rest, 0
