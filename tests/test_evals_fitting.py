import numpy as np
import pytest

from bot.app import App
from evals.fitting import Scored, probabilities, score, table, threshold, weigh
from evals.labelled import Trained, classes_of, examples_of
from evals.schema import load_cases

GENERATOR = np.random.default_rng(7)


def scored(
    number: int, author: str, *, right: bool, strength: float, language: str = "en"
) -> Scored:
    return Scored(
        id=str(number), author=author, language=language, answerable=right or number % 3 == 0, right=right,
        related=False, pair=f"{author}{number // 2}", screened=number == 1, evidence=(strength, 0.0),
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


def test_the_table_has_a_row_for_each_author_and_target() -> None:
    authors = (
        "everyday",
        "pairs_everyday",
        "enterprise",
        "pairs_professional",
        "staff_odd_multilingual",
    )
    made = [
        scored(n, a, right=n % 2 == 0, strength=float(n % 2 == 0) + GENERATOR.normal() * 0.2)
        for a in authors
        for n in range(40)
    ]
    made += [scored(n, "everyday", right=False, strength=1.5, language="de") for n in range(3)]
    chosen, rows = table(made)
    assert len(rows) == 2 * len(authors)
    assert 0 < chosen["threshold"] <= chosen["threshold_strict"] <= 1
    assert chosen["threshold_other"] >= chosen["threshold"]
    assert all(row["pairs"] == 20 for row in rows)


def test_examples_cover_wordings_and_messages(app: App) -> None:
    classes = classes_of(app.knowledge)
    cases = load_cases()[:200]
    made = examples_of(app.knowledge.wordings[:50], cases, classes)
    assert len(made) > 200
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
    app.knowledge.__dict__["wordings"] = small
    try:
        made = score(load_cases()[:10], trained, app.knowledge, classes)
    finally:
        del app.knowledge.__dict__["wordings"]
    assert [s.id for s in made] == [c.id for c in load_cases()[:10]]
    assert all(len(s.evidence) == 12 for s in made)
