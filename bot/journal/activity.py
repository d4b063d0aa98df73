"""Counts what a desk did in a period: for the digest of the morning and for reports."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import stamp
from bot.journal.engine import reading
from bot.journal.records import CaseAction, MessageState
from bot.journal.statistics import MARKED_WRONG
from bot.journal.tables import audit, decision, escalation, message, outbox, outcome

# Prefix of the audit event that records what models used since the previous such event; the numbers
# of calls and tokens follow it, separated by a colon.
MODEL_USED = "model_used:"
MAX_THIN_TOPICS = 5
SENDING = [action.value for action in CaseAction if action.sends]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """One day, such as `2026-11-24` in UTC, with its numbers of mails."""

    day: str
    messages: int
    answered: int
    handed_over: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinTopic:
    """A topic with escalated questions: the id of its passage, and the counts of its outcomes."""

    passage: str
    handed_over: int
    answered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened from `since` to `until`, and what is open now.

    `minutes` are the times from a mail to a person's answer to it, shortest first. `oldest` is the
    number of the oldest open case, 0 for none.
    """

    since: str
    until: str
    messages: int
    answered: int
    handed_over: int
    decided: int
    minutes: tuple[float, ...]
    open: int
    oldest: int
    oldest_at: str
    wrong: int
    model_calls: int
    model_tokens: int
    topics: tuple[ThinTopic, ...]
    days: tuple[DayCount, ...]

    @property
    def median_minutes(self) -> float | None:
        """Return the median time to a person's answer; None where no person answered."""
        return median(self.minutes) if self.minutes else None

    @property
    def is_quiet(self) -> bool:
        """Return whether there is nothing to report: nothing came, was decided or is open."""
        return not (self.messages or self.handed_over or self.decided or self.open or self.wrong)


def read_activity(engine: Engine, since: datetime, until: datetime) -> Activity:
    """Return what happened from `since` on and before `until`, and what was open by then."""
    begin, end = stamp(since), stamp(until)
    with reading(engine) as db:
        days = _count_days(db, begin, end)
        opened = sql.and_(escalation.c.state == "open", escalation.c.opened_at < end)
        waiting = db.execute(
            sql.select(escalation.c.id, escalation.c.opened_at)
            .where(opened)
            .order_by(escalation.c.opened_at, escalation.c.id)
        ).all()
        calls, tokens = _model_use(db, begin, end)
        return Activity(
            since=begin, until=end, days=days,
            messages=sum(day.messages for day in days),
            answered=sum(day.answered for day in days),
            handed_over=sum(day.handed_over for day in days),
            decided=_count(db, decision.c.decided_at, begin, end),
            minutes=_minutes_to_answer(db, begin, end),
            open=len(waiting), oldest=waiting[0].id if waiting else 0,
            oldest_at=waiting[0].opened_at if waiting else "",
            wrong=_count(db, audit.c.at, begin, end, _begins(MARKED_WRONG)),
            model_calls=calls, model_tokens=tokens, topics=_thin_topics(db, begin, end),
        )  # fmt: skip


def _count_days(db: sql.Connection, begin: str, end: str) -> tuple[DayCount, ...]:
    """Return the counts of each day with a mail or a case; a mail counts on the day it came."""
    day = sql.func.substr(message.c.received_at, 1, 10).label("day")
    came = (
        message.c.received_at >= begin, message.c.received_at < end,
        message.c.state != MessageState.DROPPED,
    )  # fmt: skip
    says = sql.select(outcome.c.id).where(
        outcome.c.message_id == message.c.id, outcome.c.kind == "answer"
    )
    sent = sql.select(outbox.c.id).where(
        outbox.c.message_id == message.c.id, outbox.c.automatic.is_(True)
    )
    case = sql.select(escalation.c.id).where(escalation.c.message_id == message.c.id)

    def counted(*where: Any) -> Counter[str]:
        query = sql.select(day, sql.func.count().label("number")).where(*came, *where)
        return Counter({row.day: row.number for row in db.execute(query.group_by(day))})

    messages, answered = counted(), counted(says.exists(), sent.exists())
    handed = counted(case.exists())
    return tuple(
        DayCount(day=d, messages=messages[d], answered=answered[d], handed_over=handed[d])
        for d in sorted(messages)
    )


def _count(db: sql.Connection, at: "sql.Column[str]", begin: str, end: str, *where: Any) -> int:
    query = sql.select(sql.func.count()).select_from(at.table)
    return db.execute(query.where(at >= begin, at < end, *where)).scalar_one()


def _begins(event: str) -> "sql.ColumnElement[bool]":
    return audit.c.event.startswith(event, autoescape=True)


def _minutes_to_answer(db: sql.Connection, begin: str, end: str) -> tuple[float, ...]:
    query = (
        sql.select(message.c.received_at, decision.c.decided_at)
        .select_from(decision.join(escalation).join(message))
        .where(
            decision.c.decided_at >= begin, decision.c.decided_at < end,
            decision.c.action.in_(SENDING),
        )
    )  # fmt: skip
    return tuple(sorted(_minutes(row) for row in db.execute(query)))


def _minutes(row: Any) -> float:
    waited = datetime.fromisoformat(row.decided_at) - datetime.fromisoformat(row.received_at)
    return waited.total_seconds() / 60


def _model_use(db: sql.Connection, begin: str, end: str) -> tuple[int, int]:
    """Return the calls and tokens of models in the period, as the running desk recorded them."""
    query = sql.select(audit.c.event).where(
        audit.c.at >= begin, audit.c.at < end, _begins(MODEL_USED)
    )
    used = [event.removeprefix(MODEL_USED).split(":") for event in db.execute(query).scalars()]
    return sum(int(calls) for calls, _ in used), sum(int(tokens) for _, tokens in used)


def _thin_topics(db: sql.Connection, begin: str, end: str) -> tuple[ThinTopic, ...]:
    """Return the topics with the most escalated questions, at most `MAX_THIN_TOPICS`."""
    query = (
        sql.select(outcome.c.kind, outcome.c.passages)
        .join(message, message.c.id == outcome.c.message_id)
        .where(message.c.received_at >= begin, message.c.received_at < end)
    )
    counts: Counter[tuple[str, str]] = Counter()
    for row in db.execute(query):
        if passages := json.loads(row.passages):
            counts[passages[0][0], row.kind] += 1
    topics = [
        ThinTopic(passage=p, handed_over=n, answered=counts[p, "answer"])
        for (p, kind), n in counts.items()
        if kind == "escalation"
    ]
    return tuple(_most_handed_over(topics))


def _most_handed_over(topics: Sequence[ThinTopic]) -> Sequence[ThinTopic]:
    return sorted(topics, key=lambda t: (-t.handed_over, t.answered, t.passage))[:MAX_THIN_TOPICS]
