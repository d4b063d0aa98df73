import json
from pathlib import Path

import numpy as np
import pytest

from bot.answering.decision import (
    FEATURES,
    Answers,
    FittedJudge,
    StrictJudge,
    choose,
    features,
    read_fit,
)
from bot.app import App
from bot.corpus import Knowledge
from bot.domain import Hit
from bot.errors import KnowledgeError
from tests.conftest import KNOWLEDGE

ANSWERS = Answers(
    passages=("a", "b", "c"),
    intents={"one": np.array([1.0, 0.6, 0.0]), "two": np.array([0.0, 0.0, 1.0])},
)
LABELS = ("one", "two", "silence")


def hit(label: str, cosine: float, *, answers: bool = True) -> Hit:
    return Hit(label=label, text=label, cosine=cosine, answers=answers)


def test_the_pair_covers_two_likely_intents() -> None:
    choice = choose(LABELS, np.array([0.5, 0.4, 0.1]), ANSWERS)
    assert choice.order[:2] == (0, 2)
    assert choice.pair == pytest.approx(0.9)
    assert choice.first == pytest.approx(0.5)


def test_a_sure_intent_brings_its_twin() -> None:
    assert choose(LABELS, np.array([0.97, 0.01, 0.02]), ANSWERS).order[:2] == (0, 1)
    assert choose(LABELS, np.array([0.01, 0.97, 0.02]), ANSWERS).order[0] == 2


def test_features_have_their_names_and_signs() -> None:
    distribution = np.array([0.8, 0.1, 0.1])
    choice = choose(LABELS, distribution, ANSWERS)
    near = [hit("one", 0.9), hit("two", 0.5), hit("silence", 0.4, answers=False)]
    found = dict(zip(FEATURES, features(LABELS, distribution, choice, near, ANSWERS), strict=True))
    assert found["margin"] == pytest.approx(0.5)
    assert found["rival"] >= 0
    none = features(LABELS, distribution, choice, [], ANSWERS)
    assert all(np.isfinite(none))


@pytest.mark.parametrize(
    ("hits", "probability", "passages"),
    [
        ([hit("one", 0.95)], 0.95, ("a", "b")),
        ([hit("one", 0.95), hit("silence", 0.94, answers=False)], 0.0, ("a", "b")),
        ([hit("silence", 0.9, answers=False)], 0.0, ()),
        ([hit("a", 0.99)], 0.0, ()),
        ([], 0.0, ()),
    ],
)
def test_the_strict_judge(hits: list[Hit], probability: float, passages: tuple[str, ...]) -> None:
    found = StrictJudge(answers=ANSWERS).judge("x", hits)
    assert found.probability == probability
    assert found.passages == passages


def test_the_strict_threshold_only_rises() -> None:
    assert StrictJudge(answers=ANSWERS, threshold=0.1).threshold_for("en") == StrictJudge.LIKE
    assert StrictJudge(answers=ANSWERS, threshold=0.9).threshold_for("de") == 0.9


def test_the_committed_fit_belongs_to_the_committed_knowledge(knowledge: Knowledge) -> None:
    fit = read_fit(KNOWLEDGE / "fitted")
    assert fit is not None
    assert fit.question_version == knowledge.question_version
    assert 0.5 < fit.threshold <= fit.threshold_strict <= 1.0


def test_another_language_needs_more_certainty(app: App) -> None:
    assert app.fit is not None
    judge = FittedJudge(fit=app.fit, vector=app.encoder.embed_query)
    assert judge.threshold_for("de") >= judge.threshold_for("en")


def test_a_fit_of_other_questions_is_not_used(app: App) -> None:
    assert app.fit is not None
    said: list[str] = []
    other = App(app.settings, said.append)
    other.__dict__["knowledge"] = other.knowledge.__class__(
        **{
            n: getattr(other.knowledge, n)
            for n in ("folder", "post", "notes", "templates", "version")
        },
        question_version="000000000000",
    )
    assert other.fit is None
    assert "strict rules" in said[0]


def test_no_fit_and_a_broken_fit(tmp_path: Path) -> None:
    assert read_fit(tmp_path) is None
    (tmp_path / "fit.json").write_text(json.dumps({"threshold": 1}))
    (tmp_path / "decision.npz").write_bytes(b"nothing")
    with pytest.raises(KnowledgeError, match="evals fit"):
        read_fit(tmp_path)
