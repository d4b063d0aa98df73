import numpy as np
import pytest

from bot.answering.evidence import FEATURES, Answers, choose, features
from bot.answering.judges import CandidateJudge
from bot.domain import Hit

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


def test_a_second_passage_is_quoted_only_where_it_may_add_something() -> None:
    assert choose(LABELS, np.array([0.97, 0.01, 0.02]), ANSWERS).quoted_alone == 1
    choice = choose(LABELS, np.array([0.7, 0.2, 0.1]), ANSWERS)
    assert (choice.quoted_alone, choice.quoted_among_several) == (2, 1)
    assert choose(LABELS, np.array([0.4, 0.39, 0.1]), ANSWERS).quoted_among_several == 2


def test_features_have_their_names_and_signs() -> None:
    distribution = np.array([0.8, 0.1, 0.1])
    choice = choose(LABELS, distribution, ANSWERS)
    near = [hit("one", 0.9), hit("two", 0.5), hit("silence", 0.4, answers=False)]
    by_name = dict(
        zip(FEATURES, features(LABELS, distribution, choice, near, ANSWERS), strict=True)
    )
    assert by_name["margin"] == pytest.approx(0.5)
    assert by_name["rival"] >= 0
    none = features(LABELS, distribution, choice, [], ANSWERS)
    assert all(np.isfinite(none))


@pytest.mark.parametrize(
    ("hits", "passages"),
    [
        ([hit("one", 0.95)], ("a", "b")),
        ([hit("two", 0.9), hit("one", 0.8)], ("c", "a", "b")),
        ([hit("silence", 0.9, answers=False), hit("b", 0.5)], ("b",)),
        ([hit("unknown", 0.99)], ()),
        ([], ()),
    ],
)
def test_candidates_are_ranked_and_never_answered(
    hits: list[Hit], passages: tuple[str, ...]
) -> None:
    judge = CandidateJudge(answers=ANSWERS)
    judgement = judge.judge("x", hits)
    assert judgement.passages == passages
    assert judgement.probability < judge.threshold_for("en")
