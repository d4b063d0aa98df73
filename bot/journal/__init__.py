"""Stores what was asked, decided and sent; the only package of the desk that contains SQL."""

from bot.journal.cases import EnqueueJob
from bot.journal.journal import Journal
from bot.journal.records import (
    Case,
    CaseAction,
    CaseChange,
    CaseDecision,
    CaseQuestion,
    Decision,
    DeliveryStatus,
    MessageState,
    OpenQuestion,
    OutboxState,
    OutgoingMail,
    ReceivedMessage,
    Reopened,
    Reply,
    SharedAnswer,
    Stage,
    StoredDecision,
)

__all__ = [
    "Case",
    "CaseAction",
    "CaseChange",
    "CaseDecision",
    "CaseQuestion",
    "Decision",
    "DeliveryStatus",
    "EnqueueJob",
    "Journal",
    "MessageState",
    "OpenQuestion",
    "OutboxState",
    "OutgoingMail",
    "ReceivedMessage",
    "Reopened",
    "Reply",
    "SharedAnswer",
    "Stage",
    "StoredDecision",
]
