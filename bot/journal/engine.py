"""Opens connections to SQLite or PostgreSQL and defines what a transaction means on each."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bot.errors import MissingError, SettingsError
from bot.files import close_file

# How long a statement waits for a lock before it becomes an error that somebody sees.
BUSY_MILLISECONDS = 30_000
# TCP keepalive on both sides of a PostgreSQL connection: a probe after 3 seconds of silence, then
# every 2 seconds, and the connection is given up after 9, which is less than the lease of a worker
# (serve/maintenance). `tcp_user_timeout`, in milliseconds, is the same bound for sent data that is
# not acknowledged.
SERVER_KEEPALIVE = {
    "tcp_keepalives_idle": 3, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3,
    "tcp_user_timeout": 9_000,
}  # fmt: skip
CLIENT_KEEPALIVE = {
    "keepalives_idle": 3, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 9_000, "connect_timeout": 10,
}  # fmt: skip
DIALECTS = ("sqlite", "postgresql")
RESTORE = (
    "stop the desk and move the file away with its -wal and -shm; then `incident-desk restore "
    "FILE` puts a copy from before in its place, or the desk begins with an empty one"
)
# The remedy for an error, by words in the message of the database driver.
REMEDIES = {
    "disk is full": "free space on its disk",
    "No space left": "free space on its disk",
    "disk I/O error": "its disk is full or failing; free space on it, then look into its log",
    "malformed": RESTORE,
    "not a database": RESTORE,
}


def connect(url: str, *, pool_size: int = 8) -> Engine:
    """Return an engine for the desk's own tables; a commit survives a power cut.

    SettingsError when the URL is wrong or names an unsupported database.
    """
    engine = _engine(url, pool_size)
    if engine.dialect.name == "sqlite":
        sql.event.listen(engine, "connect", _durable)
    else:
        sql.event.listen(engine, "connect", _bound_lock_wait)
    return engine


def connect_rebuildable(url: str, *, pool_size: int = 8) -> Engine:
    """Return an engine for the tables of the job queue.

    Commits are faster than with `connect` and a power cut may lose the last ones: the journal can
    rebuild every job.
    """
    engine = _engine(url, pool_size)
    if engine.dialect.name == "sqlite":
        sql.event.listen(engine, "connect", _fast)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[sql.Connection]:
    """Give a connection that only reads; MissingError when the database does not answer."""
    with _translating_outages(), engine.connect() as db:
        yield db


@contextmanager
def writing(engine: Engine) -> Iterator[sql.Connection]:
    """Give one transaction that writes; MissingError when the database does not answer.

    On SQLite it waits for the write lock before its first read, so that no later statement fails.
    """
    with _translating_outages(), engine.begin() as db:
        if engine.dialect.name == "sqlite":
            db.exec_driver_sql("BEGIN IMMEDIATE")
        yield db


@contextmanager
def _translating_outages() -> Iterator[None]:
    """Raise MissingError in place of the driver's errors for a database that cannot be used."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise MissingError(_describe_outage(error)) from None
    except PoolTimeoutError:
        raise MissingError(
            "the database of DESK_DATABASE_URL does not answer: all connections are in use"
        ) from None
    except DatabaseError as error:
        if type(error) is not DatabaseError:  # a fault of a statement, not of the database
            raise
        raise MissingError(_describe_outage(error)) from None


def _describe_outage(error: DatabaseError | InterfaceError) -> str:
    """Return what is wrong with the database in one line, and the remedy where one is known."""
    said = next(iter(str(error.orig).strip().splitlines()), "")
    database = (
        "the SQLite database of the desk (in DESK_HOME, or DESK_DATABASE_URL)"
        if isinstance(error.orig, sqlite3.Error)
        else "the database of DESK_DATABASE_URL"
    )
    for words, remedy in REMEDIES.items():
        if words in said:
            return f"{database}: {said}; {remedy}"
    return f"{database} does not answer: {said}"


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL cannot store: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _engine(url: str, pool_size: int) -> Engine:
    try:
        named = sql.make_url(url)
        alive = CLIENT_KEEPALIVE if named.get_backend_name() == "postgresql" else {}
        engine = sql.create_engine(
            named, pool_size=pool_size, max_overflow=pool_size, connect_args=dict(alive)
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError):
        raise SettingsError(
            "DESK_DATABASE_URL: not a URL of a known database; use sqlite:///FILE or "
            "postgresql+psycopg://USER@HOST/NAME"
        ) from None
    if engine.dialect.name not in DIALECTS:
        raise SettingsError(
            f"DESK_DATABASE_URL: {engine.dialect.name} is not supported; use sqlite or postgresql"
        )
    if engine.dialect.name == "postgresql":
        sql.event.listen(engine, "connect", _end_with_desk)
    _check_not_moved(engine)
    _close_to_others(engine)
    return engine


def _bound_lock_wait(connection: Any, _record: object) -> None:
    """Bound how long a PostgreSQL connection waits for a lock."""
    _configure(connection, {"lock_timeout": BUSY_MILLISECONDS})


def _end_with_desk(connection: Any, _record: object) -> None:
    """Make the server end the session of a desk whose machine has disappeared.

    A machine that lost power or network does not close its connections. The server would keep its
    locks, including that of the leader, for two hours, when TCP first probes the connection.
    """
    _configure(connection, SERVER_KEEPALIVE)


def _configure(connection: Any, values: Mapping[str, int]) -> None:
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute(f"SET {name} = {value}")
    connection.commit()


def _check_not_moved(engine: Engine) -> None:
    """Raise MissingError where the file of a SQLite database is gone and its log is still there.

    SQLite would create an empty database in its place and apply the log to that.
    """
    path = database_path(engine)
    if path is None or path.exists():
        return
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise MissingError(
            f"the database {path} is gone, and {log.name} beside it holds its last changes; put "
            "the file back, or move its -wal and -shm away too to begin with an empty one"
        )


def database_path(engine: Engine) -> Path | None:
    """Return the file of a SQLite database; None for one in memory and for PostgreSQL."""
    name = engine.url.database or ""
    is_file = engine.dialect.name == "sqlite" and name and not name.startswith((":", "file:"))
    return Path(name) if is_file else None


def _close_to_others(engine: Engine) -> None:
    """Make the files of a SQLite database readable for this account alone.

    Files that SQLite creates beside it later get the same mode.
    """
    file = database_path(engine)
    if file is None:
        return
    with suppress(OSError):  # the error of connecting explains better what is wrong
        for path in (file, *file.parent.glob(f"{file.name}-*")):
            close_file(path)


def _durable(connection: Any, _record: object) -> None:
    """Configure a SQLite connection whose commits survive a power cut.

    It begins no transaction by itself: `writing` begins them, and reads need none.
    """
    connection.isolation_level = None
    _pragmas(connection, "FULL")
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted does not stay in the file


def _fast(connection: Any, _record: object) -> None:
    """Configure a SQLite connection whose last commits a power cut may lose."""
    connection.isolation_level = "IMMEDIATE"
    _pragmas(connection, "NORMAL")


def _pragmas(connection: Any, synchronous: str) -> None:
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _write_ahead(connection)


def _write_ahead(connection: Any) -> None:
    """Turn on write-ahead logging, so that readers do not block the writer.

    SQLite does not wait by itself when several connections turn it on at once, hence the loop.
    """
    deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
    while connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
