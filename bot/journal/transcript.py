"""Reads the messages and mails of the conversation of a case, and its audit."""

from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import SenderProof
from bot.journal.engine import reading
from bot.journal.records import MessageState
from bot.journal.tables import audit, escalation, message, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEntry:
    """One entry of a transcript: a masked incoming text, or the bytes of an outgoing mail."""

    at: str
    text: str = ""
    mail: bytes = b""
    message_id: int = 0  # of an incoming text
    proof: SenderProof = SenderProof.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit: when, who and what."""

    at: str
    actor: str
    event: str


def read_transcript(engine: Engine, case_id: int) -> list[TranscriptEntry]:
    """Return what both sides wrote and is still kept, in order, without dropped messages."""
    of = _conversation(case_id)
    theirs = sql.select(
        message.c.received_at, message.c.text, message.c.proof, message.c.id
    ).where(
        message.c.conversation_id == of, message.c.state != MessageState.DROPPED,
        message.c.text != "",
    )  # fmt: skip
    ours = sql.select(outbox.c.changed_at, outbox.c.body).where(
        outbox.c.conversation_id == of, outbox.c.body != b""
    )
    with reading(engine) as db:
        entries = [
            TranscriptEntry(
                at=row.received_at, text=row.text, proof=SenderProof(row.proof), message_id=row.id
            )
            for row in db.execute(theirs)
        ]
        entries += [
            TranscriptEntry(at=row.changed_at, mail=bytes(row.body)) for row in db.execute(ours)
        ]
    return sorted(entries, key=lambda entry: entry.at)


def read_audit(engine: Engine, case_id: int) -> list[AuditEntry]:
    """Return what the desk and people did in the conversation of a case, in order."""
    messages = sql.select(message.c.id).where(message.c.conversation_id == _conversation(case_id))
    query = sql.select(audit).where(audit.c.message_id.in_(messages)).order_by(audit.c.id)
    with reading(engine) as db:
        return [
            AuditEntry(at=row.at, actor=row.actor, event=row.event) for row in db.execute(query)
        ]


def _conversation(case_id: int) -> "sql.ScalarSelect[int]":
    query = sql.select(message.c.conversation_id).join(escalation)
    return query.where(escalation.c.id == case_id).scalar_subquery()
