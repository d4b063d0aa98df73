"""Finds out which mails belong to one thread and one conversation.

A thread is all mails that name each other, whoever wrote them: it has one cap, and its replies are
counted together. A conversation is what one sender wrote in a thread: its texts are the history of
that sender's next mail and of nobody else's.

A mail whose sender is not believed belongs to separate threads: a mail under a false name joins no
conversation and no case of the person whose name it uses, whatever Message-IDs it names.
"""

import hashlib
from collections.abc import Sequence

import sqlalchemy as sql

from bot.domain import SenderProof
from bot.journal.engine import storable
from bot.journal.records import OutboxState, ReceivedMessage
from bot.journal.tables import conversation, escalation, message, outbox

MAX_KEY_BYTES = 2_000  # the index of PostgreSQL takes no key longer than 2,704 bytes
# Prefixes of the threads of mails whose senders are not believed.
APART = tuple(f"{proof}:" for proof in SenderProof if not proof.believed)
# States of mails that did not arrive, or of which nobody knows whether they did.
NOT_SENT = (OutboxState.FAILED, OutboxState.BOUNCED, OutboxState.UNRESOLVED)


def conversation_key(sender: str, thread: str) -> str:
    """Return the unique key of the conversation of `sender` in `thread`."""
    key = f"mail:{sender.lower()}:{thread}"
    raw = key.encode("utf-8", "replace")
    return key if len(raw) <= MAX_KEY_BYTES else f"mail:{hashlib.sha256(raw).hexdigest()}"


def conversation_of(db: sql.Connection, received: ReceivedMessage) -> int:
    """Return the id of the conversation of a new message, and create it where there is none.

    The conversation is locked until the commit, so that its messages get their places in order.
    """
    apart = _prefix_of(received.proof)
    thread, key = apart + (received.thread or received.thread_key), received.thread_key
    known = _known(db, received.named, apart)
    if apart or (known and known != thread):
        thread = known or thread
        key = conversation_key(received.sender, thread)
    thread, key = storable(thread), storable(key)
    query = sql.select(conversation.c.id).where(conversation.c.thread_key == key)
    existing = db.execute(query.with_for_update()).scalar()
    if existing is not None:
        return int(existing)
    values = {"channel": received.channel, "thread_key": key, "thread": thread}
    key_of_row = db.execute(conversation.insert().values(values)).inserted_primary_key
    return int(key_of_row[0]) if key_of_row else 0


def thread_of(message_id: int | sql.BindParameter[int]) -> sql.ScalarSelect[str]:
    """Return a subquery for the thread of a message."""
    query = sql.select(conversation.c.thread).select_from(conversation).join(message)
    return query.where(message.c.id == message_id).scalar_subquery()


def open_cases(thread: sql.ScalarSelect[str]) -> sql.Select[int]:
    """Return a query for the ids of the open cases of a thread, the oldest first."""
    query = sql.select(escalation.c.id).select_from(escalation).join(message).join(conversation)
    query = query.where(conversation.c.thread == thread, is_open(escalation))
    return query.order_by(escalation.c.id)


def is_open(case: sql.FromClause) -> "sql.ColumnElement[bool]":
    """Return an SQL condition for open cases that does not use the index on the state.

    SQLite would prefer that index to a narrower one, and read every open case to find the one of a
    thread.
    """
    return sql.func.coalesce(case.c.state, "") == "open"


def _prefix_of(proof: SenderProof) -> str:
    """Return the prefix of the threads of mails with this proof; empty for believed senders."""
    return "" if proof.believed else f"{proof}:"


def _known(db: sql.Connection, named: Sequence[str], apart: str) -> str:
    """Return the thread of the last of these Message-IDs that is known; empty for none.

    Only threads with the prefix `apart` count; where it is empty, those of believed senders.

    The id of a mail of ours takes precedence. Where two stored mails have the same id, the older
    one counts, as the other may have copied the id.
    """
    wanted = dict.fromkeys(
        storable(form) for header_id in named for form in (header_id, header_id.lower())
    )
    if not wanted:
        return ""
    ours = sql.select(outbox.c.message_id_header, conversation.c.thread).join(
        conversation, conversation.c.id == outbox.c.conversation_id
    )
    theirs = sql.select(message.c.message_id_header, conversation.c.thread).join(conversation)
    begins = (
        conversation.c.thread.startswith(apart, autoescape=True)
        if apart
        else sql.not_(
            sql.or_(
                *(conversation.c.thread.startswith(prefix, autoescape=True) for prefix in APART)
            )
        )
    )
    for query, header, newest in (
        (ours, outbox.c.message_id_header, outbox.c.id),
        (theirs, message.c.message_id_header, message.c.id),
    ):
        rows = db.execute(query.where(header.in_(wanted), begins).order_by(newest.desc())).all()
        threads = {row[0]: str(row[1]) for row in rows}
        for header_id in reversed(list(wanted)):
            if header_id in threads:
                return threads[header_id]
    return ""
