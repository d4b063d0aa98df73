"""Counts what happened today, for App Home."""

from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import Clock, stamp
from bot.journal.engine import reading
from bot.journal.records import OutboxState
from bot.journal.tables import decision, escalation, message, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyStatistics:
    """Counts since midnight UTC, and two times of any day."""

    messages: int
    answered: int
    decided: int
    open: int
    last_in: str = ""  # when a mail came last, on whatever day
    last_out: str = ""  # when one was last taken by the mail server
    waiting: int = 0  # mails that the mail server has not taken yet, though it was asked
    failed: int = 0  # mails that it refused for good, or that came back


def read_statistics(engine: Engine, clock: Clock) -> DailyStatistics:
    """Return the counts of today and the times of the last mail in and out."""
    since = stamp(clock().replace(hour=0, minute=0, second=0, microsecond=0))
    came = message.c.received_at >= since
    count = sql.select(sql.func.count())
    answered = count.select_from(outbox.join(message, message.c.id == outbox.c.message_id))
    sent, lost = outbox.c.state == OutboxState.SENT, [OutboxState.FAILED, OutboxState.BOUNCED]
    late = sql.and_(outbox.c.state == OutboxState.READY, outbox.c.attempts > 0)
    gone = sql.and_(outbox.c.state.in_(lost), outbox.c.changed_at >= since)
    asked = {
        "messages": count.select_from(message).where(came),
        "answered": answered.where(came, outbox.c.automatic),
        "decided": count.select_from(decision).where(decision.c.decided_at >= since),
        "open": count.select_from(escalation).where(escalation.c.state == "open"),
        "last_in": sql.select(sql.func.coalesce(sql.func.max(message.c.received_at), "")),
        "last_out": sql.select(sql.func.coalesce(sql.func.max(outbox.c.changed_at), "")).where(
            sent
        ),
        "waiting": count.select_from(outbox).where(late),
        "failed": count.select_from(outbox).where(gone),
    }
    with reading(engine) as db:
        return DailyStatistics(
            **{name: db.execute(query).scalar_one() for name, query in asked.items()}
        )
