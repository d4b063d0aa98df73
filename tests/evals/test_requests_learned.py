"""How the request head is learned: what its thresholds may wrongly take, and nets averaged."""

import numpy as np
import pytest

from bot.answering.request_classifier import (
    INPUTS,
    LABELS,
    OUTPUTS,
    PLACE,
    Array,
    Label,
    calibrate_scores,
    has_kind,
)
from evals.fitting.request_head import RequestExample, RequestRow, average_nets
from evals.requests import DECIDES, FALSE, choose_thresholds

COUNT = 2_000  # messages of each population
BOTH_ALIKE = np.tile(np.array([0.5, 0.5, 0.0], np.float32), (LABELS, 1))
HONEST = RequestRow(
    id="r0-1", text="Was my key exposed?", lang="en", channel="mail", labels=(Label.HONEST,),
    expected="answer_or_escalate", sentence="Was my key exposed?", how="",
)  # fmt: skip


def read(seed: int, row: RequestRow | None, centre: float) -> list[tuple[RequestExample, Array]]:
    """Honest messages, each with random log-odds of every output."""
    drawn = np.random.default_rng(seed)
    wanted = np.zeros((2, len(OUTPUTS)), np.float32)
    wanted[:, PLACE[Label.HONEST]] = 1
    example = RequestExample(
        vectors=np.zeros((2, INPUTS), np.float32), wanted=wanted, weights=np.ones_like(wanted),
        row=row, is_plain=row is None,
    )  # fmt: skip
    odds = drawn.normal(centre, 2, (COUNT, 2, len(OUTPUTS))).astype(np.float32)
    return [(example, each) for each in odds]


@pytest.mark.parametrize(("of_hands", "of_ordinary"), [(0.0, -3.0), (-3.0, 0.0), (-1.0, -1.0)])
def test_a_threshold_takes_few_enough_honest_messages_of_hands_and_of_ordinary_authors(
    of_hands: float, of_ordinary: float
) -> None:
    hands, ordinary = read(1, HONEST, of_hands), read(2, None, of_ordinary)
    chosen = choose_thresholds([*hands, *ordinary], BOTH_ALIKE)
    for name, label in DECIDES.items():
        for scored, allowed in (
            (hands, FALSE[name].of_request_authors),
            (ordinary, FALSE[name].of_ordinary),
        ):
            likely = [calibrate_scores(BOTH_ALIKE, odds).max(0) for _, odds in scored]
            takes = [
                each[PLACE[label]] >= chosen[name] and (name != "refused" or has_kind(each))
                for each in likely
            ]
            assert np.mean(takes) <= allowed


def test_an_average_of_nets_says_the_mean_of_what_they_say() -> None:
    drawn = np.random.default_rng(3)
    shapes = {
        "inner": (INPUTS, 4), "inner_bias": (4,), "outer": (4, len(OUTPUTS)),
        "direct": (INPUTS, len(OUTPUTS)), "bias": (len(OUTPUTS),),
    }  # fmt: skip

    def said(net: dict[str, Array]) -> Array:
        hidden = np.maximum(rows @ net["inner"] + net["inner_bias"], 0)
        return np.asarray(hidden @ net["outer"] + rows @ net["direct"] + net["bias"], np.float32)

    rows = drawn.normal(size=(5, INPUTS)).astype(np.float32)
    nets = [
        {name: drawn.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        for _ in range(3)
    ]
    whole = average_nets(nets)
    assert whole["inner"].shape == (INPUTS, 12)
    np.testing.assert_allclose(said(whole), np.mean([said(n) for n in nets], axis=0), atol=0.1)
