"""Stores what is to be posted to Slack until Slack has accepted it.

Posts of one case go out in order; a post for the thread of a card waits until the card has been
posted. Of several cases the most urgent comes first, and the wait of the others is bounded.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.journal.clock import Clock, latest_plausible_stamp, stamp, stamp_after
from bot.journal.engine import reading, writing
from bot.journal.slack_records import SlackPost, SlackPostState, post_of
from bot.journal.tables import message, slack_card, slack_outbox

# Prefixes of the unique keys of reminders, of alerts to the on-call people, of pages and of the
# stubs that replace erased posts.
REMINDER = "remind:"
ALERT = "dead:"
PAGE = "page:"
ERASED = "erased:"
# Name in a payload that says that its content was erased after Slack may have accepted it.
ERASED_CONTENT = "erased"
# Longest plausible wait of a post: until the end of quiet hours, which is at most a day.
MAX_WAIT_SECONDS = 86_400.0
# Head start of a post over one that is one rank less urgent, in seconds. The least urgent post thus
# waits at most this times the number of ranks longer than it would in order of time.
SECONDS_OF_RANK = 300.0


class SlackOutbox:
    """The posts of one journal; each method is one transaction."""

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
        rank: int = 0,
        about: int | None = None,
    ) -> bool:
        """Store a post under its unique `key`; return False when it was stored before.

        `method` is a method of Slack's Web API or `respond`, `payload` its arguments. The post is
        not posted before `at`. A post with a lower `rank` overtakes others. `about` is the id of
        the message whose text it shows: it is not stored where that was erased meanwhile.
        """
        row = self._insert_post(key, channel, method, payload, case_id).values(rank=rank)
        if at:
            row = row.values(next_attempt_at=stamp(at))
        try:
            with writing(self._engine) as db:
                if about is not None and is_erased(db, about):
                    return False
                db.execute(row)
        except IntegrityError:
            return False
        return True

    def list_keys(self, prefix: str) -> frozenset[str]:
        """Return the keys of the stored posts that begin with `prefix`."""
        begins = slack_outbox.c.dedupe_key.startswith(prefix, autoescape=True)
        with reading(self._engine) as db:
            return frozenset(db.scalars(sql.select(slack_outbox.c.dedupe_key).where(begins)))

    def replace_waiting(self, key: str, payload: Mapping[str, Any]) -> bool:
        """Give the post under this key another payload; return False where none waits there."""
        with writing(self._engine) as db:
            this = (slack_outbox.c.dedupe_key == key, slack_outbox.c.state == SlackPostState.READY)
            row = slack_outbox.update().where(*this).values(payload=json.dumps(payload))
            return bool(db.execute(row).rowcount)

    def redraw(self, key: str, *, channel: str, drawn: Mapping[str, Any]) -> bool:
        """Store the new content of the message under this key, which is posted or updated with it.

        Return False while the message is being posted, or may have been, as its id in Slack is not
        known yet; the caller tries again.
        """
        with writing(self._engine) as db:
            this = slack_outbox.c.dedupe_key == key
            post = db.execute(sql.select(slack_outbox).where(this).with_for_update()).first()
            if post is None:
                db.execute(self._insert_post(key, channel, "chat.postMessage", drawn, None))
            elif post.state == SlackPostState.SENDING or is_begun(post):
                return False
            elif post.state != SlackPostState.SENT:
                db.execute(slack_outbox.update().where(this).values(payload=json.dumps(drawn)))
            else:
                again = dict(drawn) | {"ts": post.ts}
                db.execute(slack_outbox.delete().where(waiting(f"{key}:")))
                again_key = f"{key}:{secrets.token_hex(4)}"
                db.execute(self._insert_post(again_key, channel, "chat.update", again, None))
        return True

    def contains(self, key: str) -> bool:
        """Return whether a post was stored under this key."""
        query = sql.select(slack_outbox.c.id).where(slack_outbox.c.dedupe_key == key)
        with reading(self._engine) as db:
            return db.execute(query).first() is not None

    def enqueue_card(
        self, case_id: int, *, channel: str, drawn: Mapping[str, Any], stamp: str, rank: int = 0
    ) -> None:
        """Store the new content of the card of a case.

        However often it changes, only one post waits: new content replaces older content. `stamp`
        is the text by which a later change is noticed.
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
            if card is None or not self._replace_waiting_card(db, case_id, drawn, rank):
                post = self._insert_post(key, channel, method, drawn, case_id)
                db.execute(post.values(rank=rank))

    def list_due(self) -> list[SlackPost]:
        """Return the posts that may go out now: the first of each case, and of each channel.

        The most urgent comes first, by the rank of all that waits for the same case, and then the
        oldest. A post for a thread whose card has not been posted yet waits for that card.
        """
        query = sql.select(slack_outbox).where(slack_outbox.c.state == SlackPostState.READY)
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(slack_outbox.c.id)).all()
            posted = set(db.execute(POSTED_CARDS).scalars())
        heads: dict[object, SlackPost] = {}
        turns: dict[object, float] = {}
        for post in map(post_of, rows):
            thread = post.payload.get("thread_of")
            for key in (_order_key(post), thread):
                turns[key] = min(_turn(post), turns.get(key, inf))
            if thread in {None, *posted}:
                heads.setdefault(_order_key(post), post)
        now, too_late = self._now(), latest_plausible_stamp(self._clock, MAX_WAIT_SECONDS)
        due = [
            (key, post)
            for key, post in heads.items()
            if post.not_before <= now or post.not_before > too_late
        ]
        return [post for _, post in sorted(due, key=lambda each: (turns[each[0]], each[1].id))]

    def claim(self, post: SlackPost) -> SlackPost | None:
        """Claim a listed post for making it, and return it as it stands now, this attempt counted.

        Its content may have been replaced since it was listed. None when another has claimed it or
        it was deleted: another post may have its id by now.
        """
        this = (
            slack_outbox.c.id == post.id, slack_outbox.c.dedupe_key == post.key,
            slack_outbox.c.state == SlackPostState.READY,
        )  # fmt: skip
        values = {"state": SlackPostState.SENDING, "attempts": slack_outbox.c.attempts + 1}
        with writing(self._engine) as db:
            row = slack_outbox.update().where(*this).values(values).returning(slack_outbox)
            claimed = db.execute(row).first()
        return post_of(claimed) if claimed else None

    def mark_sent(self, post: SlackPost, ts: str) -> None:
        """Record that Slack accepted a post; `ts` is the id that Slack gave its message.

        Where its content was replaced or erased since it was claimed, an update follows.
        """
        with writing(self._engine) as db:
            this = slack_outbox.c.id == post.id, slack_outbox.c.dedupe_key == post.key
            now = db.execute(sql.select(slack_outbox).where(*this).with_for_update()).first()
            if now and now.state != SlackPostState.SENT and ts:
                content = json.loads(now.payload)
                if content != post.payload or content.get(ERASED_CONTENT):
                    self._insert_update(db, post, ts, content)
            sent = {"state": SlackPostState.SENT, "ts": ts, "payload": "{}"}
            db.execute(slack_outbox.update().where(*this).values(sent))
            if post.key.startswith("card:"):
                card = slack_card.c.escalation_id == post.case_id
                db.execute(slack_card.update().where(card).values(ts=ts))
                db.execute(
                    slack_outbox.delete().where(_card_of(post.case_id, SlackPostState.FAILED))
                )

    def retry_later(
        self, post_id: int, fault: str, *, seconds: float, counted: bool = True
    ) -> None:
        """Record that Slack did not accept a post; it is due again after `seconds`.

        `counted` is False when Slack only asked to wait: then it is not counted as an attempt.
        """
        values: dict[str, Any] = {
            "next_attempt_at": stamp_after(self._clock, seconds),
            "fault": fault,
        }
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
        """Record that a post is given up for now.

        Each user of `tell` is sent the message `says` about it, once and not before `at`.
        """
        with writing(self._engine) as db:
            this = slack_outbox.c.id == post.id, slack_outbox.c.state == SlackPostState.SENDING
            failed = {"state": SlackPostState.FAILED, "fault": fault}
            if not db.execute(slack_outbox.update().where(*this).values(failed)).rowcount:
                return  # another process, which leads by now, has made it
            for user in tell:
                key = f"{ALERT}{post.id}:{user}"
                there = sql.select(slack_outbox.c.id).where(slack_outbox.c.dedupe_key == key)
                if db.execute(there).first() is None:
                    alert = self._insert_post(key, user, "chat.postMessage", says, None)
                    db.execute(alert.values(next_attempt_at=stamp(at) if at else ""))

    def list_failed(self) -> list[SlackPost]:
        """Return the posts that were given up and not accepted since, oldest first."""
        query = sql.select(slack_outbox).where(slack_outbox.c.state == SlackPostState.FAILED)
        with reading(self._engine) as db:
            return [post_of(row) for row in db.execute(query.order_by(slack_outbox.c.id))]

    def requeue_failed(self) -> int:
        """Make every given-up post ready again, as its fault may be repaired; return how many."""
        values = {"state": SlackPostState.READY, "attempts": 0, "next_attempt_at": ""}
        with writing(self._engine) as db:
            row = slack_outbox.update().where(slack_outbox.c.state == SlackPostState.FAILED)
            return int(db.execute(row.values(**values)).rowcount)

    def redirect_to_dm(self, post: SlackPost, payload: Mapping[str, Any]) -> None:
        """Turn a response that is too late for its slash command into a direct message."""
        self._move(
            post.id,
            SlackPostState.SENDING,
            state=SlackPostState.READY,
            method="chat.postMessage",
            payload=json.dumps(payload),
        )

    def withdraw(self, prefix: str, channel: str) -> None:
        """Delete the posts to a channel whose key begins with `prefix` and that still wait."""
        with writing(self._engine) as db:
            this = slack_outbox.c.channel == channel
            db.execute(slack_outbox.delete().where(this, waiting(prefix)))

    def requeue_in_flight(self) -> None:
        """Make ready the posts that a dead process was sending: two cards are better than none."""
        with writing(self._engine) as db:
            row = slack_outbox.update().where(slack_outbox.c.state == SlackPostState.SENDING)
            db.execute(row.values(state=SlackPostState.READY))

    def _insert_update(
        self, db: sql.Connection, post: SlackPost, ts: str, content: Mapping[str, Any]
    ) -> None:
        """Store an update of a message that Slack accepted with older content."""
        drawn = {"ts": ts} | {k: v for k, v in content.items() if k != ERASED_CONTENT}
        key = f"{post.key}:{secrets.token_hex(4)}"
        row = self._insert_post(key, post.channel, "chat.update", drawn, post.case_id)
        db.execute(row.values(rank=post.rank))

    def _insert_post(
        self, key: str, channel: str, method: str, payload: Mapping[str, Any], case_id: int | None
    ) -> sql.Insert:
        return slack_outbox.insert().values(
            dedupe_key=key, channel=channel, case_id=case_id, method=method,
            payload=json.dumps(payload), state=SlackPostState.READY, next_attempt_at="",
            created_at=self._now(),
        )  # fmt: skip

    def _replace_waiting_card(
        self, db: sql.Connection, case_id: int, drawn: Mapping[str, Any], rank: int
    ) -> bool:
        """Replace the content of a card that still waits; return False when none does.

        One that Slack may have accepted keeps its content, which is what Slack has then.
        """
        untried = slack_outbox.c.attempts == 0
        query = sql.select(slack_outbox.c.id).where(
            _card_of(case_id, SlackPostState.READY), untried
        )
        newest = query.order_by(slack_outbox.c.id.desc()).limit(1).with_for_update()
        waiting_id = db.execute(newest).scalar()
        if waiting_id is None:
            return False
        row = slack_outbox.update().where(slack_outbox.c.id == waiting_id)
        db.execute(row.values(payload=json.dumps(drawn), rank=rank))
        return True

    def _move(self, post_id: int, before: str, **values: Any) -> bool:
        with writing(self._engine) as db:
            row = slack_outbox.update().where(
                slack_outbox.c.id == post_id, slack_outbox.c.state == before
            )
            return bool(db.execute(row.values(**values)).rowcount)

    def _now(self) -> str:
        return stamp(self._clock())


POSTED_CARDS = sql.select(slack_card.c.escalation_id).where(slack_card.c.ts != "")


def waiting(prefix: str) -> sql.ColumnElement[bool]:
    """Return a condition for ready posts whose key begins with `prefix`."""
    begins = slack_outbox.c.dedupe_key.startswith(prefix, autoescape=True)
    return sql.and_(begins, slack_outbox.c.state == SlackPostState.READY)


def is_begun(post: Any) -> bool:
    """Return whether Slack may have accepted a waiting post (a row) without our knowing it."""
    return bool(post.state == SlackPostState.READY and post.attempts)


def is_erased(db: sql.Connection, message_id: int) -> bool:
    """Return whether a message was erased; until this transaction ends it is not."""
    query = sql.select(message.c.erased_at).where(message.c.id == message_id)
    return bool(db.execute(query.with_for_update(read=True)).scalar())


def _card_of(case_id: int | None, state: str) -> sql.ColumnElement[bool]:
    """Return an SQL condition for the posts of the card of a case in this state."""
    begins = slack_outbox.c.dedupe_key.startswith("card:", autoescape=True)
    return sql.and_(slack_outbox.c.case_id == case_id, slack_outbox.c.state == state, begins)


def _order_key(post: SlackPost) -> object:
    """Return a key that is equal for posts which must go out in order.

    A reminder, alert or page has a key of its own, so that it delays nothing else when it is late.
    """
    if post.case_id is None and post.key.startswith((REMINDER, ALERT, PAGE)):
        return post.key
    return post.case_id or ("channel", post.channel)


def _turn(post: SlackPost) -> float:
    """Return the POSIX time by which posts are ordered: when stored, plus a delay by rank."""
    stored = datetime.fromisoformat(post.created_at).timestamp() if post.created_at else 0.0
    return stored + SECONDS_OF_RANK * post.rank


def card_row(case_id: int) -> sql.Select[Any]:
    """Return a query for the row of the card of a case."""
    return sql.select(slack_card).where(slack_card.c.escalation_id == case_id)
