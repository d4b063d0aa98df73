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
    UNRESOLVED = "held"  # nobody could find out whether it was delivered: a person must look
    BOUNCED = "bounced"
    FAILED = "failed"  # refused for good, or too often


class CaseAction(StrEnum):
    """How a person ends a case; the journal stores the value."""

    APPROVED = "approved"  # the draft goes out as it stands
    EDITED = "edited"  # a person's own words go out
    DISMISSED = "dismissed"  # closed from the terminal, without a mail
    RESOLVED = "resolved"  # closed from Slack, without a mail
    NOT_OURS = "not_ours"  # closed: another team's matter

    @property
    def sends(self) -> bool:
        """Does a mail go to the user?"""
        return self in (CaseAction.APPROVED, CaseAction.EDITED)


class Stage(StrEnum):
    """How far a case is; the last two are what a decision made of it."""

    OPEN = "open"
    CLAIMED = "claimed"
    SNOOZED = "snoozed"
    WAITING = "waiting"  # for details from the user
    DECIDED = "decided"  # a mail went to the outbox
    CLOSED = "closed"  # without a mail


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A message as it is stored: masked text, and where its raw form lies."""

    channel: str
    thread_key: str
    key: str
    raw_ref: str
    verdict: str
    rule: str
    sender: str
    headers: dict[str, str]  # subject, message id, references; shown and attachments for staff
    text: str
    redactions: tuple[dict[str, Any], ...] = ()
    final: bool = False  # dropped: nothing is to be decided
    thread: str = ""  # what the mails of one thread share, whoever wrote them; empty: thread_key
    message_id: str = ""  # by which later mails may name this one
    named: tuple[str, ...] = ()  # Message-IDs that it names: a known one leads to its thread


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
class StoredDecision:
    """What was stored: the cap that was hit, empty for none; `first` is False on a repeat."""

    response: Response
    cap: str = ""
    first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCase:
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
    round: int = 0  # how often it was reopened
    later: int = 0  # mails that came since


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """An outgoing mail and how far it is."""

    id: int
    message_id: int | None
    recipient: str
    header: str  # the Message-ID that the mail carries
    body: bytes
    automatic: bool  # nobody has read it: the outbound check does, before it goes
    state: OutboxState
    attempts: int
    changed_at: str
    fault: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDecision:
    """A person's decision: what, who, when."""

    action: CaseAction
    actor: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of the mail of a case."""

    state: OutboxState
    at: str
    fault: str = ""
    body: bytes = b""  # the mail as it goes out


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseQuestion:
    """A question of a case, with the evidence that did not suffice."""

    text: str
    kind: str
    reason: str
    probability: float
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that staff see of an escalation."""

    id: int
    message_id: int
    stage: Stage
    owner: str
    version: str  # of the case and of its conversation: a new mail makes another
    priority: str
    reason: str
    opened_at: str
    sender: str
    text: str
    draft: str
    due_at: str = ""
    reminders: int = 0
    touched_at: str = ""
    rule: str = ""
    masked: tuple[str, ...] = ()  # kinds of secrets that were removed
    questions: tuple[CaseQuestion, ...] = ()
    parent: int | None = None  # the first case of the same conversation
    decision: CaseDecision | None = None
    delivery: Delivery | None = None
    later: int = 0  # mails that came since, and when the last one did
    later_at: str = ""

    @property
    def open(self) -> bool:
        """Can it still be decided?"""
        return self.stage not in (Stage.DECIDED, Stage.CLOSED)

    @property
    def drafted(self) -> bool:
        """Is there a draft that answers, rather than one that only says that a person will?"""
        return bool(self.draft) and any(a.passages for a in self.questions)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """A step of a case on which nothing is sent."""

    verb: str
    stage: Stage
    owner: str
    due_at: str | None = None  # None: as it was
