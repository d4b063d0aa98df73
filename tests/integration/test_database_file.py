"""A SQLite database stays whole while other processes look into it, and is not begun anew by them."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sql

from bot.errors import MissingError
from bot.journal import Journal
from bot.journal.engine import connect_rebuildable, reading
from tests.support.running_desk import EXPOSED, received

# What every command beside a running desk does; the last one to close a database deletes its log.
LOOK = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('SELECT 1 FROM message'); d.close()"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "desk.sqlite3"


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{file}")
    yield made
    made.close()


def look_from_outside(file: Path) -> None:
    subprocess.run([sys.executable, "-c", LOOK, str(file)], check=True)


def test_a_command_beside_a_desk_leaves_the_log_that_the_desk_writes_to(
    file: Path, journal: Journal
) -> None:
    jobs = connect_rebuildable(f"sqlite:///{file}")
    with reading(jobs) as db:
        db.execute(sql.text("SELECT 1 FROM message"))
    assert journal.check_connection_and_file() == ""
    assert journal.file.damage(10) == ""
    log = file.with_name(f"{file.name}-wal")
    before = log.stat().st_ino
    look_from_outside(file)
    assert log.exists(), "another process took itself for the last one and deleted the log"
    assert log.stat().st_ino == before
    assert journal.receive(received(EXPOSED))
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM message").fetchone() == (1,), "both see the same"
    jobs.dispose()


def test_a_database_that_was_moved_away_is_not_begun_anew_while_its_log_is_there(
    file: Path, journal: Journal
) -> None:
    assert journal.receive(received(EXPOSED))
    file.rename(file.with_suffix(".away"))
    with pytest.raises(MissingError, match="put the file back"):
        Journal(f"sqlite:///{file}")
    assert not file.exists()
    file.with_suffix(".away").rename(file)
    again = Journal(f"sqlite:///{file}")
    assert again.count_rows()["message"] == 1
    again.close()
