import json
from pathlib import Path

import numpy as np
import pytest

from bot.answering.calibration import (
    ScoredMessage,
    fit_calibration,
    fit_evidence_weights,
    left_out_result,
    lowest_threshold,
    weigh_across,
)
from evals.calibrate import english_rows, foreign_rows, keep_scores, pairs_right

AUTHORS = ("everyday", "enterprise", "staff")


def scored(
    number: int, author: str, *, right: bool, strength: float, language: str = "en"
) -> ScoredMessage:
    return ScoredMessage(
        id=str(number), author=author, fold=AUTHORS.index(author), language=language, answerable=right or number % 3 == 0,
        right=right, related=False, first=right, in_three=right, pair=f"{author}{number // 2}", screened=number == 1,
        evidence=(strength, *[0.0] * 11),
    )  # fmt: skip


def made_up() -> list[ScoredMessage]:
    drawn = np.random.default_rng(7)
    english = [
        scored(n, a, right=n % 2 == 0, strength=float(n % 2 == 0) + drawn.normal() * 0.2)
        for a in AUTHORS
        for n in range(60)
    ]
    german = [scored(n, "everyday", right=False, strength=1.5, language="de") for n in range(2, 5)]
    return [*english, *german]


def test_stronger_evidence_gets_a_higher_probability() -> None:
    evidence = np.array([[0.1], [0.2], [0.8], [0.9]] * 20)
    weights = fit_evidence_weights(evidence, np.array([False, False, True, True] * 20))
    low, high = weights.probabilities(np.array([[0.1], [0.9]]))
    assert low < 0.5 < high


@pytest.mark.parametrize(
    ("wrong", "target", "spare", "expected"),
    [
        ([False] * 100, 0.01, 1, 0.0),
        ([False] * 99 + [True], 0.02, 1, 0.0),
        ([False] * 99 + [True], 0.01, 0, 0.0),
        ([False] * 50 + [True] * 50, 0.04, 1, 0.5),
        ([True] * 100, 0.02, 1, 1.0),
    ],
)
def test_the_threshold_counts_errors_that_were_not_seen(
    wrong: list[bool], target: float, spare: int, expected: float
) -> None:
    chances = np.linspace(1, 0, 100)
    chosen = lowest_threshold(chances, np.array(wrong), target, spare=spare)
    assert chosen == pytest.approx(expected, abs=0.03)


def test_thresholds_rise_with_what_is_demanded() -> None:
    calibration = fit_calibration(made_up())
    assert 0 < calibration.threshold <= calibration.threshold_strict <= 1
    # All that is answered in another language is wrong: nothing is answered there.
    assert calibration.threshold_other == 1


def test_what_the_policy_decides_counts_nowhere() -> None:
    english = [s for s in made_up() if s.language == "en"]
    _, chances = weigh_across(english)
    assert all(p == 0 for s, p in zip(english, chances, strict=True) if s.screened)
    assert sum(p == 0 for p in chances) == len(AUTHORS)


def test_an_author_is_judged_by_what_the_others_teach() -> None:
    """Evidence that only one author has must not raise that author's own probabilities."""
    alone = [
        scored(n, a, right=n % 2 == 0, strength=float(n % 2 == 0) if a == "staff" else 0.0)
        for a in AUTHORS
        for n in range(2, 62)
    ]
    _, chances = weigh_across(alone)
    theirs = [p for s, p in zip(alone, chances, strict=True) if s.author == "staff"]
    assert np.ptp(theirs) < 0.05


def test_the_table_has_a_row_for_each_author_and_language() -> None:
    english = list(english_rows(made_up(), 0.03))
    assert [row.split(" | ")[0].strip("| ") for row in english] == [*AUTHORS, "all"]
    (german,) = foreign_rows(made_up(), fit_calibration(made_up()))
    assert german.startswith("| de | ")
    assert "(0/0)" not in german


def test_both_sides_of_a_pair_must_be_right() -> None:
    right = scored(2, "staff", right=True, strength=1)
    wrong = scored(5, "staff", right=False, strength=0)
    pair = [
        right,
        ScoredMessage(
            **{n: getattr(wrong, n) for n in ScoredMessage.__slots__}
            | {"pair": right.pair, "answerable": False}
        ),
    ]
    assert pairs_right(pair, np.array([0.9, 0.1]), 0.5) == [True]
    assert pairs_right(pair, np.array([0.9, 0.8]), 0.5) == [False]
    assert left_out_result(pair, np.array([0.9, 0.8]), 0.5).wrong == 1


def test_scores_are_kept_for_a_closer_look(tmp_path: Path) -> None:
    keep_scores(made_up(), tmp_path / "deep" / "scores.jsonl")
    lines = (tmp_path / "deep" / "scores.jsonl").read_text().splitlines()
    assert len(lines) == 183
    assert json.loads(lines[0])["author"] == "everyday"
