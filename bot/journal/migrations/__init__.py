"""Migrates a database to the newest tables, once, however many processes start at a time."""

from typing import TYPE_CHECKING

import sqlalchemy as sql

from bot.errors import MissingError
from bot.journal.engine import reading, writing
from bot.journal.locks import AdvisoryLock, lock_until_commit

if TYPE_CHECKING:
    from sqlalchemy import Engine

HEAD = "0014"


def upgrade(engine: "Engine") -> None:
    """Run the missing migrations in one transaction; Alembic is loaded only when some are.

    MissingError for a database that a newer desk has migrated.
    """
    with reading(engine) as db:
        version = _version(db)
        if version == HEAD:
            return
        if version and version > HEAD:  # revisions are numbers of four digits
            raise MissingError(
                f"the database was migrated by a newer desk (its version is {version}, this desk "
                f"knows {HEAD}); install that desk again, or restore a backup from before into an "
                "empty database"
            )
    with writing(engine) as db:
        lock_until_commit(db, AdvisoryLock.MIGRATION)
        if _version(db) != HEAD:
            migrate(db, HEAD)


def _version(db: sql.Connection) -> str | None:
    if not sql.inspect(db).has_table("alembic_version"):
        return None
    return db.execute(sql.text("SELECT version_num FROM alembic_version")).scalar()


def migrate(db: sql.Connection, to: str) -> None:
    """Migrate the tables to version `to` in the transaction of the caller."""
    from alembic import command  # noqa: PLC0415 - a third of a second, only when it is needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "bot.journal:migrations")
    config.attributes["connection"] = db
    command.upgrade(config, to)
