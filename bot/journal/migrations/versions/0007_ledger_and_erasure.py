"""Adds the ledger of what was sent, receipts of erasures, and indexes for retention."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"

SQLITE = """CREATE TRIGGER ledger_{verb} BEFORE {verb} ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"""
FUNCTION = """CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"""
POSTGRESQL = """CREATE TRIGGER ledger_closed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"""
ENTRY = (
    "at", "event", "recipient_digest", "body_digest", "knowledge", "passages", "approved_by",
    "previous",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("message", _empty("erased_at"))
    op.add_column("outbox", _empty("salt"))
    _index("message_kept", "message", "received_at", sa.text("sender != ''"))
    _index("outbox_kept", "outbox", "changed_at", sa.text("recipient != ''"))
    op.create_table(
        "ledger", sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ENTRY),
        sa.Column("outbox_id", sa.Integer, nullable=False, index=True),
        sa.Column("hash", sa.String, nullable=False, unique=True),
    )  # fmt: skip
    op.create_table(
        "erasure", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False, index=True),
        sa.Column("found", sa.String, nullable=False),
    )  # fmt: skip
    _close_ledger()


def _close_ledger() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(SQLITE.format(verb=verb))
    else:
        op.execute(FUNCTION)
        op.execute(POSTGRESQL)


def _index(name: str, table: str, column: str, where: sa.TextClause) -> None:
    op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)


def _empty(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, server_default="")
