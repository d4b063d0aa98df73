"""Counts what happened today, for App Home, and which passages did not help."""

import json
from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import EscalationReason
from bot.journal.clock import Clock, stamp
from bot.journal.engine import reading
from bot.journal.records import OutboxState
from bot.journal.tables import audit, decision, escalation, message, outbox, outcome

# Prefix of the audit event that records that staff called an answer wrong; the id of the passage
# follows.
MARKED_WRONG = "marked_wrong:"


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyStatistics:
    """Counts since midnight UTC, and two times of any day."""

    messages: int
    answered: int
    decided: int
    open: int
    last_in: str = ""  # when a mail came last, on whatever day
    last_out: str = ""  # when the mail server last accepted one
    waiting: int = 0  # mails that the mail server has not accepted yet after at least one attempt
    failed: int = 0  # mails that it refused for good, or that came back


def read_statistics(engine: Engine, clock: Clock) -> DailyStatistics:
    """Return the counts of today and the times of the last mail in and out."""
    since = stamp(clock().replace(hour=0, minute=0, second=0, microsecond=0))
    came = message.c.received_at >= since
    count = sql.select(sql.func.count())
    # A subquery on today's messages, as a database may start a join with every mail ever sent.
    answered = count.select_from(outbox).where(
        outbox.c.message_id.in_(sql.select(message.c.id).where(came)), outbox.c.automatic
    )
    sent, lost = outbox.c.state == OutboxState.SENT, [OutboxState.FAILED, OutboxState.BOUNCED]
    late = sql.and_(outbox.c.state == OutboxState.READY, outbox.c.attempts > 0)
    gone = sql.and_(outbox.c.state.in_(lost), outbox.c.changed_at >= since)
    asked = {
        "messages": count.select_from(message).where(came),
        "answered": answered,
        "decided": count.select_from(decision).where(decision.c.decided_at >= since),
        "open": count.select_from(escalation).where(escalation.c.state == "open"),
        "last_in": sql.select(sql.func.coalesce(sql.func.max(message.c.received_at), "")),
        "last_out": sql.select(sql.func.coalesce(sql.func.max(outbox.c.changed_at), "")).where(
            sent
        ),
        "waiting": count.select_from(outbox).where(late),
        "failed": count.select_from(outbox).where(gone),
    }
    with reading(engine) as db:
        return DailyStatistics(
            **{name: db.execute(query).scalar_one() for name, query in asked.items()}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageFeedback:
    """How often a quoted passage was not what somebody needed."""

    passage: str
    did_not_help: int  # users who said so of an answer that quoted it
    asked_again: int  # questions that came back after it was quoted as their answer
    marked_wrong: int  # answers with it that staff called wrong

    @property
    def total(self) -> int:
        """Return all of them together."""
        return self.did_not_help + self.asked_again + self.marked_wrong


def read_feedback(engine: Engine, *, since: str) -> list[PassageFeedback]:
    """Return the feedback on each passage from the stamp `since` on, the most frequent first."""
    came = sql.select(outcome.c.reason, outcome.c.passages).join(message)
    came = came.where(
        message.c.received_at >= since,
        outcome.c.reason.in_((EscalationReason.DID_NOT_HELP, EscalationReason.ASKED_AGAIN)),
    )
    marked = sql.select(audit.c.event).where(
        audit.c.at >= since, audit.c.event.startswith(MARKED_WRONG, autoescape=True)
    )
    counts: Counter[tuple[str, str]] = Counter()
    with reading(engine) as db:
        for row in db.execute(came):
            passages = [passage for passage, _version in json.loads(row.passages)]
            # A complaint concerns all passages of an answer, a repeated question only its best one.
            named = passages[:1] if row.reason == EscalationReason.ASKED_AGAIN else passages
            counts.update((passage, str(row.reason)) for passage in named)
        for event in db.execute(marked).scalars():
            counts[event.removeprefix(MARKED_WRONG), MARKED_WRONG] += 1
    feedback = [
        PassageFeedback(
            passage=passage,
            did_not_help=counts[passage, EscalationReason.DID_NOT_HELP],
            asked_again=counts[passage, EscalationReason.ASKED_AGAIN],
            marked_wrong=counts[passage, MARKED_WRONG],
        )
        for passage in sorted({passage for passage, _ in counts})
    ]
    return sorted(feedback, key=lambda passage: -passage.total)
