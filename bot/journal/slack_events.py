"""Stores events from Slack before they are acknowledged, and the position of each card in Slack.

An event is stored under its id and under the place of its message (team, channel and time), so that
none is handled twice however often Slack delivers it.
"""

import json
import math
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.domain import SenderProof
from bot.journal.audit import append_audit
from bot.journal.clock import Clock, stamp_after
from bot.journal.engine import reading, storable, writing
from bot.journal.leader import Leader
from bot.journal.records import MessageState
from bot.journal.slack_outbox import SlackOutbox, card_row
from bot.journal.slack_records import (
    FollowUpMessage,
    NewSlackEvent,
    SlackCard,
    SlackEvent,
    SlackEventState,
    card_of,
    event_of,
)
from bot.journal.tables import (
    escalation,
    message,
    outcome,
    slack_card,
    slack_event,
    slack_outbox,
)

MAX_ATTEMPTS = 3  # to handle one event; after the last its person gets an error message
DRAFTED = (
    sql.select(sql.func.count())
    .where(outcome.c.message_id == message.c.id, outcome.c.passages != "[]")
    .scalar_subquery()
)


class SlackStore(SlackOutbox):
    """The tables of Slack in one journal; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine, clock)
        self.leader = Leader(engine)

    def store_events(self, events: Sequence[NewSlackEvent]) -> int:
        """Store events in one commit; return how many were new by their id and by their message."""
        try:
            with writing(self._engine) as db:
                return sum(self._insert_event(db, each) for each in events)
        except IntegrityError:  # another process took one of them just now
            if len(events) == 1:
                return 0
            return sum(self.store_events([each]) for each in events)

    def list_waiting(self, lane: str, limit: int = 20) -> list[SlackEvent]:
        """Return the unhandled events of a lane, at most `limit`, oldest first."""
        query = sql.select(slack_event).where(
            slack_event.c.state == SlackEventState.NEW, slack_event.c.lane == lane
        )
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(slack_event.c.id).limit(limit)).all()
        return [event_of(row) for row in rows]

    def read_event(self, event_id: int) -> SlackEvent | None:
        """Return an event, handled or not; None when there is none of this id."""
        with reading(self._engine) as db:
            query = sql.select(slack_event).where(slack_event.c.id == event_id)
            row = db.execute(query).first()
        return event_of(row) if row else None

    def seconds_since_event(self) -> float:
        """Return how long ago the last event from Slack was stored; infinity without any."""
        with reading(self._engine) as db:
            at = db.execute(sql.select(sql.func.max(slack_event.c.received_at))).scalar()
        return (self._clock() - datetime.fromisoformat(at)).total_seconds() if at else math.inf

    def store_text(self, text: str) -> int:
        """Store a text that somebody is about to send, and return the id to read it by."""
        row = slack_event.insert().values(
            event_key=f"text:{secrets.token_hex(12)}", lane="text", state=SlackEventState.DONE,
            payload=json.dumps({"text": storable(text)}), received_at=self._now(),
        )  # fmt: skip
        with writing(self._engine) as db:
            row_key = db.execute(row).inserted_primary_key
        return int(row_key[0]) if row_key else 0

    def store_result(self, event_id: int, result: str) -> None:
        """Store what handling an event has led to so far, as JSON."""
        self._update_event(event_id, result=result)

    def mark_handled(self, event_id: int) -> None:
        """Record that an event needs nothing more."""
        self._update_event(event_id, state=SlackEventState.DONE)

    def count_attempt(self, event_id: int) -> bool:
        """Count a failed attempt to handle an event; return False when it was the last."""
        with writing(self._engine) as db:
            this = slack_event.c.id == event_id
            tried = db.execute(sql.select(slack_event.c.attempts).where(this)).scalar_one() + 1
            state = SlackEventState.NEW if tried < MAX_ATTEMPTS else SlackEventState.FAILED
            db.execute(slack_event.update().where(this).values(attempts=tried, state=state))
        return bool(tried < MAX_ATTEMPTS)

    def read_cards(self, *, since: int = 0) -> dict[int, SlackCard]:
        """Return every card by the id of its case, of cases with this id or a larger one."""
        query = sql.select(slack_card).where(slack_card.c.escalation_id >= since)
        with reading(self._engine) as db:
            rows = db.execute(query).all()
        return {row.escalation_id: card_of(row) for row in rows}

    def read_card(self, case_id: int) -> SlackCard | None:
        """Return the card of a case, or None when it has none yet."""
        with reading(self._engine) as db:
            row = db.execute(card_row(case_id)).first()
        return card_of(row) if row else None

    def list_follow_ups(self, message_id: int) -> list[FollowUpMessage]:
        """Return the later messages of the case of this message, in the order of their decisions.

        They belong to the same conversation or joined the case. Dropped messages (an out-of-office
        note, a bounce), messages that are not decided yet and erased ones are left out.
        """
        first = sql.select(message).where(message.c.id == message_id).subquery()
        case = sql.select(escalation.c.id).where(escalation.c.message_id == message_id)
        same = sql.select(message.c.id).join(
            first,
            sql.and_(
                message.c.conversation_id == first.c.conversation_id, message.c.seq > first.c.seq
            ),
        )
        joined = sql.select(escalation.c.message_id).where(
            escalation.c.case_id == case.scalar_subquery()
        )
        another = sql.case((message.c.sender == first.c.sender, ""), else_=message.c.sender)
        query = sql.select(
            message, escalation.c.draft, DRAFTED.label("drafted"), another.label("another")
        ).select_from(message)
        query = query.join(first, sql.true()).outerjoin(
            escalation, escalation.c.message_id == message.c.id
        )
        query = query.where(
            message.c.id.in_(sql.union(same, joined)),
            message.c.state.in_((MessageState.DECIDED, MessageState.FAILED)),
            message.c.erased_at == "",
        )
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(message.c.decided_at, message.c.id)).all()
        return [
            FollowUpMessage(
                id=r.id, text=r.text, draft=r.draft if r.drafted else "", sender=r.another,
                proof=SenderProof(r.proof),
            )
            for r in rows
        ]  # fmt: skip

    def count_by_state(self) -> dict[str, int]:
        """Return the number of posts in each state, and of events under `event STATE`."""
        counts: dict[str, int] = {}
        for table, prefix in ((slack_outbox, ""), (slack_event, "event ")):
            query = sql.select(table.c.state, sql.func.count().label("number"))
            with reading(self._engine) as db:
                for row in db.execute(query.group_by(table.c.state)):
                    counts[f"{prefix}{row.state}"] = row.number
        return counts

    def count_failed_events(self, seconds: float) -> int:
        """Return how many events of the last `seconds` were given up."""
        query = sql.select(sql.func.count()).select_from(slack_event)
        query = query.where(
            slack_event.c.state == SlackEventState.FAILED,
            slack_event.c.received_at > stamp_after(self._clock, -seconds),
        )
        with reading(self._engine) as db:
            return int(db.execute(query).scalar_one())

    def append_audit(self, actor: str, event: str, message_id: int | None = None) -> None:
        """Append to the audit what a person looked at or did."""
        with writing(self._engine) as db:
            append_audit(db, self._now(), actor, event, message_id)

    def _insert_event(self, db: sql.Connection, event: NewSlackEvent) -> bool:
        # An event that the database cannot store would make the whole commit fail.
        key, place = storable(event.key), storable(event.place or "") or None
        there = [slack_event.c.event_key == key]
        if place:
            there.append(slack_event.c.place_key == place)
        if db.execute(sql.select(slack_event.c.id).where(sql.or_(*there))).first():
            return False
        row = slack_event.insert().values(
            event_key=key, place_key=place, lane=event.lane, state=SlackEventState.NEW,
            payload=json.dumps(event.payload), received_at=self._now(),
        )  # fmt: skip
        db.execute(row)
        return True

    def _update_event(self, event_id: int, **values: Any) -> None:
        with writing(self._engine) as db:
            row = slack_event.update().where(slack_event.c.id == event_id)
            db.execute(row.values(**values))
