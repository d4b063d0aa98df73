"""Twins that implement a port: values to look into instead of mocks."""

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
