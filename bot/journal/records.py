"""Defines the values that go into the journal and come out of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.domain import NEVER_BY_DRAFT, Priority, Response, SenderProof


class MessageState(StrEnum):
    """How far a received message is; the journal stores the value."""

    RECEIVED = "received"
    DECIDED = "decided"
    DROPPED = "dropped"
    FAILED = "failed"  # could not be decided; a person has it


CORRECTION = "correction:"  # begins the key of a correction in the outbox


class OutboxState(StrEnum):
    """How far an outgoing mail is; the journal stores the value."""

    READY = "ready"
    SENDING = "sending"  # being delivered now, or by a process that died while delivering it
    SENT = "sent"
    UNKNOWN = "unknown"  # may have been delivered; a receipt decides, or a person
    UNRESOLVED = "held"  # nobody could find out whether it was delivered: a person must look
    BOUNCED = "bounced"
    FAILED = "failed"  # refused for good, or too often


class BatchState(StrEnum):
    """How far a batch of corrections is; the journal stores the value."""

    OFFERED = "offered"  # a person may approve it
    APPROVED = "approved"
    STORED = "stored"  # every mail of it is in the outbox
    REPLACED = "replaced"  # what it listed has changed; a newer batch takes its place


class CaseAction(StrEnum):
    """How a person ends a case; the journal stores the value."""

    APPROVED = "approved"  # the draft goes out as it stands
    EDITED = "edited"  # a person's own words go out
    DISMISSED = "dismissed"  # closed from the terminal, without a mail
    RESOLVED = "resolved"  # closed from Slack, without a mail
    NOT_OURS = "not_ours"  # closed: another team's matter
    ERASED = "erased"  # closed: the person had everything about them erased
    SHARED = "shared"  # the answer of a person to another case that asks the same goes out

    @property
    def sends(self) -> bool:
        """Return whether a mail goes to the user."""
        return self in (CaseAction.APPROVED, CaseAction.EDITED, CaseAction.SHARED)


class Reopened(StrEnum):
    """What became of the mail of a case that was opened again."""

    AS_IT_IS = "as it is"  # there is none, or it has left and stays sent
    WITHOUT_ITS_MAIL = "without its mail"  # the mail had not left and was deleted


class Stage(StrEnum):
    """How far a case is; a decision leads to one of the last two."""

    OPEN = "open"
    CLAIMED = "claimed"
    SNOOZED = "snoozed"
    WAITING = "waiting"  # for details from the user
    DECIDED = "decided"  # a mail went to the outbox
    CLOSED = "closed"  # without a mail


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A message as it is stored: its masked text, and where its raw form lies."""

    channel: str
    thread_key: str
    key: str
    raw_ref: str
    verdict: str
    rule: str
    sender: str
    headers: dict[str, str]  # subject, message id, references; what else staff see of the mail
    text: str
    redactions: tuple[dict[str, Any], ...] = ()
    final: bool = False  # True for a dropped message: nothing is to be decided
    thread: str = ""  # what the mails of one thread share, whoever wrote them; empty: thread_key
    message_id: str = ""  # by which later mails may name this one
    named: tuple[str, ...] = ()  # Message-IDs that it names: a known one leads to its thread
    proof: SenderProof = SenderProof.UNKNOWN  # a mail that is not believed has threads of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A finished outgoing mail: its recipient, Message-ID and bytes."""

    recipient: str
    message_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be stored of a message whose reply a cap, or who has claimed it, holds."""

    response: Response
    draft: str = ""  # what a person may approve, where a case opens


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """What was stored of a decided message.

    `cap` is the scope of the cap that held the reply, empty for none; `first` is False when the
    message had been decided before and nothing was stored.
    """

    response: Response
    cap: str = ""
    first: bool = True
    case_number: int = 0  # of the case that was opened or joined; 0 for none


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """The embedding of the open question of a message, by which cases that ask the same are found.

    `vector` has length 1. With `is_alone` the question is all that a person has to decide, so that
    an answer to it settles the case; else the vector only helps to show the case beside others, and
    a person says whether an answer to them settles it. `words` is the message without greeting and
    close; empty stands for its whole text.
    """

    vector: npt.NDArray[np.float32]
    is_alone: bool
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAnswer:
    """What a person answers to a case and to all that ask the same.

    It has either a `text` in one `language`, or the ids of the `passages` that each asker gets with
    the templates of their language.
    """

    text: str = ""
    language: str = ""
    passages: tuple[str, ...] = ()
    actor: str = ""
    case_id: int = 0  # in which it was given
    knowledge: str = ""
    clusters: tuple[int, ...] = ()  # that get it besides the one of this case


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCase:
    """An open case, as the list of the queue shows it."""

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
    language: str = ""  # in which the user wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """A mail of the outbox and how far its delivery is."""

    id: int
    message_id: int | None
    recipient: str
    header: str  # the Message-ID that the mail carries
    body: bytes
    automatic: bool  # no person has read it, so the outbound check does before it goes
    state: OutboxState
    attempts: int
    changed_at: str
    fault: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDecision:
    """A person's decision on a case: what, who, when."""

    action: CaseAction
    actor: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """What became of the mail that a person sent in a case."""

    state: OutboxState
    at: str
    fault: str = ""
    body: bytes = b""  # the mail as it goes out


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseQuestion:
    """A question of a case, with the outcome and the evidence that did not suffice."""

    text: str
    kind: str
    reason: str
    probability: float
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that staff see of a case."""

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
    proof: SenderProof = SenderProof.UNKNOWN
    masked: tuple[str, ...] = ()  # kinds of secrets that were removed
    questions: tuple[CaseQuestion, ...] = ()
    parent: int | None = None  # the first case of the same conversation
    decision: CaseDecision | None = None
    delivery: DeliveryStatus | None = None
    later: int = 0  # mails that came since, and when the last one did
    later_at: str = ""
    round: int = 0  # how often it was reopened
    folded: int = 0  # further open cases like it, which have no card of their own
    rank: int = 0  # its place in the queue by priority and proof, the least first
    topic: str = ""  # the id of the nearest passage; empty where none is near
    language: str = ""
    replied: DeliveryStatus | None = None  # the automatic reply to its first mail, if one went out
    earlier: int = 0  # other cases of the same sender, and how the last decided one ended
    earlier_action: str = ""
    joined: int | None = None  # the case that it is a part of
    attachments: tuple[str, ...] = ()  # the names of attached files
    erased_at: str = ""  # when everything about the person was erased
    outdated: tuple[str, ...] = ()  # passages that changed since they were quoted to the sender
    cluster: int | None = None  # id of the cluster, which is that of its first case
    alike: int = 0  # how many other open cases ask the same
    alike_lately: int = 0  # of those, how many came in the hour before the newest

    @property
    def open(self) -> bool:
        """Return whether the case can still be decided."""
        return self.stage not in (Stage.DECIDED, Stage.CLOSED)

    @property
    def drafted(self) -> bool:
        """Return whether there is a draft that quotes the post, not only announces a person."""
        return bool(self.draft) and any(a.passages for a in self.questions)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why a person decides: the reason of the case, then those of its questions."""
        asked = (each.reason for each in self.questions if each.kind == "escalation")
        return tuple(dict.fromkeys((self.reason, *asked)))

    @property
    def needs_call(self) -> bool:
        """Return whether somebody must be called before anything is written to the user."""
        return self.priority == Priority.PAGE or not NEVER_BY_DRAFT.isdisjoint(self.reasons)

    @property
    def can_approve(self) -> bool:
        """Return whether the draft may go out as it stands, when a person says so."""
        return self.drafted and bool(self.sender) and not self.needs_call


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """A step of a case that sends nothing: a claim, a release, a snooze."""

    verb: str
    stage: Stage
    owner: str
    due_at: str | None = None  # None: as it was
