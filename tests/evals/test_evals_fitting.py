import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evals.fit import adopt, write
from evals.fitting.labelled import Trained, classes_of, examples_of
from evals.fitting.left_out import (
    Scored,
    calibration,
    keep,
    markdown,
    probabilities,
    score,
    table,
    threshold,
    weigh,
)

from bot.answering.decision import read_fit
from bot.app import App
from evals.measuring.schema import load_cases

GENERATOR = np.random.default_rng(7)


def scored(
    number: int, author: str, *, right: bool, strength: float, language: str = "en"
) -> Scored:
    return Scored(
        id=str(number), author=author, language=language, answerable=right or number % 3 == 0, right=right,
        related=False, first=right, in_three=right, pair=f"{author}{number // 2}", screened=number == 1, evidence=(strength, *[0.0] * 11),
    )  # fmt: skip


def test_stronger_evidence_gets_a_higher_probability() -> None:
    evidence = np.array([[0.1], [0.2], [0.8], [0.9]] * 20)
    weights = weigh(evidence, np.array([0.0, 0.0, 1.0, 1.0] * 20))
    low, high = probabilities(weights, np.array([[0.1], [0.9]]))
    assert low < 0.5 < high


@pytest.mark.parametrize(
    ("wrong", "target", "expected"),
    [
        ([False] * 100, 0.01, 0.0),
        ([False] * 99 + [True], 0.02, 0.0),
        ([False] * 50 + [True] * 50, 0.04, 0.5),
        ([True] * 100, 0.02, 1.0),
    ],
)
def test_the_threshold_counts_one_error_more(
    wrong: list[bool], target: float, expected: float
) -> None:
    chances = np.linspace(1, 0, 100)
    assert threshold(chances, np.array(wrong), target) == pytest.approx(expected, abs=0.03)


AUTHORS = (
    "everyday",
    "pairs_everyday",
    "enterprise",
    "pairs_professional",
    "staff_odd_multilingual",
)


def made_up() -> list[Scored]:
    made = [
        scored(n, a, right=n % 2 == 0, strength=float(n % 2 == 0) + GENERATOR.normal() * 0.2)
        for a in AUTHORS
        for n in range(40)
    ]
    return [
        *made,
        *(scored(n, "everyday", right=False, strength=1.5, language="de") for n in range(3)),
    ]


def test_the_table_has_a_row_for_each_author_and_target() -> None:
    chosen, rows = table(made_up())
    english = [r for r in rows if r["target"] != "threshold_other"]
    assert len(english) == 2 * (len(AUTHORS) + 1)
    assert [r["author"] for r in rows if r not in english] == ["de"]
    assert rows[-1]["answered"] == 0  # what was wrong in another language stays unanswered
    assert 0 < chosen["threshold"] <= chosen["threshold_strict"] <= 1
    assert chosen["threshold_other"] >= chosen["threshold"]
    assert all(row["pairs"] == 20 for row in english if row["author"] != "all")
    page = markdown(rows, "threshold")
    assert page.count("\n") == len(AUTHORS) + 2
    assert "| all |" in page


def test_a_calibration_is_put_into_the_fit(app: App, tmp_path: Path) -> None:
    assert app.fit is not None
    source = app.knowledge.folder / "fitted"
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    adopt(tmp_path, calibration(made_up()))
    changed = read_fit(tmp_path)
    assert changed is not None
    assert changed.threshold != app.fit.threshold
    assert len(changed.coefficients) == len(app.fit.coefficients)
    assert (changed.weights == app.fit.weights).all()


def test_scores_are_kept_for_a_closer_look(tmp_path: Path) -> None:
    keep(made_up(), tmp_path / "deep" / "scores.jsonl")
    lines = (tmp_path / "deep" / "scores.jsonl").read_text().splitlines()
    assert len(lines) == 203
    assert json.loads(lines[0])["author"] == "everyday"


def test_what_was_trained_is_written_so_that_the_desk_reads_it(app: App, tmp_path: Path) -> None:
    assert app.fit is not None
    folder = tmp_path / "knowledge"
    (folder / "fitted").mkdir(parents=True)
    rows = app.knowledge.folder / "fitted" / "calibration.json"
    (folder / "fitted" / rows.name).write_bytes(rows.read_bytes())
    trained = Trained(
        delta={"x": np.zeros(1)}, weights=app.fit.weights, bias=app.fit.bias, vectors=np.array
    )
    knowledge = replace(app.knowledge, folder=folder)
    write(knowledge, classes_of(knowledge), trained, count=1, cases=load_cases()[:5])
    read = read_fit(folder / "fitted")
    assert read is not None
    assert read.question_version == app.knowledge.question_version
    assert np.allclose(read.weights, app.fit.weights, atol=1e-3)


def test_examples_cover_wordings_and_messages(app: App) -> None:
    classes = classes_of(app.knowledge)
    cases = load_cases()[:200]
    made = examples_of(app.knowledge, cases, classes)
    assert len(made) > 200 + len(app.knowledge.wordings)
    assert all(e.meanings for e in made)
    assert classes.silent.isdisjoint(classes.answered)


def test_a_left_out_message_is_scored_as_the_desk_reads_it(app: App) -> None:
    assert app.fit is not None
    classes = classes_of(app.knowledge)
    small = app.knowledge.wordings[:40]

    def vectors(texts: object) -> np.ndarray:
        assert isinstance(texts, list)
        return np.array([app.encoder.vector(t) for t in texts])

    trained = Trained(delta={}, weights=app.fit.weights, bias=app.fit.bias, vectors=vectors)
    knowledge = replace(app.knowledge)  # nothing of it is computed yet
    knowledge.__dict__["wordings"] = small
    made = score(load_cases()[:10], trained, knowledge, classes)
    assert [s.id for s in made] == [c.id for c in load_cases()[:10]]
    assert all(len(s.evidence) == 12 for s in made)
