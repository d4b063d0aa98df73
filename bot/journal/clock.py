"""Formats times as the journal stores them, from a clock that tests can replace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
MAX_SKEW_SECONDS = 60.0  # by which the clocks of processes that share a database may differ


def wall_clock() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """Return `at` as text in UTC with milliseconds; such texts sort in the order of time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def latest_plausible_stamp(clock: Clock, seconds: float) -> str:
    """Return the latest plausible stamp of an attempt that was put off by at most `seconds`.

    A later stamp was written while the clock was ahead; believing it would delay the row by that
    error.
    """
    return stamp_after(clock, seconds + MAX_SKEW_SECONDS)


def stamp_after(clock: Clock, seconds: float) -> str:
    """Return the stamp of the moment `seconds` after now, or before it for a negative number."""
    return stamp(clock() + timedelta(seconds=seconds))
