"""What goes out to Slack: a post is a row until Slack has taken it.

Rows of one case go out in order; what belongs into the thread of a card waits until the card lies
there.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import reading, writing
from bot.journal.slack_records import SlackPost, SlackPostState, post_of
from bot.journal.tables import slack_card, slack_outbox

REMINDER = "remind:"
ALERT = "dead:"


class SlackOutbox:
    """Each function is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def enqueue(
        self,
        key: str,
        *,
        channel: str,
        method: str,
        payload: Mapping[str, Any],
        case_id: int | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Store a post, to be made from `at` on; False when it was stored before."""
        row = self._insert_post(key, channel, method, payload, case_id)
        if at:
            row = row.values(next_attempt_at=stamp(at))
        try:
            with writing(self._engine) as db:
                db.execute(row)
        except IntegrityError:
            return False
        return True

    def contains(self, key: str) -> bool:
        """Was a post stored under this key?"""
        query = sql.select(slack_outbox.c.id).where(slack_outbox.c.dedupe_key == key)
        with reading(self._engine) as db:
            return db.execute(query).first() is not None

    def enqueue_card(
        self, case_id: int, *, channel: str, drawn: Mapping[str, Any], stamp: str
    ) -> None:
        """A new card, or the card as it shall look from now on: one post, however often it changes.

        What is still waiting to go out is replaced; the newest drawing is what goes.
        """
        with writing(self._engine) as db:
            card = db.execute(card_row(case_id)).first()
            if card is None:
                values = {"escalation_id": case_id, "channel": channel, "stamp": stamp}
                db.execute(slack_card.insert().values(values))
                key, method = f"card:{case_id}", "chat.postMessage"
            else:
                this = slack_card.c.escalation_id == case_id
                db.execute(slack_card.update().where(this).values(stamp=stamp))
                key, method = f"card:{case_id}:{secrets.token_hex(4)}", "chat.update"
                channel = card.channel
            if card is None or not self._replace_waiting_card(db, case_id, drawn):
                db.execute(self._insert_post(key, channel, method, drawn, case_id))

    def list_due(self) -> list[SlackPost]:
        """The first post of each case and of each channel's rest that may go out now.

        What belongs into a thread that is not there yet is no first: its card goes before it.
        """
        query = sql.select(slack_outbox).where(slack_outbox.c.state == SlackPostState.READY)
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(slack_outbox.c.id)).all()
            lying = set(db.execute(LYING).scalars())
        heads: dict[object, SlackPost] = {}
        for post in map(post_of, rows):
            if post.payload.get("thread_of") in {None, *lying}:
                heads.setdefault(_line(post), post)
        now = self._now()
        return [post for post in heads.values() if post.not_before <= now]

    def claim(self, post_id: int) -> bool:
        """Take a post for making it; False when it is taken."""
        return self._move(
            post_id,
            SlackPostState.READY,
            state=SlackPostState.SENDING,
            attempts=slack_outbox.c.attempts + 1,
        )

    def mark_sent(self, post: SlackPost, ts: str) -> None:
        """Slack has taken it; a card lies at `ts` from now on."""
        with writing(self._engine) as db:
            this = slack_outbox.c.id == post.id
            db.execute(
                slack_outbox.update()
                .where(this)
                .values(state=SlackPostState.SENT, ts=ts, payload="{}")
            )
            if post.key.startswith("card:"):
                card = slack_card.c.escalation_id == post.case_id
                db.execute(slack_card.update().where(card).values(ts=ts))
                db.execute(
                    slack_outbox.delete().where(_card_of(post.case_id, SlackPostState.FAILED))
                )

    def retry_later(
        self, post_id: int, fault: str, *, seconds: float, counted: bool = True
    ) -> None:
        """Not taken: later. `counted` is False when Slack only asked to wait."""
        values: dict[str, Any] = {"next_attempt_at": after(self._clock, seconds), "fault": fault}
        if not counted:
            values["attempts"] = slack_outbox.c.attempts - 1
        self._move(post_id, SlackPostState.SENDING, state=SlackPostState.READY, **values)

    def mark_failed(
        self,
        post: SlackPost,
        fault: str,
        *,
        says: Mapping[str, Any],
        tell: Sequence[str] = (),
        at: datetime | None = None,
    ) -> None:
        """It was not taken and is given up for now; each of `tell` hears so, once, from `at` on."""
        with writing(self._engine) as db:
            row = slack_outbox.update().where(slack_outbox.c.id == post.id)
            db.execute(row.values(state=SlackPostState.FAILED, fault=fault))
            for user in tell:
                key = f"{ALERT}{post.id}:{user}"
                there = sql.select(slack_outbox.c.id).where(slack_outbox.c.dedupe_key == key)
                if db.execute(there).first() is None:
                    alert = self._insert_post(key, user, "chat.postMessage", says, None)
                    db.execute(alert.values(next_attempt_at=stamp(at) if at else ""))

    def list_failed(self) -> list[SlackPost]:
        """What was given up and not taken since, oldest first."""
        query = sql.select(slack_outbox).where(slack_outbox.c.state == SlackPostState.FAILED)
        with reading(self._engine) as db:
            return [post_of(row) for row in db.execute(query.order_by(slack_outbox.c.id))]

    def requeue_failed(self) -> int:
        """What was given up is tried again: what was wrong with it may be mended; how many."""
        values = {"state": SlackPostState.READY, "attempts": 0, "next_attempt_at": ""}
        with writing(self._engine) as db:
            row = slack_outbox.update().where(slack_outbox.c.state == SlackPostState.FAILED)
            return int(db.execute(row.values(**values)).rowcount)

    def redirect_to_dm(self, post: SlackPost, payload: Mapping[str, Any]) -> None:
        """An answer that came too late for its command goes to the person instead."""
        self._move(
            post.id,
            SlackPostState.SENDING,
            state=SlackPostState.READY,
            method="chat.postMessage",
            payload=json.dumps(payload),
        )

    def withdraw(self, prefix: str, channel: str) -> None:
        """Take back what begins with `prefix` and still waits for a channel."""
        with writing(self._engine) as db:
            this = slack_outbox.c.channel == channel
            db.execute(slack_outbox.delete().where(this, waiting(prefix)))

    def requeue_in_flight(self) -> None:
        """What a dead process was posting goes out again: a card twice is better than none."""
        with writing(self._engine) as db:
            row = slack_outbox.update().where(slack_outbox.c.state == SlackPostState.SENDING)
            db.execute(row.values(state=SlackPostState.READY))

    def _insert_post(
        self, key: str, channel: str, method: str, payload: Mapping[str, Any], case_id: int | None
    ) -> sql.Insert:
        return slack_outbox.insert().values(
            dedupe_key=key, channel=channel, case_id=case_id, method=method,
            payload=json.dumps(payload), state=SlackPostState.READY, next_attempt_at="", created_at=self._now(),
        )  # fmt: skip

    def _replace_waiting_card(
        self, db: sql.Connection, case_id: int, drawn: Mapping[str, Any]
    ) -> bool:
        """Put the new drawing in the place of the last one that still waits."""
        query = sql.select(slack_outbox.c.id).where(_card_of(case_id, SlackPostState.READY))
        found = db.execute(query.order_by(slack_outbox.c.id.desc()).limit(1)).scalar()
        if found is None:
            return False
        row = slack_outbox.update().where(slack_outbox.c.id == found)
        db.execute(row.values(payload=json.dumps(drawn)))
        return True

    def _move(self, post_id: int, before: str, **values: Any) -> bool:
        with writing(self._engine) as db:
            row = slack_outbox.update().where(
                slack_outbox.c.id == post_id, slack_outbox.c.state == before
            )
            return bool(db.execute(row.values(**values)).rowcount)

    def _now(self) -> str:
        return stamp(self._clock())


LYING = sql.select(slack_card.c.escalation_id).where(slack_card.c.ts != "")


def waiting(prefix: str) -> sql.ColumnElement[bool]:
    """SlackOutbox whose key begins so, and that nobody has begun to make."""
    begins = slack_outbox.c.dedupe_key.startswith(prefix, autoescape=True)
    return sql.and_(begins, slack_outbox.c.state == SlackPostState.READY)


def _card_of(case_id: int | None, state: str) -> sql.ColumnElement[bool]:
    """The drawings of a case that are in this state."""
    begins = slack_outbox.c.dedupe_key.startswith("card:", autoescape=True)
    return sql.and_(slack_outbox.c.case_id == case_id, slack_outbox.c.state == state, begins)


def _line(post: SlackPost) -> object:
    """What a post stands in line with; a word that waits for the morning holds up nothing."""
    if post.case_id is None and post.key.startswith((REMINDER, ALERT)):
        return post.key
    return post.case_id or ("channel", post.channel)


def card_row(case_id: int) -> sql.Select[Any]:
    return sql.select(slack_card).where(slack_card.c.escalation_id == case_id)
