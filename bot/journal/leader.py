"""Of several processes on one PostgreSQL, one leads: the lock lives as long as its connection."""

import logging
import threading

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.journal.engine import reading
from bot.journal.locks import AdvisoryLock, try_lock_for_session

log = logging.getLogger(__name__)


class Leader:
    """One process's wish to lead; on SQLite there is only one process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: sql.Connection | None = None
        self._turn = threading.Lock()

    def is_leader(self) -> bool:
        """May this process act now?"""
        if self._engine.dialect.name != "postgresql":
            return True
        with self._turn:
            return self._still_holds_lock() or self._try_lock()

    def resign(self) -> None:
        """Let another lead."""
        with self._turn:
            self._release()

    def _still_holds_lock(self) -> bool:
        if self._held is None:
            return False
        try:
            self._held.execute(sql.select(1))
            self._held.commit()
        except SQLAlchemyError as error:
            log.warning("the lock to lead was lost", extra={"fault": type(error).__name__})
            self._release()
        return self._held is not None

    def _try_lock(self) -> bool:
        with reading(self._engine):  # MissingError when nobody answers
            held = self._engine.connect()
        try:
            if not try_lock_for_session(held, AdvisoryLock.SLACK_LEADER):
                held.close()
                return False
            held.commit()
        except BaseException:
            # The server may have given the lock: it ends with the connection, not with a pool.
            held.invalidate()
            held.close()
            raise
        self._held = held
        return True

    def _release(self) -> None:
        """The connection is not given back to the pool: the lock would go with it."""
        held, self._held = self._held, None
        if held is not None:
            held.invalidate()
            held.close()
