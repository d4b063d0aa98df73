"""Reads received mails together with what was decided about each and what was sent in answer."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import SenderProof
from bot.journal.case_queries import read_question
from bot.journal.engine import reading
from bot.journal.records import CaseQuestion, DeliveryStatus, MessageState, OutboxState
from bot.journal.tables import decision, escalation, message, outbox, outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """A mail of ours and how far it is; `automatic` says that no person has written it."""

    automatic: bool
    delivery: DeliveryStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMail:
    """A received mail with its masked text, its outcomes, our mails in answer and its case."""

    id: int
    received_at: str
    sender: str
    headers: dict[str, str]  # subject; shown and attachments for staff
    text: str
    verdict: str
    rule: str
    proof: SenderProof
    state: MessageState
    masked: tuple[str, ...]  # kinds of secrets that were removed
    outcomes: tuple[CaseQuestion, ...]
    sent: tuple[SentMail, ...]
    case_id: int | None
    erased: bool  # everything about the sender was erased at their request
    waits: bool  # for a person: the case of this mail, or the one that it joined, is not decided


def list_mails(engine: Engine, *, limit: int, before: int | None = None) -> list[ListedMail]:
    """Return the newest mails, newest first; with `before` only those older than that id."""
    query = sql.select(message).order_by(message.c.id.desc()).limit(limit)
    return _read(engine, query.where(message.c.id < before) if before else query)


def read_listed_mail(engine: Engine, message_id: int) -> ListedMail | None:
    """Return the mail with this id, or None when there is none."""
    return next(iter(_read(engine, sql.select(message).where(message.c.id == message_id))), None)


def list_decided_cases(engine: Engine, *, limit: int) -> list[int]:
    """Return the ids of the cases that were decided last, newest first."""
    query = sql.select(decision.c.escalation_id).order_by(decision.c.decided_at.desc())
    with reading(engine) as db:
        return list(db.execute(query.limit(limit)).scalars())


def _read(engine: Engine, query: "sql.Select[Any]") -> list[ListedMail]:
    with reading(engine) as db:
        rows = db.execute(query).all()
        ids = [row.id for row in rows]
        outcomes = _by_message(
            db.execute(_of(outcome, ids).order_by(outcome.c.message_id, outcome.c.place))
        )
        sent = _by_message(db.execute(_of(outbox, ids).order_by(outbox.c.id)))
        cases = _by_message(db.execute(_of(escalation, ids)))
    return [
        _mail(row, outcomes.get(row.id, []), sent.get(row.id, []), cases.get(row.id, []))
        for row in rows
    ]


def _of(table: sql.Table, message_ids: Sequence[int]) -> "sql.Select[Any]":
    return sql.select(table).where(table.c.message_id.in_(message_ids))


def _by_message(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.message_id, []).append(row)
    return found


def _mail(row: Any, outcomes: list[Any], sent: list[Any], cases: list[Any]) -> ListedMail:
    return ListedMail(
        id=row.id, received_at=row.received_at, sender=row.sender, headers=json.loads(row.headers),
        text=row.text, verdict=row.verdict, rule=row.rule, proof=SenderProof(row.proof),
        erased=bool(row.erased_at), state=MessageState(row.state),
        masked=tuple(dict.fromkeys(span["kind"] for span in json.loads(row.redactions))),
        outcomes=tuple(map(read_question, outcomes)),
        sent=tuple(_sent(each) for each in sent if each.body),
        case_id=next((case.case_id or case.id for case in cases), None),
        waits=any(case.state == "open" or case.case_id for case in cases),
    )  # fmt: skip


def _sent(row: Any) -> SentMail:
    delivery = DeliveryStatus(
        state=OutboxState(row.state), at=row.changed_at, fault=row.fault, body=bytes(row.body)
    )
    return SentMail(automatic=row.automatic, delivery=delivery)
