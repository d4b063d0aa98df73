"""Adds the thread of each conversation and the Message-ID of each mail."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
LONGEST = 995


def upgrade() -> None:
    op.add_column("conversation", _text("thread"))
    op.add_column("message", _text("message_id_header"))
    op.add_column("escalation", sa.Column("case_id", sa.Integer))
    db = op.get_bind()
    _threads(db)
    _headers(db)
    op.create_index("ix_conversation_thread", "conversation", ["thread"])
    op.create_index("ix_message_message_id_header", "message", ["message_id_header"])
    op.create_index("ix_escalation_case_id", "escalation", ["case_id"])


def _threads(db: sa.Connection) -> None:
    """Set each thread: the Message-ID in a key `mail:SENDER:<MESSAGE-ID>`, else the whole key."""
    row = sa.table("conversation", sa.column("id"), sa.column("thread_key"), sa.column("thread"))
    for each in db.execute(sa.select(row.c.id, row.c.thread_key)).all():
        _, begins, first = each.thread_key.partition(":<")
        thread = f"<{first}" if begins else each.thread_key
        db.execute(sa.update(row).where(row.c.id == each.id).values(thread=thread))


def _headers(db: sa.Connection) -> None:
    row = sa.table("message", sa.column("id"), sa.column("headers"), sa.column("message_id_header"))
    for each in db.execute(sa.select(row.c.id, row.c.headers)).all():
        header = json.loads(each.headers).get("message_id", "").strip()
        if header and len(header.encode()) < LONGEST:
            db.execute(sa.update(row).where(row.c.id == each.id).values(message_id_header=header))


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, server_default="")
