"""The numbers of a day."""

from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import Clock, stamp
from bot.journal.engine import reading
from bot.journal.tables import decision, escalation, message, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Since midnight UTC."""

    messages: int
    answered: int
    decided: int
    open: int


def today(engine: Engine, clock: Clock) -> Numbers:
    """What came, what the desk answered, what people decided, what is open."""
    since = stamp(clock().replace(hour=0, minute=0, second=0, microsecond=0))
    came = message.c.received_at >= since
    count = sql.select(sql.func.count())
    answered = count.select_from(outbox.join(message, message.c.id == outbox.c.message_id))
    with reading(engine) as db:
        return Numbers(
            messages=db.execute(count.select_from(message).where(came)).scalar_one(),
            answered=db.execute(answered.where(came, outbox.c.automatic)).scalar_one(),
            decided=db.execute(
                count.select_from(decision).where(decision.c.decided_at >= since)
            ).scalar_one(),
            open=db.execute(
                count.select_from(escalation).where(escalation.c.state == "open")
            ).scalar_one(),
        )
