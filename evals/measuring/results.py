"""Defines a measured run as one value, and writes it as results.json."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evals.gates import GateResult
from evals.measuring.grade import Graded
from evals.measuring.measure import SCRIPTED, EvaluatedDesk
from evals.measuring.metrics import (
    Figures,
    Rate,
    confusion,
    figures,
    grouped,
    latency,
    sweep,
)
from evals.measuring.stats import SEED

PACKAGES = ("chromadb", "numpy", "onnxruntime", "tokenizers")
GAP = 0.05  # a larger gap between fit and test cases is worth a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The paired comparison of head with base on the same cases of the test split.

    `p` is the exact McNemar p-value, `low` and `high` the 95 % interval of the mean change.
    """

    base: str
    shared: int
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    p: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A measured run with everything that the reports show."""

    graded: tuple[Graded, ...]
    checked: tuple[GateResult, ...]
    threshold: float
    stamp: dict[str, str]
    seconds: float
    comparison: Comparison | None = None
    kept: Mapping[str, Rate] = field(default_factory=dict)  # by name of the perturbation

    @property
    def held(self) -> list[Graded]:
        """Return the cases of the test split, or all cases when none of it was run."""
        return [g for g in self.graded if g.case.split == "test"] or list(self.graded)

    @property
    def holds(self) -> bool:
        return not any(c.fails for c in self.checked)

    @property
    def code(self) -> int:
        """Return the exit code: 0 when no gate fails, else 1."""
        return 0 if self.holds else 1

    @property
    def scripted(self) -> bool:
        """Return whether a scripted server took the place of a model."""
        return SCRIPTED in self.stamp["backend"]

    @property
    def verdict(self) -> str:
        """Return the first line of every report."""
        failed = sum(c.fails for c in self.checked)
        if not self.checked:
            return "no gate applied: the test split was not run as a whole"
        return f"{failed} of {len(self.checked)} gates fail" if failed else "all gates hold"

    @property
    def gap(self) -> float | None:
        """Return by how much `right_en` is higher on fit cases than on test cases, if both ran."""
        rates = [_right(self.graded, split) for split in ("fit", "test")]
        return rates[0] - rates[1] if rates[0] is not None and rates[1] is not None else None


def stamp_of(desk: EvaluatedDesk, cases: Path, gates: Path) -> dict[str, str]:
    """Return what the figures depend on: threshold, versions, and hashes of cases and code."""
    root = Path(__file__).parents[2]  # for prompts, rules and limits as well as code
    decision = "fitted" if desk.fitted else "strict rules (no fit for these questions)"
    return {
        "backend": desk.model or "offline",
        "decision": f"{decision}, with {desk.model}" if desk.model else decision,
        "threshold": f"{desk.threshold:.4f}",
        "knowledge": desk.knowledge.version,
        "questions": desk.knowledge.question_version,
        "cases": hash_files(sorted(cases.glob("*.yaml"))),
        "gates": hash_files([gates]),
        "code": hash_files(sorted([*root.glob("bot/**/*.py"), *root.glob("bot/data/*")])),
        "seed": str(SEED),
        **{name: version(name) for name in PACKAGES},
    }


def hash_files(paths: Sequence[Path]) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of the files' content."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:12]


def results_as_json(run: Run) -> dict[str, Any]:
    """Return the content of results.json, which holds no text of a message."""
    splits = grouped(run.graded, lambda g: g.case.split)
    gated = [g for g in run.graded if g.case.split != "confirm"]
    return {
        "verdict": run.verdict,
        "exit_code": run.code,
        "stamp": run.stamp,
        "gates": [{**asdict(c), "value": round(c.value, 6)} for c in _untimed(run.checked)],
        "figures": {name: _figures(figures(group)) for name, group in splits.items()},
        "slices": {n: _figures(figures(g)) for n, g in by(gated, "slice").items()},
        "authors": {n: _figures(figures(g)) for n, g in by(run.graded, "author").items()},
        "languages": {n: _figures(figures(g)) for n, g in by(gated, "lang").items()},
        "kept": _figures(run.kept),
        "confusion": confusion(run.held),
        "thresholds": sweep(run.held),
        "comparison": asdict(run.comparison) if run.comparison else None,
        "cases": [_case(g) for g in run.graded],
        "timings": {
            "seconds": round(run.seconds, 1),
            **latency(run.graded),
            "gates": [asdict(c) for c in run.checked if c.name.startswith("ms_p")],
            "cases": {g.case.id: round(g.seen.milliseconds, 3) for g in run.graded},
        },
    }


def write_json(run: Run, path: Path) -> None:
    """Write results.json in a stable order, one value a line."""
    path.write_text(
        json.dumps(results_as_json(run), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _case(graded: Graded) -> dict[str, Any]:
    case, seen = graded.case, graded.seen
    return {
        "id": case.id,
        "split": case.split,
        "slice": case.slice,
        "author": case.author,
        "family": case.family,
        "expected": case.expected,
        "got": seen.decision,
        "reason": seen.reason,
        "verdict": graded.verdict.value,
        "cause": graded.cause,
        "probability": seen.probability,
        "quoted": list(seen.quoted),
        "candidates": [list(part.candidates) for part in seen.parts],
    }


def _figures(found: Figures) -> dict[str, Any]:
    return {name: _figure(figure) for name, figure in found.items()}


def _figure(figure: Rate | float) -> dict[str, Any] | float:
    if not isinstance(figure, Rate):
        return round(figure, 6)
    value = figure.value
    return {
        "hits": figure.hits,
        "of": figure.of,
        "value": None if value is None else round(value, 4),
        "lower95": round(figure.lower, 4),
        "upper95": round(figure.upper, 4),
    }


def by(graded: Sequence[Graded], field: str) -> dict[str, list[Graded]]:
    """Return the graded cases in groups by a field of the case."""
    return grouped(graded, lambda g: str(getattr(g.case, field)))


def _untimed(checked: Sequence[GateResult]) -> list[GateResult]:
    return [c for c in checked if not c.name.startswith("ms_p")]


def _right(graded: Sequence[Graded], split: str) -> float | None:
    rate = figures([g for g in graded if g.case.split == split])["right_en"]
    return rate.value if isinstance(rate, Rate) else None
