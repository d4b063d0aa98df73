"""Erases what the journal holds of one person.

What the person wrote and received is blanked while the rows stay, so that counts and the ledger
remain valid. In the rows of others, only the name of the person is removed.
"""

import json
from collections.abc import Iterable, Mapping
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.corpus.limits import Scope
from bot.journal.audit import append_audit
from bot.journal.card_folding import pass_lead_on
from bot.journal.case_clusters import withdraw_shared_answer
from bot.journal.case_opening import JOINED
from bot.journal.clock import Clock, stamp, stamp_after
from bot.journal.engine import reading, writing
from bot.journal.person_search import Person, PersonRecords, with_later_rows
from bot.journal.rate_limits import CountHasher
from bot.journal.records import CaseAction, MessageState, OutboxState
from bot.journal.slack_outbox import ERASED, ERASED_CONTENT, is_begun
from bot.journal.slack_records import SlackPostState
from bot.journal.tables import (
    TABLES,
    conversation,
    correction,
    decision,
    erasure,
    escalation,
    message,
    outbox,
    outcome,
    sender_count,
    slack_card,
    slack_event,
    slack_outbox,
)
from bot.outbound import text_of
from bot.text.mentions import Mentions

ACTOR = "privacy"  # who erased it, in the audit and in the decision on an open case
# Mails whose row must stay: they went out, may have gone out, or are being delivered.
STAY = (OutboxState.SENT, OutboxState.UNKNOWN, OutboxState.SENDING)
MOVING = (OutboxState.READY, OutboxState.SENDING)  # their bytes must not change on the way
PERSONAL_COUNTS = (Scope.SENDER, Scope.TEXT, Scope.THREAD)
IN_FLIGHT = slack_outbox.c.state == SlackPostState.SENDING
PLACE = ("ts", "thread_of", "thread_ts")  # what says where a post to Slack belongs
TYPED_LANE = "text"  # of texts that somebody typed into a window in Slack
WINDOW_SECONDS = 3600  # after which a window in Slack is taken to be closed


def erase_person(
    engine: Engine, clock: Clock, person: Person, records: PersonRecords, *,
    hasher: CountHasher, stub: Mapping[str, Any],
) -> str:  # fmt: skip
    """Erase these rows in one commit and return its time; `stub` replaces the posts in Slack.

    What others store about the same messages meanwhile is erased too, or is not stored.
    """
    with writing(engine) as db:
        now = stamp(clock())
        # This comes first: it finds its rows by texts that are blanked below.
        _erase_counts(db, records, hasher)
        _erase_messages(db, records, now)
        # From here on nobody decides these messages any more, and whoever did has stored it.
        records = with_later_rows(db, records)
        _erase_cases(db, records, now)
        # And now nobody decides these cases.
        records = with_later_rows(db, records)
        _erase_typed_texts(db, records, before=stamp_after(clock, -WINDOW_SECONDS))
        _erase_mails(db, records)
        _erase_posts(db, records, now, stub)
        for (table, column), keys in records.named.items():
            _take_out(db, TABLES.tables[table].c[column], keys, person)
        db.execute(
            erasure.insert(),
            [
                {"at": now, "person": person.trace(address), "found": json.dumps(records.count())}
                for address in sorted(person.addresses)
            ],
        )
    return now


def erased_at(engine: Engine, person: str) -> tuple[str, ...]:
    """Return when the person with this keyed hash was erased, each time that it was done."""
    query = sql.select(erasure.c.at).where(erasure.c.person == person).order_by(erasure.c.id)
    with reading(engine) as db:
        return tuple(db.scalars(query))


def erase_free_pages(engine: Engine) -> None:
    """Rewrite the database, so that nothing erased is left in pages that are free or in the log.

    PostgreSQL locks each table meanwhile. MissingError when somebody else holds a lock for long.
    """
    outside = engine.execution_options(isolation_level="AUTOCOMMIT")
    with reading(outside) as db:
        if engine.dialect.name == "sqlite":
            db.exec_driver_sql("VACUUM")
            db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        for table in TABLES.sorted_tables:
            db.exec_driver_sql(f'VACUUM (FULL) "{table.name}"')


def _erase_counts(db: sql.Connection, records: PersonRecords, hasher: CountHasher) -> None:
    query = sql.select(message.c.sender, message.c.text, conversation.c.thread).join(conversation)
    for row in db.execute(query.where(message.c.id.in_(records.messages))).all():
        keys = hasher.count_keys(sender=row.sender, thread=row.thread, text=row.text)
        for scope in PERSONAL_COUNTS:
            mine = sender_count.c.scope == scope, sender_count.c.who == keys[scope]
            db.execute(sender_count.delete().where(*mine))


def _erase_typed_texts(db: sql.Connection, records: PersonRecords, *, before: str) -> None:
    """Delete what staff typed for this person, and what was typed into windows now closed."""
    bodies = db.scalars(sql.select(outbox.c.body).where(outbox.c.id.in_(records.mails)))
    sent = " ".join(_words(text_of(bytes(body))) for body in bodies if body)
    typed = sql.select(slack_event.c.id, slack_event.c.payload, slack_event.c.received_at)
    rows = db.execute(typed.where(slack_event.c.lane == TYPED_LANE)).all()
    gone = [
        row.id
        for row in rows
        if row.received_at < before or _words(json.loads(row.payload)["text"]) in sent
    ]
    db.execute(slack_event.delete().where(slack_event.c.id.in_(gone)))


def _erase_messages(db: sql.Connection, records: PersonRecords, now: str) -> None:
    for conversation_id in records.conversations:
        row = conversation.update().where(conversation.c.id == conversation_id)
        db.execute(
            row.values(thread_key=f"erased:{conversation_id}", thread=f"erased:{conversation_id}")
        )
    for message_id in records.messages:
        this = message.c.id == message_id
        undecided = sql.and_(this, message.c.state == MessageState.RECEIVED)
        dropped = {"state": MessageState.DROPPED, "decided_at": now}
        db.execute(message.update().where(undecided).values(**dropped))
        values = {
            "key": f"erased:{message_id}",
            "headers": "{}",
            "redactions": "[]",
            "erased_at": now,
        }
        empty = dict.fromkeys(("raw_ref", "sender", "text", "message_id_header"), "")
        db.execute(message.update().where(this).values(**values, **empty))
        append_audit(db, now, ACTOR, "erased", message_id)
    asked = outcome.c.message_id.in_(records.messages)
    db.execute(outcome.update().where(asked).values(question=""))


def _erase_cases(db: sql.Connection, records: PersonRecords, now: str) -> None:
    """Blank the drafts and close what is open; mails of others that joined get their own case."""
    these = sql.select(escalation.c.id).where(escalation.c.id.in_(records.cases))
    db.execute(these.order_by(escalation.c.id).with_for_update())  # all, before any other lock
    for case_id in records.cases:
        this = escalation.c.id == case_id
        row = db.execute(sql.select(escalation).where(this)).one()
        values: dict[str, Any] = {"draft": "", "version": row.version + 1, "touched_at": now}
        values |= {"sender_key": "", "text_key": "", "vector": None}
        # The answer was written to this person and may name them.
        withdraw_shared_answer(db, case_id)
        if row.state == "open":
            _promote_joined(db, row, records)
            pass_lead_on(db, case_id)
            values |= {"state": "decided", "due_at": ""}
            decided = {"action": CaseAction.ERASED, "actor": ACTOR, "decided_at": now}
            db.execute(decision.insert().values(escalation_id=case_id, **decided))
        db.execute(escalation.update().where(this).values(**values))


def _promote_joined(db: sql.Connection, case: Any, records: PersonRecords) -> None:
    """Turn the first joined mail of another person into an open case that the other mails join."""
    joined = sql.select(escalation.c.id).where(
        escalation.c.case_id == case.id, escalation.c.state == JOINED,
        escalation.c.message_id.not_in(records.messages),
    )  # fmt: skip
    others = list(db.scalars(joined.order_by(escalation.c.id)))
    if not others:
        return
    first, *rest = others
    values = {"state": "open", "case_id": None, "due_at": case.due_at, "rank": case.rank}
    db.execute(escalation.update().where(escalation.c.id == first).values(**values))
    db.execute(escalation.update().where(escalation.c.id.in_(rest)).values(case_id=first))


def _erase_mails(db: sql.Connection, records: PersonRecords) -> None:
    """Blank the mails that went out, and delete those that did not."""
    these = outbox.c.id.in_(records.mails)
    unsent = outbox.delete().where(these, outbox.c.state.not_in(STAY)).returning(outbox.c.id)
    gone = list(db.scalars(unsent))
    # SQLite gives their ids to other mails, which correct nothing.
    db.execute(correction.update().where(correction.c.outbox_id.in_(gone)).values(outbox_id=None))
    blank = {"recipient": "", "body": b"", "fault": "", "salt": ""}
    db.execute(outbox.update().where(these).values(**blank))


def _erase_posts(
    db: sql.Connection, records: PersonRecords, now: str, stub: Mapping[str, Any]
) -> None:
    """Delete the posts that wait; `stub` replaces those that Slack holds or may hold."""
    posts = slack_outbox.c.id.in_(records.posts)
    unsent = slack_outbox.c.state.in_((SlackPostState.READY, SlackPostState.FAILED))
    for post in db.execute(sql.select(slack_outbox).where(posts, unsent | IN_FLIGHT)).all():
        this = slack_outbox.c.id == post.id
        if post.state != SlackPostState.SENDING and not is_begun(post):
            db.execute(slack_outbox.delete().where(this))
            continue
        payload = json.loads(post.payload)
        kept = {name: payload[name] for name in PLACE if name in payload}
        erased = json.dumps({**kept, **stub, ERASED_CONTENT: True})
        db.execute(slack_outbox.update().where(this).values(payload=erased))
    posted = sql.select(slack_outbox.c.channel, slack_outbox.c.ts).where(
        posts, slack_outbox.c.ts != "", slack_outbox.c.method == "chat.postMessage"
    )
    cards = sql.select(slack_card.c.channel, slack_card.c.ts).where(
        slack_card.c.escalation_id.in_(records.cases), slack_card.c.ts != ""
    )
    for place in sorted({*map(tuple, db.execute(posted)), *map(tuple, db.execute(cards))}):
        channel, ts = place
        key = f"{ERASED}{channel}:{ts}"
        db.execute(slack_outbox.delete().where(slack_outbox.c.dedupe_key == key))
        row = slack_outbox.insert().values(
            dedupe_key=key, channel=channel, method="chat.update", created_at=now,
            payload=json.dumps({"ts": ts, **stub}), state=SlackPostState.READY,
        )  # fmt: skip
        db.execute(row)


def _take_out(
    db: sql.Connection, column: sql.Column[Any], keys: Iterable[Any], person: Person
) -> None:
    """Remove the person's names from a column of these rows; identifiers are replaced by a hash."""
    table = column.table
    key = next(iter(table.primary_key))
    moving = table.c.state.in_(MOVING) if table is outbox else sql.false()
    for each in keys:
        this = sql.and_(key == each, ~moving)
        value = db.execute(sql.select(column).where(this)).scalar()
        if value is None:
            continue  # deleted above, or a mail on its way to somebody else
        if isinstance(value, str):
            marked = f"erased:{person.trace(value)}"
            new: Any = marked if _tells_apart(column) else person.mentions.take_out(value)
        else:
            new = _rewritten(bytes(value), person.mentions)
        values = {column.name: new}
        if table is outbox and column.name == "body":
            values["salt"] = ""  # the digest in the ledger is that of the unchanged mail
        db.execute(sql.update(table).where(this).values(**values))


def _tells_apart(column: sql.Column[Any]) -> bool:
    """Return whether this column identifies rows or threads; one value for all would mix them."""
    return bool(column.unique or column.primary_key or column is conversation.c.thread)


def _rewritten(body: bytes, mentions: Mentions) -> bytes:
    """Return a mail of ours without the names in its parts; empty where a name is still found.

    Its headers are kept: they name only its recipient.
    """
    mail = message_from_bytes(body, policy=SMTP)
    for part in mail.walk():
        if not part.is_multipart():
            text, kind = mentions.take_out(str(part.get_content())), part.get_content_subtype()
            part.set_content(text, subtype=kind, cte="quoted-printable")
    rewritten = mail.as_bytes()
    return b"" if mentions.are_in_bytes(rewritten) else rewritten


def _words(text: str) -> str:
    return " ".join(text.split())
