"""Adds decisions on changes of the post, corrections that were sent, and people who opted out."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.String, nullable=False, server_default="")


def upgrade() -> None:
    op.create_table(
        "passage_change",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("passage", sa.String, nullable=False),
        sa.Column("before", sa.String, nullable=False),
        sa.Column("now", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.UniqueConstraint("passage", "before", "now"),
    )
    op.create_table(
        "correction",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("conversation_id", sa.Integer, nullable=False),
        sa.Column("passage", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("quoted", sa.Boolean, nullable=False),
        sa.Column("outbox_id", sa.Integer),
        sa.Column("knowledge", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.UniqueConstraint("conversation_id", "passage", "version"),
    )
    op.create_index("ix_correction_outbox_id", "correction", ["outbox_id"])
    op.create_table(
        "correction_batch",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("listed", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        _text("actor"),
        _text("at"),
        sa.Column("stored", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_table(
        "opt_out",
        sa.Column("person", sa.String, primary_key=True),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
