"""Finds what the journal holds of one person: their own rows, and rows of others that name them.

Every text of every table is read once, so that new tables are searched too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.engine import reading
from bot.journal.tables import (
    TABLES,
    audit,
    conversation,
    erasure,
    escalation,
    ledger,
    message,
    outbox,
    outcome,
    slack_outbox,
)
from bot.text.mentions import Mentions

CLOSED_TABLES = (audit, ledger, erasure)  # they hold no name, and allow no change
BATCH = 1000  # rows that are read at a time
Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person to look for; `trace` returns a keyed hash of a text, equal for equal texts."""

    addresses: frozenset[str]  # in lower case
    mentions: Mentions
    trace: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRecords:
    """The ids of rows about a person.

    `named` has, by table and column, the keys of rows of others that name the person.
    """

    conversations: Ids
    messages: Ids
    cases: Ids
    mails: Ids
    posts: Ids  # to Slack, about these cases and messages
    named: Mapping[tuple[str, str], tuple[Any, ...]]

    def count(self) -> dict[str, int]:
        """Return the numbers by place, without places where nothing was found."""
        own = {
            "messages": self.messages, "conversations": self.conversations, "cases": self.cases,
            "mails to them": self.mails, "posts in Slack": self.posts,
        }  # fmt: skip
        counts = {name: len(ids) for name, ids in own.items()}
        for (table, column), keys in self.named.items():
            counts[f"named in {table}.{column}"] = len(keys)
        return {name: number for name, number in counts.items() if number}


def find_person(engine: Engine, person: Person) -> PersonRecords:
    """Return which rows are about a person; MissingError when the database does not answer."""
    with reading(engine) as db:
        messages = _ids_where(
            db, message.c.id, message.c.sender, lambda sender: sender.lower() in person.addresses
        )
        mails = _ids_where(
            db, outbox.c.id, outbox.c.recipient, lambda to: to.lower() in person.addresses
        )
        about = outbox.c.message_id.in_(messages)
        mails = tuple(sorted({*mails, *db.scalars(sql.select(outbox.c.id).where(about))}))
        of = sql.select(message.c.conversation_id).where(message.c.id.in_(messages))
        conversations = tuple(db.scalars(of.distinct()))
        cases = tuple(
            db.scalars(sql.select(escalation.c.id).where(escalation.c.message_id.in_(messages)))
        )
        posts = tuple(_posts(db, cases, messages))
        own = {
            message.c.id: messages, outbox.c.id: mails, conversation.c.id: conversations,
            slack_outbox.c.id: posts, outcome.c.message_id: messages,
            escalation.c.message_id: messages,
        }  # fmt: skip
        named = dict(_named(db, person.mentions, own))
    return PersonRecords(
        conversations=conversations, messages=messages, cases=cases, mails=mails, posts=posts,
        named=named,
    )  # fmt: skip


def with_later_rows(db: sql.Connection, records: PersonRecords) -> PersonRecords:
    """Return the records with the cases, mails and posts that were stored since they were found.

    Those are about the same messages. What a transaction stores that is under way is not found.
    """
    messages = records.messages
    cases = db.scalars(sql.select(escalation.c.id).where(escalation.c.message_id.in_(messages)))
    mails = db.scalars(sql.select(outbox.c.id).where(outbox.c.message_id.in_(messages)))
    later = replace(
        records, cases=tuple(sorted({*records.cases, *cases})),
        mails=tuple(sorted({*records.mails, *mails})),
    )  # fmt: skip
    posts = _posts(db, later.cases, messages)
    return replace(later, posts=tuple(sorted({*records.posts, *posts})))


def find_anywhere(engine: Engine, mentions: Mentions) -> dict[str, int]:
    """Return how many rows name the person, by table and column, in every table of the database.

    The tables of the job queue and whatever else shares the database are among them.
    """
    counts: dict[str, int] = {}
    with reading(engine) as db:
        for table in _all_tables(db):
            columns = text_columns(table)
            for row in _stream(db, sql.select(*columns)) if columns else ():
                for number in _named_places(mentions, row):
                    place = f"{table.name}.{columns[number].name}"
                    counts[place] = counts.get(place, 0) + 1
    return counts


def _all_tables(db: sql.Connection) -> list[sql.Table]:
    there = sql.MetaData()
    schemas = sql.inspect(db).get_schema_names() if db.dialect.name == "postgresql" else [None]
    for schema in schemas:
        if schema != "information_schema":
            there.reflect(db, schema=schema)
    return there.sorted_tables


def read_rows(
    engine: Engine, table: sql.Table, key: sql.Column[Any], ids: Iterable[int]
) -> list[dict[str, Any]]:
    """Return the rows of a table whose `key` is among these ids, as they are stored."""
    with reading(engine) as db:
        rows = db.execute(sql.select(table).where(key.in_(tuple(ids))).order_by(table.c.id))
        return [dict(row._mapping) for row in rows]  # noqa: SLF001 - its documented access


def text_columns(table: sql.Table) -> list[sql.Column[Any]]:
    """Return the columns of a table that can hold a text or a mail."""
    return [c for c in table.columns if isinstance(c.type, (sql.String, sql.LargeBinary))]


def _named_places(mentions: Mentions, values: Sequence[Any]) -> Iterator[int]:
    """Yield the places of the values that name the person; a mail is read in every encoding."""
    texts = {place: value for place, value in enumerate(values) if isinstance(value, str)}
    if mentions.are_in("\n\n".join(texts.values())):  # few rows do, and one search is faster
        yield from (place for place, text in texts.items() if mentions.are_in(text))
    for place, value in enumerate(values):
        if isinstance(value, bytes | memoryview) and mentions.are_in_bytes(bytes(value)):
            yield place


def _ids_where(
    db: sql.Connection, key: sql.Column[int], column: sql.Column[str], holds: Callable[[str], bool]
) -> Ids:
    """Return the ids of rows whose text `holds`; SQLite itself lowers only ASCII letters."""
    rows = _stream(db, sql.select(key, column).where(column != "").order_by(key))
    return tuple(row[0] for row in rows if holds(row[1]))


def _posts(db: sql.Connection, cases: Ids, messages: Ids) -> Iterator[int]:
    """Yield the posts about these cases, and about these messages in the threads of other cases."""
    later = {str(each) for each in messages}
    for row in db.execute(
        sql.select(slack_outbox.c.id, slack_outbox.c.case_id, slack_outbox.c.dedupe_key)
    ):
        kind, _, rest = row.dedupe_key.partition(":")
        if row.case_id in cases or (kind == "later" and rest.rpartition(":")[2] in later):
            yield row.id


def _named(
    db: sql.Connection, mentions: Mentions, own: Mapping[sql.Column[Any], Iterable[int]]
) -> Iterator[tuple[tuple[str, str], tuple[Any, ...]]]:
    """Yield table, column and keys of the rows that name the person and are not the person's."""
    for table in TABLES.sorted_tables:
        columns = text_columns(table)
        if table in CLOSED_TABLES or not columns:
            continue
        belongs = next((c for c in own if c.table is table), None)
        mine = frozenset(own[belongs]) if belongs is not None else frozenset()
        key = next(iter(table.primary_key))
        keys_by_column: dict[str, list[Any]] = {}
        query = sql.select(
            key.label("key"), (key if belongs is None else belongs).label("of"), *columns
        )
        for row in _stream(db, query):
            if belongs is not None and row.of in mine:
                continue
            for place in _named_places(mentions, row[2:]):
                keys_by_column.setdefault(columns[place].name, []).append(row.key)
        for name, keys in keys_by_column.items():
            yield (table.name, name), tuple(keys)


def _stream(db: sql.Connection, query: "sql.Select[*tuple[Any, ...]]") -> Iterator[Any]:
    """Yield the rows of a query without holding all of them in memory."""
    yield from db.execution_options(yield_per=BATCH).execute(query)
