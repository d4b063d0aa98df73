"""Limits the use of a model: calls and tokens an hour, and a pause after repeated failures."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.corpus.limits import ModelLimits, shipped_limits

HOUR_SECONDS = 3600.0
# The states in which no call is made, each with the reason in words for people.
NOT_ASKED = {
    "calls_spent": "its calls of this hour are spent",
    "tokens_spent": "its tokens of this hour are spent",
    "resting": "it failed and is left alone for a while",
    "busy": "none of its calls ends",
}


class SpentError(Exception):
    """No call may be made now; the text of the error is the state of the budget, see NOT_ASKED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits of one process: `calls` and `tokens` are per hour, `rest` is in seconds."""

    calls: int = 600
    tokens: int = 2_000_000
    at_once: int = field(default_factory=lambda: shipped_limits().model.at_once)
    tries: int = field(default_factory=lambda: shipped_limits().model.tries)
    answer_tokens: int = field(default_factory=lambda: shipped_limits().model.answer_tokens)
    # Failures in a row after which no call is made for `rest` seconds.
    failures: int = field(default_factory=lambda: shipped_limits().model.failures)
    rest: float = field(default_factory=lambda: shipped_limits().model.rest_seconds)

    @staticmethod
    def of(limits: ModelLimits, *, calls: int, tokens: int) -> "Bounds":
        """Return the bounds of limits.yaml, with the given calls and tokens an hour."""
        return Bounds(
            calls=calls, tokens=tokens, at_once=limits.at_once, tries=limits.tries,
            answer_tokens=limits.answer_tokens, failures=limits.failures, rest=limits.rest_seconds,
        )  # fmt: skip


@dataclass(slots=True, kw_only=True, eq=False)
class Spend:
    """The reservation of a running call: `most` tokens, until `took` tokens are reported.

    `until` is the time, by the budget's clock, after which the call is overdue.
    """

    most: int
    until: float
    took: int | None = None

    def tell(self, tokens: int) -> None:
        """Set the tokens that the vendor counted; without it, the whole reservation is spent."""
        self.took = tokens


class Budget:
    """The budget of a model: what was spent in the last hour; safe to use from many threads."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self.clock = clock
        self.faults = Counter[str]()  # failures by error class or state, for metrics and doctor
        self.spent = Counter[str]()  # calls and tokens since the start
        self._calls: deque[tuple[float, int]] = deque()
        self._running: list[Spend] = []
        self._usual = 1  # tokens that the latest call reserved
        self._in_a_row = 0
        self._rests_until = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def call(self, *, most: int = 0, seconds: float = HOUR_SECONDS) -> Iterator[Spend]:
        """Reserve `most` tokens for one call of `seconds`; raise SpentError without room."""
        spend = Spend(most=most, until=self.clock() + seconds)
        self._begin(spend)
        try:
            yield spend
        except Exception as error:
            self._count_failure(type(error).__name__)
            if _is_rejected(error):
                spend.tell(0)
            raise
        else:
            self._count_success(spend)
        finally:
            self._end(spend)

    def late(self) -> None:
        """Count a failure for a call that missed its deadline, as it may never return."""
        self._count_failure("LateError")

    @property
    def state(self) -> str:
        """The state: `open`, or a key of NOT_ASKED while no call may be made."""
        with self._lock:
            return self._why_closed(self._usual) or "open"

    @property
    def hour(self) -> tuple[int, int]:
        """Calls and tokens of the last hour, with the reservations of running calls."""
        with self._lock:
            self._drop_old_calls()
            return len(self._calls) + len(self._running), self._count_tokens()

    def _begin(self, spend: Spend) -> None:
        with self._lock:
            self._usual = max(spend.most, 1)
            if reason := self._why_closed(self._usual):
                self.faults[reason] += 1
                raise SpentError(reason)
            self._running.append(spend)

    def _end(self, spend: Spend) -> None:
        with self._lock:
            took = spend.most if spend.took is None else spend.took
            self._running.remove(spend)
            self._calls.append((self.clock(), took))
            self.spent.update(calls=1, tokens=took)

    def _why_closed(self, tokens: int) -> str:
        self._drop_old_calls()
        now = self.clock()
        if now < self._rests_until:
            return "resting"
        if sum(spend.until < now for spend in self._running) >= self.bounds.at_once:
            return "busy"
        if len(self._calls) + len(self._running) >= self.bounds.calls:
            return "calls_spent"
        return "tokens_spent" if self._count_tokens() + tokens > self.bounds.tokens else ""

    def _drop_old_calls(self) -> None:
        while self._calls and self._calls[0][0] <= self.clock() - HOUR_SECONDS:
            self._calls.popleft()

    def _count_tokens(self) -> int:
        return sum(tokens for _, tokens in self._calls) + sum(s.most for s in self._running)

    def _count_success(self, spend: Spend) -> None:
        with self._lock:
            if self.clock() <= spend.until:
                self._in_a_row = 0

    def _count_failure(self, kind: str) -> None:
        with self._lock:
            self.faults[kind] += 1
            self._in_a_row += 1
            if self._in_a_row >= self.bounds.failures:
                self._rests_until, self._in_a_row = self.clock() + self.bounds.rest, 0


def _is_rejected(error: Exception) -> bool:
    """Did the vendor reject the call with a status, which costs nothing?"""
    return isinstance(getattr(error, "status_code", None), int)
