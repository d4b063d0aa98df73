"""What is measured of a post that nobody has seen before, and when its gates fail."""

import pytest

from bot.answering.transfer import UNANSWERABLE
from evals.day_one import (
    OTHER,
    SHIPPED,
    UNSEEN,
    DecidedQuestion,
    check_gates,
    measure_incidents,
    rates,
    table_rows,
)
from evals.fitting.incidents import IncidentQuestion
from evals.gates import GatesError, Limit, read_gates
from evals.transfer import ScoredQuestion


def decided(
    *, answered: bool, right: bool = False, related: bool = False, gold: bool = True, place: int = 0,
    language: str = "en",
) -> DecidedQuestion:  # fmt: skip
    asked = IncidentQuestion(
        text="?", language=language, kind="answerable" if gold else UNANSWERABLE, pair="",
        gold=frozenset({1} if gold else ()), related=frozenset(),
        gold_passages=frozenset({1} if gold else ()), related_passages=frozenset(),
    )  # fmt: skip
    scored = ScoredQuestion(
        asked=asked, pair="", unit_place=place, passage_place=place, right=right,
        related=related or right, screened=False, features=(), refuses=0.0,
    )  # fmt: skip
    return DecidedQuestion(scored=scored, answered=answered)


MIXED = [
    decided(answered=True, right=True),
    decided(answered=True, place=2),
    decided(answered=False, place=5),
    decided(answered=True, related=True, gold=False),
    decided(answered=False, gold=False, language="de"),
]


def test_each_rate_counts_what_its_name_says() -> None:
    found = {name: (rate.hits, rate.of) for name, rate in rates(MIXED).items()}
    assert found == {
        "right": (1, 3), "wrong": (1, 3), "beside": (1, 3), "silent": (1, 2), "first": (1, 3),
        "in_three": (2, 3),
    }  # fmt: skip


def test_the_rates_stand_for_each_incident_and_for_all_unseen_ones_by_language() -> None:
    told = {"g1": (UNSEEN, MIXED), "g2": (UNSEEN, MIXED[:1]), "own": (SHIPPED, MIXED[:2])}
    measured = measure_incidents(told)
    assert (measured[UNSEEN]["right"].hits, measured[SHIPPED]["wrong"].hits) == (2, 1)
    assert measured[f"{UNSEEN}_{OTHER}"]["silent"].of == 1
    assert len(list(table_rows(told))) == len(told) + len(measured)


def test_a_gate_fails_below_its_limit_and_one_on_nothing_is_an_error() -> None:
    measured = measure_incidents({"g1": (UNSEEN, MIXED), "own": (SHIPPED, MIXED[:2])})
    low, high = Limit(max=0.3), Limit(min=0.3)
    held = {
        each.name: each.holds
        for each in check_gates({UNSEEN: {"wrong": low, "right": high}}, measured)
    }  # fmt: skip
    assert held == {"wrong": False, "right": True}
    for gates in ({}, {"others": {"wrong": low}}, {f"{SHIPPED}_{OTHER}": {"wrong": low}}):
        with pytest.raises(GatesError, match="day_one"):
            list(check_gates(gates, measured))


def test_the_gates_that_ship_bound_what_a_new_post_may_get_wrong() -> None:
    gates = read_gates().day_one
    for scope in (UNSEEN, f"{SHIPPED}_en", f"{SHIPPED}_{OTHER}"):
        worst = gates[scope]["wrong"].max
        assert worst is not None
        assert worst <= 0.04
    assert {"right", "first", "in_three"} <= gates[f"{UNSEEN}_en"].keys()
