"""What a model may cost: calls and tokens an hour, and when to leave it alone."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.limits import ModelLimits, shipped_limits

HOUR = 3600.0
NOT_ASKED = {  # what each state means, for people
    "calls_spent": "its calls of this hour are spent",
    "tokens_spent": "its tokens of this hour are spent",
    "resting": "it failed and is left alone for a while",
    "busy": "none of its calls ends",
}


class SpentError(Exception):
    """No call now; its text says which bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Per hour, and for one process."""

    calls: int = 600
    tokens: int = 2_000_000
    at_once: int = field(default_factory=lambda: shipped_limits().model.at_once)
    tries: int = field(default_factory=lambda: shipped_limits().model.tries)
    answer_tokens: int = field(default_factory=lambda: shipped_limits().model.answer_tokens)
    failures: int = field(default_factory=lambda: shipped_limits().model.failures)  # in a row
    rest: float = field(default_factory=lambda: shipped_limits().model.rest_seconds)

    @staticmethod
    def of(limits: ModelLimits, *, calls: int, tokens: int) -> "Bounds":
        """As the limits say."""
        return Bounds(
            calls=calls, tokens=tokens, at_once=limits.at_once, tries=limits.tries,
            answer_tokens=limits.answer_tokens, failures=limits.failures, rest=limits.rest_seconds,
        )  # fmt: skip


@dataclass(slots=True, kw_only=True, eq=False)
class Spend:
    """One call that runs: it holds what it may take at most, until what it took is known."""

    most: int
    until: float
    took: int | None = None

    def tell(self, tokens: int) -> None:
        """What the vendor counts; nothing told means all that was held."""
        self.took = tokens


class Budget:
    """Counts what was spent in the last hour; safe to use from many threads."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self.clock = clock
        self.faults = Counter[str]()  # by class, for metrics and doctor
        self.spent = Counter[str]()  # calls and tokens since the start
        self._calls: deque[tuple[float, int]] = deque()
        self._running: list[Spend] = []
        self._usual = 1  # tokens that a call held last
        self._in_a_row = 0
        self._rests_until = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def call(self, *, most: int = 0, seconds: float = HOUR) -> Iterator[Spend]:
        """Room for one call of at most `most` tokens; SpentError: no room."""
        spend = Spend(most=most, until=self.clock() + seconds)
        self._begin(spend)
        try:
            yield spend
        except Exception as error:
            self._failed(type(error).__name__)
            if _unanswered(error):
                spend.tell(0)
            raise
        else:
            self._went_well(spend)
        finally:
            self._end(spend)

    def late(self) -> None:
        """A message waited in vain: its call may run for ever."""
        self._failed("LateError")

    @property
    def state(self) -> str:
        """`open`, or why no call is made now."""
        with self._lock:
            return self._closed(self._usual) or "open"

    @property
    def hour(self) -> tuple[int, int]:
        """Calls and tokens of the last hour, with what the running ones hold."""
        with self._lock:
            self._forget()
            return len(self._calls) + len(self._running), self._tokens()

    def _begin(self, spend: Spend) -> None:
        with self._lock:
            self._usual = max(spend.most, 1)
            if reason := self._closed(self._usual):
                self.faults[reason] += 1
                raise SpentError(reason)
            self._running.append(spend)

    def _end(self, spend: Spend) -> None:
        with self._lock:
            took = spend.most if spend.took is None else spend.took
            self._running.remove(spend)
            self._calls.append((self.clock(), took))
            self.spent.update(calls=1, tokens=took)

    def _closed(self, most: int) -> str:
        self._forget()
        now = self.clock()
        if now < self._rests_until:
            return "resting"
        if sum(spend.until < now for spend in self._running) >= self.bounds.at_once:
            return "busy"
        if len(self._calls) + len(self._running) >= self.bounds.calls:
            return "calls_spent"
        return "tokens_spent" if self._tokens() + most > self.bounds.tokens else ""

    def _forget(self) -> None:
        while self._calls and self._calls[0][0] <= self.clock() - HOUR:
            self._calls.popleft()

    def _tokens(self) -> int:
        return sum(tokens for _, tokens in self._calls) + sum(s.most for s in self._running)

    def _went_well(self, spend: Spend) -> None:
        with self._lock:
            if self.clock() <= spend.until:
                self._in_a_row = 0

    def _failed(self, kind: str) -> None:
        with self._lock:
            self.faults[kind] += 1
            self._in_a_row += 1
            if self._in_a_row >= self.bounds.failures:
                self._rests_until, self._in_a_row = self.clock() + self.bounds.rest, 0


def _unanswered(error: Exception) -> bool:
    """Did the vendor say no, which costs nothing?"""
    return isinstance(getattr(error, "status_code", None), int)
