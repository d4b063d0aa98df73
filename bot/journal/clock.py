"""Time as the journal writes it; tests bring their own clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """Sorts as text in the order of time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def after(clock: Clock, seconds: float) -> str:
    """The moment `seconds` from now; negative for the past."""
    return stamp(clock() + timedelta(seconds=seconds))
