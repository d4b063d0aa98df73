"""Keeps the ledger: who was told what, when, under which knowledge, approved by whom.

An entry is appended in the commit that records a mail as sent, or later as bounced. It holds
digests of recipient and body, and the hash of the entry before it, so that a changed or missing
entry is detected. The texts themselves are in the outbox. Erasing them there also removes the salt
of their digests, which then reveal nothing, and the chain of hashes stays valid.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.engine import reading
from bot.journal.locks import AdvisoryLock, lock_until_commit
from bot.journal.records import OutboxState
from bot.journal.tables import correction, decision, escalation, ledger, outbox, outcome

LEDGER_EVENTS = frozenset({OutboxState.SENT, OutboxState.BOUNCED})
FIRST = "0" * 64  # stands for the hash of the entry before the first one
BATCH = 1000  # entries that are read at a time
HASHED = (
    "at", "event", "outbox_id", "recipient_digest", "body_digest", "knowledge", "passages",
    "approved_by", "previous",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One entry, with recipient and mail where they were not erased (else empty)."""

    id: int
    at: str
    event: str
    recipient: str
    body: bytes
    knowledge: str
    passages: tuple[tuple[str, str], ...]  # id and version of each that was quoted
    approved_by: str  # `desk` for an automatic reply
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheck:
    """What a check of the ledger found; `faults` is empty for a ledger that is whole."""

    entries: int
    head: str  # the hash of the last entry; a copy kept elsewhere reveals that entries were cut off
    faults: tuple[str, ...]


def append_to_ledger(db: sql.Connection, mail_id: int, event: OutboxState, at: str) -> None:
    """Append that a mail was sent or bounced, in the transaction of the caller."""
    lock_until_commit(db, AdvisoryLock.LEDGER)
    mail = db.execute(sql.select(outbox).where(outbox.c.id == mail_id)).one()
    salt = mail.salt or secrets.token_hex(16)
    if not mail.salt:
        db.execute(outbox.update().where(outbox.c.id == mail_id).values(salt=salt))
    newest = sql.select(ledger.c.hash).order_by(ledger.c.id.desc()).limit(1)
    knowledge, passages = _told(db, mail)
    entry = {
        "at": at, "event": event.value, "outbox_id": mail_id,
        "recipient_digest": _digest(salt, mail.recipient.encode("utf-8", "replace")),
        "body_digest": _digest(salt, bytes(mail.body)),
        "knowledge": knowledge, "passages": passages, "approved_by": _approver(db, mail),
        "previous": db.execute(newest).scalar() or FIRST,
    }  # fmt: skip
    db.execute(ledger.insert().values(**entry, hash=_hash(entry)))


class Ledger:
    """The ledger of one journal, for reading."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self, head: str = "") -> LedgerCheck:
        """Check the chain, and each entry against its mail where that was not erased.

        `head` is the hash of an earlier last entry, which must still be there.
        """
        faults: list[str] = []
        previous, count, known = FIRST, 0, not head
        with reading(self._engine) as db:
            for row in _rows(db, _ENTRIES):
                count += 1
                faults += _faults(row, previous)
                previous, known = row.hash, known or row.hash == head
            entered = sql.select(ledger.c.id).where(ledger.c.outbox_id == outbox.c.id)
            absent = sql.select(outbox.c.id).where(outbox.c.salt != "", ~entered.exists())
            faults += [f"the entry of mail {each} is missing" for each in db.scalars(absent)]
        if not known:
            faults.append("the entry with the given hash is missing")
        return LedgerCheck(entries=count, head=previous, faults=tuple(faults))

    def entries(self) -> Iterator[LedgerEntry]:
        """Yield every entry in order."""
        with reading(self._engine) as db:
            for row in _rows(db, _ENTRIES):
                kept = bool(row.salt)
                yield LedgerEntry(
                    id=row.id, at=row.at, event=row.event,
                    recipient=row.recipient if kept else "", body=_bytes(row.body) if kept else b"",
                    knowledge=row.knowledge, approved_by=row.approved_by, hash=row.hash,
                    passages=tuple((name, version) for name, version in json.loads(row.passages)),
                )  # fmt: skip


_ENTRIES = (
    sql.select(ledger, outbox.c.recipient, outbox.c.body, outbox.c.salt)
    .outerjoin(outbox, outbox.c.id == ledger.c.outbox_id)
    .order_by(ledger.c.id)
)


def _rows(db: sql.Connection, query: sql.Select[Any]) -> Iterator[Any]:
    """Yield the rows of a query without holding all of them in memory."""
    yield from db.execution_options(yield_per=BATCH).execute(query)


def _faults(row: Any, previous: str) -> Iterator[str]:
    if row.previous != previous:
        yield f"before entry {row.id} an entry is missing or was changed"
    if row.hash != _hash({name: getattr(row, name) for name in HASHED}):
        yield f"entry {row.id} was changed"
    if not row.salt:
        return  # erased
    if row.recipient_digest != _digest(row.salt, row.recipient.encode("utf-8", "replace")):
        yield f"the recipient of mail {row.outbox_id} was changed (entry {row.id})"
    if row.body_digest != _digest(row.salt, _bytes(row.body)):
        yield f"the text of mail {row.outbox_id} was changed (entry {row.id})"


def _told(db: sql.Connection, mail: Any) -> tuple[str, str]:
    """Return the knowledge version of a mail and, if automatic, its quoted passages as JSON."""
    again = db.execute(sql.select(correction).where(correction.c.outbox_id == mail.id)).all()
    if again:
        said = [[row.passage, row.version] for row in again if row.quoted]
        return again[0].knowledge, json.dumps(said)
    rows = db.execute(
        sql.select(outcome.c.knowledge, outcome.c.kind, outcome.c.passages)
        .where(outcome.c.message_id == mail.message_id)
        .order_by(outcome.c.place)
    ).all()
    quoted = [
        passage
        for row in rows
        if mail.automatic and row.kind == "answer"
        for passage in json.loads(row.passages)
    ]
    return next((row.knowledge for row in rows), ""), json.dumps(quoted)


def _approver(db: sql.Connection, mail: Any) -> str:
    """Return who approved a mail: the desk, or the person who decided or owns its case.

    A correction was approved by whoever approved its batch.
    """
    if mail.automatic:
        approved = sql.select(correction.c.actor).where(correction.c.outbox_id == mail.id)
        return str(db.execute(approved.limit(1)).scalar() or "desk")
    query = sql.select(decision.c.actor, decision.c.action, escalation.c.owner).select_from(
        escalation.outerjoin(decision, decision.c.escalation_id == escalation.c.id)
    )
    row = db.execute(query.where(escalation.c.message_id == mail.message_id)).first()
    if row is None:
        return ""
    return f"{row.actor} ({row.action})" if row.actor else str(row.owner)


def _bytes(body: "bytes | memoryview | str") -> bytes:
    """Return the bytes of a stored mail, which is a string where somebody edited it by hand."""
    return body.encode() if isinstance(body, str) else bytes(body)


def _digest(salt: str, content: bytes) -> str:
    return hashlib.sha256(salt.encode() + content).hexdigest()


def _hash(entry: dict[str, Any]) -> str:
    written = json.dumps([entry[name] for name in HASHED], ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()
