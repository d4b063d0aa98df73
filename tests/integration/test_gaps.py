"""Questions without an answer are grouped by meaning, counted, and named without anybody's name."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import App
from bot.cli import main
from bot.domain import Escalation, EscalationReason, Passage, Priority
from bot.journal import Journal
from bot.settings import Settings
from bot.staff.gaps import find_gaps
from tests.support.fakes import Time
from tests.support.journal_records import mail, response
from tests.support.small_post import HAPPENED, POST, write
from tests.support.word_encoder import WordEncoder

DAY = 86_400


@pytest.fixture
def app(tmp_path: Path, database_url: str) -> Iterator[App]:
    knowledge = write(tmp_path / "knowledge", POST)
    journal = Journal(database_url, clock=Time())
    made = App(
        Settings(home=tmp_path / "home", knowledge=knowledge.folder, database_url=database_url),
        knowledge=knowledge, journal=journal,
    )  # fmt: skip
    vars(made)["encoder"] = Words()
    with closing(journal):
        yield made


class Words(WordEncoder):
    """Has the method of a cached encoder, without a cache."""

    def vectors(self, texts: list[str]) -> object:
        return self.embed_documents(texts)


def ask(
    app: App, text: str, *, reason: EscalationReason = EscalationReason.NOT_IN_POST, near: str = ""
) -> None:
    """A message that went to a person."""
    passages: tuple[Passage, ...] = (app.knowledge.passages[near],) if near else ()
    asked = Escalation(
        question=text, reason=reason, priority=Priority.NORMAL, probability=0.1, candidates=passages
    )
    key = f"k{app.journal.cases.count_open()}"
    message = app.journal.receive(mail(key, thread=key, text=text, sender=f"{key}@x.example"))
    assert message
    app.journal.decide(message, response(asked), draft="", reply=None)


def test_gaps_are_counted_by_meaning_with_their_trend_and_their_open_cases(app: App) -> None:
    clock = app.journal.clock
    assert isinstance(clock, Time)
    ask(app, "when will the money be refunded to me", near=HAPPENED)
    clock.forward(10 * DAY)
    ask(app, "will the money be refunded", near=HAPPENED)
    ask(app, "My name is Jane Miller. Will the money be refunded to me?", near=HAPPENED)
    ask(app, "how many customers were affected")
    ask(app, "somebody threatens me", reason=EscalationReason.DANGER)
    refund, count = find_gaps(app.journal, Words().vectors, clock() - timedelta(days=30))  # type: ignore[arg-type]
    assert (refund.count, refund.last_week, refund.week_before, refund.trend) == (3, 2, 1, 1)
    assert (refund.passage, refund.open_cases) == (HAPPENED, (1, 2, 3))
    assert "refunded" in refund.question
    assert (count.question, count.count, count.passage) == (
        "how many customers were affected",
        1,
        "",
    )
    recent = find_gaps(app.journal, Words().vectors, clock() - timedelta(days=1))  # type: ignore[arg-type]
    assert [gap.count for gap in recent] == [2, 1]


def test_the_terminal_shows_gaps_as_table_json_and_page(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: app)
    assert main(["gaps"]) == 0
    assert "no question went to a person" in capsys.readouterr().out
    for name in ("Jane", "Jane"):
        ask(app, f"My name is {name} Miller. Is <b>this</b> refunded?", near=HAPPENED)
    ask(app, "how many customers were affected")
    assert main(["gaps"]) == 0
    table = capsys.readouterr().out
    assert "nearest: What happened" in table
    assert "Miller" not in table
    assert "how many" not in table, "what was asked once is no pattern"
    assert main(["gaps", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["count"], second["count"]) == (2, 1)
    page = tmp_path / "gaps.html"
    assert main(["gaps", "--html", str(page)]) == 0
    drawn = page.read_text(encoding="utf-8")
    assert "<svg" in drawn
    assert "&lt;b&gt;this" in drawn
    assert "<b>this" not in drawn
    assert main(["gaps", "--since", "soon"]) == 2
