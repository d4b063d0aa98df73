"""Stores what the post said at each time, reads who was told what, and stores corrections.

A correction is a mail of the outbox with a key of its own conversation and knowledge version, so
that it is stored once, however often a batch is approved.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.corpus.changes import PassageText
from bot.domain import Passage
from bot.journal.audit import append_audit
from bot.journal.clock import Clock, stamp
from bot.journal.engine import reading, storable, writing
from bot.journal.locks import AdvisoryLock, lock_until_commit
from bot.journal.mail_outbox import MailOrigin, new_outbox_row
from bot.journal.records import OutboxState, Reply, Stage
from bot.journal.tables import escalation, message, outbox, outcome, passage_text

CLOSED = (Stage.DECIDED, Stage.CLOSED)
PREFIX = "correction:"  # of the key of a correction in the outbox
BATCH = 200  # answers that are read at once: each holds the bytes of a mail


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionMail:
    """A correction that a person approved, ready for the outbox."""

    message_id: int
    conversation_id: int
    reply: Reply


class Corrections:
    """What was told, and the mails that correct it; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def record_passages(self, passages: Iterable[Passage]) -> int:
        """Keep the text of each passage under its version; return how many were not known.

        Where all are known, as at most starts, nothing is written.
        """
        passages = tuple(passages)
        with reading(self._engine) as db:
            if not _unknown(db, passages):
                return 0
        with writing(self._engine) as db:
            _exclude_others(db)
            new = _unknown(db, passages)
            for each in new:
                db.execute(
                    passage_text.insert().values(
                        passage=each.id, version=each.version, heading=storable(each.heading),
                        text=storable(each.text), seen_at=stamp(self._clock()),
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
        """Return the conversations that a person has, each with the number of its case."""
        query = (
            sql.select(message.c.conversation_id, escalation.c.id)
            .join(escalation)
            .where(escalation.c.state == "open", escalation.c.stage.not_in(CLOSED))
        )
        with reading(self._engine) as db:
            return {row.conversation_id: row.id for row in db.execute(query)}

    def list_corrected(self, knowledge: str) -> frozenset[int]:
        """Return the conversations that have a correction for this version of the knowledge."""
        keys = sql.select(outbox.c.conversation_id).where(
            outbox.c.dedupe_key.startswith(f"{PREFIX}{knowledge}:")
        )
        with reading(self._engine) as db:
            return frozenset(db.execute(keys).scalars())

    def enqueue(
        self, mails: Sequence[CorrectionMail], *, knowledge: str, actor: str, per_minute: int
    ) -> int:
        """Store the corrections in one commit, due one after the other; return how many are new.

        A conversation that has one for this version of the knowledge gets no second one.
        """
        now = self._clock()
        with writing(self._engine) as db:
            _exclude_others(db)
            keys = [f"{PREFIX}{knowledge}:{mail.conversation_id}" for mail in mails]
            known = set(
                db.execute(
                    sql.select(outbox.c.dedupe_key).where(
                        outbox.c.dedupe_key.startswith(f"{PREFIX}{knowledge}:")
                    )
                ).scalars()
            )
            new = [(k, m) for k, m in zip(keys, mails, strict=True) if k not in known]
            for place, (key, mail) in enumerate(new):
                origin = MailOrigin(
                    key=key, message_id=mail.message_id, conversation_id=mail.conversation_id
                )
                row = new_outbox_row(origin, mail.reply, automatic=True, now=stamp(now))
                due = stamp(now + timedelta(seconds=60 * place / per_minute))
                db.execute(outbox.insert().values(row | {"next_attempt_at": due}))
                append_audit(db, stamp(now), actor, f"corrected:{knowledge}", mail.message_id)
        return len(new)

    def note(self, message_ids: Iterable[int], *, knowledge: str, actor: str) -> None:
        """Append to the audit of these messages that what was told has been corrected."""
        with writing(self._engine) as db:
            for message_id in message_ids:
                append_audit(db, stamp(self._clock()), actor, f"outdated:{knowledge}", message_id)

    def _read_answers(self, after: int) -> list[SentAnswer]:
        query = (
            sql.select(outbox)
            .where(
                outbox.c.id > after,
                outbox.c.state == OutboxState.SENT,
                outbox.c.channel == "email",
                outbox.c.message_id.is_not(None),
                sql.not_(outbox.c.dedupe_key.startswith(PREFIX)),
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
            )
            for r in rows
        ]  # fmt: skip


def _unknown(db: sql.Connection, passages: Iterable[Passage]) -> list[Passage]:
    """Return the passages whose text is not kept yet."""
    rows = db.execute(sql.select(passage_text.c.passage, passage_text.c.version)).all()
    known = {(row.passage, row.version) for row in rows}
    return [each for each in passages if (each.id, each.version) not in known]


def _exclude_others(db: sql.Connection) -> None:
    """Let nobody else store texts or corrections until this transaction ends."""
    lock_until_commit(db, AdvisoryLock.CORRECTIONS)
