"""Reads which questions people answered, and stores which of them the desk may learn from.

Such a question is a label: one person answers it, and a second agrees that the desk learns from it.
Only the decision of the second person is stored; question and answer stay in their own tables,
so that what is erased there is gone here.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.journal.audit import append_audit
from bot.journal.clock import Clock, stamp
from bot.journal.engine import reading, writing
from bot.journal.records import CaseAction
from bot.journal.tables import decision, escalation, label, message, outbox, outcome

MOST = 1000  # labels that are read at once: each holds the bytes of a mail
# Decisions on the case itself; a shared answer was written for another case and is no label.
SENDING = [a for a in CaseAction if a.sends and a is not CaseAction.SHARED]


class LabelState(StrEnum):
    """The decision of the second person; the journal stores the value."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalAnswer:
    """A question of a case and the mail by which a person answered it; the masked texts.

    `number` is the id of its outcome. `candidates` are the passages that the desk had ranked first,
    each with the version that it had. `asked` is how many questions the mail answers.
    """

    number: int
    message_id: int
    question: str
    language: str
    candidates: tuple[tuple[str, str], ...]
    case_id: int
    action: CaseAction
    answered_by: str
    answered_at: str
    body: bytes
    asked: int


class Labels:
    """The labels of one journal; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def list_undecided(self, limit: int = MOST) -> list[PersonalAnswer]:
        """Return the questions that people answered and nobody else has looked at, oldest first.

        Questions that were erased are left out, and those whose mail was. At most `limit`.
        """
        return self._read(label.c.id.is_(None), limit=limit)

    def list_of_case(self, case_id: int) -> list[PersonalAnswer]:
        """Return the questions of a case that a person answered; none for an undecided case."""
        return self._read(escalation.c.id == case_id, limit=MOST)

    def _read(self, which: "sql.ColumnElement[bool]", *, limit: int) -> list[PersonalAnswer]:
        open_of = outcome.alias("open_of")
        asked = (
            sql.select(sql.func.count())
            .where(open_of.c.message_id == outcome.c.message_id, open_of.c.kind == "escalation")
            .scalar_subquery()
        )
        of = outcome.join(message, message.c.id == outcome.c.message_id)
        of = of.join(escalation, escalation.c.message_id == message.c.id)
        of = of.join(decision, decision.c.escalation_id == escalation.c.id)
        # The newest mail of a person in answer to the message.
        body = (
            sql.select(outbox.c.body)
            .where(outbox.c.message_id == outcome.c.message_id, outbox.c.automatic.is_(False))
            .order_by(outbox.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = (
            sql.select(
                outcome.c.id, outcome.c.message_id, outcome.c.question, outcome.c.passages,
                escalation.c.language, escalation.c.id.label("case_id"), body.label("body"),
                decision.c.action, decision.c.actor, decision.c.decided_at, asked.label("asked"),
            )
            .select_from(of.outerjoin(label, label.c.outcome_id == outcome.c.id))
            .where(
                outcome.c.kind == "escalation", outcome.c.question != "",
                decision.c.action.in_(SENDING), which,
            )
            .order_by(outcome.c.id)
            .limit(limit)
        )  # fmt: skip
        with reading(self._engine) as db:
            rows = db.execute(query).all()
        return [
            PersonalAnswer(
                number=r.id, message_id=r.message_id, question=r.question, language=r.language,
                candidates=tuple((name, version) for name, version in json.loads(r.passages)),
                case_id=r.case_id, action=CaseAction(r.action), answered_by=r.actor,
                answered_at=r.decided_at, body=bytes(r.body), asked=r.asked,
            )
            for r in rows
            if r.body
        ]  # fmt: skip

    def decide(
        self, answered: PersonalAnswer, state: LabelState, passages: Sequence[str], *, actor: str
    ) -> bool:
        """Store a second person's decision on a label; return False if somebody was first."""
        now = stamp(self._clock())
        values = {
            "outcome_id": answered.number, "state": state, "passages": json.dumps(list(passages)),
            "answered_by": answered.answered_by, "decided_by": actor, "decided_at": now,
        }  # fmt: skip
        try:
            with writing(self._engine) as db:
                db.execute(label.insert().values(**values))
                append_audit(db, now, actor, f"label {state}", answered.message_id)
        except IntegrityError:
            return False
        return True

    def list_of_messages(self, message_ids: Collection[int]) -> frozenset[int]:
        """Return the numbers of the accepted labels whose questions stand in these messages."""
        query = sql.select(outcome.c.id).join(label, label.c.outcome_id == outcome.c.id)
        query = query.where(
            outcome.c.message_id.in_(message_ids), label.c.state == LabelState.ACCEPTED
        )
        with reading(self._engine) as db:
            return frozenset(db.scalars(query))

    def list_rejected(self, numbers: Collection[int]) -> frozenset[int]:
        """Return those of these labels that a second person has rejected."""
        query = sql.select(label.c.outcome_id).where(
            label.c.outcome_id.in_(numbers), label.c.state == LabelState.REJECTED
        )
        with reading(self._engine) as db:
            return frozenset(db.scalars(query))

    def list_asked(self, case_ids: Collection[int]) -> frozenset[int]:
        """Return those of these cases that still have a question, neither erased nor blanked."""
        query = sql.select(escalation.c.id).join(
            outcome, outcome.c.message_id == escalation.c.message_id
        )
        query = query.where(escalation.c.id.in_(case_ids), outcome.c.question != "")
        with reading(self._engine) as db:
            return frozenset(db.scalars(query))

    def list_erased(self, numbers: Collection[int]) -> frozenset[int]:
        """Return those of these labels whose question was erased or blanked."""
        query = sql.select(outcome.c.id).where(outcome.c.id.in_(numbers), outcome.c.question != "")
        with reading(self._engine) as db:
            return frozenset(numbers) - frozenset(db.scalars(query))
