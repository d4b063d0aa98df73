"""Creates the tables of the first version, unless the database already has them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create("conversation", _text("channel"), _text("thread_key", unique=True))
    _create(
        "message", _foreign("conversation"), _text("key", unique=True), _text("raw_ref"),
        _text("verdict"), _text("rule"), _text("sender"), _text("headers"), _text("text"),
        _text("redactions"), _text("state", index=True), _text("received_at"),
    )  # fmt: skip
    _create(
        "outcome", _foreign("message"), sa.Column("place", sa.Integer, nullable=False),
        _text("kind"), _text("reason"), sa.Column("probability", sa.Float, nullable=False),
        _text("question"), _text("passages"), _text("knowledge"),
        sa.UniqueConstraint("message_id", "place"),
    )  # fmt: skip
    _create(
        "escalation",
        _foreign("message", unique=True),
        _text("state", index=True), _text("priority"), _text("reason"), _text("draft"),
        _text("opened_at"),
    )  # fmt: skip
    _create(
        "decision",
        _foreign("escalation", unique=True),
        _text("action"), _text("actor"), _text("decided_at"),
    )  # fmt: skip
    _create(
        "outbox", _text("dedupe_key", unique=True), _text("recipient"),
        _text("message_id_header", unique=True), sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("automatic", sa.Boolean, nullable=False), _text("state", index=True),
        sa.Column("attempts", sa.Integer, nullable=False), _text("changed_at"),
    )  # fmt: skip
    _create(
        "audit", _text("at"), _text("actor"), _text("event"), sa.Column("message_id", sa.Integer)
    )


def _create(name: str, *columns: sa.schema.SchemaItem) -> None:
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, sa.Column("id", sa.Integer, primary_key=True), *columns)


def _text(name: str, *, unique: bool | None = None, index: bool | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, unique=unique, index=index)


def _foreign(table: str, *, unique: bool | None = None) -> sa.Column[int]:
    target = sa.ForeignKey(f"{table}.id")
    return sa.Column(
        f"{table}_id", sa.Integer, target, nullable=False, unique=unique, index=not unique
    )
