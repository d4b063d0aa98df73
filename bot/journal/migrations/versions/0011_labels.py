"""Adds labels: whether a second person lets the desk learn from a question that was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "outcome_id", sa.Integer, sa.ForeignKey("outcome.id"), nullable=False, unique=True
        ),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("passages", sa.String, nullable=False),
        sa.Column("answered_by", sa.String, nullable=False),
        sa.Column("decided_by", sa.String, nullable=False),
        sa.Column("decided_at", sa.String, nullable=False),
    )
