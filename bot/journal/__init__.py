"""What was asked, decided and sent: the tables, and the only package with SQL."""

from bot.journal.journal import (
    Case,
    CaseAction,
    CaseDecision,
    Change,
    Decided,
    Decision,
    Delivery,
    DetailsRequest,
    Journal,
    MessageState,
    OutboxState,
    Received,
    Reply,
    Send,
    Stage,
    Work,
)

__all__ = [
    "Case",
    "CaseAction",
    "CaseDecision",
    "Change",
    "Decided",
    "Decision",
    "Delivery",
    "DetailsRequest",
    "Journal",
    "MessageState",
    "OutboxState",
    "Received",
    "Reply",
    "Send",
    "Stage",
    "Work",
]
