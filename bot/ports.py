"""Defines the interfaces of search, models and mail; each has two real implementations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain import Hit, Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a judge makes of the evidence for a text.

    `passages` are ids, best first; `probability` is the chance that the first two answer the text.
    `label` is the most likely meaning (an intent, a silent topic or a speech act) and `certainty`
    its probability. `pair` is the probability that the classifier alone gives to the first two
    passages; the view of a question is chosen by it, in service and in calibration. An answer to a
    message with one question quotes `quoted_alone` passages, one to a message with more questions
    `quoted_among_several`. `features` are the inputs of the probability, by name.
    """

    probability: float
    passages: tuple[str, ...]
    label: str
    certainty: float = 0.0
    pair: float = 0.0
    quoted_alone: int = 2
    quoted_among_several: int = 2
    features: tuple[tuple[str, float], ...] = ()


class Retriever(Protocol):
    """Finds the wordings nearest to a text: Chroma (dense), BM25 (no model)."""

    def search(self, text: str, *, limit: int) -> tuple[Hit, ...]: ...


class Judge(Protocol):
    """Turns the evidence for a text into a probability, as learned here or from other incidents."""

    @property
    def strict_threshold(self) -> float:
        """Return the lowest probability at which a message that held a secret is answered."""
        ...

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement: ...
    def threshold_for(self, language: str) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A retriever of evidence with the judge that weighs it."""

    retriever: Retriever
    judge: Judge


class SelectionDecision(StrEnum):
    ANSWER = "answer"
    NOT_IN_POST = "not_in_post"
    ACTION = "action_requested"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageSelection:
    """What a model says of one question: its `span` in the message, and the passages for it.

    `states` is the model's claim that the first passage, read alone, states the answer.
    """

    span: str
    decision: SelectionDecision
    passages: tuple[str, ...]
    states: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSelection:
    """What a model said in two calls that list the passages in two orders.

    `fault` says why there is no result; empty where there is one.
    """

    one: tuple[PassageSelection, ...] = ()
    other: tuple[PassageSelection, ...] = ()
    fault: str = ""


class Selector(Protocol):
    """Chooses among published passages for the questions of a masked message: a language model."""

    def select(self, text: str, offered: Sequence[Passage]) -> ModelSelection: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedWording:
    """A reply as a model worded it, with the passages that it names for it; staff alone see it."""

    text: str
    passages: tuple[Passage, ...]


class MailFolder(StrEnum):
    """Where a mail lies once it has been read and its message is committed."""

    PROCESSED = "Processed"
    HELD = "Held"
    DROPPED = "Dropped"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A raw mail that waits, and where it lies: what the journal keeps as `raw_ref`.

    `is_cut` says that it is too large to be read whole: `raw` is its beginning alone.
    """

    ref: str
    raw: bytes
    is_cut: bool = False


class Mailbox(Protocol):
    """Where mails wait until they are settled: a Maildir, an IMAP folder."""

    def waiting(self) -> Iterator[Mail]:
        """Yield the mails that are not settled, oldest first; reading changes nothing."""
        ...

    def settle(self, ref: str, place: MailFolder) -> None:
        """Move a mail out of the way; harmless when it was moved before."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when there may be new mail, at the latest after `seconds`."""
        ...

    def wake(self) -> None:
        """End a wait, from another thread or a signal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMail:
    """A raw mail in a folder of the desk; `waiting` until it is read and its message stored."""

    ref: str
    folder: str
    raw: bytes
    waiting: bool


class MailArchive(Protocol):
    """The raw mails that a mailbox keeps: a Maildir, IMAP folders."""

    def find(self, names: Sequence[str], holds: Callable[[bytes], bool]) -> Iterator[KeptMail]:
        """Yield the mails that may hold one of `names` and for whose bytes `holds` returns True."""
        ...

    def delete(self, ref: str) -> None:
        """Delete a mail for good; harmless when it is gone."""
        ...

    def list_settled(self, since: datetime) -> Iterator[KeptMail]:
        """Yield the settled mails that came on the day of `since` or later."""
        ...

    def put_back(self, ref: str) -> None:
        """Move a settled mail to where mails wait, so that it is taken in again."""
        ...

    def delete_older(self, folders: Sequence[str], before: datetime, limit: int) -> int:
        """Delete at most `limit` mails of these folders older than `before`; return how many."""
        ...


class MailOut(Protocol):
    """Hands a finished mail over for delivery: a Maildir, SMTP.

    `send` raises DeliveryError when the mail was not taken and may be tried later, RefusedError
    when it will never be taken, and UncertainError when the connection broke after the hand-over,
    so that the mail may have been taken.
    """

    def send(self, mail: bytes, *, recipient: str) -> None: ...
