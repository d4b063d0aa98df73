"""Copies the whole database while it is in use, and puts a copy back in its place.

SQLite copies itself online. For PostgreSQL its own `pg_dump` and `pg_restore` are run.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import sqlalchemy as sql

from bot.errors import DeskError, MissingError
from bot.files import close_file
from bot.journal.engine import reading, writing
from bot.journal.tables import erasure, message, outbox

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

PACKAGED = Path("/usr/lib/postgresql")  # where Debian keeps the programs of each version
QUOTE = "'"
TOOLS_MISSING = (
    "{tool} of PostgreSQL is not installed (Debian: postgresql-client); "
    "install it, in the version of the server or a newer one"
)


def copy_database(engine: "Engine", target: Path) -> None:
    """Write a consistent copy of the database to `target`, which is closed to others.

    MissingError without `pg_dump`, DeskError when it fails.
    """
    close_file(target)
    if engine.dialect.name == "sqlite":
        source = engine.raw_connection()
        with closing(source), closing(sqlite3.connect(target)) as copy:
            driver = source.driver_connection
            assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - the dialect says so
            driver.backup(copy)  # in one step: writers go on, and it need not begin again
        return
    _run("pg_dump", engine.url, "--format=custom", f"--file={target}")


def replace_database(engine: "Engine", copy: Path) -> None:
    """Put the database of `copy` in the place of the present one, which nobody may be using.

    MissingError without `pg_restore`, DeskError when it fails; then the present one stays.
    """
    engine.dispose()
    if engine.dialect.name == "sqlite":
        target = Path(engine.url.database or "")
        part = target.with_name(f"{target.name}.part")
        close_file(part)
        shutil.copyfile(copy, part)
        for name in ("-wal", "-shm"):
            target.with_name(f"{target.name}{name}").unlink(missing_ok=True)
        part.replace(target)
        return
    _run(
        "pg_restore", engine.url, "--clean", "--if-exists", "--no-owner", "--single-transaction",
        str(copy),
    )  # fmt: skip


def read_erasures(engine: "Engine") -> list[dict[str, str]]:
    """Return the receipts of erasures, oldest first; none from a database without tables."""
    with reading(engine) as db:
        if not sql.inspect(db).has_table(erasure.name):
            return []
        query = sql.select(erasure.c.at, erasure.c.person, erasure.c.found).order_by(erasure.c.id)
        return [dict(row._mapping) for row in db.execute(query)]  # noqa: SLF001 - documented access


def add_erasures(engine: "Engine", receipts: list[dict[str, str]]) -> None:
    """Store receipts of erasures that are not stored yet."""
    there = read_erasures(engine)
    missing = [each for each in receipts if each not in there]
    if missing:
        with writing(engine) as db:
            db.execute(erasure.insert(), missing)


def list_addresses(engine: "Engine") -> set[str]:
    """Return every address that a message came from or a mail went to."""
    with reading(engine) as db:
        columns = (message.c.sender, outbox.c.recipient)
        return {
            each for column in columns for each in db.scalars(sql.select(column).distinct())
        } - {""}


def has_messages(engine: "Engine") -> bool:
    """Return whether the database holds any message; False for one without tables."""
    with reading(engine) as db:
        if not sql.inspect(db).has_table(message.name):
            return False
        return db.execute(sql.select(message.c.id).limit(1)).first() is not None


def _run(tool: str, url: "URL", *arguments: str) -> None:
    """Run a tool of PostgreSQL on the database of `url`.

    The password is passed in a file, because every account can read a command line.
    """
    program = shutil.which(tool) or next(_packaged(tool), None)
    if program is None:
        raise MissingError(TOOLS_MISSING.format(tool=tool))
    with TemporaryDirectory(prefix="desk-") as work:
        place = {
            "host": url.host or "localhost", "port": str(url.port or 5432),
            "user": url.username or "", "dbname": url.database or "",
        }  # fmt: skip
        if url.password:
            passwords = Path(work) / "pgpass"
            close_file(passwords)
            passwords.write_text(f"*:*:*:*:{_escaped(str(url.password), ':')}\n", encoding="utf-8")
            place["passfile"] = str(passwords)
        told = " ".join(f"{name}='{_escaped(value, QUOTE)}'" for name, value in place.items())
        done = subprocess.run(  # noqa: S603 - a program of the system, no shell
            [program, f"--dbname={told}", "--no-password", *arguments],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()), "no reason given")
        raise DeskError(f"{tool} failed: {said}")


def _escaped(text: str, mark: str) -> str:
    """Return `text` as a value in which `mark` and the backslash have a meaning."""
    return text.replace("\\", "\\\\").replace(mark, f"\\{mark}")


def _packaged(tool: str) -> Iterator[str]:
    """Yield the program of the newest version that Debian's packages installed."""
    versions = sorted(
        PACKAGED.glob(f"*/bin/{tool}"), key=lambda path: float(path.parts[-3]), reverse=True
    )
    yield from map(str, versions)
