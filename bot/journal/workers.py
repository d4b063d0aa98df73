"""Who works on this journal: a heartbeat, and who has stopped giving one."""

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import reading, writing
from bot.journal.tables import worker


class Workers:
    """The processes that say they are alive."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def record_heartbeat(self, name: str, version: str) -> None:
        """Say that `name` is alive."""
        now = stamp(self._clock())
        with writing(self._engine) as db:
            row = worker.update().where(worker.c.id == name).values(beat_at=now)
            if not db.execute(row).rowcount:
                db.execute(
                    worker.insert().values(id=name, started_at=now, beat_at=now, version=version)
                )

    def remove(self, name: str) -> None:
        """Take `name` off the list: it has stopped, or its work was taken over."""
        with writing(self._engine) as db:
            db.execute(worker.delete().where(worker.c.id == name))

    def list_all(self) -> list[str]:
        """Every name on the list."""
        with reading(self._engine) as db:
            return list(db.execute(sql.select(worker.c.id)).scalars())

    def list_silent(self, lease_seconds: float) -> list[str]:
        """Those that have not said so for longer than the lease."""
        query = sql.select(worker.c.id).where(worker.c.beat_at < after(self._clock, -lease_seconds))
        with reading(self._engine) as db:
            return list(db.execute(query).scalars())
