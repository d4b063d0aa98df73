"""The outbox: what shall be sent, who is sending it, and what became of it.

A row is claimed by one commit before its mail is handed over, so that no two processes send it and
a crash leaves it in `sending`: ambiguous, looked up, never blindly sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import EscalationReason, Priority
from bot.journal.case_opening import CaseOpener
from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import reading, writing
from bot.journal.records import OutboxState, OutgoingMail, Reply
from bot.journal.tables import audit, outbox, worker

UNDELIVERED = EscalationReason.HELD.value
UNSETTLED = (OutboxState.READY, OutboxState.SENDING, OutboxState.UNKNOWN)
NEEDS_PERSON = (OutboxState.UNRESOLVED, OutboxState.FAILED, OutboxState.BOUNCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOrigin:
    """Which message a send belongs to, and the key under which it can be stored only once."""

    key: str
    message_id: int
    conversation_id: int


class MailOutbox:
    """The outgoing mails of one journal."""

    def __init__(self, engine: Engine, clock: Clock, opener: CaseOpener) -> None:
        self._engine = engine
        self._clock = clock
        self._opener = opener

    def list_due(
        self, *, conversation_id: int | None = None, limit: int = 100
    ) -> list[OutgoingMail]:
        """What can be handed over now, oldest first."""
        query = sql.select(outbox).where(
            outbox.c.state == OutboxState.READY,
            outbox.c.next_attempt_at <= stamp(self._clock()),
            outbox.c.channel == "email",
        )
        if conversation_id is not None:
            query = query.where(outbox.c.conversation_id == conversation_id)
        return self._read(query.order_by(outbox.c.id).limit(limit))

    def list_in_state(self, *states: OutboxState, limit: int = 1000) -> list[OutgoingMail]:
        """MailOutbox in one of `states`, oldest first."""
        query = sql.select(outbox).where(outbox.c.state.in_(states))
        return self._read(query.order_by(outbox.c.id).limit(limit))

    def claim(self, send_id: int, by: str) -> bool:
        """Take a ready mail for handing over; False when somebody else did."""
        return self._move(
            send_id, (OutboxState.READY,), OutboxState.SENDING,
            worker=by, attempts=outbox.c.attempts + 1,
        )  # fmt: skip

    def mark_sent(self, send_id: int) -> bool:
        """It was taken."""
        return self._move(send_id, UNSETTLED, OutboxState.SENT)

    def mark_unknown(self, send_id: int, fault: str) -> bool:
        """It may have been taken: its own copy tells, or a person."""
        return self._move(send_id, (OutboxState.SENDING,), OutboxState.UNKNOWN, fault=fault)

    def retry_later(self, send_id: int, fault: str, *, seconds: float) -> bool:
        """It was not taken: try again, but not before `seconds` have passed."""
        return self._move(
            send_id, (OutboxState.SENDING, OutboxState.UNKNOWN), OutboxState.READY,
            fault=fault, next_attempt_at=after(self._clock, seconds),
        )  # fmt: skip

    def mark_failed(self, send_id: int, fault: str) -> bool:
        """It will not be taken."""
        return self._move(send_id, UNSETTLED, OutboxState.FAILED, fault=fault)

    def mark_unresolved(self, send_id: int, fault: str) -> bool:
        """It will not be tried again: nobody knows whether it was taken."""
        return self._move(send_id, (OutboxState.UNKNOWN,), OutboxState.UNRESOLVED, fault=fault)

    def list_unknown(self, seconds: float) -> list[OutgoingMail]:
        """MailOutbox whose fate has been unknown for longer than `seconds`."""
        query = sql.select(outbox).where(
            outbox.c.state == OutboxState.UNKNOWN,
            outbox.c.changed_at < after(self._clock, -seconds),
        )
        return self._read(query.order_by(outbox.c.id))

    def list_claimed_by(self, by: Sequence[str], *, seconds: float = 0) -> list[OutgoingMail]:
        """Mails that one of the workers `by` claimed more than `seconds` ago and did not settle."""
        query = sql.select(outbox).where(
            outbox.c.state == OutboxState.SENDING,
            outbox.c.changed_at <= after(self._clock, -seconds),
        )
        return self._read(query.where(outbox.c.worker.in_(by)).order_by(outbox.c.id))

    def count_overdue(self, seconds: float) -> int:
        """How many mails should have gone out and were not touched for `seconds`."""
        before = after(self._clock, -seconds)
        sending = sql.and_(outbox.c.state == OutboxState.SENDING, outbox.c.changed_at < before)
        ready = sql.and_(outbox.c.state == OutboxState.READY, outbox.c.next_attempt_at < before)
        query = sql.select(sql.func.count()).select_from(outbox).where(sql.or_(sending, ready))
        with reading(self._engine) as db:
            return db.execute(query).scalar_one()

    def list_orphaned(self, lease_seconds: float) -> list[OutgoingMail]:
        """Mails in `sending` for longer than the lease by somebody who is not on the list."""
        query = sql.select(outbox).where(
            outbox.c.state == OutboxState.SENDING,
            outbox.c.changed_at < after(self._clock, -lease_seconds),
            outbox.c.worker.not_in(sql.select(worker.c.id)),
        )
        return self._read(query.order_by(outbox.c.id))

    def contains(self, header: str) -> bool:
        """Is this the Message-ID of one of our mails?"""
        query = sql.select(outbox.c.id).where(outbox.c.message_id_header == header)
        with reading(self._engine) as db:
            return db.execute(query).scalar() is not None

    def record_receipt(self, header: str) -> bool:
        """Our own copy came back: it was sent."""
        return self._by_header(header, UNSETTLED, OutboxState.SENT)

    def record_bounce(self, header: str) -> bool:
        """A report says that it did not arrive."""
        return self._by_header(header, (*UNSETTLED, OutboxState.SENT), OutboxState.BOUNCED)

    def count_by_state(self) -> dict[str, int]:
        """How many are in each state."""
        query = sql.select(outbox.c.state, sql.func.count().label("found")).group_by(outbox.c.state)
        with reading(self._engine) as db:
            return {row.state: row.found for row in db.execute(query)}

    def _by_header(self, header: str, before: Sequence[OutboxState], state: OutboxState) -> bool:
        query = sql.select(outbox.c.id).where(outbox.c.message_id_header == header)
        with reading(self._engine) as db:
            found = db.execute(query).scalar()
        return found is not None and self._move(found, before, state)

    def _move(
        self, send_id: int, before: Sequence[OutboxState], state: OutboxState, **values: Any
    ) -> bool:
        now = stamp(self._clock())
        with writing(self._engine) as db:
            row = outbox.update().where(outbox.c.id == send_id, outbox.c.state.in_(before))
            done = db.execute(row.values(state=state, changed_at=now, **values))
            if not done.rowcount:
                return False
            if state in (OutboxState.SENDING, OutboxState.READY):
                return True
            about = sql.select(outbox.c.message_id).where(outbox.c.id == send_id)
            message_id = db.execute(about).scalar()
            event = {"at": now, "actor": "desk", "event": f"send:{send_id}:{state}"}
            db.execute(audit.insert().values(**event, message_id=message_id))
            if state in NEEDS_PERSON and message_id:
                self._opener.open_once(db, message_id, Priority.HIGH, UNDELIVERED)
        return True

    def _read(self, query: sql.Select[Any]) -> list[OutgoingMail]:
        with reading(self._engine) as db:
            rows = db.execute(query).all()
        return [
            OutgoingMail(
                id=r.id, message_id=r.message_id, recipient=r.recipient,
                header=r.message_id_header, body=bytes(r.body),
                automatic=r.automatic, state=OutboxState(r.state),
                attempts=r.attempts, changed_at=r.changed_at, fault=r.fault, worker=r.worker,
            )
            for r in rows
        ]  # fmt: skip


def new_outbox_row(
    origin: MailOrigin, reply: Reply, *, automatic: bool, now: str
) -> dict[str, Any]:
    """The row of a mail that is ready."""
    return {
        "dedupe_key": origin.key,
        "message_id": origin.message_id,
        "conversation_id": origin.conversation_id,
        "recipient": reply.recipient,
        "message_id_header": reply.message_id,
        "body": reply.body,
        "automatic": automatic,
        "state": OutboxState.READY,
        "attempts": 0,
        "next_attempt_at": now,
        "changed_at": now,
    }
