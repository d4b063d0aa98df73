"""Migrations make exactly the tables that the code speaks of, from nothing and from older ones."""

import threading

import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

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
