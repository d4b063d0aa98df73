"""Of several processes on one PostgreSQL, one leads: the lock lives as long as its connection."""

import threading

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.journal.engine import reading

LEADER = 7_301_443


class Leader:
    """One process's wish to lead; on SQLite there is only one process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: sql.Connection | None = None
        self._turn = threading.Lock()

    def leads(self) -> bool:
        """May this process act now?"""
        if self._engine.dialect.name != "postgresql":
            return True
        with self._turn:
            return self._holds() or self._takes()

    def resign(self) -> None:
        """Let another lead."""
        with self._turn:
            self._drop()

    def _holds(self) -> bool:
        if self._held is None:
            return False
        try:
            self._held.execute(sql.select(1))
            self._held.commit()
        except SQLAlchemyError:
            self._drop()
        return self._held is not None

    def _takes(self) -> bool:
        with reading(self._engine):  # MissingError when nobody answers
            held = self._engine.connect()
        if not held.execute(sql.select(sql.func.pg_try_advisory_lock(LEADER))).scalar():
            held.close()
            return False
        held.commit()
        self._held = held
        return True

    def _drop(self) -> None:
        """The connection is not given back to the pool: the lock would go with it."""
        if self._held is not None:
            self._held.invalidate()
            self._held.close()
        self._held = None
