"""What goes in and out of Slack: events before their ack, posts before they are made, cards.

An event is stored under its id and under the place of its message, so that no delivery of it is
handled twice. A post is a row until Slack has taken it; rows of one case go out in order.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.journal.cases import noted
from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import reading, storable, writing
from bot.journal.leader import Leader
from bot.journal.slack_records import (
    DEAD,
    DONE,
    FAILED,
    NEW,
    READY,
    SENDING,
    SENT,
    Card,
    Event,
    Fresh,
    Later,
    Post,
    card_of,
    event_of,
    post_of,
)
from bot.journal.tables import message, slack_card, slack_event, slack_outbox

TRIES = 3


class SlackBook:
    """Each function is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self.leader = Leader(engine)

    def take(self, fresh: Sequence[Fresh]) -> int:
        """Store events in one commit; how many were not there yet, they or their message."""
        try:
            with writing(self._engine) as db:
                return sum(self._new(db, each) for each in fresh)
        except IntegrityError:  # another process took one of them just now
            if len(fresh) == 1:
                return 0
            return sum(self.take([each]) for each in fresh)

    def waiting(self, lane: str, limit: int = 20) -> list[Event]:
        """Events of a lane that nobody has acted on, oldest first."""
        query = sql.select(slack_event).where(
            slack_event.c.state == NEW, slack_event.c.lane == lane
        )
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(slack_event.c.id).limit(limit)).all()
        return [event_of(row) for row in rows]

    def event(self, event_id: int) -> Event | None:
        """One event, acted on or not."""
        with reading(self._engine) as db:
            query = sql.select(slack_event).where(slack_event.c.id == event_id)
            row = db.execute(query).first()
        return event_of(row) if row else None

    def keep(self, text: str) -> int:
        """A text that somebody is about to send, until they say so."""
        row = slack_event.insert().values(
            event_key=f"text:{secrets.token_hex(12)}", lane="text", state=DONE,
            payload=json.dumps({"text": storable(text)}), received_at=self._now(),
        )  # fmt: skip
        with writing(self._engine) as db:
            made = db.execute(row).inserted_primary_key
        return int(made[0]) if made else 0

    def remember(self, event_id: int, result: str) -> None:
        """What came of it so far."""
        self._mark(event_id, result=result)

    def acted(self, event_id: int) -> None:
        """It needs nothing more."""
        self._mark(event_id, state=DONE)

    def attempt(self, event_id: int) -> bool:
        """Count a failed try; False when it was the last."""
        with writing(self._engine) as db:
            this = slack_event.c.id == event_id
            tried = db.execute(sql.select(slack_event.c.attempts).where(this)).scalar_one() + 1
            state = NEW if tried < TRIES else FAILED
            db.execute(slack_event.update().where(this).values(attempts=tried, state=state))
        return bool(tried < TRIES)

    def put(
        self,
        key: str,
        *,
        channel: str,
        method: str,
        payload: Mapping[str, Any],
        case_id: int | None = None,
    ) -> bool:
        """Store a post; False when it was stored before."""
        row = self._post(key, channel, method, payload, case_id)
        try:
            with writing(self._engine) as db:
                db.execute(row)
        except IntegrityError:
            return False
        return True

    def knows(self, key: str) -> bool:
        """Was a post stored under this key?"""
        query = sql.select(slack_outbox.c.id).where(slack_outbox.c.dedupe_key == key)
        with reading(self._engine) as db:
            return db.execute(query).first() is not None

    def draw(self, case_id: int, *, channel: str, drawn: Mapping[str, Any], stamp: str) -> None:
        """A new card, or the card as it shall look from now on: one post, however often it changes.

        What is still waiting to go out is replaced; the newest drawing is what goes.
        """
        with writing(self._engine) as db:
            card = db.execute(_card(case_id)).first()
            if card is None:
                values = {"escalation_id": case_id, "channel": channel, "stamp": stamp}
                db.execute(slack_card.insert().values(values))
                key, method = f"card:{case_id}", "chat.postMessage"
            else:
                this = slack_card.c.escalation_id == case_id
                db.execute(slack_card.update().where(this).values(stamp=stamp))
                key, method = f"card:{case_id}:{secrets.token_hex(4)}", "chat.update"
                channel = card.channel
            if card is None or not self._replaced(db, case_id, drawn):
                db.execute(self._post(key, channel, method, drawn, case_id))

    def cards(self) -> dict[int, Card]:
        """Every card."""
        with reading(self._engine) as db:
            rows = db.execute(sql.select(slack_card)).all()
        return {row.escalation_id: card_of(row) for row in rows}

    def card(self, case_id: int) -> Card | None:
        """The card of a case."""
        with reading(self._engine) as db:
            row = db.execute(_card(case_id)).first()
        return card_of(row) if row else None

    def later(self, message_id: int) -> list[Later]:
        """The messages of the same conversation after this one, in order."""
        this = sql.select(message.c.conversation_id, message.c.seq)
        first = this.where(message.c.id == message_id).subquery()
        query = sql.select(message).join(
            first,
            sql.and_(
                message.c.conversation_id == first.c.conversation_id, message.c.seq > first.c.seq
            ),
        )
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(message.c.seq)).all()
        return [Later(id=r.id, text=r.text, verdict=r.verdict, state=r.state) for r in rows]

    def followed(self, case_id: int, count: int) -> None:
        """Its thread has told of so many later messages."""
        with writing(self._engine) as db:
            this = slack_card.c.escalation_id == case_id
            db.execute(slack_card.update().where(this).values(followed=count))

    def due(self) -> list[Post]:
        """The first post of each case and of each channel's rest that may go out now."""
        query = sql.select(slack_outbox).where(slack_outbox.c.state == READY)
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(slack_outbox.c.id)).all()
        heads: dict[object, Any] = {}
        for row in rows:
            heads.setdefault(row.case_id or ("channel", row.channel), row)
        now = self._now()
        return [post_of(row) for row in heads.values() if row.next_attempt_at <= now]

    def claim(self, post_id: int) -> bool:
        """Take a post for making it; False when it is taken."""
        return self._move(post_id, READY, state=SENDING, attempts=slack_outbox.c.attempts + 1)

    def posted(self, post: Post, ts: str) -> None:
        """Slack has taken it; a card lies at `ts` from now on."""
        with writing(self._engine) as db:
            this = slack_outbox.c.id == post.id
            db.execute(slack_outbox.update().where(this).values(state=SENT, ts=ts, payload="{}"))
            if post.key.startswith("card:"):
                card = slack_card.c.escalation_id == post.case_id
                db.execute(slack_card.update().where(card).values(ts=ts))

    def again(self, post_id: int, fault: str, *, seconds: float, counted: bool = True) -> None:
        """Not taken: later. `counted` is False when Slack only asked to wait."""
        values: dict[str, Any] = {"next_attempt_at": after(self._clock, seconds), "fault": fault}
        if not counted:
            values["attempts"] = slack_outbox.c.attempts - 1
        self._move(post_id, SENDING, state=READY, **values)

    def buried(self, post_id: int, fault: str) -> None:
        """It will not be taken: a line of `doctor`."""
        self._move(post_id, SENDING, state=DEAD, fault=fault)

    def unsent(self) -> None:
        """What a dead process was posting goes out again: a card twice is better than none."""
        with writing(self._engine) as db:
            row = slack_outbox.update().where(slack_outbox.c.state == SENDING)
            db.execute(row.values(state=READY))

    def counts(self) -> dict[str, int]:
        """Posts by state, events that wait or failed."""
        found: dict[str, int] = {}
        for table, prefix in ((slack_outbox, ""), (slack_event, "event ")):
            query = sql.select(table.c.state, sql.func.count().label("found"))
            with reading(self._engine) as db:
                for row in db.execute(query.group_by(table.c.state)):
                    found[f"{prefix}{row.state}"] = row.found
        return found

    def forget(self, *, days: int) -> None:
        """Drop what was handled long ago; its keys were kept for more than any retry."""
        then = after(self._clock, -86_400 * days)
        with writing(self._engine) as db:
            old = sql.and_(slack_event.c.received_at < then, slack_event.c.state != NEW)
            db.execute(slack_event.delete().where(old))
            gone = sql.and_(slack_outbox.c.created_at < then, slack_outbox.c.state == SENT)
            db.execute(slack_outbox.delete().where(gone))

    def note(self, actor: str, event: str, message_id: int | None = None) -> None:
        """Write down what a person looked at or did."""
        with writing(self._engine) as db:
            noted(db, self._now(), actor, event, message_id)

    def _new(self, db: sql.Connection, each: Fresh) -> bool:
        there = [slack_event.c.event_key == each.key]
        if each.place:
            there.append(slack_event.c.place_key == each.place)
        if db.execute(sql.select(slack_event.c.id).where(sql.or_(*there))).first():
            return False
        row = slack_event.insert().values(
            event_key=each.key, place_key=each.place, lane=each.lane, state=NEW,
            payload=json.dumps(each.payload), received_at=self._now(),
        )  # fmt: skip
        db.execute(row)
        return True

    def _post(
        self, key: str, channel: str, method: str, payload: Mapping[str, Any], case_id: int | None
    ) -> sql.Insert:
        return slack_outbox.insert().values(
            dedupe_key=key, channel=channel, case_id=case_id, method=method,
            payload=json.dumps(payload), state=READY, next_attempt_at="", created_at=self._now(),
        )  # fmt: skip

    def _replaced(self, db: sql.Connection, case_id: int, drawn: Mapping[str, Any]) -> bool:
        """Put the new drawing in the place of the last one that still waits."""
        query = sql.select(slack_outbox.c.id).where(
            slack_outbox.c.case_id == case_id, slack_outbox.c.state == READY,
            slack_outbox.c.dedupe_key.startswith(f"card:{case_id}", autoescape=True),
        )  # fmt: skip
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

    def _mark(self, event_id: int, **values: Any) -> None:
        with writing(self._engine) as db:
            row = slack_event.update().where(slack_event.c.id == event_id)
            db.execute(row.values(**values))

    def _now(self) -> str:
        return stamp(self._clock())


def _card(case_id: int) -> sql.Select[Any]:
    return sql.select(slack_card).where(slack_card.c.escalation_id == case_id)
