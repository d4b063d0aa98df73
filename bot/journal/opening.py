"""Opens a case for a person; in the caller's transaction, because of what the caller stores."""

import sqlalchemy as sql

from bot.domain import Priority
from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import storable
from bot.journal.tables import escalation
from bot.limits import Limits


class Opener:
    """Knows when a case is due."""

    def __init__(self, clock: Clock, limits: Limits | None) -> None:
        self._clock = clock
        self._limits = limits

    def open(
        self, db: sql.Connection, message_id: int, priority: Priority, reason: str, draft: str = ""
    ) -> None:
        """A new case of this message."""
        db.execute(
            escalation.insert().values(
                message_id=message_id, state="open", priority=priority.value, reason=reason,
                draft=storable(draft), opened_at=stamp(self._clock()), due_at=self.due(priority),
            )
        )  # fmt: skip

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
