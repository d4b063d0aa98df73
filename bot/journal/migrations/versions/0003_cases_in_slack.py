"""Adds the owner and stage of a case, and the tables of Slack's events, cards and posts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("escalation", _text("stage", default="open"))
    for name in ("owner", "touched_at"):
        op.add_column("escalation", _text(name))
    for name in ("version", "round"):
        op.add_column("escalation", _count(name))
    _events()
    _cards()
    _outbox()


def _events() -> None:
    op.create_table(
        "slack_event", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event_key", sa.String, nullable=False, unique=True),
        sa.Column("place_key", sa.String, unique=True),
        *(sa.Column(n, sa.String, nullable=False) for n in ("lane", "payload", "state")),
        _count("attempts"), _text("result"), _text("received_at"),
    )  # fmt: skip
    op.create_index("slack_event_waiting", "slack_event", ["state", "lane"])


def _cards() -> None:
    op.create_table(
        "slack_card", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "escalation_id", sa.Integer, sa.ForeignKey("escalation.id"), nullable=False, unique=True
        ),
        sa.Column("channel", sa.String, nullable=False),
        _text("ts"), _text("stamp"), _count("followed"),
    )  # fmt: skip


def _outbox() -> None:
    op.create_table(
        "slack_outbox", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dedupe_key", sa.String, nullable=False, unique=True),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("case_id", sa.Integer),
        *(sa.Column(n, sa.String, nullable=False) for n in ("method", "payload", "state")),
        _count("attempts"), _text("next_attempt_at"), _text("ts"), _text("fault"),
        _text("created_at"),
    )  # fmt: skip
    op.create_index("ix_slack_outbox_state", "slack_outbox", ["state"])


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, server_default=default)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")
