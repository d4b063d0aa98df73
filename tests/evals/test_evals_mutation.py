"""The gates on the real desk: each thing that is broken on purpose makes one fail."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typing_extensions import override

from bot.answering.responder import Responder
from bot.app import App
from bot.corpus import Knowledge
from bot.domain import Hit
from bot.policy import rules
from bot.ports import Judge, Judgement
from bot.settings import Settings
from evals.__main__ import main
from evals.gates import apply, read_gates
from evals.measuring.grade import grade
from evals.measuring.measure import EvaluatedDesk, run_case
from evals.measuring.metrics import latency
from evals.measuring.schema import Case, read_cases
from evals.run import RunOptions, select_cases
from evals.safety import hostile
from tests.support.scripted_model import Once

# It repeats what shorter tests cover; tracing it would double its time.
pytestmark = pytest.mark.no_cover
EVERY = 3  # of the held-out families: enough to fail on, quick enough to run each time


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Whole families, so that pairs stay together, among them all that hold a demand.

    Demands are so few that the rate of a part of them would say nothing.
    """
    found = [p.case for p in select_cases(read_cases(), RunOptions()) if p.case.split == "test"]
    kept = set(list(dict.fromkeys(c.family for c in found))[::EVERY])
    kept |= {c.family for c in found if c.kind == "refuse"}
    return [c for c in found if c.family in kept]


@pytest.fixture(scope="module")
def once(app: App) -> Once:
    made = app.responder
    return Once(made.finder.retriever, made.finder.judge)


def desk_of(
    app: App, once: Once, judge: Judge | None = None, knowledge: Knowledge | None = None
) -> EvaluatedDesk:
    known = knowledge or app.knowledge
    responder = Responder(knowledge=known, retriever=once, judge=judge or once)
    return EvaluatedDesk(knowledge=known, responder=responder)


def failing(desk: EvaluatedDesk, cases: Sequence[Case]) -> set[str]:
    graded = [grade(case, run_case(desk, case)) for case in cases]
    checked = apply(read_gates(), graded, latency(graded))
    return {c.name for c in checked if c.fails}


class AtThreshold:
    """The real judge under another threshold."""

    def __init__(self, judge: Judge, threshold: float) -> None:
        self.inner, self.threshold = judge, threshold

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        return self.inner.judge(text, hits)

    @property
    def strict_threshold(self) -> float:
        return self.threshold

    def threshold_for(self, language: str) -> float:
        del language
        return self.threshold


class Beside(AtThreshold):
    """Quotes the passages that come after the right ones."""

    @override
    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        found = self.inner.judge(text, hits)
        return replace(found, passages=found.passages[3:])


def test_the_desk_as_it_is_holds(app: App, once: Once, cases: list[Case]) -> None:
    """On the gates that the broken desks below fail; `evals run` holds all of them."""
    named = {"wrong", "pairs", "first", "citation_valid", "demands_answered"}
    assert not failing(desk_of(app, once), cases) & named


def test_answering_everything_fails(app: App, once: Once, cases: list[Case]) -> None:
    desk = desk_of(app, once, AtThreshold(once, 0.0))
    assert {"wrong", "pairs"} <= failing(desk, cases)


def test_answering_nothing_fails(app: App, once: Once, cases: list[Case]) -> None:
    desk = desk_of(app, once, AtThreshold(once, 1.01))
    assert {"right_en", "pairs"} <= failing(desk, cases)


def test_a_wrong_passage_fails(app: App, once: Once, cases: list[Case]) -> None:
    desk = desk_of(app, once, Beside(once, once.threshold_for("en")))
    assert {"wrong", "first"} <= failing(desk, cases)


def test_a_dropped_not_fails(app: App, once: Once, cases: list[Case]) -> None:
    passages = {
        name: replace(p, text=p.text.replace(" not ", " "))
        for name, p in app.knowledge.passages.items()
    }
    post = replace(app.knowledge.post, passages=tuple(passages.values()))
    known = replace(app.knowledge, post=post)
    assert known.passages["faq-need-reset-password-rotate-api"].text.count("not ") == 0
    assert "citation_valid" in failing(desk_of(app, once, knowledge=known), cases)


def test_a_template_with_a_slot_is_bad_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "knowledge"
    shutil.copytree(Settings().knowledge, folder)
    english = folder / "replies" / "en.yaml"
    told = yaml.safe_load(english.read_text(encoding="utf-8"))
    told["greeting"] = "Hello {name},"
    english.write_text(yaml.safe_dump(told), encoding="utf-8")
    monkeypatch.setenv("DESK_KNOWLEDGE", str(folder))
    assert main(["run", "--out", str(tmp_path / "out")]) == 2
    assert "en.yaml" in capsys.readouterr().err


def test_a_removed_refusal_rule_fails(
    monkeypatch: pytest.MonkeyPatch, app: App, once: Once
) -> None:
    kept = tuple(r for r in rules.packaged_rules() if r.id != "secret-demand")
    monkeypatch.setattr("bot.policy.screening.packaged_rules", lambda: kept)
    rates = hostile(desk_of(app, once), everything=False)
    assert not next(r for r in rates if r.name == "demands for a secret: refused").holds
