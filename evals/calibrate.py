"""Implements `calibrate`: measures the fit on each author's messages with that author left out.

Every index run does the same calibration; this command prints its table and keeps the scores.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bot.answering.calibration import (
    TARGETS,
    Calibration,
    ScoredMessage,
    chances_of,
    fit_calibration,
    left_out_result,
    lowest_threshold,
    weigh,
    weigh_across,
)
from bot.answering.fit import learn_fit
from bot.app import App
from bot.settings import read_settings
from evals.measuring.stats import upper_bound

SCORES = Path("evals/reports/left_out.jsonl")
COLUMNS = ("author left out", "right", "wrong (95 % bound)", "beside", "first", "in three", "pairs")
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def calibrate(argv: Sequence[str]) -> int:
    """Fit the knowledge folder anew, print the table by author and keep the scores; return 0."""
    argparse.ArgumentParser(prog="python -m evals calibrate").parse_args(argv)
    app = App(read_settings(), lambda line: print(line, file=sys.stderr, flush=True))
    scored = learn_fit(app.knowledge, app.encoder.vectors).scored
    keep_scores(scored)
    calibration = fit_calibration(scored)
    for target, share in TARGETS.items():
        print(f"\nEnglish, at most {share:.0%} wrong: {target} {getattr(calibration, target):.3f}")
        print("\n".join([HEAD, *english_rows(scored, share)]))
    print(f"\nOther languages: threshold {calibration.threshold_other:.3f}")
    print("\n".join([HEAD, *foreign_rows(scored, calibration)]))
    return 0


def english_rows(scored: Sequence[ScoredMessage], share: float) -> Iterable[str]:
    """Yield a row for each author, by weights and threshold of the other folds, and one for all."""
    english = [s for s in scored if s.language == "en"]
    for author in dict.fromkeys(s.author for s in english):
        theirs = [s for s in english if s.author == author]
        others = [s for s in english if s.fold != theirs[0].fold]
        weights = weigh(others)
        fixed = lowest_threshold(chances_of(others, weights), _wrong(others), share)
        yield table_row(author, theirs, chances_of(theirs, weights), fixed)
    _, chances = weigh_across(english)
    yield table_row("all", english, chances, lowest_threshold(chances, _wrong(english), share))


def foreign_rows(scored: Sequence[ScoredMessage], calibration: Calibration) -> Iterable[str]:
    """Yield a row for each language but English, by the threshold that the desk uses."""
    for language in sorted({s.language for s in scored} - {"en"}):
        theirs = [s for s in scored if s.language == language]
        chances = chances_of(theirs, calibration.weights)
        yield table_row(language, theirs, chances, calibration.threshold_other)


def table_row(
    name: str, scored: Sequence[ScoredMessage], chances: np.ndarray, threshold: float
) -> str:
    """Return one row of the table: rates with their counts."""
    result = left_out_result(scored, chances, threshold)
    asked = [s for s in scored if s.answerable]
    pairs = pairs_right(scored, chances, threshold)
    bound = upper_bound(result.wrong, result.answered) if result.answered else 1.0
    cells = (
        name,
        _share(result.right, result.answerable),
        f"{_share(result.wrong, result.answered)} (≤ {bound:.1%})",
        _share(result.beside, result.answered),
        _share(sum(s.first for s in asked), len(asked)),
        _share(sum(s.in_three for s in asked), len(asked)),
        _share(sum(pairs), len(pairs)),
    )
    return f"| {' | '.join(cells)} |"


def pairs_right(
    scored: Sequence[ScoredMessage], chances: np.ndarray, threshold: float
) -> list[bool]:
    """Return for each minimal pair whether all its sides are decided rightly."""
    sides: dict[str, list[bool]] = {}
    for s, chance in zip(scored, chances, strict=True):
        if s.pair:
            good = s.right and chance >= threshold if s.answerable else chance < threshold
            sides.setdefault(s.pair, []).append(good)
    return [all(each) for each in sides.values() if len(each) > 1]


def keep_scores(scored: Sequence[ScoredMessage], path: Path = SCORES) -> None:
    """Write the scores as JSON lines beside the reports, for the analysis of errors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(s)) + "\n" for s in scored), encoding="utf-8")


def _wrong(scored: Sequence[ScoredMessage]) -> np.ndarray:
    return np.array([s.wrong for s in scored], dtype=bool)


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%} ({count}/{of})" if of else "–"
