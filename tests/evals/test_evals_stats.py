import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.measuring import stats


@pytest.mark.parametrize(
    ("hits", "of", "bound"),
    [
        (0, 59, 0.0495),
        (0, 100, 0.0295),
        (0, 150, 0.0198),
        (0, 300, 0.0099),
        (1, 300, 0.0157),
        (3, 300, 0.0256),
        (0, 0, 1.0),
        (7, 7, 1.0),
    ],
)
def test_upper_bound_is_the_published_one(hits: int, of: int, bound: float) -> None:
    assert stats.upper_bound(hits, of) == pytest.approx(bound, abs=5e-5)


@pytest.mark.parametrize(
    ("fixed", "broken", "p"),
    [(5, 0, 0.0625), (6, 0, 0.03125), (10, 3, 0.0923), (0, 0, 1.0), (4, 4, 1.0)],
)
def test_mcnemar_is_exact(fixed: int, broken: int, p: float) -> None:
    assert stats.mcnemar(fixed, broken) == pytest.approx(p, abs=5e-5)
    assert stats.mcnemar(broken, fixed) == stats.mcnemar(fixed, broken)


@given(of=st.integers(1, 60), share=st.floats(0, 1), chance=st.floats(0.001, 0.999))
def test_binomial_cdf_is_the_sum_of_its_terms(of: int, share: float, chance: float) -> None:
    hits = int(share * of)
    terms = [math.comb(of, i) * chance**i * (1 - chance) ** (of - i) for i in range(hits + 1)]
    assert stats.binomial_cdf(hits, of, chance) == pytest.approx(sum(terms), abs=1e-9)


@given(of=st.integers(1, 400), share=st.floats(0, 1))
def test_bounds_enclose_the_rate_and_mirror_each_other(of: int, share: float) -> None:
    hits = int(share * of)
    low, high = stats.lower_bound(hits, of), stats.upper_bound(hits, of)
    assert low <= hits / of <= high
    assert low == pytest.approx(1 - stats.upper_bound(of - hits, of))
    if hits < of:
        assert stats.binomial_cdf(hits, of, high) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize(("chance", "cdf"), [(0.0, 1.0), (1.0, 0.0)])
def test_certain_chances(chance: float, cdf: float) -> None:
    assert stats.binomial_cdf(2, 5, chance) == cdf


def test_nothing_seen_is_nothing_known() -> None:
    assert stats.lower_bound(0, 0) == 0.0
    assert stats.bootstrap_difference({}) == (0.0, 0.0)
    assert stats.quantile([], 0.5) == 0.0


def test_bootstrap_is_seeded_and_draws_whole_families() -> None:
    families = {"a": [1, 1, 1], "b": [0], "c": [0, 0], "d": [-1]}
    low, high = stats.bootstrap_difference(families)
    assert (low, high) == stats.bootstrap_difference(families)
    assert low < 2 / 7 < high
    assert stats.bootstrap_difference({"a": [1], "b": [1]}) == (1.0, 1.0)


def test_quantile_is_the_nearest_rank() -> None:
    values = [float(i) for i in range(1, 21)]
    assert stats.quantile(values, 0.5) == 10
    assert stats.quantile(values, 0.95) == 19
    assert stats.quantile([3.0], 0.0) == 3


def test_risk_coverage_lets_ties_enter_together() -> None:
    scored = [(0.9, False), (0.5, True), (0.5, False), (0.1, True)]
    points = stats.risk_coverage(scored, 8)
    assert points == [(1 / 8, 0.0), (3 / 8, 1 / 3), (4 / 8, 2 / 4)]
    assert stats.area(points) == pytest.approx(2 / 8 / 3 + 1 / 8 / 2)
    assert stats.area(points, generalised=True) == pytest.approx(2 / 8 / 8 + 1 / 8 / 4)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_risk_coverage_does_not_depend_on_the_order(scored: list[tuple[float, bool]]) -> None:
    points = stats.risk_coverage(scored, len(scored))
    assert points == stats.risk_coverage(scored[::-1], len(scored))
    assert points[-1] == (1.0, sum(e for _, e in scored) / len(scored))
