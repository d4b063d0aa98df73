"""Finds cases for lists: by owner, urgency, topic, language or words, a page at a time."""

import json
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.domain import Priority
from bot.journal.engine import reading
from bot.journal.tables import escalation, message

QUEUE_ORDER = (escalation.c.rank, escalation.c.opened_at, escalation.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases a list shows; by default every open one.

    `owner` is one person, empty for cases that nobody has, None for any. `topics` are ids of
    passages, `sender` is an address, and `words` must all stand in the mail, its subject or the
    address of its sender.
    With `closed`, decided cases are shown after the open ones.
    """

    owner: str | None = None
    urgent: bool = False
    topics: frozenset[str] | None = None
    language: str = ""
    words: tuple[str, ...] = ()
    sender: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCases:
    """One page of the cases that a filter lets through: their ids, and how many there are."""

    ids: tuple[int, ...]
    total: int


def find_cases(engine: Engine, wanted: CaseFilter, *, limit: int, page: int = 1) -> FoundCases:
    """Return a page of `limit` cases, the most urgent first and then the oldest.

    Of two that are as urgent, one whose sender is proven comes first. Pages count from 1; one
    beyond the last is the last. An index alone gives a page of open cases, so that it costs the
    same however many there are.
    """
    where = _conditions(wanted)
    of: sql.FromClause = escalation
    if wanted.words or wanted.sender:
        of = escalation.join(message, message.c.id == escalation.c.message_id)
    open_first = (escalation.c.state != "open",) if wanted.closed else ()
    ids = sql.select(escalation.c.id).select_from(of).where(*where)
    ids = ids.order_by(*open_first, *QUEUE_ORDER)
    with reading(engine) as db:
        total = db.execute(sql.select(sql.func.count()).select_from(of).where(*where)).scalar_one()
        number = max(1, min(page, -(-total // limit)))
        found = db.execute(ids.limit(limit).offset((number - 1) * limit)).scalars()
        return FoundCases(ids=tuple(found), total=total)


def count_topics(engine: Engine) -> dict[str, int]:
    """Return how many open cases each topic has, the most frequent first; no topic is left out."""
    return _count_by(engine, escalation.c.topic)


def count_languages(engine: Engine) -> dict[str, int]:
    """Return how many open cases each language has, the most frequent first."""
    return _count_by(engine, escalation.c.language)


def _count_by(engine: Engine, column: "sql.Column[str]") -> dict[str, int]:
    number = sql.func.count().label("number")
    query = sql.select(column.label("name"), number).where(
        escalation.c.state == "open", column != ""
    )
    with reading(engine) as db:
        rows = db.execute(query.group_by(column).order_by(number.desc(), column))
        return {row.name: row.number for row in rows}


def _conditions(wanted: CaseFilter) -> list["sql.ColumnElement[bool]"]:
    state = escalation.c.state
    where: list[sql.ColumnElement[bool]] = [
        state.in_(("open", "decided")) if wanted.closed else state == "open"
    ]
    if wanted.owner is not None:
        where.append(escalation.c.owner == wanted.owner)
    if wanted.urgent:
        where.append(escalation.c.priority == Priority.PAGE)
    if wanted.topics is not None:
        where.append(escalation.c.topic.in_(wanted.topics))
    if wanted.language:
        where.append(escalation.c.language == wanted.language)
    if wanted.sender:
        where.append(message.c.sender == wanted.sender)
    return where + [_holds(word) for word in wanted.words]


def _holds(word: str) -> "sql.ColumnElement[bool]":
    """Return a condition for a word in a mail, its subject or the address of its sender.

    A database folds the case of Latin letters at most, so the usual forms are tried. The headers
    are JSON, in which other letters stand as escapes.
    """
    forms = dict.fromkeys((word, word.lower(), word.capitalize(), word.upper()))
    return sql.or_(
        *(
            column.icontains(form, autoescape=True)
            for form in forms
            for column in (message.c.text, message.c.sender)
        ),
        *(
            message.c.headers.icontains(escaped, autoescape=True)
            for escaped in dict.fromkeys(json.dumps(form)[1:-1] for form in forms)
        ),
    )
