"""Decides which urgent cases page people and which are only counted in a summary.

Pages are capped by sender, by domain and in all, so that whoever writes many mails that sound
urgent wakes people a few times and not for each.
"""

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import Priority
from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import reading, writing
from bot.journal.tables import escalation, message
from bot.limits import FloodLimits


class Pages:
    """The pages of one journal; each method is one transaction. Without limits each case pages."""

    def __init__(self, engine: Engine, clock: Clock, limits: FloodLimits | None) -> None:
        self._engine = engine
        self._clock = clock
        self.limits = limits

    def may_page(self, case_id: int) -> bool | None:
        """Return whether a case pages people now; None when that was decided before."""
        this = sql.select(escalation.c.paged_at, escalation.c.page_held_at, message.c.sender)
        query = this.join(message, message.c.id == escalation.c.message_id)
        with reading(self._engine) as db:
            row = db.execute(query.where(escalation.c.id == case_id)).one()
            if row.paged_at or row.page_held_at:
                return None
            return self.limits is None or self._is_within(db, row.sender.lower(), self.limits)

    def record(self, case_id: int, *, paged: bool) -> None:
        """Record that a case has paged people, or that its page was held for the summary."""
        column = escalation.c.paged_at if paged else escalation.c.page_held_at
        with writing(self._engine) as db:
            row = escalation.update().where(escalation.c.id == case_id)
            db.execute(row.values({column: stamp(self._clock())}))

    def hold_folded(self) -> None:
        """Record that urgent cases without a card of their own are for the summary."""
        undecided = (
            escalation.c.state == "open", escalation.c.fold_id.is_not(None),
            escalation.c.priority == Priority.PAGE.value,
            escalation.c.paged_at == "", escalation.c.page_held_at == "",
        )  # fmt: skip
        with reading(self._engine) as db:
            if db.execute(sql.select(escalation.c.id).where(*undecided).limit(1)).first() is None:
                return
        with writing(self._engine) as db:
            row = escalation.update().where(*undecided)
            db.execute(row.values(page_held_at=stamp(self._clock())))

    def count_held(self, since: str) -> int:
        """Return how many open cases were held for the summary after the stamp `since`."""
        query = sql.select(sql.func.count()).where(
            escalation.c.page_held_at >= since, escalation.c.page_held_at != "",
            escalation.c.state == "open",
        )  # fmt: skip
        with reading(self._engine) as db:
            return int(db.execute(query).scalar_one())

    def _is_within(self, db: sql.Connection, sender: str, limits: FloodLimits) -> bool:
        recent = sql.select(message.c.sender).select_from(escalation).join(
            message, message.c.id == escalation.c.message_id
        ).where(escalation.c.paged_at > after(self._clock, -limits.page_seconds))  # fmt: skip
        senders = [str(each).lower() for each in db.execute(recent).scalars()]
        domain = sender.rpartition("@")[2]
        of_domain = sum(each.rpartition("@")[2] == domain for each in senders)
        return (
            senders.count(sender) < limits.pages_of_sender
            and of_domain < limits.pages_of_domain
            and len(senders) < limits.pages_in_all
        )
