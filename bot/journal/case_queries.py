"""Reads a case with all that belongs to it, and notices which cases have changed."""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql

from bot.journal.records import (
    Case,
    CaseAction,
    CaseDecision,
    CaseQuestion,
    Delivery,
    MessageState,
    OutboxState,
    Stage,
)
from bot.journal.tables import decision, escalation, message, outbox, outcome

_later = message.alias("any_message")
HEARD = _later.c.state != MessageState.DROPPED  # an out-of-office note tells nobody anything
_joined, _others = escalation.alias("joined"), message.alias("others_message")


def _counted(what: Any, *where: Any) -> Any:
    return sql.select(what).where(*where).scalar_subquery()


def _of_others(what: Any) -> Any:
    """Messages of other senders in the thread that joined the case."""
    theirs = (
        sql.select(what).select_from(_others).join(_joined, _joined.c.message_id == _others.c.id)
    )
    return theirs.where(
        _joined.c.case_id == escalation.c.id,
        _others.c.conversation_id != message.c.conversation_id,
    ).scalar_subquery()  # fmt: skip


MESSAGES = _counted(
    sql.func.count(_later.c.id), _later.c.conversation_id == message.c.conversation_id, HEARD
) + _of_others(sql.func.count(_others.c.id))
SINCE = (
    _later.c.conversation_id == message.c.conversation_id, _later.c.seq > message.c.seq,
    _later.c.state.in_((MessageState.DECIDED, MessageState.FAILED)),
)  # fmt: skip
LATER = _counted(sql.func.count(_later.c.id), *SINCE) + _of_others(sql.func.count(_others.c.id))
LAST = _counted(sql.func.max(_later.c.received_at), *SINCE)
OTHERS_LAST = _of_others(sql.func.max(_others.c.received_at))
_sibling, _told = escalation.alias("sibling"), message.alias("told")
PARENT = (
    sql.select(sql.func.min(_sibling.c.id))
    .join(_told, _told.c.id == _sibling.c.message_id)
    .where(_told.c.conversation_id == message.c.conversation_id)
    .scalar_subquery()
)
CASE = (
    sql.select(
        escalation, message.c.sender, message.c.text, message.c.headers, message.c.rule,
        message.c.redactions, message.c.conversation_id, MESSAGES.label("messages"),
        PARENT.label("parent"), LATER.label("later"), LAST.label("last"),
        OTHERS_LAST.label("others_last"),
        decision.c.action, decision.c.actor, decision.c.decided_at,
    )
    .join(message, message.c.id == escalation.c.message_id)
    .outerjoin(decision, decision.c.escalation_id == escalation.c.id)
)  # fmt: skip


def read_case(db: sql.Connection, case_id: int) -> Case | None:
    """The case as it is now; None when there is none."""
    row = db.execute(CASE.where(escalation.c.id == case_id)).first()
    if row is None:
        return None
    asked = sql.select(outcome).where(outcome.c.message_id == row.message_id)
    mails = _mails(db, [row.message_id])
    return Case(
        id=row.id, message_id=row.message_id, stage=stage_of(row), owner=row.owner,
        version=version_of(row), priority=row.priority, reason=row.reason,
        opened_at=row.opened_at, sender=row.sender, text=text_for_staff(row), draft=row.draft,
        due_at=row.due_at, reminders=row.reminders, touched_at=row.touched_at, rule=row.rule,
        masked=tuple(dict.fromkeys(span["kind"] for span in json.loads(row.redactions))),
        questions=tuple(_asked(o) for o in db.execute(asked.order_by(outcome.c.place))),
        parent=row.parent if row.parent != row.id else None,
        decision=_case_decision(row),
        delivery=_delivery(mails.get(row.message_id)), later=row.later,
        later_at=max(row.last or "", row.others_last or ""),
    )  # fmt: skip


def text_for_staff(row: Any) -> str:
    """What the person wrote, for staff: under its subject where that says more than the text.

    Below it stand the mail of others that they show us and the files that came along.
    """
    headers: dict[str, str] = json.loads(row.headers)
    shown, attached = headers.get("shown", ""), headers.get("attachments", "")
    pieces = (
        headers.get("subject", ""),
        str(row.text),
        f"They show us:\n{shown}" if shown else "",
        f"Attached:\n{attached}" if attached else "",
    )
    return "\n\n".join(piece for piece in pieces if piece)


def stamps(db: sql.Connection, *, since: str) -> dict[int, str]:
    """What a drawing of each case depends on; open ones, and those decided after `since`."""
    recent = sql.or_(escalation.c.state == "open", decision.c.decided_at >= since)
    rows = db.execute(CASE.where(recent).order_by(escalation.c.id)).all()
    mails = _mails(db, [row.message_id for row in rows])
    return {row.id: _stamp(row, mails.get(row.message_id)) for row in rows}


def stage_of(row: Any) -> Stage:
    """A decision without a mail closes; one with a mail decides."""
    if row.state == "open":
        return Stage(row.stage)
    sends = bool(row.action) and CaseAction(row.action).sends  # a mail that joined has no action
    return Stage.DECIDED if sends else Stage.CLOSED


def version_of(row: Any) -> str:
    """Changes with every step and with every message of the conversation."""
    return f"{row.version}.{row.messages}"


def mail_key(case_id: int, turn: int) -> str:
    """Under which the mail of a decision is stored, once for each time the case was open."""
    return f"human:{case_id}" + (f":{turn}" if turn else "")


def _case_decision(row: Any) -> CaseDecision | None:
    """What a person decided; None while nobody has."""
    if not row.action:
        return None
    return CaseDecision(action=CaseAction(row.action), actor=row.actor, at=row.decided_at)


def _stamp(row: Any, mail: Any | None) -> str:
    sent = (mail.state, mail.changed_at) if mail else ()
    made = (row.action, row.actor, row.decided_at)
    told = (row.state, row.stage, row.priority, row.later, row.reminders)
    return json.dumps([version_of(row), *told, *made, *sent])


def _mails(db: sql.Connection, message_ids: Sequence[int]) -> dict[int, Any]:
    """The newest mail that a person sent in answer to each message."""
    query = sql.select(outbox).where(outbox.c.message_id.in_(message_ids))
    query = query.where(outbox.c.automatic.is_(False)).order_by(outbox.c.id)
    return {row.message_id: row for row in db.execute(query)}


def _delivery(mail: Any | None) -> Delivery | None:
    if mail is None:
        return None
    return Delivery(
        state=OutboxState(mail.state), at=mail.changed_at, fault=mail.fault, body=bytes(mail.body)
    )  # fmt: skip


def _asked(row: Any) -> CaseQuestion:
    passages = tuple(each[0] for each in json.loads(row.passages))
    return CaseQuestion(
        text=row.question, kind=row.kind, reason=row.reason, probability=row.probability,
        passages=passages,
    )  # fmt: skip
