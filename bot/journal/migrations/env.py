"""Runs the migrations for Alembic; the connection comes from `migrate`, no ini file is read."""

from alembic import context

from bot.journal.tables import TABLES

context.configure(connection=context.config.attributes["connection"], target_metadata=TABLES)
with context.begin_transaction():
    context.run_migrations()
