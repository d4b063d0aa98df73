"""Defines the tables of the desk; they hold ids and masked text only."""

from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sql
from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

TABLES = MetaData()


class HalfFloats(TypeDecorator[npt.NDArray[np.float32]]):
    """Stores a vector in half precision, two bytes for each number; it holds nobody's text."""

    impl = LargeBinary
    cache_ok = True

    @override
    def process_bind_param(self, value: npt.NDArray[np.float32] | None, dialect: Any) -> Any:
        return None if value is None else np.asarray(value, "<f2").tobytes()

    @override
    def process_result_value(self, value: Any, dialect: Any) -> npt.NDArray[np.float32] | None:
        return None if value is None else np.frombuffer(value, "<f2").astype(np.float32)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, String, nullable=False, server_default="")


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


conversation = Table(
    "conversation", TABLES, _id(),
    Column("channel", String, nullable=False),
    Column("thread_key", String, nullable=False, unique=True),
    Column("thread", String, nullable=False, server_default="", index=True),
)  # fmt: skip
message = Table(
    "message", TABLES, _id(),
    Column("conversation_id", ForeignKey("conversation.id"), nullable=False, index=True),
    Column("key", String, nullable=False, unique=True),
    Column("raw_ref", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("sender", String, nullable=False, index=True),
    Column("headers", String, nullable=False),
    Column("text", String, nullable=False),
    Column("redactions", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("received_at", String, nullable=False),
    _count("seq"),
    _count("attempts"),
    _text("decided_at"),
    Column("message_id_header", String, nullable=False, server_default="", index=True),
    _text("proof"),  # what is known of whether the sender is who it says
    _text("erased_at"),  # when the person had everything about them erased
    Index("message_order", "conversation_id", "seq", unique=True),
    Index("message_received", "received_at"),
)  # fmt: skip
Index(
    "message_erased", message.c.erased_at,
    sqlite_where=message.c.erased_at != "", postgresql_where=message.c.erased_at != "",
)  # fmt: skip
# For retention: rows that still hold personal data.
Index(
    "message_kept", message.c.received_at,
    sqlite_where=message.c.sender != "", postgresql_where=message.c.sender != "",
)  # fmt: skip
outcome = Table(
    "outcome", TABLES, _id(),
    Column("message_id", ForeignKey("message.id"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("probability", sql.Float, nullable=False),
    Column("question", String, nullable=False),
    Column("passages", String, nullable=False),
    Column("knowledge", String, nullable=False),
    sql.UniqueConstraint("message_id", "place"),
)  # fmt: skip
escalation = Table(
    "escalation", TABLES, _id(),
    Column("message_id", ForeignKey("message.id"), nullable=False, unique=True),
    Column("state", String, nullable=False, index=True),
    Column("priority", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("draft", String, nullable=False),
    Column("opened_at", String, nullable=False),
    _text("due_at"),
    _count("reminders"),
    Column("stage", String, nullable=False, server_default="open"),
    _text("owner"),
    _count("version"),
    _count("round"),  # how often it was reopened
    _text("touched_at"),
    Column("case_id", Integer, index=True),  # the open case that this one joined, if any
    Column("rank", Integer, nullable=False, server_default="5"),  # in the queue, least first
    Column("fold_id", Integer, index=True),  # the case whose card stands for this one, if any
    # Hashes by which other cases of the same sender and with the same text are found.
    Column("sender_key", String, nullable=False, server_default="", index=True),
    Column("text_key", String, nullable=False, server_default="", index=True),
    # When this case paged people, or its page was held for a summary.
    Column("paged_at", String, nullable=False, server_default="", index=True),
    Column("page_held_at", String, nullable=False, server_default="", index=True),
    Index("escalation_queue", "state", "rank", "opened_at", "id"),
    Index("escalation_age", "state", "opened_at"),
    Index("escalation_touched", "state", "touched_at"),
    _text("topic"),  # the id of the passage that is nearest to what was asked
    _text("language"),  # in which the user wrote
    Column("vector", HalfFloats),  # the meaning of its one open question, where it has one
    Column("cluster_id", Integer),  # the id of the first case that asks the same
    Index("escalation_cluster", "cluster_id", "state", "opened_at"),
    Index("escalation_fold", "fold_id", "state"),
    Index("escalation_owner", "state", "owner", "rank", "opened_at", "id"),
    Index("escalation_topic", "state", "topic"),
    Index("escalation_language", "state", "language"),
)  # fmt: skip
# What a person wrote to all cases of a cluster: their own words in one language, or passages.
cluster_answer = Table(
    "cluster_answer", TABLES, _id(),
    Column("cluster_id", Integer, nullable=False),
    Column("case_id", ForeignKey("escalation.id"), nullable=False, index=True),
    Column("actor", String, nullable=False),
    Column("given_at", String, nullable=False),
    Column("due_at", String, nullable=False),  # until then it can be taken back
    Column("knowledge", String, nullable=False),
    Column("language", String, nullable=False),  # of those who get it; empty: everybody
    Column("text", String, nullable=False),
    Column("passages", String, nullable=False),
    sql.UniqueConstraint("cluster_id", "language", name="cluster_answer_language"),
)  # fmt: skip
decision = Table(
    "decision", TABLES, _id(),
    Column("escalation_id", ForeignKey("escalation.id"), nullable=False, unique=True),
    Column("action", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("decided_at", String, nullable=False),
    Index("decision_age", "decided_at"),
)  # fmt: skip
outbox = Table(
    "outbox", TABLES, _id(),
    Column("dedupe_key", String, nullable=False, unique=True),
    Column("recipient", String, nullable=False),
    Column("message_id_header", String, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("automatic", sql.Boolean, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("changed_at", String, nullable=False),
    Column("channel", String, nullable=False, server_default="email"),
    Column("message_id", Integer, index=True),
    Column("conversation_id", Integer, index=True),
    _text("next_attempt_at"),
    _text("worker"),
    _text("fault"),
    _text("salt"),  # hides recipient and body in the digests of the ledger
    Index("outbox_age", "state", "changed_at"),
)  # fmt: skip
Index(
    "outbox_kept", outbox.c.changed_at,
    sqlite_where=outbox.c.recipient != "", postgresql_where=outbox.c.recipient != "",
)  # fmt: skip
passage_text = Table(
    "passage_text", TABLES, _id(),
    Column("passage", String, nullable=False),
    Column("version", String, nullable=False),
    Column("heading", String, nullable=False),
    Column("text", String, nullable=False),
    Column("seen_at", String, nullable=False),
    sql.UniqueConstraint("passage", "version"),
)  # fmt: skip
# What a second person said of a question that a person had answered: may the desk learn from it?
# The question itself stands in the outcome alone, so that erasing it there erases it here.
label = Table(
    "label", TABLES, _id(),
    Column("outcome_id", ForeignKey("outcome.id"), nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("passages", String, nullable=False),
    Column("answered_by", String, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("decided_at", String, nullable=False),
)  # fmt: skip
audit = Table(
    "audit", TABLES, _id(),
    Column("at", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("event", String, nullable=False),
    Column("message_id", Integer),
    Index("audit_event", "event", "at"),
)  # fmt: skip
worker = Table(
    "worker", TABLES,
    Column("id", String, primary_key=True),
    Column("started_at", String, nullable=False),
    Column("beat_at", String, nullable=False),
    Column("version", String, nullable=False),
)  # fmt: skip
sender_count = Table(
    "sender_count", TABLES, _id(),
    Column("scope", String, nullable=False),
    Column("who", String, nullable=False),  # a keyed hash, never the address
    Column("at", String, nullable=False),
    Index("sender_count_window", "scope", "who", "at"),
    Index("sender_count_age", "at"),
)  # fmt: skip
slack_event = Table(
    "slack_event", TABLES, _id(),
    Column("event_key", String, nullable=False, unique=True),
    Column("place_key", String, unique=True),  # team, channel, ts: one message, two event ids
    Column("lane", String, nullable=False),
    Column("payload", String, nullable=False),
    Column("state", String, nullable=False),
    _count("attempts"),
    _text("result"),
    _text("received_at"),
    Index("slack_event_waiting", "state", "lane"),
    Index("slack_event_age", "received_at"),
)  # fmt: skip
slack_card = Table(
    "slack_card", TABLES, _id(),
    Column("escalation_id", ForeignKey("escalation.id"), nullable=False, unique=True),
    Column("channel", String, nullable=False),
    _text("ts"),
    _text("stamp"),  # of the case when its card was last drawn
    _count("followed"),  # of earlier versions, which counted the later messages in its thread
)  # fmt: skip
slack_outbox = Table(
    "slack_outbox", TABLES, _id(),
    Column("dedupe_key", String, nullable=False, unique=True),
    Column("channel", String, nullable=False),
    Column("case_id", Integer, index=True),
    Column("method", String, nullable=False),
    Column("payload", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    _count("attempts"),
    _text("next_attempt_at"),
    _text("ts"),
    _text("fault"),
    _text("created_at"),
    _count("rank"),  # of its case when it was stored; the least goes out first
)  # fmt: skip
ledger = Table(
    "ledger", TABLES, _id(),
    Column("at", String, nullable=False),
    Column("event", String, nullable=False),
    Column("outbox_id", Integer, nullable=False, index=True),
    Column("recipient_digest", String, nullable=False),
    Column("body_digest", String, nullable=False),
    Column("knowledge", String, nullable=False),
    Column("passages", String, nullable=False),
    Column("approved_by", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
)  # fmt: skip
erasure = Table(
    "erasure", TABLES, _id(),
    Column("at", String, nullable=False),
    Column("person", String, nullable=False, index=True),  # a keyed hash of the address
    Column("found", String, nullable=False),  # numbers by place
)  # fmt: skip
# What a person decided about a change of a passage, by its versions before and now, empty for none.
passage_change = Table(
    "passage_change", TABLES, _id(),
    Column("passage", String, nullable=False),
    Column("before", String, nullable=False),
    Column("now", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", String, nullable=False),
    sql.UniqueConstraint("passage", "before", "now"),
)  # fmt: skip
# Each passage of a correction to a conversation, or of a note on its open case, and the passages
# that say the same and therefore need not be sent.
correction = Table(
    "correction", TABLES, _id(),
    Column("conversation_id", Integer, nullable=False),
    Column("passage", String, nullable=False),
    Column("version", String, nullable=False),
    Column("quoted", sql.Boolean, nullable=False),
    Column("outbox_id", Integer, index=True),  # the mail; none for a note
    Column("knowledge", String, nullable=False),
    Column("actor", String, nullable=False),  # who approved it
    Column("at", String, nullable=False),
    sql.UniqueConstraint("conversation_id", "passage", "version"),
)  # fmt: skip
correction_batch = Table(
    "correction_batch", TABLES, _id(),
    Column("key", String, nullable=False, unique=True),
    Column("listed", String, nullable=False),  # a digest of each entry, by conversation
    Column("state", String, nullable=False, index=True),
    _text("actor"),
    _text("at"),
    _count("stored"),
)  # fmt: skip
opt_out = Table(
    "opt_out", TABLES,
    Column("person", String, primary_key=True),  # a keyed hash of the address
    Column("actor", String, nullable=False),
    Column("at", String, nullable=False),
)  # fmt: skip
