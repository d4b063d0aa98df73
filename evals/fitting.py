"""`fit` makes knowledge/fitted/; `calibrate` weighs and bounds it on authors it never saw.

calibrate trains an encoder without each group of authors and reads their messages with it. On
these scores alone, which no fit has seen, rest the weights of the evidence and the thresholds.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bot.adapters.weights import fetch
from bot.app import App
from bot.confidence import FEATURES, SCALE, choose, features
from bot.corpus import Knowledge
from bot.domain import Hit
from bot.errors import MissingError
from bot.policy import screen
from bot.segments import questions, views
from bot.settings import read_settings
from evals.labelled import Classes, Trained, classes_of, examples_of
from evals.schema import Case, load_cases
from evals.stats import upper_bound

FITTED = "fitted"
HITS = 24
SHRINK = 0.02
# Two authors write in one hand: what pairs_x wrote is left out together with x.
GROUPS = (
    ("everyday", "pairs_everyday"),
    ("enterprise", "pairs_professional"),
    ("staff_odd_multilingual",),
)
TARGETS = {"threshold": 0.03, "threshold_strict": 0.01}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A left-out message with its evidence: did the two passages answer, were they related?"""

    id: str
    author: str
    language: str
    answerable: bool
    right: bool
    related: bool
    pair: str
    screened: bool  # the policy decides it, whatever the evidence says
    evidence: tuple[float, ...]


def fit(argv: Sequence[str]) -> int:
    """Train on everything that is labelled and write encoder, classes and stamp."""
    argparse.ArgumentParser(prog="python -m evals fit").parse_args(argv)
    train = _train()
    knowledge, cases, weights = _inputs()
    classes = classes_of(knowledge)
    examples = examples_of(knowledge.wordings, cases, classes)
    folder = knowledge.folder / FITTED
    calibration = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        trained = train(
            examples, classes=len(classes.labels), answered=classes.answered,
            weights=weights, scratch=Path(scratch), say=_say,
        )  # fmt: skip
    _write(
        folder, knowledge, classes, trained,
        calibration=calibration, count=len(examples), cases=cases,
    )  # fmt: skip
    return 0


def calibrate(argv: Sequence[str]) -> int:
    """Score every author with an encoder that never saw them; choose weights and thresholds."""
    argparse.ArgumentParser(prog="python -m evals calibrate").parse_args(argv)
    train = _train()
    knowledge, cases, weights = _inputs()
    classes = classes_of(knowledge)
    scored: list[Scored] = []
    for group in GROUPS:
        _say(f"leaving out {', '.join(group)}")
        seen = [c for c in cases if c.author not in group]
        examples = examples_of(knowledge.wordings, seen, classes)
        with tempfile.TemporaryDirectory() as scratch:
            trained = train(
                examples, classes=len(classes.labels), answered=classes.answered,
                weights=weights, scratch=Path(scratch), say=_say,
            )  # fmt: skip
        left_out = [c for c in cases if c.author in group]
        scored += score(left_out, trained, knowledge, classes)
    _save_calibration(knowledge.folder / FITTED, scored)
    return 0


def score(
    cases: Sequence[Case], trained: Trained, knowledge: Knowledge, classes: Classes
) -> list[Scored]:
    """The evidence for each case under the view that fits best, as the desk will gather it."""
    wordings = knowledge.wordings
    base = trained.vectors([w.text for w in wordings])
    seen = {c.id: [v for q in questions(c.text) for v in views(q)] or [c.text] for c in cases}
    texts = sorted({v for found in seen.values() for v in found})
    vectors = dict(zip(texts, trained.vectors(texts), strict=True))
    made = []
    for case in cases:
        best: tuple[float, tuple[float, ...], set[str]] | None = None
        for view in seen[case.id]:
            near = base @ vectors[view]
            hits = [
                Hit(
                    label=wordings[i].label,
                    text="",
                    cosine=float(near[i]),
                    answers=wordings[i].answers,
                )
                for i in np.argsort(-near)[:HITS]
            ]
            scores = trained.weights @ vectors[view] * SCALE + trained.bias
            grown = np.exp(scores - scores.max())
            distribution = grown / grown.sum()
            choice = choose(classes.labels, distribution, classes.answers)
            found = features(classes.labels, distribution, choice, hits, classes.answers)
            quoted = {classes.answers.passages[i] for i in choice.order[:2]}
            if best is None or choice.pair > best[0]:
                best = (choice.pair, found, quoted)
        assert best is not None  # noqa: S101 - every case has a view
        made.append(_scored(case, best[1], set(knowledge.quotable(sorted(best[2])))))
    return made


def _scored(case: Case, evidence: tuple[float, ...], quoted: set[str]) -> Scored:
    return Scored(
        id=case.id, author=case.author, language=case.lang, answerable=bool(case.gold),
        right=any(quoted & set(g) for g in case.gold), related=bool(quoted & set(case.related)),
        pair=case.pair, screened=screen(case.text) is not None, evidence=evidence,
    )  # fmt: skip


def weigh(evidence: np.ndarray, right: np.ndarray) -> dict[str, list[float]]:
    """A strongly shrunken logistic regression by Newton's method; deterministic."""
    mean, spread = evidence.mean(0), evidence.std(0) + 1e-6
    table = np.c_[(evidence - mean) / spread, np.ones(len(evidence))]
    weights = np.zeros(table.shape[1])
    penalty = np.eye(len(weights)) / SHRINK
    penalty[-1, -1] = 1e-6
    for _ in range(40):
        guess = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (guess - right) + penalty @ weights
        bend = (table * (guess * (1 - guess))[:, None]).T @ table + penalty
        weights -= np.linalg.solve(bend, slope)
    return {"mean": mean.tolist(), "spread": spread.tolist(), "coefficients": weights.tolist()}


def probabilities(weights: dict[str, list[float]], evidence: np.ndarray) -> np.ndarray:
    """What `Fit.probability` gives, for a table of evidence."""
    scaled = (evidence - np.array(weights["mean"])) / np.array(weights["spread"])
    line = np.array(weights["coefficients"])
    return np.asarray(1 / (1 + np.exp(-(scaled @ line[:-1] + line[-1]))))


def threshold(chances: np.ndarray, wrong: np.ndarray, target: float) -> float:
    """The lowest threshold whose wrong answers, one more counted, stay within `target` of all."""
    order = np.argsort(-chances, kind="stable")
    errors = np.cumsum(wrong[order]) + 1
    good = np.flatnonzero(errors / np.arange(1, len(order) + 1) <= target)
    return float(chances[order][good[-1]]) if len(good) else 1.0


def table(scored: Sequence[Scored]) -> tuple[dict[str, float], list[dict[str, object]]]:
    """Thresholds on all authors, and the honest rows: each author under what the others chose."""
    english = [s for s in scored if s.language == "en"]
    rows = []
    for name in TARGETS:
        for group in GROUPS:
            others = [s for s in english if s.author not in group]
            rows += _rows(name, [s for s in english if s.author in group], others)
    weights, chances = _cross(english)
    wrong = np.array([not s.right and not s.related for s in english])
    chosen = {name: threshold(chances, wrong, target) for name, target in TARGETS.items()}
    foreign = [s for s in scored if s.language != "en"]
    high = probabilities(weights, np.array([s.evidence for s in foreign]))
    bad = [
        p
        for p, s in zip(high, foreign, strict=True)
        if not s.right and not s.related and not s.screened
    ]
    chosen["threshold_other"] = max([*(float(b) + 0.01 for b in bad), chosen["threshold"]])
    return chosen, rows


def _cross(english: Sequence[Scored]) -> tuple[dict[str, list[float]], np.ndarray]:
    """Weights on all, and each author's probabilities under weights of the other groups."""
    evidence = np.array([s.evidence for s in english])
    right = np.array([s.right for s in english], dtype=float)
    chances = np.zeros(len(english))
    for group in GROUPS:
        mine = np.array([s.author in group for s in english])
        chances[mine] = probabilities(weigh(evidence[~mine], right[~mine]), evidence[mine])
    return weigh(evidence, right), np.where([s.screened for s in english], 0.0, chances)


def _rows(name: str, mine: Sequence[Scored], others: Sequence[Scored]) -> list[dict[str, object]]:
    """One row an author: weights and threshold come from the other groups only."""
    evidence = np.array([s.evidence for s in others])
    right = np.array([s.right for s in others], dtype=float)
    weights = weigh(evidence, right)
    wrong = np.array([not s.right and not s.related for s in others])
    seen = np.where([s.screened for s in others], 0.0, probabilities(weights, evidence))
    fixed = threshold(seen, wrong, TARGETS[name])
    rows = []
    for author in dict.fromkeys(s.author for s in mine):
        theirs = [s for s in mine if s.author == author]
        chances = probabilities(weights, np.array([s.evidence for s in theirs]))
        chances = np.where([s.screened for s in theirs], 0.0, chances)
        rows.append({"target": name, "author": author, **_row(theirs, chances, fixed)})
    return rows


def _row(theirs: Sequence[Scored], chances: np.ndarray, fixed: float) -> dict[str, object]:
    told = [s for s, p in zip(theirs, chances, strict=True) if p >= fixed]
    bad = sum(not s.right and not s.related for s in told)
    beside = sum(not s.right and s.related for s in told)
    asked = sum(s.answerable for s in theirs)
    sides: dict[str, list[bool]] = {}
    for s, p in zip(theirs, chances, strict=True):
        if s.pair:
            sides.setdefault(s.pair, []).append(
                (p >= fixed and s.right) if s.answerable else p < fixed
            )
    both = [all(v) for v in sides.values() if len(v) > 1]
    return {
        "threshold": round(fixed, 4), "answerable": asked, "answered": len(told),
        "right": sum(s.right for s in told), "wrong": bad, "beside": beside,
        "right_rate": round(sum(s.right for s in told) / max(1, asked), 4),
        "wrong_rate": round(bad / max(1, len(told)), 4),
        "wrong_upper95": round(upper_bound(bad, len(told)), 4) if told else 1.0,
        "pairs": len(both), "pairs_right": round(sum(both) / len(both), 4) if both else None,
    }  # fmt: skip


def _save_calibration(folder: Path, scored: Sequence[Scored]) -> None:
    english = [s for s in scored if s.language == "en"]
    chosen, rows = table(scored)
    weights, _ = _cross(english)
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        **chosen, "weights": weights, "features": list(FEATURES), "messages": len(scored),
        "confidence": "one extra wrong answer counted; bounds one-sided 95 % Clopper-Pearson",
        "left_out": rows,
    }  # fmt: skip
    (folder / "calibration.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    lines = "".join(json.dumps(asdict(s)) + "\n" for s in scored)
    Path("evals/reports").mkdir(parents=True, exist_ok=True)
    Path("evals/reports/left_out.jsonl").write_text(lines, encoding="utf-8")
    for row in rows:
        _say(json.dumps(row))


def _write(
    folder: Path, knowledge: Knowledge, classes: Classes, trained: Trained, *,
    calibration: dict[str, object], count: int, cases: Sequence[Case],
) -> None:  # fmt: skip
    weights = calibration["weights"]
    assert isinstance(weights, dict)  # noqa: S101 - our own file
    np.savez_compressed(folder / "encoder.npz", allow_pickle=False, **trained.delta)
    np.savez_compressed(
        folder / "decision.npz",
        allow_pickle=False,
        labels=np.array(classes.labels), weights=trained.weights.astype(np.float16),
        bias=trained.bias.astype(np.float16),
        **{name: np.array(weights[name]) for name in ("mean", "spread", "coefficients")},
    )  # fmt: skip
    said = "".join(sorted(f"{c.id}\n{c.text}\n{c.gold}\n" for c in cases))
    stamp = {
        "question_version": knowledge.question_version,
        "messages": hashlib.sha256(said.encode()).hexdigest()[:12],
        "examples": count,
        **{name: calibration[name] for name in (*TARGETS, "threshold_other", "confidence")},
        "passages": list(classes.answers.passages),
        "answers": {k: [round(float(x), 4) for x in v] for k, v in classes.answers.intents.items()},
    }
    (folder / "fit.json").write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    _say(f"wrote {folder}: {sum(f.stat().st_size for f in folder.iterdir()) // 1024} kB")


def _train() -> Callable[..., Trained]:
    """MissingError when the train extra is not installed."""
    try:
        from evals.training import train
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{error.name} is not here; install it first: pip install torch"
        ) from None
    return train


def _inputs() -> tuple[Knowledge, list[Case], Path]:
    app = App(read_settings(), _say)
    cases = [c for c in load_cases(Path("evals/cases")) if c.split == "fit"]
    return app.knowledge, cases, fetch(app.settings.models, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
