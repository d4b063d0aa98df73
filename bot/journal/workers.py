"""Records which processes work on this journal and which of them have fallen silent."""

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import Clock, stamp, stamp_after
from bot.journal.engine import reading, writing
from bot.journal.tables import worker


class Workers:
    """The processes that report their heartbeat in one journal."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def record_heartbeat(self, name: str, version: str) -> None:
        """Record that the worker `name` of this `version` is alive now."""
        now = stamp(self._clock())
        with writing(self._engine) as db:
            row = worker.update().where(worker.c.id == name).values(beat_at=now)
            if not db.execute(row).rowcount:
                db.execute(
                    worker.insert().values(id=name, started_at=now, beat_at=now, version=version)
                )

    def remove(self, name: str) -> None:
        """Delete the worker `name`: it has stopped, or another has taken over its work."""
        with writing(self._engine) as db:
            db.execute(worker.delete().where(worker.c.id == name))

    def list_all(self) -> list[str]:
        """Return the names of all recorded workers."""
        with reading(self._engine) as db:
            return list(db.execute(sql.select(worker.c.id)).scalars())

    def list_silent(self, lease_seconds: float) -> list[str]:
        """Return the names of workers whose last heartbeat is older than `lease_seconds`."""
        query = sql.select(worker.c.id).where(
            worker.c.beat_at < stamp_after(self._clock, -lease_seconds)
        )
        with reading(self._engine) as db:
            return list(db.execute(query).scalars())
