"""Limits a repeated event, such as a refused connection, to one log line a minute."""

import time
from collections.abc import Callable

LINE_SECONDS = 60.0  # between two lines about the same kind of event


class Throttle:
    """Counts one kind of event and says when a line about it is due."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self._tick = tick
        self._since_line = 0
        self._line_at = -LINE_SECONDS

    def count(self) -> int:
        """Count an event; return how many there were since the last line, or 0 for no line now."""
        self.total += 1
        self._since_line += 1
        now = self._tick()
        if now - self._line_at < LINE_SECONDS:
            return 0
        events, self._since_line, self._line_at = self._since_line, 0, now
        return events
