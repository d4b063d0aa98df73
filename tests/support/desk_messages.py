"""Stores messages in a desk and decides them, as the intake and the jobs do."""

from bot.desk import Desk
from bot.journal import ReceivedMessage


def received(
    text: str, key: str = "k1", verdict: str = "answer", sender: str = "ana@example.org"
) -> ReceivedMessage:
    return ReceivedMessage(
        channel="email", thread_key=f"mail:{key}", key=key, raw_ref="raw", verdict=verdict, rule="R18",
        sender=sender, headers={"message_id": f"<{key}@example.org>", "references": "<a@example.org>"}, text=text,
    )  # fmt: skip


def handle(desk: Desk, message: ReceivedMessage) -> int:
    stored = desk.store_message(message)
    assert stored is not None
    desk.decide_message(stored)
    desk.deliver()
    return stored
