"""Migrations make exactly the tables that the code speaks of, from nothing and from older ones."""

import threading

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot.errors import MissingError
from bot.journal import Journal
from bot.journal.engine import connect, writing
from bot.journal.migrations import HEAD, migrate
from bot.journal.tables import TABLES

MESSAGE = """INSERT INTO message
(conversation_id, key, raw_ref, verdict, rule, sender, headers, text, redactions, state, received_at)
VALUES ({0}, '{1}', 'r', 'answer', 'R18', 's', '{{}}', '{1}', '[]', 'received', '2026-01-01')"""


def differences(url: str) -> list[object]:
    engine = connect(url)
    with engine.connect() as db:
        context = MigrationContext.configure(
            db,
            opts={
                "compare_type": True,
                # alembic misreads SQLite's empty default
                "compare_server_default": db.dialect.name == "postgresql",
            },
        )
        found = list(compare_metadata(context, TABLES))
    engine.dispose()
    return found


def test_the_migrated_schema_is_the_metadata(database_url: str) -> None:
    Journal(database_url).close()
    assert differences(database_url) == []


def test_the_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "bot.journal:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_database_of_the_first_version_is_taken_over(database_url: str) -> None:
    """Its tables were made without alembic, and hold messages."""
    engine = connect(database_url)
    with writing(engine) as db:
        migrate(db, "0001")
        db.execute(sql.text("DROP TABLE alembic_version"))
        for n in (1, 2):
            thread = f"INSERT INTO conversation (channel, thread_key) VALUES ('email', 't{n}')"
            db.execute(sql.text(thread))
        for thread_id, text in ((1, "one"), (2, "two"), (1, "three")):
            db.exec_driver_sql(MESSAGE.format(thread_id, text))
    engine.dispose()
    journal = Journal(database_url)
    assert journal.read_history(3) == ["one"]
    assert sorted(journal.list_undecided()) == [1, 2, 3]
    journal.close()
    assert differences(database_url) == []


def test_many_that_start_at_once_migrate_once(database_url: str) -> None:
    failed: list[Exception] = []

    def start() -> None:
        try:
            Journal(database_url).close()
        except Exception as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert differences(database_url) == []


def revisions() -> list[str]:
    """Every released version of the tables but the newest, the first one first."""
    config = Config()
    config.set_main_option("script_location", "bot.journal:migrations")
    found = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    return found[:0:-1]


def filled_row(table: sql.Table, number: int) -> dict[str, object]:
    """A row in which every column has a value that its type and the desk's own readers accept."""
    row: dict[str, object] = {}
    for column in table.columns:
        if column.name in {"headers", "payload"}:
            row[column.name] = "{}"
        elif column.name in {"redactions", "passages"}:
            row[column.name] = "[]"
        elif column.foreign_keys or (column.primary_key and isinstance(column.type, sql.Integer)):
            row[column.name] = number
        elif isinstance(column.type, sql.Boolean):
            row[column.name] = True
        elif isinstance(column.type, sql.LargeBinary):
            row[column.name] = b"Subject: x\r\n\r\n"
        elif isinstance(column.type, sql.Integer | sql.Float):
            row[column.name] = number
        else:
            row[column.name] = f"{column.name}{number}"
    return row


def fill(engine: sql.Engine, tables: sql.MetaData, number: int) -> None:
    """Insert a row into each of these tables, with the columns that they had then."""
    with writing(engine) as db:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                db.execute(table.insert().values(filled_row(table, number)))


@pytest.mark.parametrize("version", revisions())
def test_rows_of_every_version_survive_and_a_desk_of_that_version_works_on(
    database_url: str, version: str
) -> None:
    """While desks are replaced one by one, an older one writes into the newer tables."""
    engine, then = connect(database_url), sql.MetaData()
    with writing(engine) as db:
        migrate(db, version)
    then.reflect(engine)
    fill(engine, then, 1)
    Journal(database_url).close()
    fill(engine, then, 2)
    assert differences(database_url) == []
    with engine.connect() as db:
        for table in then.sorted_tables:
            if table.name != "alembic_version":
                kept = [dict(row._mapping) for row in db.execute(sql.select(table))]
                wanted = [filled_row(table, number) for number in (1, 2)]
                changed = {"seq", "thread"}  # that a migration computes from the rest
                assert [_without(row, changed) for row in kept] == [
                    _without(row, changed) for row in wanted
                ], table.name
    engine.dispose()


def _without(row: dict[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}


def test_a_database_of_a_newer_desk_is_named(database_url: str) -> None:
    Journal(database_url).close()
    engine = connect(database_url)
    with writing(engine) as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(MissingError, match="newer desk"):
        Journal(database_url)
