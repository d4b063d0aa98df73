"""What the desk asks the journal all day is found by an index, however much the journal holds."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sql

from bot.corpus.limits import shipped_limits
from bot.journal import CaseAction, Journal, OpenQuestion, SharedAnswer
from bot.journal.case_lists import CaseFilter
from bot.journal.statistics import read_statistics
from tests.support.journal_records import mail, reply, waiting

READS = re.compile(r"SCAN (\w+)(.*)")
# Tables that stay small, and aliases of what was found before.
SMALL = frozenset(
    {"CONSTANT", "worker", "cluster_answer", "correction", "label", "anon_1", "alembic_version"}
)
# A count of every mail by its state has to look at each, though at the index alone; what is newest
# is found from the end of a table.
WHOLE = ("USING COVERING INDEX ix_outbox_state",)
NEWEST = re.compile(r"ORDER BY \w+\.id DESC\s+LIMIT")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/j.sqlite3", limits=shipped_limits())
    for number in (1, 2):
        take(made, number)
    yield made
    made.close()


def take(journal: Journal, number: int) -> int:
    """Store a message and decide it, so that it is answered and has a case; return its id."""
    stored = journal.receive(mail(f"k{number}", thread=f"t{number}"))
    assert stored
    vector = np.eye(8, dtype=np.float32)[number]
    journal.decide(
        stored, waiting(), draft="d", reply=lambda _number: reply(str(number)),
        question=OpenQuestion(vector=vector, is_alone=True),
    )  # fmt: skip
    return stored


def works(journal: Journal) -> dict[str, Callable[[], object]]:
    """What happens for each mail, each few seconds, and for each look of a person."""
    cases, mails, clusters = journal.cases, journal.mail_outbox, journal.clusters
    shared = SharedAnswer(text="t", language="en", actor="a", case_id=1)
    return {
        "a mail comes": lambda: take(journal, 3),
        "a job begins": lambda: (journal.list_undecided(1), journal.read_message(1)),
        "a decision": lambda: (
            journal.read_history(1), journal.read_sent_mails(1), cases.has_claimed_case(1),
            cases.has_asked_for_person(1), cases.announced_priority(1), cases.find_number(1),
        ),
        "a delivery": lambda: (
            mails.list_due(conversation_id=1), mails.list_due(), mails.claim(1, "w"),
            mails.mark_sent(1),
        ),
        "maintenance": lambda: (
            mails.list_claimed_by(["w"]), mails.list_unknown(60), mails.list_orphaned(60),
            mails.count_by_state(), cases.record_due_reminders(), journal.count_recent("x", 60),
            journal.list_stalled_conversations(30), journal.count_undecided(),
            clusters.list_waiting(limit=9),
        ),
        "the cards": lambda: (cases.read_stamps(days=14), journal.slack.read_cards(since=1), cases.read(1)),
        "the lists": lambda: (
            cases.find(CaseFilter(), limit=9), cases.find(CaseFilter(owner="a"), limit=9),
            cases.find(CaseFilter(sender="a"), limit=9), cases.count_topics(),
            cases.count_languages(), cases.count_open(), cases.oldest_opened_at(),
            read_statistics(journal.engine, journal.clock),
        ),
        "an answer for all": lambda: (
            clusters.list_alike(1, limit=9), clusters.list_wordings(1, limit=9),
            cases.store_decision(1, actor="a", action=CaseAction.EDITED, reply=reply("z"), shared=shared),
            clusters.find_answer(2),
        ),
        "retention": lambda: (
            journal.retention.blank_messages(3), journal.retention.blank_cases(3),
            journal.retention.blank_sends(3), journal.retention.delete_slack(3),
            journal.retention.oldest_open_case(),
        ),
    }  # fmt: skip


def test_no_table_that_grows_is_read_whole(journal: Journal) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    sql.event.listen(journal.engine, "before_cursor_execute", note)
    for work in works(journal).values():
        work()
    sql.event.remove(journal.engine, "before_cursor_execute", note)
    assert len(asked) > 60
    with journal.engine.connect() as db:
        scans = [
            (plan, statement)
            for statement, values in asked
            if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))
            for plan in _scanned(db, statement, values)
        ]
    assert scans == []


def _scanned(db: sql.Connection, statement: str, values: Any) -> list[str]:
    """The lines of a plan that read a table from its beginning to its end."""
    lines = [str(row[-1]) for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    found = [(line, match) for line in lines if (match := READS.match(line))]
    return [
        line
        for line, match in found
        if match[1] not in SMALL and not line.endswith(WHOLE) and not NEWEST.search(statement)
    ]
