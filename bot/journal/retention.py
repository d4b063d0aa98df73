"""Blanks the texts of old rows, in small batches; the rows stay, so that counts remain valid.

Unfinished work is never touched: an undecided message, an open case with its conversation, a mail
that has not gone out yet.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.case_opening import JOINED
from bot.journal.clock import Clock, stamp_after
from bot.journal.engine import reading, writing
from bot.journal.records import MessageState, OutboxState
from bot.journal.slack_records import SlackEventState, SlackPostState
from bot.journal.tables import (
    cluster_answer,
    conversation,
    escalation,
    message,
    outbox,
    outcome,
    slack_card,
    slack_event,
    slack_outbox,
)

DAY_SECONDS = 86_400
CLOSED = ("decided", JOINED)  # the states of cases in which nothing is left to do
BATCH = 500  # rows that one transaction changes, so that nobody waits for long
UNFINISHED_MAILS = (OutboxState.READY, OutboxState.SENDING, OutboxState.UNKNOWN)


class Retention:
    """The retention of one journal; each method treats one batch of rows and returns its size."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def blank_messages(self, days: int) -> int:
        """Blank text, subject and sender of messages that came more than `days` days ago."""
        other, case, joined = (
            message.alias("other"),
            escalation.alias("case"),
            escalation.alias("joined"),
        )
        open_here = (
            sql.select(case.c.id)
            .join(other, other.c.id == case.c.message_id)
            .where(other.c.conversation_id == message.c.conversation_id, case.c.state == "open")
        )
        open_elsewhere = sql.select(joined.c.id).where(
            joined.c.message_id == message.c.id, joined.c.state == JOINED,
            joined.c.case_id.in_(sql.select(case.c.id).where(case.c.state == "open")),
        )  # fmt: skip
        query = sql.select(message.c.id).where(
            message.c.received_at < self._before(days), message.c.sender != "",
            message.c.state != MessageState.RECEIVED, ~open_here.exists(), ~open_elsewhere.exists(),
        )  # fmt: skip
        with writing(self._engine) as db:
            ids = self._batch(db, query.order_by(message.c.received_at))
            of = sql.select(message.c.conversation_id).where(message.c.id.in_(ids)).distinct()
            conversations = list(db.scalars(of))
            empty = dict.fromkeys(("raw_ref", "sender", "text", "message_id_header"), "")
            values = empty | {"headers": "{}", "redactions": "[]"}
            db.execute(message.update().where(message.c.id.in_(ids)).values(values))
            db.execute(outcome.update().where(outcome.c.message_id.in_(ids)).values(question=""))
            self._blank_conversations(db, conversations)
        return len(ids)

    def blank_cases(self, days: int) -> int:
        """Blank drafts of closed cases opened more than `days` days ago, and forget their cards.

        The cards themselves stay in Slack, for as long as Slack keeps them.
        """
        card = sql.select(slack_card.c.id).where(slack_card.c.escalation_id == escalation.c.id)
        query = sql.select(escalation.c.id).where(
            escalation.c.opened_at < self._before(days), escalation.c.state.in_(CLOSED),
            sql.or_(escalation.c.draft != "", escalation.c.vector.is_not(None), card.exists()),
        )  # fmt: skip
        with writing(self._engine) as db:
            ids = self._batch(db, query)
            blank: dict[str, Any] = dict.fromkeys(("draft", "sender_key", "text_key"), "")
            blank["vector"] = None
            db.execute(escalation.update().where(escalation.c.id.in_(ids)).values(**blank))
            old = cluster_answer.c.given_at < self._before(days)
            db.execute(cluster_answer.delete().where(old))
            db.execute(slack_card.delete().where(slack_card.c.escalation_id.in_(ids)))
            db.execute(slack_outbox.delete().where(slack_outbox.c.case_id.in_(ids)))
        return len(ids)

    def blank_sends(self, days: int) -> int:
        """Blank recipient and text of mails that were settled more than `days` days ago."""
        query = sql.select(outbox.c.id).where(
            outbox.c.changed_at < self._before(days), outbox.c.recipient != "",
            outbox.c.state.not_in(UNFINISHED_MAILS),
        )  # fmt: skip
        with writing(self._engine) as db:
            ids = self._batch(db, query.order_by(outbox.c.changed_at))
            blank: dict[str, Any] = {"recipient": "", "body": b"", "fault": "", "salt": ""}
            db.execute(outbox.update().where(outbox.c.id.in_(ids)).values(blank))
        return len(ids)

    def delete_slack(self, days: int) -> int:
        """Delete events and posts of Slack that were handled more than `days` days ago.

        Slack repeats a delivery for hours at most, so the keys are not needed any more. What was
        posted about a case stays as long as the case: an erasure must find it in Slack.
        """
        then = self._before(days)
        events = sql.select(slack_event.c.id).where(
            slack_event.c.received_at < then, slack_event.c.state != SlackEventState.NEW
        )
        posts = sql.select(slack_outbox.c.id).where(
            slack_outbox.c.created_at < then,
            slack_outbox.c.state.in_((SlackPostState.SENT, SlackPostState.FAILED)),
            sql.or_(slack_outbox.c.case_id.is_(None), slack_outbox.c.ts == ""),
        )
        with writing(self._engine) as db:
            event_ids, post_ids = self._batch(db, events), self._batch(db, posts)
            db.execute(slack_event.delete().where(slack_event.c.id.in_(event_ids)))
            db.execute(slack_outbox.delete().where(slack_outbox.c.id.in_(post_ids)))
        return max(len(event_ids), len(post_ids))

    def oldest_open_case(self) -> str:
        """Return when the oldest message of an open case came; empty when no case is open."""
        query = sql.select(sql.func.min(message.c.received_at)).select_from(
            escalation.join(message)
        )
        with reading(self._engine) as db:
            return db.execute(query.where(escalation.c.state == "open")).scalar() or ""

    def _blank_conversations(self, db: sql.Connection, ids: Sequence[int]) -> None:
        """Remove the address from the key of conversations without any text left."""
        left = sql.select(message.c.id).where(
            message.c.conversation_id == conversation.c.id, message.c.sender != ""
        )
        query = sql.select(conversation.c.id).where(conversation.c.id.in_(ids), ~left.exists())
        for each in list(db.scalars(query)):
            row = conversation.update().where(conversation.c.id == each)
            db.execute(row.values(thread_key=f"old:{each}", thread=f"old:{each}"))

    def _batch(self, db: sql.Connection, query: "sql.Select[tuple[int]]") -> list[int]:
        return list(db.scalars(query.limit(BATCH)))

    def _before(self, days: int) -> str:
        return stamp_after(self._clock, -DAY_SECONDS * days)
