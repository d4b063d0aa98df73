"""Adds vectors and clusters of cases, answers of clusters, and indexes that avoid full scans."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
INDEXES = {
    "message_received": ("message", "received_at"),
    "decision_age": ("decision", "decided_at"),
    "audit_event": ("audit", "event", "at"),
    "escalation_touched": ("escalation", "state", "touched_at"),
    "escalation_fold": ("escalation", "fold_id", "state"),
    "escalation_owner": ("escalation", "state", "owner", "rank", "opened_at", "id"),
    "outbox_age": ("outbox", "state", "changed_at"),
    "escalation_topic": ("escalation", "state", "topic"),
    "escalation_language": ("escalation", "state", "language"),
    "ix_slack_outbox_case_id": ("slack_outbox", "case_id"),
    "slack_event_age": ("slack_event", "received_at"),
}


def upgrade() -> None:
    for name, (table, *columns) in INDEXES.items():
        op.create_index(name, table, columns)
    erased = sa.text("erased_at != ''")
    op.create_index(
        "message_erased", "message", ["erased_at"], sqlite_where=erased, postgresql_where=erased
    )
    op.add_column("escalation", sa.Column("vector", sa.LargeBinary))
    op.add_column("escalation", sa.Column("cluster_id", sa.Integer))
    op.create_index("escalation_cluster", "escalation", ["cluster_id", "state", "opened_at"])
    op.create_table(
        "cluster_answer",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("cluster_id", sa.Integer, nullable=False, unique=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("escalation.id"), nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("given_at", sa.String, nullable=False),
        sa.Column("due_at", sa.String, nullable=False),
        sa.Column("knowledge", sa.String, nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("passages", sa.String, nullable=False),
    )
    op.create_index("ix_cluster_answer_case_id", "cluster_answer", ["case_id"])
