"""Adds the topic and the language of each case, by which lists of cases are filtered."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
NEAR = 0.2  # the probability from which a passage counted as near when this was written


def upgrade() -> None:
    for name in ("topic", "language"):
        op.add_column("escalation", sa.Column(name, sa.String, nullable=False, server_default=""))
    op.create_index("ix_message_sender", "message", ["sender"])
    _topics(op.get_bind())


def _topics(db: sa.Connection) -> None:
    """Set the topic of each case to the nearest passage of its first escalated question."""
    case = sa.table("escalation", sa.column("message_id"), sa.column("topic"))
    asked = sa.table(
        "outcome", *map(sa.column, ("message_id", "place", "kind", "probability", "passages"))
    )
    near = sa.select(asked.c.message_id, asked.c.passages).where(
        asked.c.kind == "escalation", asked.c.probability >= NEAR
    )
    topics: dict[int, str] = {}
    for row in db.execute(near.order_by(asked.c.place)):
        passages = json.loads(row.passages)
        if passages:
            topics.setdefault(row.message_id, passages[0][0])
    for message_id, topic in topics.items():
        db.execute(sa.update(case).where(case.c.message_id == message_id).values(topic=topic))
