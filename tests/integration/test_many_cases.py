"""What `/metrics` and `queue` cost does not depend on how many cases are open, nor on their texts."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sql

from bot.app import App
from bot.commands.case_review import CASES_PER_PAGE, queue_json, queue_lines
from bot.corpus import Knowledge
from bot.infra.metrics import Metrics
from bot.journal import Journal
from bot.journal.engine import writing
from bot.serve.maintenance import Maintenance
from bot.settings import Settings
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.support.growth import cpu_seconds
from tests.support.running_desk import verbatim_responder

FEW, MANY = CASES_PER_PAGE, 50_000
SHORT, LONG = 20, 200_000  # characters of a text
ROUNDS = 8
# How much more CPU time a thousand times the cases may take: counting walks an index of SQLite,
# which has no count of its rows. Reading the rows takes some hundred times as long.
MOST = 6.0
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
INSERT INTO {table} ({columns}) SELECT {values} FROM n
"""


def filled(path: Path, *, cases: int, characters: int) -> str:
    """Make a database with so many open cases, each with texts of this length; return its URL."""
    url = f"sqlite:///{path}"
    journal = Journal(url)
    text = f"substr(hex(zeroblob({characters // 2})), 1, {characters})"
    at = "'2026-01-01T00:00:00.000+00:00'"
    tables = {
        "conversation": ("channel, thread_key", "'email', 't' || i"),
        "message": (
            "conversation_id, key, raw_ref, verdict, rule, sender, headers, text, redactions, state, received_at, seq",
            f"i, 'k' || i, 'r', 'answer', 'R18', 'a@x.example', '{{}}', {text}, '[]', 'decided', {at}, 1",
        ),
        "escalation": (
            "message_id, state, priority, reason, draft, opened_at, rank",
            f"i, 'open', 'normal', 'unsure', {text}, {at}, 4",
        ),
    }
    with writing(journal.engine) as db:
        for table, (columns, values) in tables.items():
            statement = FILL.format(count=cases, table=table, columns=columns, values=values)
            db.execute(sql.text(statement))
    journal.close()
    return url


@pytest.fixture
def works(
    tmp_path: Path, knowledge: Knowledge, request: pytest.FixtureRequest
) -> Callable[[str], dict[str, Callable[[], object]]]:
    """Make what is measured on a database: a page of metrics, and both forms of the queue."""
    responder, texts = verbatim_responder(knowledge), read_staff_texts(KNOWLEDGE)

    def make(url: str) -> dict[str, Callable[[], object]]:
        settings = Settings(home=tmp_path / "home", knowledge=KNOWLEDGE, database_url=url)
        app = App(settings, knowledge=knowledge, responder=responder)
        request.addfinalizer(app.journal.close)
        metrics = Metrics()
        Maintenance(app, metrics)
        journal = app.journal
        return {
            "metrics": metrics.render,
            "queue": lambda: list(queue_lines(journal, texts)),
            "queue --json": lambda: queue_json(journal, texts),
        }

    return make


def least_cpu_seconds(work: Callable[[], object]) -> float:
    work()  # what is loaded once is loaded now
    return min(cpu_seconds(work) for _ in range(ROUNDS))


@pytest.mark.no_cover
def test_many_cases_cost_what_few_cost(
    tmp_path: Path, works: Callable[[str], dict[str, Callable[[], object]]]
) -> None:
    few = works(filled(tmp_path / "few.sqlite3", cases=FEW, characters=SHORT))
    many = works(filled(tmp_path / "many.sqlite3", cases=MANY, characters=SHORT))
    for name, work in many.items():
        assert least_cpu_seconds(work) <= MOST * least_cpu_seconds(few[name]), name
    assert f"page 1 of {MANY // CASES_PER_PAGE}, {MANY} cases" in str(many["queue"]())


@pytest.mark.no_cover
def test_long_texts_cost_metrics_nothing(
    tmp_path: Path, works: Callable[[str], dict[str, Callable[[], object]]]
) -> None:
    short = works(filled(tmp_path / "short.sqlite3", cases=200, characters=SHORT))
    long = works(filled(tmp_path / "long.sqlite3", cases=200, characters=LONG))
    assert least_cpu_seconds(long["metrics"]) <= MOST * least_cpu_seconds(short["metrics"])


def test_counts_and_queue_read_an_index_only(tmp_path: Path) -> None:
    """No plan looks at the rows of cases, where the texts of drafts lie between the columns."""
    journal = Journal(f"sqlite:///{tmp_path}/j.sqlite3")
    asked: list[str] = []

    @sql.event.listens_for(journal.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    journal.cases.count_open()
    journal.cases.oldest_opened_at()
    journal.cases.list_open_ids(limit=3)
    sql.event.remove(journal.engine, "before_cursor_execute", note)
    with journal.engine.connect() as db:
        for statement in asked:
            values = ("open",) * statement.count("?")
            plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert all("COVERING INDEX" in str(row) for row in plan), (statement, plan)
            assert not any("TEMP B-TREE" in str(row) for row in plan), (statement, plan)
    journal.close()
