"""Reads the questions that went to people because the desk had no sure answer."""

import json
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import EscalationReason
from bot.journal.engine import reading
from bot.journal.tables import escalation, message, outcome

# Why a question went to a person for want of an answer; other reasons hand over whatever is known.
WITHOUT_ANSWER = (
    EscalationReason.UNSURE, EscalationReason.NOT_IN_POST, EscalationReason.ASKED_AGAIN,
    EscalationReason.DID_NOT_HELP,
)  # fmt: skip
MOST = 5000  # the newest questions that are read: as many as the desk gets in a busy month


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalatedQuestion:
    """A question as it was asked, masked, with the passage that was nearest; empty for none."""

    question: str
    asked_at: str
    passage: str
    case_id: int  # 0 where no case was opened for it
    open: bool


def list_escalated(engine: Engine, since: str, limit: int = MOST) -> list[EscalatedQuestion]:
    """Return the questions that went to people since a stamp, oldest first, the newest `limit`.

    Questions that were erased are left out.
    """
    case = outcome.join(message, message.c.id == outcome.c.message_id)
    case = case.outerjoin(escalation, escalation.c.message_id == message.c.id)
    query = (
        sql.select(
            outcome.c.question, outcome.c.passages, message.c.received_at,
            sql.func.coalesce(escalation.c.case_id, escalation.c.id).label("case_id"),
            escalation.c.state,
        )
        .select_from(case)
        .where(
            outcome.c.kind == "escalation", outcome.c.question != "",
            outcome.c.reason.in_(WITHOUT_ANSWER), message.c.received_at >= since,
        )
        .order_by(outcome.c.id.desc())
        .limit(limit)
    )  # fmt: skip
    with reading(engine) as db:
        rows = db.execute(query).all()
    return [
        EscalatedQuestion(
            question=row.question, asked_at=row.received_at, case_id=row.case_id or 0,
            passage=_nearest(row.passages), open=row.state == "open",
        )
        for row in reversed(rows)
    ]  # fmt: skip


def _nearest(passages: str) -> str:
    ranked = json.loads(passages)
    return str(ranked[0][0]) if ranked else ""
