"""Opens a case for a person; in the caller's transaction, because of what the caller stores."""

from typing import Any

import sqlalchemy as sql

from bot.domain import Priority
from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import storable
from bot.journal.noting import noted
from bot.journal.records import Stage
from bot.journal.tables import escalation, message
from bot.limits import Limits

JOINED = "joined"  # a later mail of a case that somebody has


class Opener:
    """Knows when a case is due."""

    def __init__(self, clock: Clock, limits: Limits | None) -> None:
        self._clock = clock
        self._limits = limits

    def open(
        self, db: sql.Connection, message_id: int, priority: Priority, reason: str, draft: str = ""
    ) -> None:
        """A new case of this message; while a person has one of its conversation, part of that."""
        taken = self._taken(db, message_id)
        values = {"state": JOINED} if taken else {"state": "open", "due_at": self.due(priority)}
        db.execute(
            escalation.insert().values(
                message_id=message_id, priority=priority.value, reason=reason,
                draft=storable(draft), opened_at=stamp(self._clock()), **values,
            )
        )  # fmt: skip
        if taken:
            self._joined(db, taken, message_id, priority, reason)

    def _taken(self, db: sql.Connection, message_id: int) -> Any | None:
        this = sql.select(message.c.conversation_id).where(message.c.id == message_id)
        query = sql.select(escalation).join(message).where(
            message.c.conversation_id == this.scalar_subquery(),
            escalation.c.state == "open", escalation.c.owner != "",
        )  # fmt: skip
        first = query.order_by(escalation.c.id).limit(1)
        return db.execute(first.with_for_update(of=escalation)).first()

    def _joined(
        self, db: sql.Connection, case: Any, message_id: int, priority: Priority, reason: str
    ) -> None:
        """The case wakes, is as urgent as its most urgent mail, and due no later than that."""
        urgent = max((Priority(case.priority), priority), key=list(Priority).index)
        why = case.reason if urgent == case.priority else reason
        due = self.due(urgent)
        if case.stage == Stage.CLAIMED and case.due_at:
            due = min(due, case.due_at)
        row = escalation.update().where(escalation.c.id == case.id)
        db.execute(row.values(priority=urgent.value, reason=why, stage=Stage.CLAIMED, due_at=due))
        heard = "details came" if case.stage == Stage.WAITING else "wrote again"
        noted(db, stamp(self._clock()), "desk", f"{heard}:{case.id}", message_id)

    def open_unless_there(
        self, db: sql.Connection, message_id: int, priority: Priority, reason: str
    ) -> None:
        """A message has one case; a second trouble with it adds none."""
        query = sql.select(escalation.c.id).where(escalation.c.message_id == message_id)
        if db.execute(query).scalar() is None:
            self.open(db, message_id, priority, reason)

    def due(self, priority: Priority) -> str:
        """When a case of this priority is due, counted from now; empty for never."""
        if self._limits is None:
            return ""
        return after(self._clock, 60 * self._limits.due_minutes[priority])
