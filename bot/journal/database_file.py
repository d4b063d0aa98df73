"""Checks that the file of a SQLite database is there, whole and the one that was opened.

An open connection goes on writing to a file that was moved away or deleted, without an error.

The file is opened once and stays open as long as the connections do: a process that closes any
descriptor of a file loses every lock that it holds on the file (fcntl(2)). Without SQLite's lock,
another process that reads the database and then closes it would take itself for the last user and
delete the log (`-wal`) that we write to.
"""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from bot.journal.engine import RESTORE, database_path

HEADER = b"SQLite format 3\0"  # of every such file (sqlite.org/fileformat2.html)
HEADER_BYTES = 100
OPERATIONS_BETWEEN_LOOKS = 10_000  # of SQLite in a check of all pages, between looks at the clock


class DatabaseFile:
    """The database file of one engine, as it was when this object was created (SQLite only)."""

    def __init__(self, engine: Engine) -> None:
        path = database_path(engine)
        self.path = path.absolute() if path else None
        self._identity = _identity(self.path) if self.path else None
        self._descriptor: int | None = None

    def close(self) -> None:
        """Close the file, after every connection to it is closed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def fault(self) -> str:
        """Return what is wrong with the file, with the remedy; empty when nothing is."""
        if self.path is None:
            return ""
        if _identity(self.path) != self._identity:
            return (
                f"the database {self.path} was moved away or replaced while the desk ran; stop the "
                "desk, put the file back with its -wal and -shm, and start again"
            )
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            header = os.pread(self._descriptor, HEADER_BYTES, 0)
            size = os.fstat(self._descriptor).st_size
        except OSError as error:
            return f"the database {self.path} cannot be read ({error.strerror}); check its disk"
        if not _is_whole(header, size):
            return f"the database {self.path} is damaged; {RESTORE}"
        return ""

    def damage(self, seconds: float) -> str:
        """Return the damage that a check of all pages finds within `seconds`; empty for none."""
        if self.path is None or not self.path.exists():
            return ""
        end = time.monotonic() + seconds
        try:
            with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as db:
                db.set_progress_handler(
                    lambda: int(time.monotonic() > end), OPERATIONS_BETWEEN_LOOKS
                )
                result = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError:  # its time is over, or another process has the lock
            return ""
        except sqlite3.DatabaseError as error:
            result = str(error)
        if result == "ok":
            return ""
        return f"the database {self.path} is damaged ({result.splitlines()[-1]}); {RESTORE}"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_whole(header: bytes, size: int) -> bool:
    """Return whether a header is one of SQLite and the file as long as it says."""
    if not header.startswith(HEADER) or len(header) < HEADER_BYTES:
        return False
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    return size >= pages * (65_536 if page == 1 else page)
