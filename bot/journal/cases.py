"""Cases that wait for a person: what is open, what is due, and what somebody decided."""

from collections.abc import Callable

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.domain import Priority
from bot.journal.clock import Clock, stamp
from bot.journal.engine import reading, writing
from bot.journal.opening import Opener
from bot.journal.records import Reply, Waiting
from bot.journal.sends import Origin, outgoing
from bot.journal.tables import audit, decision, escalation, message, outbox

Work = Callable[[sql.Connection, int], None]
"""Puts a job into the transaction that makes it necessary: of a conversation, of a case."""


class Cases:
    """Each function is one transaction."""

    def __init__(self, engine: Engine, clock: Clock, opener: Opener) -> None:
        self._engine = engine
        self._clock = clock
        self._opener = opener

    def queue(self) -> list[Waiting]:
        """Open escalations: the most urgent first, then the oldest."""
        order = {"page": 0, "high": 1, "normal": 2}
        query = sql.select(escalation, message.c.sender, message.c.text).join(message)
        with reading(self._engine) as db:
            rows = db.execute(query.where(escalation.c.state == "open")).all()
        found = [
            Waiting(
                id=r.id, message_id=r.message_id, priority=r.priority, reason=r.reason,
                sender=r.sender, text=r.text, draft=r.draft, opened_at=r.opened_at,
                due_at=r.due_at,
            )
            for r in rows
        ]  # fmt: skip
        return sorted(found, key=lambda w: (order.get(w.priority, 3), w.opened_at, w.id))

    def remind(self, limit: int = 100) -> list[tuple[int, int]]:
        """Open cases past their due time, each with its number of reminders; due again later."""
        now = self._now()
        query = sql.select(escalation).where(
            escalation.c.state == "open", escalation.c.due_at != "", escalation.c.due_at <= now
        )
        with reading(self._engine) as db:
            if db.execute(query.limit(1)).first() is None:
                return []
        with writing(self._engine) as db:
            rows = db.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
            for row in rows:
                case = escalation.update().where(escalation.c.id == row.id)
                due = self._opener.due(Priority(row.priority))
                db.execute(case.values(due_at=due, reminders=row.reminders + 1))
                noted(db, now, "desk", f"reminder:{row.id}:{row.reminders + 1}", row.message_id)
        return [(row.id, row.reminders + 1) for row in rows]

    def resolve(
        self,
        escalation_id: int,
        *,
        actor: str,
        action: str,
        reply: Reply | None,
        work: Work | None = None,
    ) -> bool:
        """Record a person's decision and its mail in one commit; False if somebody was first."""
        try:
            with writing(self._engine) as db:
                row = db.execute(
                    sql.select(escalation.c.message_id, message.c.conversation_id)
                    .join(message)
                    .where(escalation.c.id == escalation_id)
                ).one()
                db.execute(
                    decision.insert().values(
                        escalation_id=escalation_id, action=action, actor=actor,
                        decided_at=self._now(),
                    )
                )  # fmt: skip
                closed = escalation.update().where(escalation.c.id == escalation_id)
                db.execute(closed.values(state="decided"))
                if reply:
                    origin = Origin(
                        key=f"human:{escalation_id}", message_id=row.message_id,
                        conversation_id=row.conversation_id,
                    )  # fmt: skip
                    values = outgoing(origin, reply, automatic=False, now=self._now())
                    db.execute(outbox.insert().values(values))
                    if work:
                        work(db, escalation_id)
                noted(db, self._now(), actor, action, row.message_id)
        except IntegrityError:
            return False
        return True

    def conversation(self, escalation_id: int) -> int:
        """The conversation that a case belongs to."""
        query = sql.select(message.c.conversation_id).join(escalation)
        with reading(self._engine) as db:
            return int(db.execute(query.where(escalation.c.id == escalation_id)).scalar_one())

    def _now(self) -> str:
        return stamp(self._clock())


def noted(db: sql.Connection, at: str, actor: str, event: str, message_id: int | None) -> None:
    """A line of the append-only audit, in the caller's transaction."""
    row = {"at": at, "actor": actor, "event": event, "message_id": message_id}
    db.execute(audit.insert().values(row))
