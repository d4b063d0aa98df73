"""Adds what each passage said at each time, so that what was told can be corrected."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "passage_text",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("passage", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("heading", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("seen_at", sa.String, nullable=False),
        sa.UniqueConstraint("passage", "version"),
    )
