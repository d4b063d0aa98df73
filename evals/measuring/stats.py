"""Computes exact bounds, paired tests and risk-coverage curves.

Clopper–Pearson bounds treat cases as independent, which paraphrases are not; so callers also print
a bound over families.
"""

import math
import random
from collections.abc import Mapping, Sequence
from functools import cache

LEVEL = 0.95
DRAWS = 2_000
SEED = 20_251_126
HALVINGS = 60


def binomial_cdf(hits: int, of: int, chance: float) -> float:
    """Return P(X <= hits) for X ~ Binomial(of, chance)."""
    if hits >= of or chance <= 0:
        return 1.0
    if chance >= 1:
        return 0.0
    if hits > of * chance:  # the shorter tail is summed, which loses no digits
        return 1.0 - _lower_tail(of - hits - 1, of, 1 - chance)
    return _lower_tail(hits, of, chance)


def upper_bound(hits: int, of: int, level: float = LEVEL) -> float:
    """Return the one-sided exact upper bound of a rate; 1 when nothing was seen."""
    return 1.0 if hits >= of else _upper(int(hits), int(of), level)


@cache
def _upper(hits: int, of: int, level: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if binomial_cdf(hits, of, middle) > 1 - level:
            low = middle
        else:
            high = middle
    return high


def lower_bound(hits: int, of: int, level: float = LEVEL) -> float:
    """Return the one-sided exact lower bound of a rate; 0 when nothing was seen."""
    return 0.0 if not of else 1.0 - upper_bound(of - hits, of, level)


def mcnemar(fixed: int, broken: int) -> float:
    """Return the exact two-sided p-value of the hypothesis that both are equally likely.

    `fixed` and `broken` count the cases that became right and wrong.
    """
    of = fixed + broken
    if not of:
        return 1.0
    tail = sum(math.comb(of, i) for i in range(min(fixed, broken) + 1))
    return min(1.0, 2 * tail / float(2**of))


def bootstrap_difference(
    families: Mapping[str, Sequence[int]], *, draws: int = DRAWS, seed: int = SEED
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a case's mean change (-1, 0, +1), by whole families."""
    if not families:
        return 0.0, 0.0
    sums = [(sum(changes), len(changes)) for _, changes in sorted(families.items())]
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    means = []
    for _ in range(draws):
        sample = rng.choices(sums, k=len(sums))
        means.append(sum(s for s, _ in sample) / sum(n for _, n in sample))
    means.sort()
    return means[int(0.025 * draws)], means[min(draws - 1, int(0.975 * draws))]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile by nearest rank; 0 for no values."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def risk_coverage(scored: Sequence[tuple[float, bool]], of: int) -> list[tuple[float, float]]:
    """Return points (coverage, share of errors so far), most certain first; ties count together.

    `scored` holds (probability, is an error). `of` counts all cases, also those never answered.
    """
    points: list[tuple[float, float]] = []
    errors = 0
    ranked = sorted(scored, key=lambda pair: -pair[0])
    for place, (probability, error) in enumerate(ranked, start=1):
        errors += error
        if place == len(ranked) or ranked[place][0] != probability:
            points.append((place / of, errors / place))
    return points


def area(points: Sequence[tuple[float, float]], *, generalised: bool = False) -> float:
    """Return the AURC, the area under risk over coverage.

    `generalised` gives the AUGRC, with errors counted among all asked instead of among answered.
    """
    total = before = 0.0
    for coverage, risk in points:
        total += (coverage - before) * (risk * coverage if generalised else risk)
        before = coverage
    return total


def _lower_tail(hits: int, of: int, chance: float) -> float:
    """Return P(X <= hits), summed from `hits` down, each term computed from the one before."""
    if hits < 0:
        return 0.0
    log_term = (
        math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)
        + hits * math.log(chance) + (of - hits) * math.log1p(-chance)
    )  # fmt: skip
    term = total = math.exp(log_term)
    odds = (1 - chance) / chance
    for i in range(hits, 0, -1):
        term *= i / (of - i + 1) * odds
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, total)
