"""Times the queries of the journal on a large journal, beside a small one, in one run."""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bot.corpus.limits import shipped_limits
from bot.journal import Journal
from bot.journal.case_lists import CaseFilter
from bot.journal.statistics import read_statistics
from evals.measuring.stats import quantile

SMALL = 10_000  # messages of the journal that the large one is compared with
OPEN_SHARE = 0.05  # of the messages, those with an open case
ROUNDS = 15
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
    SELECT 'reply:' || i, person, '<' || i || '@x>', x'00', 1, 'sent', 1, at, i, i FROM numbers;
INSERT INTO audit (at, actor, event, message_id) SELECT at, 'desk', 'decided', i FROM numbers;
INSERT INTO escalation (message_id, state, priority, reason, draft, opened_at, rank, topic,
        language, cluster_id)
    SELECT i, 'open', 'normal', 'unsure', 'd', at, 4, 'topic' || (i % 50), 'en', i / 5 + 1
    FROM numbers WHERE i <= {cases};
"""


def bench_queries(*, messages: int) -> None:
    """Print how many times each takes on `messages` messages what it takes on a small journal."""
    with tempfile.TemporaryDirectory() as folder:
        journals = [
            _filled(Path(folder) / f"{count}.sqlite3", count) for count in (SMALL, messages)
        ]
        small, large = map(_works, journals)
        for name, work in large.items():
            ratio = _median(work) / _median(small[name])
            print(f"{name}: {ratio:.2f} times what it takes on {SMALL} messages")
        for journal in journals:
            journal.close()


def _filled(path: Path, count: int) -> Journal:
    """Return a journal with so many answered messages and a share of open cases."""
    Journal(f"sqlite:///{path}").close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous=OFF")
    db.executescript(FILL.format(count=count, cases=int(count * OPEN_SHARE)))
    db.commit()
    db.close()
    return Journal(f"sqlite:///{path}", limits=shipped_limits())


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


def _median(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return quantile(times, 0.5)
