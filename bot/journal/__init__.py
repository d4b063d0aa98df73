"""What was asked, decided and sent: the tables, and the only package with SQL."""

from bot.journal.journal import (
    Asked,
    Case,
    CaseAction,
    Change,
    Decided,
    Decision,
    Delivery,
    Journal,
    Made,
    MessageState,
    OutboxState,
    Received,
    Reply,
    Send,
    Stage,
    Work,
)

__all__ = [
    "Asked",
    "Case",
    "CaseAction",
    "Change",
    "Decided",
    "Decision",
    "Delivery",
    "Journal",
    "Made",
    "MessageState",
    "OutboxState",
    "Received",
    "Reply",
    "Send",
    "Stage",
    "Work",
]
