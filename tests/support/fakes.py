"""Twins that implement a port: values to look into instead of mocks."""

from datetime import UTC, datetime, timedelta

from bot.errors import DeliveryError


class ListOut:
    """Collects what would be handed over; `down` makes it refuse."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.down = False

    def send(self, mail: bytes, *, recipient: str) -> None:
        if self.down:
            raise DeliveryError("the server does not answer")
        self.sent.append((recipient, mail))


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
