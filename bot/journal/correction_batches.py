"""Stores batches of corrections: what was offered, who approved it, and how far it is.

A batch holds only ids of conversations and digests; its recipients are looked up when it is sent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import Clock, stamp
from bot.journal.corrections import lock_corrections
from bot.journal.engine import reading, writing
from bot.journal.records import BatchState
from bot.journal.tables import correction_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionBatch:
    """A batch as it is stored; `listed` maps ids of conversations to digests of their entries."""

    key: str
    listed: Mapping[int, str]
    state: BatchState
    actor: str
    at: str  # when it was approved
    stored: int  # mails of it that were put into the outbox


class CorrectionBatches:
    """The batches of one journal; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def offer(self, key: str, listed: Mapping[int, str]) -> tuple[str, ...]:
        """Store a batch that a person may approve, and return the keys of those that it replaces.

        A batch that is already stored stays as it is, unless it was replaced; then it is offered
        again.
        """
        this = correction_batch.c.key == key
        offered = correction_batch.c.state == BatchState.OFFERED
        with writing(self._engine) as db:
            lock_corrections(db)
            others = sql.and_(~this, offered)
            replaced = tuple(db.execute(sql.select(correction_batch.c.key).where(others)).scalars())
            db.execute(correction_batch.update().where(others).values(state=BatchState.REPLACED))
            values = {"listed": json.dumps(listed), "state": BatchState.OFFERED}
            if not db.execute(sql.select(correction_batch.c.id).where(this)).first():
                db.execute(correction_batch.insert().values(values | {"key": key}))
            again = sql.and_(this, correction_batch.c.state == BatchState.REPLACED)
            db.execute(correction_batch.update().where(again).values(values))
        return replaced

    def approve(self, key: str, *, actor: str) -> bool:
        """Record that a person approved a batch; return False where it is not on offer."""
        this = correction_batch.c.key == key, correction_batch.c.state == BatchState.OFFERED
        values = {"state": BatchState.APPROVED, "actor": actor, "at": stamp(self._clock())}
        with writing(self._engine) as db:
            return bool(db.execute(correction_batch.update().where(*this).values(values)).rowcount)

    def list_approved(self) -> list[CorrectionBatch]:
        """Return the approved batches of which some mails are not in the outbox yet."""
        query = sql.select(correction_batch).where(correction_batch.c.state == BatchState.APPROVED)
        with reading(self._engine) as db:
            return [_batch(row) for row in db.execute(query.order_by(correction_batch.c.id))]

    def find_last(self, state: BatchState) -> str:
        """Return the key of the newest batch in this state; empty where there is none."""
        query = sql.select(correction_batch.c.key).where(correction_batch.c.state == state)
        with reading(self._engine) as db:
            newest = query.order_by(correction_batch.c.id.desc()).limit(1)
            return db.execute(newest).scalar() or ""

    def read(self, key: str) -> CorrectionBatch | None:
        """Return a batch; None where there is none under this key."""
        query = sql.select(correction_batch).where(correction_batch.c.key == key)
        with reading(self._engine) as db:
            row = db.execute(query).first()
        return _batch(row) if row else None


def _batch(row: Any) -> CorrectionBatch:
    return CorrectionBatch(
        key=row.key, listed={int(i): digest for i, digest in json.loads(row.listed).items()},
        state=BatchState(row.state), actor=row.actor, at=row.at, stored=row.stored,
    )  # fmt: skip
