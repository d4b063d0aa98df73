"""Stores earlier texts of passages, reads which were sent to whom, and stores corrections.

A correction is a mail in the outbox whose key is made of its conversation and its passages, so that
it is stored once, however often a batch is approved and whatever else is edited meanwhile.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.corpus.changes import ChangeKind, PassageText
from bot.domain import Passage
from bot.journal.audit import append_audit
from bot.journal.clock import Clock, stamp
from bot.journal.engine import reading, storable, writing
from bot.journal.locks import AdvisoryLock, lock_until_commit
from bot.journal.mail_outbox import MailOrigin, new_outbox_row
from bot.journal.records import CORRECTION, BatchState, OutboxState, Reply, Stage
from bot.journal.tables import (
    correction,
    correction_batch,
    escalation,
    message,
    outbox,
    outcome,
    passage_change,
    passage_text,
)

CLOSED = (Stage.DECIDED, Stage.CLOSED)
BATCH = 200  # answers that are read at once: each holds the bytes of a mail
# Longest wait of a correction in the outbox; one that would wait longer is stored later.
LONGEST_WAIT_SECONDS = 28_800.0
Versions = tuple[tuple[str, str], ...]
"""Passages with their versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestion:
    """A question of a message and the passages, with their versions, that its answer quoted."""

    question: str
    quoted: tuple[tuple[str, str], ...]  # id and version


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAnswer:
    """A mail of ours that the server accepted, and what it answered."""

    outbox_id: int
    message_id: int
    conversation_id: int
    recipient: str
    sent_at: str
    automatic: bool
    body: bytes
    questions: tuple[AnsweredQuestion, ...]
    erased: bool = False  # at the request of the person, so that recipient and body are empty


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionContent:
    """The content of a correction: the current passages that are sent to a conversation.

    `alike` are passages that say the same as one of them and therefore need not be sent.
    """

    message_id: int
    conversation_id: int
    passages: Versions
    alike: Versions = ()

    @property
    def digest(self) -> str:
        """Return a short digest of the passages that does not depend on their order."""
        every = sorted({*self.passages, *self.alike})
        return hashlib.sha256(json.dumps(every).encode()).hexdigest()[:12]

    @property
    def key(self) -> str:
        """Return the unique outbox key of the correction, under which it is stored only once."""
        return f"{CORRECTION}{self.digest}:{self.conversation_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved corrections, under which version of the knowledge, and how fast they may go.

    `batch` is the key of the batch that they belong to; empty for none.
    """

    actor: str
    knowledge: str
    per_minute: int
    batch: str = ""


class Corrections:
    """The answers that were sent and their corrections; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def record_passages(self, passages: Iterable[Passage]) -> int:
        """Store the text of each passage under its version; return how many were new.

        When none is new, as at most starts of the desk, nothing is written.
        """
        passages = tuple(passages)
        with reading(self._engine) as db:
            if not _unknown(db, passages):
                return 0
        with writing(self._engine) as db:
            lock_corrections(db)
            new = _unknown(db, passages)
            first_seen_at = stamp(self._clock())  # one time for all passages of this call
            for each in new:
                db.execute(
                    passage_text.insert().values(
                        passage=each.id, version=each.version, heading=storable(each.heading),
                        text=storable(each.text), seen_at=first_seen_at,
                    )
                )  # fmt: skip
        return len(new)

    def list_texts(self) -> tuple[PassageText, ...]:
        """Return every text that a passage had since the desk first ran, the oldest first."""
        with reading(self._engine) as db:
            rows = db.execute(sql.select(passage_text).order_by(passage_text.c.id)).all()
        return tuple(
            PassageText(
                id=r.passage, version=r.version, heading=r.heading, text=r.text, seen_at=r.seen_at
            )
            for r in rows
        )

    def list_sent_answers(self) -> Iterator[SentAnswer]:
        """Yield the mails that were sent in answer to a message, corrections left out."""
        last = 0
        while batch := self._read_answers(last):
            yield from batch
            last = batch[-1].outbox_id

    def list_unreachable(self) -> frozenset[str]:
        """Return the addresses from which a mail of ours came back."""
        query = sql.select(outbox.c.recipient).where(outbox.c.state == OutboxState.BOUNCED)
        with reading(self._engine) as db:
            return frozenset(address.lower() for address in db.execute(query).scalars())

    def list_with_open_case(self) -> dict[int, int]:
        """Return the conversations with an open case, each with the number of that case."""
        query = (
            sql.select(message.c.conversation_id, escalation.c.id)
            .join(escalation)
            .where(escalation.c.state == "open", escalation.c.stage.not_in(CLOSED))
        )
        with reading(self._engine) as db:
            return {row.conversation_id: row.id for row in db.execute(query)}

    def list_told(self) -> dict[int, frozenset[tuple[str, str]]]:
        """Return the passages, with versions, of the corrections and notes of each conversation."""
        query = sql.select(correction.c.conversation_id, correction.c.passage, correction.c.version)
        content: dict[int, set[tuple[str, str]]] = {}
        with reading(self._engine) as db:
            for row in db.execute(query):
                content.setdefault(row.conversation_id, set()).add((row.passage, row.version))
        return {conversation: frozenset(pairs) for conversation, pairs in content.items()}

    def list_quoted(self) -> frozenset[tuple[str, str]]:
        """Return each passage, with its version, that was quoted or was a candidate for it."""
        with reading(self._engine) as db:
            lists = list(db.execute(sql.select(outcome.c.passages).distinct()).scalars())
        return frozenset((each[0], each[1]) for text in lists for each in json.loads(text))

    def first_sent_at(self) -> str:
        """Return when the first mail was sent; empty where none was."""
        query = sql.select(sql.func.min(outbox.c.changed_at))
        with reading(self._engine) as db:
            return db.execute(query.where(outbox.c.state == OutboxState.SENT)).scalar() or ""

    def list_kinds(self) -> dict[tuple[str, str, str], ChangeKind]:
        """Return the kinds of change that people decided on, by passage, old and new version."""
        with reading(self._engine) as db:
            rows = db.execute(sql.select(passage_change)).all()
        return {(r.passage, r.before, r.now): ChangeKind(r.kind) for r in rows}

    def decide_kind(self, change: tuple[str, str, str], kind: ChangeKind, *, actor: str) -> None:
        """Store what a person decided about a change; the last decision counts."""
        named = dict(zip(("passage", "before", "now"), change, strict=True))
        this = sql.and_(*(passage_change.c[name] == value for name, value in named.items()))
        values = {"kind": kind, "actor": actor, "at": stamp(self._clock())}
        with writing(self._engine) as db:
            lock_corrections(db)
            if not db.execute(passage_change.update().where(this).values(values)).rowcount:
                db.execute(passage_change.insert().values(named | values))

    def enqueue(
        self,
        mails: Sequence[tuple[CorrectionContent, Reply]],
        notes: Sequence[CorrectionContent] = (),
        *,
        approval: Approval,
        is_wanted: Callable[[CorrectionContent, Reply], bool] = lambda _content, _reply: True,
    ) -> int:
        """Store corrections and notes for open cases in one commit; return how many mails are new.

        Finding them takes long. So a mail to somebody who was erased meanwhile, or for which
        `is_wanted` says no now, is not stored; what it says counts as not told.

        The mails are due one after the other, behind those that wait already. Those that would wait
        longer than `LONGEST_WAIT_SECONDS` are not stored, and their batch stays approved; the same
        call stores them later. A correction that is stored already is not stored again.
        """
        with writing(self._engine) as db:
            lock_corrections(db)
            known = _known_keys(db) | _erased_keys(db, [content for content, _ in mails])
            new = [
                (content, reply)
                for content, reply in mails
                if content.key not in known and is_wanted(content, reply)
            ]
            dues = self._free_times(db, approval.per_minute)
            stored = 0
            for (content, reply), due in zip(new, dues, strict=False):
                origin = MailOrigin(
                    key=content.key,
                    message_id=content.message_id,
                    conversation_id=content.conversation_id,
                )
                row = new_outbox_row(origin, reply, automatic=True, now=stamp(self._clock()))
                row |= {"next_attempt_at": stamp(due)}
                mail_id = db.execute(outbox.insert().values(row)).inserted_primary_key
                self._record(db, content, approval, mail_id[0] if mail_id else None)
                stored += 1
            for content in notes:
                if self._record(db, content, approval, None):
                    _redraw_cases(db, content.conversation_id)
            if approval.batch:
                _count_stored(db, approval.batch, stored, all_of_it=stored == len(new))
        return stored

    def has_room(self, per_minute: int) -> bool:
        """Return whether at least one more correction can be stored now."""
        with reading(self._engine) as db:
            return next(self._free_times(db, per_minute), None) is not None

    def _free_times(self, db: sql.Connection, per_minute: int) -> Iterator[datetime]:
        """Yield the free due times of further corrections, up to `LONGEST_WAIT_SECONDS` ahead."""
        step, now = timedelta(seconds=60 / per_minute), self._clock()
        waits = (
            outbox.c.state == OutboxState.READY, outbox.c.dedupe_key.startswith(CORRECTION),
        )  # fmt: skip
        last = db.execute(sql.select(sql.func.max(outbox.c.next_attempt_at)).where(*waits)).scalar()
        due = max(now, datetime.fromisoformat(last) + step) if last else now
        while due <= now + timedelta(seconds=LONGEST_WAIT_SECONDS):
            yield due
            due += step

    def _record(
        self,
        db: sql.Connection,
        content: CorrectionContent,
        approval: Approval,
        mail_id: int | None,
    ) -> bool:
        """Record the passages of a correction or note; return False if all were recorded before."""
        of = correction.c.conversation_id == content.conversation_id
        known = {(r.passage, r.version) for r in db.execute(sql.select(correction).where(of))}
        every = dict.fromkeys((*content.passages, *content.alike))
        new = [each for each in every if each not in known]
        now = stamp(self._clock())
        for passage, version in new:
            db.execute(
                correction.insert().values(
                    conversation_id=content.conversation_id, passage=passage, version=version,
                    quoted=(passage, version) in content.passages, outbox_id=mail_id,
                    knowledge=approval.knowledge, actor=approval.actor, at=now,
                )
            )  # fmt: skip
        if new:
            what = "corrected" if mail_id else "outdated"
            event = f"{what}:{approval.knowledge}"
            append_audit(db, now, approval.actor, event, content.message_id)
        return bool(new)

    def _read_answers(self, stamp_after: int) -> list[SentAnswer]:
        query = (
            sql.select(outbox, message.c.erased_at)
            .join(message, message.c.id == outbox.c.message_id)
            .where(
                outbox.c.id > stamp_after,
                outbox.c.state == OutboxState.SENT,
                outbox.c.channel == "email",
                sql.not_(outbox.c.dedupe_key.startswith(CORRECTION)),
            )
            .order_by(outbox.c.id)
            .limit(BATCH)
        )
        with reading(self._engine) as db:
            rows = db.execute(query).all()
            ids = [row.message_id for row in rows]
            outcomes = db.execute(
                sql.select(outcome).where(outcome.c.message_id.in_(ids)).order_by(outcome.c.place)
            ).all()
        asked: dict[int, list[AnsweredQuestion]] = {}
        for row in outcomes:
            quoted = json.loads(row.passages) if row.kind == "answer" else []
            asked.setdefault(row.message_id, []).append(
                AnsweredQuestion(
                    question=row.question, quoted=tuple((i, version) for i, version in quoted)
                )
            )
        return [
            SentAnswer(
                outbox_id=r.id, message_id=r.message_id, conversation_id=r.conversation_id,
                recipient=r.recipient, sent_at=r.changed_at, automatic=r.automatic,
                body=bytes(r.body), questions=tuple(asked.get(r.message_id, ())),
                erased=bool(r.erased_at),
            )
            for r in rows
        ]  # fmt: skip


def _unknown(db: sql.Connection, passages: Iterable[Passage]) -> list[Passage]:
    """Return the passages whose text is not stored under their version yet."""
    rows = db.execute(sql.select(passage_text.c.passage, passage_text.c.version)).all()
    known = {(row.passage, row.version) for row in rows}
    return [each for each in passages if (each.id, each.version) not in known]


def _known_keys(db: sql.Connection) -> frozenset[str]:
    """Return the keys of all corrections that are in the outbox."""
    query = sql.select(outbox.c.dedupe_key).where(outbox.c.dedupe_key.startswith(CORRECTION))
    return frozenset(db.execute(query).scalars())


def _erased_keys(db: sql.Connection, mails: Sequence[CorrectionContent]) -> frozenset[str]:
    """Return the keys of corrections to erased people; nobody else is erased until the commit."""
    query = sql.select(message.c.id, message.c.erased_at).order_by(message.c.id)
    asked = query.where(message.c.id.in_([content.message_id for content in mails]))
    erased = {row.id for row in db.execute(asked.with_for_update(read=True)) if row.erased_at}
    return frozenset(content.key for content in mails if content.message_id in erased)


def _redraw_cases(db: sql.Connection, conversation_id: int) -> None:
    """Give the open cases of a conversation a new version, so that their cards are redrawn."""
    mine = sql.select(message.c.id).where(message.c.conversation_id == conversation_id)
    this = escalation.c.message_id.in_(mine), escalation.c.state == "open"
    db.execute(escalation.update().where(*this).values(version=escalation.c.version + 1))


def _count_stored(db: sql.Connection, batch: str, stored: int, *, all_of_it: bool) -> None:
    values: dict[str, Any] = {"stored": correction_batch.c.stored + stored}
    if all_of_it:
        values["state"] = BatchState.STORED
    db.execute(correction_batch.update().where(correction_batch.c.key == batch).values(values))


def lock_corrections(db: sql.Connection) -> None:
    """Keep others from storing texts, corrections and their batches until this transaction ends."""
    lock_until_commit(db, AdvisoryLock.CORRECTIONS)
