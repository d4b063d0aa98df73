"""Times the queries of the journal on a large journal, beside a small one, in one run."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bot.corpus.limits import shipped_limits
from bot.journal import Journal
from bot.journal.case_lists import CaseFilter
from bot.journal.engine import connect
from bot.journal.statistics import read_statistics
from tests.servers import postgres

SMALL = 10_000  # messages of the journal that the large one is compared with
OPEN_SHARE = 0.05  # of the messages, those with an open case
ROUNDS = 200
FILL = """
CREATE TEMP TABLE numbers AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
    SELECT i, '2026-01-01T00:00:00.000+00:00' AS at, 'p' || i || '@x.example' AS person FROM n;
INSERT INTO conversation (channel, thread_key, thread)
    SELECT 'email', 't' || i, 't' || i FROM numbers;
INSERT INTO message (conversation_id, key, raw_ref, verdict, rule, sender, headers, text,
        redactions, state, received_at, seq)
    SELECT i, 'k' || i, 'r', 'answer', 'R18', person, '{{}}', 'Was I affected by it? ' || i,
        '[]', 'decided', at, 1 FROM numbers;
INSERT INTO outcome (message_id, place, kind, reason, probability, question, passages, knowledge)
    SELECT i, 0, 'answer', 'published', 0.9, 'q', '[]', 'k' FROM numbers;
INSERT INTO outbox (dedupe_key, recipient, message_id_header, body, automatic, state, attempts,
        changed_at, message_id, conversation_id)
    SELECT 'reply:' || i, person, '<' || i || '@x>', {byte}, true, 'sent', 1, at, i, i FROM numbers;
INSERT INTO audit (at, actor, event, message_id) SELECT at, 'desk', 'decided', i FROM numbers;
INSERT INTO escalation (message_id, state, priority, reason, draft, opened_at, rank, topic,
        language, cluster_id)
    SELECT i, 'open', 'normal', 'unsure', 'd', at, 4, 'topic' || (i % 50), 'en', i / 5 + 1
    FROM numbers WHERE i <= {cases};
"""


def bench_queries(*, messages: int) -> None:
    """Print how many times each takes on `messages` messages what it takes on a small journal.

    On SQLite, and on PostgreSQL where this machine has it.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        urls = [f"sqlite:///{folder}/{count}.sqlite3" for count in (SMALL, messages)]
        _compare(urls, messages)
        if why := postgres.missing():
            print(f"PostgreSQL: {why}")
            return
        url = stack.enter_context(postgres.server())
        made = [stack.enter_context(_database(url, f"of{count}")) for count in (SMALL, messages)]
        _compare(made, messages)


def _compare(urls: list[str], messages: int) -> None:
    journals = [_filled(url, n) for url, n in zip(urls, (SMALL, messages), strict=True)]
    small, large = map(_works, journals)
    for name, work in large.items():
        low, high = _shortest(small[name], work)
        print(
            f"{journals[0].engine.dialect.name}, {name}: {1000 * high:.2f} ms, "
            f"{high / low:.2f} times what it takes on {SMALL} messages",
            flush=True,
        )
    for journal in journals:
        journal.close()


@contextmanager
def _database(url: str, name: str) -> Iterator[str]:
    """Give the URL of a new database of this server."""
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    yield f"{url.rpartition('/')[0]}/{name}"


def _filled(url: str, count: int) -> Journal:
    """Return a journal with so many answered messages and a share of open cases."""
    Journal(url).close()
    engine = connect(url)
    sqlite = engine.dialect.name == "sqlite"
    filled = FILL.format(
        count=count, cases=int(count * OPEN_SHARE), byte="x'00'" if sqlite else "'\\x00'::bytea"
    )
    with engine.connect() as opened:
        db = opened.execution_options(no_parameters=True)
        for statement in filter(str.strip, filled.split(";")):
            db.exec_driver_sql(statement)
        db.commit()
        if not sqlite:  # as its own autovacuum does after a while
            db = db.execution_options(isolation_level="AUTOCOMMIT")
            db.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
    return Journal(url, limits=shipped_limits())


def _works(journal: Journal) -> dict[str, Callable[[], object]]:
    cases, mails = journal.cases, journal.mail_outbox
    return {
        "a mail is known": lambda: journal.find_by_key("k77"),
        "a message and its history": lambda: (
            journal.read_message(77), journal.read_history(77), journal.read_sent_mails(77),
        ),
        "what a decision looks up": lambda: (
            cases.has_claimed_case(77), cases.has_asked_for_person(77),
            cases.announced_priority(77), cases.find_number(77),
        ),
        "what is due": lambda: (mails.list_due(), journal.list_undecided(), mails.list_unknown(60)),
        "one case": lambda: cases.read(77),
        "a page of the queue": lambda: cases.list_open_ids(limit=20),
        "a page of one person's": lambda: cases.find(CaseFilter(owner="a"), limit=9),
        "answers for others": lambda: journal.clusters.list_waiting(limit=9),
        "today's numbers": lambda: read_statistics(journal.engine, journal.clock),
        "counts by topic": cases.count_topics,
    }  # fmt: skip


def _shortest(*works: Callable[[], object]) -> list[float]:
    """Return the shortest time of each in seconds, turn by turn, so that noise falls on all."""
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, taken in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return [min(taken) for taken in times]
