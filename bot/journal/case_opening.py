"""Opens a case for a person; in the caller's transaction, because of what the caller stores."""

from typing import Any

import sqlalchemy as sql

from bot.domain import Priority
from bot.journal import rate_limits as counting
from bot.journal.audit import append_audit
from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import storable
from bot.journal.records import Stage
from bot.journal.tables import escalation, message
from bot.journal.threads import open_cases, thread_of
from bot.limits import Limits, Scope

JOINED = "joined"  # a later mail of a case that is open
MOST_CASES = 6  # open at once in a thread, of different senders


class CaseOpener:
    """Knows when a case is due."""

    def __init__(self, clock: Clock, limits: Limits | None) -> None:
        self._clock = clock
        self._limits = limits

    def open(
        self, db: sql.Connection, message_id: int, priority: Priority, reason: str, draft: str = ""
    ) -> None:
        """A new case of this message, or a part of the open case that it belongs to."""
        case = self._open_case(db, message_id)
        values: dict[str, Any] = {"state": "open", "due_at": self.due_at(priority)}
        if case:
            values = {"state": JOINED, "case_id": case.id}
        db.execute(
            escalation.insert().values(
                message_id=message_id, priority=priority.value, reason=reason,
                draft=storable(draft), opened_at=stamp(self._clock()), **values,
            )
        )  # fmt: skip
        if case:
            self._update_joined_case(db, case, message_id, priority, reason)

    def _open_case(self, db: sql.Connection, message_id: int) -> Any | None:
        """The open case of the same sender in the thread; in a full thread that of anybody.

        Everybody who writes in a thread has a case of their own, so that staff can answer each. A
        robot that writes under ever new addresses fills the thread, and then its one open case.
        """
        this = sql.select(message.c.conversation_id).where(message.c.id == message_id)
        same = sql.select(escalation.c.id).join(message).where(
            message.c.conversation_id == this.scalar_subquery(), escalation.c.state == "open"
        ).order_by(escalation.c.id)  # fmt: skip
        found = db.execute(same.limit(1)).scalar()
        if found is None:
            anybodys = db.execute(open_cases(thread_of(message_id)).limit(MOST_CASES)).scalars()
            cases = list(anybodys)
            if cases and (len(cases) == MOST_CASES or self._is_full(db, message_id)):
                found = cases[0]
        case = sql.select(escalation).where(escalation.c.id == found, escalation.c.state == "open")
        return db.execute(case.with_for_update()).first() if found else None

    def _is_full(self, db: sql.Connection, message_id: int) -> bool:
        """Has the desk answered in this thread as often as it may?"""
        if self._limits is None:
            return False
        thread = str(db.execute(sql.select(thread_of(message_id))).scalar())
        who = (Scope.THREAD, counting.thread_key(thread))
        return counting.is_used_up(db, self._limits.caps, who, self._clock)

    def _update_joined_case(
        self, db: sql.Connection, case: Any, message_id: int, priority: Priority, reason: str
    ) -> None:
        """The case wakes, is as urgent as its most urgent mail, and due no later than that.

        Who has it keeps it; one that nobody has still waits for somebody.
        """
        urgent = max((Priority(case.priority), priority), key=list(Priority).index)
        why = case.reason if urgent == case.priority else reason
        due = self.due_at(urgent)
        if case.stage in (Stage.OPEN, Stage.CLAIMED) and case.due_at:
            due = min(due, case.due_at)
        row = escalation.update().where(escalation.c.id == case.id)
        stage = Stage.CLAIMED if case.owner else Stage.OPEN
        db.execute(row.values(priority=urgent.value, reason=why, stage=stage, due_at=due))
        heard = "details came" if case.stage == Stage.WAITING else "wrote again"
        append_audit(db, stamp(self._clock()), "desk", f"{heard}:{case.id}", message_id)

    def open_once(
        self, db: sql.Connection, message_id: int, priority: Priority, reason: str
    ) -> None:
        """A message has one case; a second trouble with it adds none."""
        query = sql.select(escalation.c.id).where(escalation.c.message_id == message_id)
        if db.execute(query).scalar() is None:
            self.open(db, message_id, priority, reason)

    def due_at(self, priority: Priority) -> str:
        """When a case of this priority is due, counted from now; empty for never."""
        if self._limits is None:
            return ""
        return after(self._clock, 60 * self._limits.due_minutes[priority])
