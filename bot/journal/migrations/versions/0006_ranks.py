"""Adds ranks of cases and posts, folded cards and held pages, and indexes for counts and queue."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
RANKS = {"page": 0, "high": 2, "normal": 4}


def upgrade() -> None:
    for name in ("rank", "fold_id"):
        null = name == "fold_id"
        default = None if null else "5"
        op.add_column(
            "escalation", sa.Column(name, sa.Integer, nullable=null, server_default=default)
        )
    for name in ("sender_key", "text_key", "paged_at", "page_held_at"):
        column = sa.Column(name, sa.String, nullable=False, server_default="")
        op.add_column("escalation", column)
    op.add_column("slack_outbox", sa.Column("rank", sa.Integer, nullable=False, server_default="0"))
    _rank_cases()
    op.create_index("escalation_queue", "escalation", ["state", "rank", "opened_at", "id"])
    op.create_index("escalation_age", "escalation", ["state", "opened_at"])
    for name in ("sender_key", "text_key", "fold_id", "paged_at", "page_held_at"):
        op.create_index(f"ix_escalation_{name}", "escalation", [name])


def _rank_cases() -> None:
    """Rank the existing cases by priority; urgent ones among them count as having paged people."""
    row = sa.table(
        "escalation", sa.column("rank"), sa.column("priority"), sa.column("paged_at"),
        sa.column("opened_at"),
    )  # fmt: skip
    for priority, rank in RANKS.items():
        op.execute(sa.update(row).where(row.c.priority == priority).values(rank=rank))
    op.execute(sa.update(row).where(row.c.priority == "page").values(paged_at=row.c.opened_at))
