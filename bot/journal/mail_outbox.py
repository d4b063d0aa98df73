"""Stores outgoing mails: what is to be delivered, who is delivering it, and the result.

A row is claimed by one commit before its mail is delivered to the server, so that no two processes
send it. A crash leaves the row in `sending`: its fate is looked up, and it is never sent again
blindly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import EscalationReason, Priority
from bot.journal.case_opening import CaseOpener
from bot.journal.clock import Clock, latest_plausible_stamp, stamp, stamp_after
from bot.journal.engine import reading, writing
from bot.journal.ledger import LEDGER_EVENTS, append_to_ledger
from bot.journal.records import OutboxState, OutgoingMail, Reply
from bot.journal.tables import audit, outbox, worker

UNDELIVERED = EscalationReason.HELD.value  # the reason of the case of a mail that did not go out
UNSETTLED = (OutboxState.READY, OutboxState.SENDING, OutboxState.UNKNOWN)
NEEDS_PERSON = (OutboxState.UNRESOLVED, OutboxState.FAILED, OutboxState.BOUNCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOrigin:
    """The message that a mail answers, and the key under which the mail can be stored only once."""

    key: str
    message_id: int
    conversation_id: int


class MailOutbox:
    """The outgoing mails of one journal; each method is one transaction.

    `longest_wait` is the most seconds that a mail is put off before another attempt.
    """

    def __init__(
        self, engine: Engine, clock: Clock, opener: CaseOpener, *, longest_wait: float
    ) -> None:
        self._engine = engine
        self._longest_wait = longest_wait
        self._clock = clock
        self._opener = opener

    def list_due(
        self, *, conversation_id: int | None = None, limit: int = 100
    ) -> list[OutgoingMail]:
        """Return the mails that can be delivered now, at most `limit`, oldest first."""
        query = sql.select(outbox).where(*self._is_due(), outbox.c.channel == "email")
        if conversation_id is not None:
            query = query.where(outbox.c.conversation_id == conversation_id)
        return self._read(query.order_by(outbox.c.id).limit(limit))

    def list_in_state(self, *states: OutboxState, limit: int = 1000) -> list[OutgoingMail]:
        """Return the mails in one of `states`, at most `limit`, oldest first."""
        query = sql.select(outbox).where(outbox.c.state.in_(states))
        return self._read(query.order_by(outbox.c.id).limit(limit))

    def claim(self, mail_id: int, by: str) -> OutgoingMail | None:
        """Claim a mail for the worker `by`, and return it as it stands now, this attempt counted.

        Since it was listed, somebody may have taken it back and written another one, which can have
        the same id, or it may have been put off. None when it is not due, or another has claimed
        it.
        """
        values = {
            "state": OutboxState.SENDING, "worker": by, "attempts": outbox.c.attempts + 1,
            "changed_at": stamp(self._clock()),
        }  # fmt: skip
        row = outbox.update().where(outbox.c.id == mail_id, *self._is_due()).values(values)
        with writing(self._engine) as db:
            claimed = db.execute(row.returning(outbox)).first()
        return _mail_of(claimed) if claimed else None

    def mark_sent(self, mail_id: int) -> bool:
        """Record that the server accepted the mail; return whether this changed its state."""
        return self._move(mail_id, UNSETTLED, OutboxState.SENT)

    def mark_unknown(self, mail_id: int, fault: str, *, attempt: int | None = None) -> bool:
        """Record that the server may have accepted the mail; a receipt or a person will tell.

        Here and below, nothing changes where another than this `attempt` is under way by now:
        another worker has found out what became of this one.
        """
        before = (OutboxState.SENDING,)
        return self._move(mail_id, before, OutboxState.UNKNOWN, attempt, fault=fault)

    def retry_later(
        self, mail_id: int, fault: str, *, seconds: float, attempt: int | None = None
    ) -> bool:
        """Record that the server did not accept the mail; it is due again after `seconds`.

        A mail that was erased meanwhile is deleted.
        """
        return self._move(
            mail_id, (OutboxState.SENDING, OutboxState.UNKNOWN), OutboxState.READY, attempt,
            fault=fault, next_attempt_at=stamp_after(self._clock, seconds),
        )  # fmt: skip

    def retry_now(self) -> int:
        """Make every mail due that waits for another attempt; return how many."""
        now = stamp(self._clock())
        waits = sql.and_(outbox.c.state == OutboxState.READY, outbox.c.attempts > 0)
        with writing(self._engine) as db:
            row = outbox.update().where(waits, outbox.c.next_attempt_at > now)
            return db.execute(row.values(next_attempt_at=now)).rowcount

    def mark_failed(self, mail_id: int, fault: str, *, attempt: int | None = None) -> bool:
        """Record that the mail will not be delivered; a case opens, unless it was erased."""
        return self._move(mail_id, UNSETTLED, OutboxState.FAILED, attempt, fault=fault)

    def mark_unresolved(self, mail_id: int, fault: str, *, attempt: int | None = None) -> bool:
        """Record that nobody could find out whether the mail was delivered; a case opens."""
        before = (OutboxState.UNKNOWN,)
        return self._move(mail_id, before, OutboxState.UNRESOLVED, attempt, fault=fault)

    def list_unknown(self, seconds: float) -> list[OutgoingMail]:
        """Return the mails whose fate has been unknown for longer than `seconds`, oldest first."""
        query = sql.select(outbox).where(
            outbox.c.state == OutboxState.UNKNOWN,
            outbox.c.changed_at < stamp_after(self._clock, -seconds),
        )
        return self._read(query.order_by(outbox.c.id))

    def list_claimed_by(self, by: Sequence[str], *, seconds: float = 0) -> list[OutgoingMail]:
        """Return mails that a worker of `by` claimed `seconds` ago or earlier without a result."""
        query = sql.select(outbox).where(
            outbox.c.state == OutboxState.SENDING,
            outbox.c.changed_at <= stamp_after(self._clock, -seconds),
        )
        return self._read(query.where(outbox.c.worker.in_(by)).order_by(outbox.c.id))

    def count_overdue(self, seconds: float) -> int:
        """Return how many mails should have gone out and were not touched for `seconds`."""
        before = stamp_after(self._clock, -seconds)
        sending = sql.and_(outbox.c.state == OutboxState.SENDING, outbox.c.changed_at < before)
        ready = sql.and_(outbox.c.state == OutboxState.READY, outbox.c.next_attempt_at < before)
        query = sql.select(sql.func.count()).select_from(outbox).where(sql.or_(sending, ready))
        with reading(self._engine) as db:
            return db.execute(query).scalar_one()

    def count_retried(self, attempts: int) -> int:
        """Return how many mails wait for another attempt after `attempts` or more that failed."""
        query = sql.select(sql.func.count()).select_from(outbox)
        waits = sql.and_(outbox.c.state == OutboxState.READY, outbox.c.attempts >= attempts)
        with reading(self._engine) as db:
            return db.execute(query.where(waits)).scalar_one()

    def list_orphaned(self, lease_seconds: float) -> list[OutgoingMail]:
        """Return mails in `sending` for longer than the lease whose worker is not on record."""
        query = sql.select(outbox).where(
            outbox.c.state == OutboxState.SENDING,
            outbox.c.changed_at < stamp_after(self._clock, -lease_seconds),
            outbox.c.worker.not_in(sql.select(worker.c.id)),
        )
        return self._read(query.order_by(outbox.c.id))

    def contains(self, header: str) -> bool:
        """Return whether `header` is the Message-ID of a mail of this outbox."""
        query = sql.select(outbox.c.id).where(outbox.c.message_id_header == header)
        with reading(self._engine) as db:
            return db.execute(query).scalar() is not None

    def record_receipt(self, header: str) -> bool:
        """Record that our own copy of a mail came back, so that it was sent; `header` is its id."""
        return self._move_by_header(header, UNSETTLED, OutboxState.SENT)

    def record_bounce(self, header: str) -> bool:
        """Record that a report says a mail did not arrive; `header` is its Message-ID."""
        return self._move_by_header(header, (*UNSETTLED, OutboxState.SENT), OutboxState.BOUNCED)

    def count_by_state(self) -> dict[str, int]:
        """Return the number of mails in each state that occurs."""
        query = sql.select(outbox.c.state, sql.func.count().label("number")).group_by(
            outbox.c.state
        )
        with reading(self._engine) as db:
            return {row.state: row.number for row in db.execute(query)}

    def _move_by_header(
        self, header: str, before: Sequence[OutboxState], state: OutboxState
    ) -> bool:
        query = sql.select(outbox.c.id).where(outbox.c.message_id_header == header)
        with reading(self._engine) as db:
            mail_id = db.execute(query).scalar()
        return mail_id is not None and self._move(mail_id, before, state)

    def _is_due(self) -> tuple[sql.ColumnElement[bool], ...]:
        """Return the conditions for mails that can be delivered now."""
        too_late = latest_plausible_stamp(self._clock, self._longest_wait)
        now, due_at = stamp(self._clock()), outbox.c.next_attempt_at
        return outbox.c.state == OutboxState.READY, sql.or_(due_at <= now, due_at > too_late)

    def _move(
        self,
        mail_id: int,
        before: Sequence[OutboxState],
        state: OutboxState,
        attempt: int | None = None,
        **values: Any,
    ) -> bool:
        now = stamp(self._clock())
        this = outbox.c.id == mail_id
        with writing(self._engine) as db:
            row = outbox.update().where(this, outbox.c.state.in_(before))
            if attempt is not None:
                row = row.where(outbox.c.attempts == attempt)
            row = row.values(state=state, changed_at=now, **values)
            mail = db.execute(row.returning(outbox.c.message_id, outbox.c.recipient)).first()
            if mail is None:
                return False
            message_id, is_erased = mail.message_id, not mail.recipient
            if state is OutboxState.READY:
                if is_erased:
                    db.execute(outbox.delete().where(this))
                return True
            event = {"at": now, "actor": "desk", "event": f"send:{mail_id}:{state}"}
            db.execute(audit.insert().values(**event, message_id=message_id))
            if state in NEEDS_PERSON and message_id and not is_erased:
                self._opener.open_once(db, message_id, Priority.HIGH, UNDELIVERED)
            if state in LEDGER_EVENTS:
                append_to_ledger(db, mail_id, state, now)
        return True

    def _read(self, query: sql.Select[Any]) -> list[OutgoingMail]:
        with reading(self._engine) as db:
            return [_mail_of(row) for row in db.execute(query)]


def _mail_of(row: Any) -> OutgoingMail:
    return OutgoingMail(
        id=row.id, message_id=row.message_id, recipient=row.recipient,
        header=row.message_id_header, body=bytes(row.body), automatic=row.automatic,
        state=OutboxState(row.state), attempts=row.attempts, changed_at=row.changed_at,
        fault=row.fault, worker=row.worker,
    )  # fmt: skip


def new_outbox_row(
    origin: MailOrigin, reply: Reply, *, automatic: bool, now: str
) -> dict[str, Any]:
    """Return the values of a new outbox row for `reply`, ready to be delivered at once."""
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
