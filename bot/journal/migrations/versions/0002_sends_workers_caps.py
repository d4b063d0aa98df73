"""Adds the order in a conversation, retries of mails, workers, caps, an append-only audit."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = """UPDATE message SET seq = (
  SELECT count(*) FROM message AS earlier
  WHERE earlier.conversation_id = message.conversation_id AND earlier.id <= message.id)"""
SQLITE = """CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"""
FUNCTION = """CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"""
POSTGRESQL = """CREATE TRIGGER audit_closed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"""


def upgrade() -> None:
    _columns()
    _tables()
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(SQLITE.format(verb=verb))
    else:
        op.execute(FUNCTION)
        op.execute(POSTGRESQL)


def _columns() -> None:
    for name in ("seq", "attempts"):
        op.add_column("message", _count(name))
    op.add_column("message", _text("decided_at"))
    op.execute(NUMBER)
    op.create_index("message_order", "message", ["conversation_id", "seq"], unique=True)
    op.add_column("escalation", _text("due_at"))
    op.add_column("escalation", _count("reminders"))
    op.add_column("outbox", _text("channel", default="email"))
    for name in ("message_id", "conversation_id"):
        op.add_column("outbox", sa.Column(name, sa.Integer))
        op.create_index(f"ix_outbox_{name}", "outbox", [name])
    for name in ("next_attempt_at", "worker", "fault"):
        op.add_column("outbox", _text(name))


def _tables() -> None:
    op.create_table(
        "worker", sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(n, sa.String, nullable=False) for n in ("started_at", "beat_at", "version")),
    )  # fmt: skip
    op.create_table(
        "sender_count", sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(n, sa.String, nullable=False) for n in ("scope", "who", "at")),
    )  # fmt: skip
    op.create_index("sender_count_window", "sender_count", ["scope", "who", "at"])
    op.create_index("sender_count_age", "sender_count", ["at"])


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, server_default=default)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")
