"""The queries that each decision of a message makes, built once.

Building such a query takes more time than a database needs to answer it. Each is about the message
whose id is given as `message_id` when it runs.
"""

import sqlalchemy as sql

from bot.domain import EscalationReason
from bot.journal.tables import conversation, escalation, message, outbox, outcome
from bot.journal.threads import NOT_SENT, is_open, open_cases, thread_of

MESSAGE_ID = sql.bindparam("message_id", type_=sql.Integer)
CAPPED = "R14"  # prefix of the rule of a mail whose reply was held by a cap; its sender is believed
# Condition for the messages that belong to the history of their sender in the conversation.
IN_HISTORY = sql.or_(message.c.verdict == "answer", message.c.rule.startswith(CAPPED))
MAX_HISTORY = 20  # earlier texts, and earlier mails, of a conversation that a decision reads
# How many cases of different senders one thread may have open. It bounds what a robot that writes
# under ever new addresses can open; further mails join the oldest case.
MAX_OPEN_CASES_PER_THREAD = 6
_this = (
    sql.select(message.c.conversation_id, message.c.seq)
    .where(message.c.id == MESSAGE_ID)
    .subquery()
)
_conversation = (
    sql.select(message.c.conversation_id).where(message.c.id == MESSAGE_ID).scalar_subquery()
)
MESSAGE = (
    sql.select(message, conversation.c.channel, conversation.c.thread_key)
    .join(conversation)
    .where(message.c.id == MESSAGE_ID)
)
HISTORY = (
    sql.select(message.c.text)
    .join(_this, message.c.conversation_id == _this.c.conversation_id)
    .where(message.c.seq < _this.c.seq, IN_HISTORY)
    .order_by(message.c.seq.desc())
    .limit(MAX_HISTORY)
)
# Our mails in the conversation of a message, sent or still to be sent, the newest first, without
# those that answer this message.
SENT = sql.select(outbox.c.body).where(
    outbox.c.conversation_id == _conversation,
    outbox.c.message_id != MESSAGE_ID,
    outbox.c.state.not_in(NOT_SENT),
    outbox.c.body != b"",  # empty: erased, or blanked by retention
).order_by(outbox.c.id.desc()).limit(MAX_HISTORY)  # fmt: skip
# The open case of the conversation, and the one that staff merged its case into.
OPEN_CASE = (
    sql.select(escalation.c.id)
    .join(message)
    .where(message.c.conversation_id == _conversation, is_open(escalation))
    .order_by(escalation.c.id)
    .limit(1)
)
_target = escalation.alias("target")
MERGED_CASE = (
    sql.select(_target.c.id)
    .select_from(
        escalation.join(_target, _target.c.id == escalation.c.case_id).join(
            message, message.c.id == escalation.c.message_id
        )
    )
    .where(message.c.conversation_id == _conversation, is_open(_target))
    .limit(1)
)
OPEN_CASES_OF_THREAD = open_cases(thread_of(MESSAGE_ID)).limit(MAX_OPEN_CASES_PER_THREAD)
CLAIMED_IN_THREAD = open_cases(thread_of(MESSAGE_ID)).where(escalation.c.owner != "").limit(1)
CLAIMED_WITH_MERGED = (
    sql.select(_target.c.id)
    .select_from(escalation.join(_target, _target.c.id == escalation.c.case_id))
    .join(message, message.c.id == escalation.c.message_id)
    .join(conversation)
    .where(
        conversation.c.thread == thread_of(MESSAGE_ID), is_open(_target), _target.c.owner != "",
    )
    .limit(1)
)  # fmt: skip
ASKED_FOR_PERSON = (
    sql.select(outcome.c.id)
    .join(message)
    .join(_this, message.c.conversation_id == _this.c.conversation_id)
    .where(
        message.c.seq < _this.c.seq, outcome.c.reason == EscalationReason.WANTS_PERSON.value,
    )
    .limit(1)
)  # fmt: skip
_part = escalation.alias("part")  # of the case: its first message, or one that joined it
ANNOUNCED_PRIORITY = (
    sql.select(escalation.c.priority)
    .select_from(escalation)
    .join(message)
    .where(
        message.c.conversation_id == _conversation, is_open(escalation),
        sql.select(_part.c.id)
        .where(
            sql.or_(_part.c.id == escalation.c.id, _part.c.case_id == escalation.c.id),
            _part.c.message_id.in_(
                sql.select(outbox.c.message_id).where(
                    outbox.c.conversation_id == _conversation,
                    outbox.c.automatic, outbox.c.state.not_in(NOT_SENT),
                )
            ),
        )
        .exists(),
    )
    .order_by(escalation.c.id)
    .limit(1)
)  # fmt: skip
CASE_NUMBER = sql.select(sql.func.coalesce(escalation.c.case_id, escalation.c.id)).where(
    escalation.c.message_id == MESSAGE_ID
)
