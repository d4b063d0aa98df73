"""Connections to the database, SQLite or PostgreSQL, and what a transaction means on each."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError, InterfaceError, NoSuchModuleError, OperationalError

from bot.errors import MissingError, SettingsError
from bot.files import close_file

BUSY_MILLISECONDS = 30_000
DIALECTS = ("sqlite", "postgresql")


def connect(url: str, *, pool_size: int = 8) -> Engine:
    """The engine for the desk's own tables: a commit survives a power cut."""
    engine = _engine(url, pool_size)
    if engine.dialect.name == "sqlite":
        sql.event.listen(engine, "connect", _durable)
    else:
        sql.event.listen(engine, "connect", _impatient)
    return engine


def connect_rebuildable(url: str, *, pool_size: int = 8) -> Engine:
    """The engine for the queue's tables: what a power cut takes, the journal can rebuild."""
    engine = _engine(url, pool_size)
    if engine.dialect.name == "sqlite":
        sql.event.listen(engine, "connect", _quick)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[sql.Connection]:
    """A connection that only reads; MissingError when the database does not answer."""
    with _answering(), engine.connect() as db:
        yield db


@contextmanager
def writing(engine: Engine) -> Iterator[sql.Connection]:
    """One transaction that writes; on SQLite it waits for its turn before its first read."""
    with _answering(), engine.begin() as db:
        if engine.dialect.name == "sqlite":
            db.exec_driver_sql("BEGIN IMMEDIATE")
        yield db


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        said = str(error.orig).strip().splitlines()
        raise MissingError(
            f"the database of DESK_DATABASE_URL does not answer: {said[0] if said else ''}"
        ) from None


def storable(text: str) -> str:
    """PostgreSQL stores neither NUL nor half a character; both can come in a mail."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _engine(url: str, pool_size: int) -> Engine:
    try:
        engine = sql.create_engine(url, pool_size=pool_size, max_overflow=pool_size)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError):
        raise SettingsError(
            "DESK_DATABASE_URL: not a URL of a known database; use sqlite:///FILE or "
            "postgresql+psycopg://USER@HOST/NAME"
        ) from None
    if engine.dialect.name not in DIALECTS:
        raise SettingsError(
            f"DESK_DATABASE_URL: {engine.dialect.name} is not supported; use sqlite or postgresql"
        )
    _close_to_others(engine)
    return engine


def _impatient(connection: Any, _record: object) -> None:
    """On PostgreSQL, too, nobody waits for a lock for ever: it becomes an error that is seen."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {BUSY_MILLISECONDS}")
    connection.commit()


def _close_to_others(engine: Engine) -> None:
    """The file of SQLite; what it writes beside the file takes over the file's mode."""
    file = engine.url.database or ""
    if engine.dialect.name != "sqlite" or not file or file.startswith((":", "file:")):
        return
    with suppress(OSError):  # connecting says better what is wrong
        for path in (Path(file), *Path(file).parent.glob(f"{Path(file).name}-*")):
            close_file(path)


def _durable(connection: Any, _record: object) -> None:
    """No implicit BEGIN: `writing` says when, reads need none."""
    connection.isolation_level = None
    _pragmas(connection, "FULL")


def _quick(connection: Any, _record: object) -> None:
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
    """Readers do not block the writer. SQLite does not wait by itself when several ask at once."""
    deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
    while connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
