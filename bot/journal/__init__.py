"""What was asked, decided and sent: the tables, and the only module with SQL.

Each function is one transaction. A message is stored masked, before it is acknowledged; outcomes,
reply and escalation are stored in one commit, before anything is sent.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.domain import Escalation, Outcome, Response
from bot.journal.tables import (
    TABLES,
    audit,
    conversation,
    decision,
    escalation,
    message,
    outbox,
    outcome,
)


class MessageState(StrEnum):
    RECEIVED = "received"
    DECIDED = "decided"
    DROPPED = "dropped"


class OutboxState(StrEnum):
    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    HELD = "held"


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


class Journal:
    """The desk's memory on SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        TABLES.create_all(self.engine)

    def receive(self, received: Received) -> int | None:
        """Store a message; None when its key is already there (a duplicate)."""
        try:
            with self.engine.begin() as db:
                return _store(db, received)
        except IntegrityError:
            return None

    def undecided(self) -> list[int]:
        """Ids of the messages that were received and not decided, oldest first."""
        query = sql.select(message.c.id).where(message.c.state == MessageState.RECEIVED)
        with self.engine.connect() as db:
            return list(db.execute(query.order_by(message.c.id)).scalars())

    def message(self, message_id: int) -> Received:
        """The stored message."""
        query = sql.select(message, conversation.c.channel, conversation.c.thread_key)
        query = query.join(conversation).where(message.c.id == message_id)
        with self.engine.connect() as db:
            row = db.execute(query).one()
        return Received(
            channel=row.channel, thread_key=row.thread_key, key=row.key, raw_ref=row.raw_ref,
            verdict=row.verdict, rule=row.rule, sender=row.sender, headers=json.loads(row.headers),
            text=row.text, redactions=tuple(json.loads(row.redactions)),
        )  # fmt: skip

    def history(self, message_id: int) -> list[str]:
        """Masked texts of the same conversation before this message, oldest first."""
        this = sql.select(message.c.conversation_id).where(message.c.id == message_id)
        query = sql.select(message.c.text).where(
            message.c.conversation_id == this.scalar_subquery(), message.c.id < message_id
        )
        with self.engine.connect() as db:
            return list(db.execute(query.order_by(message.c.id)).scalars())

    def decide(
        self, message_id: int, response: Response, *, draft: str, reply: Reply | None
    ) -> None:
        """One commit: outcomes, escalation, reply. A second call changes nothing."""
        waiting = [o for o in response.outcomes if isinstance(o, Escalation)]
        with self.engine.begin() as db:
            done = db.execute(
                message.update()
                .where(message.c.id == message_id, message.c.state == MessageState.RECEIVED)
                .values(state=MessageState.DECIDED)
            )
            if not done.rowcount:
                return
            for place, each in enumerate(response.outcomes):
                db.execute(outcome.insert().values(_outcome(message_id, place, each, response)))
            if waiting:
                db.execute(escalation.insert().values(_escalation(message_id, waiting, draft)))
            if reply:
                db.execute(
                    outbox.insert().values(_outgoing(f"reply:{message_id}", reply, automatic=True))
                )
            _note(db, "desk", "decided", message_id)

    def queue(self) -> list[Waiting]:
        """Open escalations: the most urgent first, then the oldest."""
        order = {"page": 0, "high": 1, "normal": 2}
        query = sql.select(escalation, message.c.sender, message.c.text).join(message)
        with self.engine.connect() as db:
            rows = db.execute(query.where(escalation.c.state == "open")).all()
        found = [
            Waiting(
                id=r.id, message_id=r.message_id, priority=r.priority, reason=r.reason,
                sender=r.sender, text=r.text, draft=r.draft, opened_at=r.opened_at,
            )
            for r in rows
        ]  # fmt: skip
        return sorted(found, key=lambda w: (order.get(w.priority, 3), w.opened_at, w.id))

    def resolve(self, escalation_id: int, *, actor: str, action: str, reply: Reply | None) -> bool:
        """Record a person's decision and its mail in one commit; False if somebody was first."""
        try:
            with self.engine.begin() as db:
                row = db.execute(
                    sql.select(escalation).where(escalation.c.id == escalation_id)
                ).one()
                db.execute(
                    decision.insert().values(
                        escalation_id=escalation_id, action=action, actor=actor, decided_at=_now()
                    )
                )
                db.execute(
                    escalation.update()
                    .where(escalation.c.id == escalation_id)
                    .values(state="decided")
                )
                if reply:
                    db.execute(
                        outbox.insert().values(
                            _outgoing(f"human:{escalation_id}", reply, automatic=False)
                        )
                    )
                _note(db, actor, action, row.message_id)
        except IntegrityError:
            return False
        return True

    def ready(self) -> list[sql.Row[Any]]:
        """Outgoing mails to hand over, oldest first; `sending` is left from a crash."""
        states = (OutboxState.READY, OutboxState.SENDING)
        query = sql.select(outbox).where(outbox.c.state.in_(states)).order_by(outbox.c.id)
        with self.engine.connect() as db:
            return list(db.execute(query).all())

    def mark(self, outbox_id: int, state: OutboxState) -> None:
        """Move an outgoing mail to `state`; `sending` counts an attempt."""
        attempt = 1 if state is OutboxState.SENDING else 0
        with self.engine.begin() as db:
            db.execute(
                outbox.update()
                .where(outbox.c.id == outbox_id)
                .values(state=state, attempts=outbox.c.attempts + attempt, changed_at=_now())
            )

    def outcomes(self, message_id: int) -> list[sql.Row[Any]]:
        """The outcome rows of a message, in order."""
        query = sql.select(outcome).where(outcome.c.message_id == message_id)
        with self.engine.connect() as db:
            return list(db.execute(query.order_by(outcome.c.place)).all())

    def counts(self) -> dict[str, int]:
        """Rows by table, for `doctor`."""
        with self.engine.connect() as db:
            return {
                t.name: db.execute(sql.select(sql.func.count()).select_from(t)).scalar_one()
                for t in TABLES.sorted_tables
            }


def _engine(url: str) -> Engine:
    engine = sql.create_engine(url)
    if engine.dialect.name == "sqlite":
        sql.event.listen(engine, "connect", _durable)
    return engine


def _durable(connection: Any, _record: object) -> None:
    """Readers do not block the writer, and a commit survives a power cut."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _store(db: sql.Connection, received: Received) -> int:
    thread = sql.select(conversation.c.id).where(conversation.c.thread_key == received.thread_key)
    conversation_id = db.execute(thread).scalar()
    if conversation_id is None:
        row = conversation.insert().values(channel=received.channel, thread_key=received.thread_key)
        conversation_id = _inserted(db, row)
    state = MessageState.DROPPED if received.final else MessageState.RECEIVED
    row = message.insert().values(
        conversation_id=conversation_id, key=received.key, raw_ref=received.raw_ref,
        verdict=received.verdict, rule=received.rule, sender=received.sender,
        headers=json.dumps(received.headers), text=received.text,
        redactions=json.dumps(received.redactions), state=state, received_at=_now(),
    )  # fmt: skip
    stored = _inserted(db, row)
    _note(db, "desk", f"received:{received.verdict}", stored)
    return stored


def _outcome(message_id: int, place: int, each: Outcome, response: Response) -> dict[str, Any]:
    quoted = getattr(each, "passages", each.candidates)
    return {
        "message_id": message_id,
        "place": place,
        "kind": type(each).__name__.lower(),
        "reason": each.reason.value,
        "probability": each.probability,
        "question": each.question,
        "passages": json.dumps([[p.id, p.version] for p in quoted]),
        "knowledge": response.knowledge,
    }


def _escalation(message_id: int, waiting: Sequence[Escalation], draft: str) -> dict[str, Any]:
    rank = ("page", "high", "normal")
    first = min(waiting, key=lambda e: rank.index(e.priority.value))
    return {
        "message_id": message_id,
        "state": "open",
        "priority": first.priority.value,
        "reason": first.reason.value,
        "draft": draft,
        "opened_at": _now(),
    }


def _outgoing(key: str, reply: Reply, *, automatic: bool) -> dict[str, Any]:
    return {
        "dedupe_key": key,
        "recipient": reply.recipient,
        "message_id_header": reply.message_id,
        "body": reply.body,
        "automatic": automatic,
        "state": OutboxState.READY,
        "attempts": 0,
        "changed_at": _now(),
    }


def _inserted(db: sql.Connection, row: sql.Insert) -> int:
    key = db.execute(row).inserted_primary_key
    return int(key[0]) if key else 0


def _note(db: sql.Connection, actor: str, event: str, message_id: int) -> None:
    db.execute(audit.insert().values(at=_now(), actor=actor, event=event, message_id=message_id))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
