"""What goes into the journal and what comes out of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain import Response


class MessageState(StrEnum):
    RECEIVED = "received"
    DECIDED = "decided"
    DROPPED = "dropped"
    FAILED = "failed"  # could not be decided; a person has it


class OutboxState(StrEnum):
    READY = "ready"
    SENDING = "sending"  # handed over right now, or by a process that died doing it
    SENT = "sent"
    UNKNOWN = "unknown"  # may have been taken; a receipt decides, or a person
    HELD = "held"  # a person decided against it
    BOUNCED = "bounced"
    FAILED = "failed"  # refused for good, or too often


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it is stored: masked text, and where its raw form lies."""

    channel: str
    thread_key: str
    key: str
    raw_ref: str
    verdict: str
    rule: str
    sender: str
    headers: dict[str, str]  # what a reply needs: subject, message id, references
    text: str
    redactions: tuple[dict[str, Any], ...] = ()
    final: bool = False  # dropped: nothing is to be decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A finished outgoing mail."""

    recipient: str
    message_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is stored of a decided message: its outcomes and the reply, if one goes out."""

    response: Response
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was stored: the cap that was hit, empty for none; `first` is False on a repeat."""

    response: Response
    cap: str = ""
    first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An open escalation, as `queue` shows it."""

    id: int
    message_id: int
    priority: str
    reason: str
    sender: str
    text: str
    draft: str
    opened_at: str
    due_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """An outgoing mail and how far it is."""

    id: int
    message_id: int | None
    recipient: str
    header: str  # the Message-ID that the mail carries
    body: bytes
    state: OutboxState
    attempts: int
    changed_at: str
    fault: str
    worker: str
