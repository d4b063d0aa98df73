"""Reads a case with everything that belongs to it, and tells which cases have changed."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sql

from bot.domain import SenderProof
from bot.journal.card_folding import FOLDED_COUNT, is_folded
from bot.journal.clock import stamp
from bot.journal.records import (
    Case,
    CaseAction,
    CaseDecision,
    CaseQuestion,
    DeliveryStatus,
    MessageState,
    OutboxState,
    Stage,
)
from bot.journal.tables import correction, decision, escalation, message, outbox, outcome

_later = message.alias("any_message")
NOT_DROPPED = _later.c.state != MessageState.DROPPED  # an out-of-office note changes no case
_joined, _others = escalation.alias("joined"), message.alias("others_message")


def _counted(what: Any, *where: Any) -> Any:
    return sql.select(what).where(*where).scalar_subquery()


def _of_others(what: Any) -> Any:
    """Return a subquery over the messages of other senders in the thread that joined the case."""
    theirs = (
        sql.select(what).select_from(_others).join(_joined, _joined.c.message_id == _others.c.id)
    )
    return theirs.where(
        _joined.c.case_id == escalation.c.id,
        _others.c.conversation_id != message.c.conversation_id,
    ).scalar_subquery()  # fmt: skip


MESSAGES = _counted(
    sql.func.count(_later.c.id), _later.c.conversation_id == message.c.conversation_id, NOT_DROPPED
) + _of_others(sql.func.count(_others.c.id))
SINCE = (
    _later.c.conversation_id == message.c.conversation_id, _later.c.seq > message.c.seq,
    _later.c.state.in_((MessageState.DECIDED, MessageState.FAILED)),
)  # fmt: skip
LATER = _counted(sql.func.count(_later.c.id), *SINCE) + _of_others(sql.func.count(_others.c.id))
LAST = _counted(sql.func.max(_later.c.received_at), *SINCE)
OTHERS_LAST = _of_others(sql.func.max(_others.c.received_at))
_sibling, _sibling_message = escalation.alias("sibling"), message.alias("sibling_message")
PARENT = (
    sql.select(sql.func.min(_sibling.c.id))
    .join(_sibling_message, _sibling_message.c.id == _sibling.c.message_id)
    .where(_sibling_message.c.conversation_id == message.c.conversation_id)
    .scalar_subquery()
)
_alike = escalation.alias("asks_the_same")
ASKING_THE_SAME = (
    _alike.c.cluster_id == escalation.c.cluster_id, _alike.c.state == "open",
    _alike.c.id != escalation.c.id,
)  # fmt: skip
ALIKE = _counted(sql.func.count(_alike.c.id), *ASKING_THE_SAME)
LATELY_SECONDS = 3600.0
CASE = (
    sql.select(
        escalation, message.c.sender, message.c.text, message.c.headers, message.c.rule,
        message.c.redactions, message.c.proof, message.c.conversation_id, message.c.erased_at,
        MESSAGES.label("messages"), PARENT.label("parent"), LATER.label("later"),
        LAST.label("last"),
        OTHERS_LAST.label("others_last"), FOLDED_COUNT.label("folded"), ALIKE.label("alike"),
        decision.c.action, decision.c.actor, decision.c.decided_at,
    )
    .join(message, message.c.id == escalation.c.message_id)
    .outerjoin(decision, decision.c.escalation_id == escalation.c.id)
)  # fmt: skip

STAMPED = CASE.with_only_columns(
    *(escalation.c[name] for name in (
        "id", "message_id", "state", "stage", "priority", "reminders", "version",
    )),
    MESSAGES.label("messages"), LATER.label("later"), FOLDED_COUNT.label("folded"),
    ALIKE.label("alike"),
    decision.c.action, decision.c.actor, decision.c.decided_at,
)  # fmt: skip


def read_case(db: sql.Connection, case_id: int, *, with_earlier: bool = True) -> Case | None:
    """Return the case as it is now, or None when there is no case of this number.

    With `with_earlier`, other cases of the sender are counted too, which takes longer the more
    there are.
    """
    row = db.execute(CASE.where(escalation.c.id == case_id)).first()
    if row is None:
        return None
    outcomes = sql.select(outcome).where(outcome.c.message_id == row.message_id)
    mails = _mails(db, [row.message_id])
    replies = _mails(db, [row.message_id], automatic=True)
    earlier, earlier_action = _earlier(db, row) if with_earlier else (0, "")
    return Case(
        id=row.id, message_id=row.message_id, stage=stage_of(row), owner=row.owner,
        version=version_of(row), priority=row.priority, reason=row.reason,
        opened_at=row.opened_at, sender=row.sender, text=text_for_staff(row), draft=row.draft,
        due_at=row.due_at, reminders=row.reminders, touched_at=row.touched_at, rule=row.rule,
        proof=SenderProof(row.proof),
        masked=tuple(dict.fromkeys(span["kind"] for span in json.loads(row.redactions))),
        questions=tuple(read_question(o) for o in db.execute(outcomes.order_by(outcome.c.place))),
        parent=row.parent if row.parent != row.id else None,
        decision=_case_decision(row),
        delivery=_delivery(mails.get(row.message_id)), later=row.later,
        later_at=max(row.last or "", row.others_last or ""), round=row.round,
        topic=row.topic, language=row.language, replied=_delivery(replies.get(row.message_id)),
        earlier=earlier, earlier_action=earlier_action,
        joined=row.case_id if row.state == "joined" else None,
        attachments=tuple(json.loads(row.headers).get("attachments", "").splitlines()),
        erased_at=row.erased_at, folded=row.folded, rank=row.rank, cluster=row.cluster_id,
        outdated=_noted(db, row.conversation_id),
        alike=row.alike, alike_lately=_alike_lately(db, row),
    )  # fmt: skip


def text_for_staff(row: Any) -> str:
    """Return the masked text of a message as staff read it.

    The subject stands above the text; below it stand a signature that holds a demand, the mail of
    others that the sender forwarded and the names of the attached files, where there are any.
    """
    headers: dict[str, str] = json.loads(row.headers)
    shown_mail, attached = headers.get("shown", ""), headers.get("attachments", "")
    signature = headers.get("signature", "")
    pieces = (
        headers.get("subject", ""),
        str(row.text),
        f"As their signature:\n{signature}" if signature else "",
        f"They show us:\n{shown_mail}" if shown_mail else "",
        f"Attached:\n{attached}" if attached else "",
    )
    return "\n\n".join(piece for piece in pieces if piece)


def read_card_stamps(db: sql.Connection, *, since: str) -> dict[int, str]:
    """Return a stamp for each case: a text that changes whenever its card would look different.

    It covers, by case id and the most urgent first, open cases and those decided, merged or erased
    at `since` or later, without folded ones. No text of a message is read.
    """
    case, erased = escalation.alias("case_of"), escalation.alias("erased_case")
    # Each of these is read by an index; one condition for all of them would read every case.
    recent = sql.union(
        sql.select(case.c.id).where(case.c.state == "open"),
        sql.select(decision.c.escalation_id).where(decision.c.decided_at >= since),
        sql.select(case.c.id).where(case.c.state == "joined", case.c.touched_at >= since),
        sql.select(erased.c.id)
        .join(message, message.c.id == erased.c.message_id)
        .where(message.c.erased_at != "", message.c.erased_at >= since),
    )
    query = STAMPED.where(escalation.c.id.in_(recent), sql.not_(is_folded()))
    rows = db.execute(query.order_by(escalation.c.rank, escalation.c.id)).all()
    mails = _mails(db, [row.message_id for row in rows])
    return {row.id: _stamp(row, mails.get(row.message_id)) for row in rows}


def stage_of(row: Any) -> Stage:
    """Return the stage: a decision without a mail closes a case, one with a mail decides it."""
    if row.state == "open":
        return Stage(row.stage)
    sends = bool(row.action) and CaseAction(row.action).sends  # a mail that joined has no action
    return Stage.DECIDED if sends else Stage.CLOSED


def version_of(row: Any) -> str:
    """Return the version of a case: it changes with every step and every message of it."""
    return f"{row.version}.{row.messages}"


def mail_key(case_id: int, turn: int) -> str:
    """Return the unique key of the mail of a decision; `turn` is how often it was reopened."""
    return f"human:{case_id}" + (f":{turn}" if turn else "")


def details_key(case_id: int, steps: int) -> str:
    """Return the unique key of a mail that asks for details; `steps` is the version before it."""
    return f"details:{case_id}:{steps}"


def _case_decision(row: Any) -> CaseDecision | None:
    """Return what a person decided, or None while nobody has."""
    if not row.action:
        return None
    return CaseDecision(action=CaseAction(row.action), actor=row.actor, at=row.decided_at)


def _stamp(row: Any, mail: Any | None) -> str:
    sent = (mail.state, mail.changed_at) if mail else ()
    decided = (row.action, row.actor, row.decided_at)
    shown = (row.state, row.stage, row.priority, row.later, row.reminders, row.folded, row.alike)
    return json.dumps([version_of(row), *shown, *decided, *sent])


def _earlier(db: sql.Connection, row: Any) -> tuple[int, str]:
    """Return how many other cases the sender of a case has, and how the last decided one ended.

    Cases of proven and of unproven mails are counted apart, as anybody may have written the latter.
    """
    if not row.sender:
        return 0, ""
    believed = SenderProof(row.proof).believed
    alike = [each.value for each in SenderProof if each.believed is believed]
    theirs = (
        sql.select(decision.c.action)
        .select_from(escalation.join(message, message.c.id == escalation.c.message_id))
        .outerjoin(decision, decision.c.escalation_id == escalation.c.id)
        .where(
            message.c.sender == row.sender,
            escalation.c.id < row.id,
            escalation.c.state != "joined",
            message.c.proof.in_(alike),
        )
        .order_by(escalation.c.id)
    )
    actions = list(db.execute(theirs).scalars())
    return len(actions), next((str(a) for a in reversed(actions) if a), "")


def _noted(db: sql.Connection, conversation_id: int) -> tuple[str, ...]:
    """Return the changed passages about which a person has yet to write to this conversation."""
    query = sql.select(correction.c.passage).where(
        correction.c.conversation_id == conversation_id,
        correction.c.outbox_id.is_(None),
        correction.c.quoted,
    )
    return tuple(db.execute(query.order_by(correction.c.id)).scalars())


def _alike_lately(db: sql.Connection, row: Any) -> int:
    """Return how many open cases that ask the same came in the hour before the newest of them."""
    if not row.alike:
        return 0
    same = _alike.c.cluster_id == row.cluster_id, _alike.c.state == "open", _alike.c.id != row.id
    newest = db.execute(sql.select(sql.func.max(_alike.c.opened_at)).where(*same)).scalar_one()
    since = stamp(datetime.fromisoformat(newest) - timedelta(seconds=LATELY_SECONDS))
    query = sql.select(sql.func.count(_alike.c.id)).where(*same, _alike.c.opened_at > since)
    return int(db.execute(query).scalar_one())


def _mails(
    db: sql.Connection, message_ids: Sequence[int], *, automatic: bool = False
) -> dict[int, Any]:
    """Return the newest `automatic` or human reply to each message, by message id."""
    query = sql.select(outbox).where(outbox.c.message_id.in_(message_ids))
    query = query.where(outbox.c.automatic.is_(automatic)).order_by(outbox.c.id)
    return {row.message_id: row for row in db.execute(query)}


def _delivery(mail: Any | None) -> DeliveryStatus | None:
    if mail is None:
        return None
    return DeliveryStatus(
        state=OutboxState(mail.state), at=mail.changed_at, fault=mail.fault, body=bytes(mail.body)
    )  # fmt: skip


def read_question(row: Any) -> CaseQuestion:
    """Return a question from its row in the table of outcomes."""
    passages = tuple(each[0] for each in json.loads(row.passages))
    return CaseQuestion(
        text=row.question, kind=row.kind, reason=row.reason, probability=row.probability,
        passages=passages,
    )  # fmt: skip
