"""Elects one leader among the processes on one PostgreSQL, by a lock that its connection holds."""

import logging
import threading

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.journal.engine import reading
from bot.journal.locks import AdvisoryLock, try_lock_for_session

log = logging.getLogger(__name__)


class Leader:
    """The candidacy of one process; on SQLite there is only one process and it always leads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: sql.Connection | None = None
        self._turn = threading.Lock()

    def is_leader(self) -> bool:
        """Return whether this process leads now; MissingError when the database does not answer."""
        if self._engine.dialect.name != "postgresql":
            return True
        with self._turn:
            return self._still_holds_lock() or self._try_lock()

    def resign(self) -> None:
        """Give the lead to another process."""
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
        with reading(self._engine):  # raises MissingError when the database does not answer
            held = self._engine.connect()
        try:
            if not try_lock_for_session(held, AdvisoryLock.SLACK_LEADER):
                held.close()
                return False
            held.commit()
        except BaseException:
            # The server may have given the lock, which ends only when the connection is closed.
            held.invalidate()
            held.close()
            raise
        self._held = held
        return True

    def _release(self) -> None:
        """Close the connection; given back to the pool, it would keep the lock."""
        held, self._held = self._held, None
        if held is not None:
            held.invalidate()
            held.close()
