"""Formats times as the journal stores them, from a clock that tests can replace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """Return `at` as text in UTC with milliseconds; such texts sort in the order of time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def after(clock: Clock, seconds: float) -> str:
    """Return the stamp of the moment `seconds` after now; a negative number means the past."""
    return stamp(clock() + timedelta(seconds=seconds))
