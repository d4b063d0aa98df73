"""What an author's messages show when nothing was learned from that author.

The evidence of a message comes from an encoder that never saw its author. Weights and threshold of
an author's row come from the other authors too, so each row is what a stranger would have met.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bot.answering.decision import FEATURES, SCALE, Choice, choose, features
from bot.answering.interpretation import best_view
from bot.answering.segmentation import questions, views
from bot.corpus import Knowledge, Wording
from bot.domain import Hit
from bot.policy import screen
from bot.text.clean import clean_message
from evals.fitting.labelled import Classes, Trained
from evals.measuring.schema import Case
from evals.measuring.stats import upper_bound

HITS = 24
SHRINK = 0.02
# Two authors write in one hand: what pairs_x wrote is left out together with x.
GROUPS = (
    ("everyday", "pairs_everyday"),
    ("enterprise", "pairs_professional"),
    ("staff_odd_multilingual",),
)
# Wrong among answered, one error more than seen counted.
TARGETS = {"threshold": 0.03, "threshold_strict": 0.01}
SCORES = Path("evals/reports/left_out.jsonl")
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A left-out message with its evidence: did the two passages answer, were they related?"""

    id: str
    author: str
    language: str
    answerable: bool
    right: bool
    related: bool
    first: bool
    in_three: bool
    pair: str
    screened: bool  # the policy decides it, whatever the evidence says
    evidence: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    choice: Choice
    evidence: tuple[float, ...]

    @property
    def pair(self) -> float:
        return self.choice.pair


def score(
    cases: Sequence[Case], trained: Trained, knowledge: Knowledge, classes: Classes
) -> list[Scored]:
    """The evidence for each case under the view that fits best, as the desk will gather it."""
    wordings = knowledge.wordings
    base = trained.vectors([w.text for w in wordings])
    seen = {c.id: _views(c) for c in cases}
    texts = sorted({v for found in seen.values() for v in found})
    vectors = dict(zip(texts, trained.vectors(texts), strict=True))
    made = []
    for case in cases:
        found = [_view(base, vectors[v], trained, wordings, classes) for v in seen[case.id]]
        best = best_view(found)
        made.append(_scored(case, best, knowledge, classes))
    return made


def _views(case: Case) -> list[str]:
    """What the desk would look up: each question under its views."""
    return [v for q in questions(clean_message(case.text).own) for v in views(q)] or [case.text]


def _view(
    base: np.ndarray,
    vector: np.ndarray,
    trained: Trained,
    wordings: Sequence[Wording],
    classes: Classes,
) -> _View:
    near = base @ vector
    hits = [
        Hit(
            label=wordings[i].label, text="", cosine=float(near[i]), answers=wordings[i].answers
        )
        for i in np.argsort(-near)[:HITS]
    ]  # fmt: skip
    scores = trained.weights @ vector * SCALE + trained.bias
    grown = np.exp(scores - scores.max())
    distribution = grown / grown.sum()
    choice = choose(classes.labels, distribution, classes.answers)
    evidence = features(classes.labels, distribution, choice, hits, classes.answers)
    return _View(choice=choice, evidence=evidence)


def _scored(case: Case, view: _View, knowledge: Knowledge, classes: Classes) -> Scored:
    order = knowledge.quotable([classes.answers.passages[i] for i in view.choice.order])
    gold = {passage for group in case.gold for passage in group}
    quoted = set(order[:2])
    return Scored(
        id=case.id, author=case.author, language=case.lang, answerable=bool(case.gold),
        right=any(quoted & set(g) for g in case.gold), related=bool(quoted & set(case.related)),
        first=order[0] in gold, in_three=bool(gold & set(order[:3])),
        pair=case.pair, screened=screen(case.text) is not None, evidence=view.evidence,
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


def table(scored: Sequence[Scored]) -> tuple[dict[str, float], list[Row]]:
    """Thresholds on all authors, and the honest rows: each author under what the others chose."""
    english = [s for s in scored if s.language == "en"]
    rows: list[Row] = []
    weights, chances = cross(english)
    chosen = {name: threshold(chances, _wrong(english), t) for name, t in TARGETS.items()}
    for name in TARGETS:
        for group in GROUPS:
            others = [s for s in english if s.author not in group]
            rows += _rows(name, [s for s in english if s.author in group], others)
        rows.append({"target": name, "author": "all", **_row(english, chances, chosen[name])})
    foreign = [s for s in scored if s.language != "en"]
    high = _unscreened(foreign, weights)
    bad = high[_wrong(foreign)] if foreign else np.array([])
    chosen["threshold_other"] = max([*(float(b) + 0.01 for b in bad), chosen["threshold"]])
    for language in sorted({s.language for s in foreign}):
        mine = np.array([s.language == language for s in foreign])
        theirs = [s for s in foreign if s.language == language]
        row = _row(theirs, high[mine], chosen["threshold_other"])
        rows.append({"target": "threshold_other", "author": language, **row})
    return chosen, rows


def cross(english: Sequence[Scored]) -> tuple[dict[str, list[float]], np.ndarray]:
    """Weights on all, and each author's probabilities under weights of the other groups."""
    evidence = np.array([s.evidence for s in english])
    right = np.array([s.right for s in english], dtype=float)
    chances = np.zeros(len(english))
    for group in GROUPS:
        mine = np.array([s.author in group for s in english])
        chances[mine] = probabilities(weigh(evidence[~mine], right[~mine]), evidence[mine])
    return weigh(evidence, right), np.where([s.screened for s in english], 0.0, chances)


def calibration(scored: Sequence[Scored]) -> dict[str, object]:
    """What `calibrate` writes: weights, thresholds, rows."""
    chosen, rows = table(scored)
    weights, _ = cross([s for s in scored if s.language == "en"])
    return {
        **chosen, "weights": weights, "features": list(FEATURES), "messages": len(scored),
        "confidence": "one extra wrong answer counted; bounds one-sided 95 % Clopper-Pearson",
        "left_out": rows,
    }  # fmt: skip


def keep(scored: Sequence[Scored], path: Path = SCORES) -> None:
    """The scores beside the reports, for whoever looks into the errors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(s)) + "\n" for s in scored), encoding="utf-8")


def markdown(rows: Sequence[Mapping[str, object]], target: str) -> str:
    """The rows of one target as a table for the README."""
    lines = [
        (
            "| author left out | right | wrong of answered (95 % bound) | silent answered "
            "| first | in three | pairs |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['author']} | {_of(r, 'right', 'answerable')} "
        f"| {_of(r, 'wrong', 'answered')} (≤ {_percent(r['wrong_upper95'])}) "
        f"| {_of(r, 'silent_answered', 'silent')} | {_percent(r['first_rate'])} "
        f"| {_percent(r['three_rate'])} | {_percent(r['pairs_right'])} |"
        for r in rows
        if r["target"] == target
    ]
    return "\n".join(lines)


def _rows(name: str, mine: Sequence[Scored], others: Sequence[Scored]) -> list[Row]:
    """One row an author: weights and threshold come from the other groups only."""
    evidence = np.array([s.evidence for s in others])
    weights = weigh(evidence, np.array([s.right for s in others], dtype=float))
    fixed = threshold(_unscreened(others, weights), _wrong(others), TARGETS[name])
    rows: list[Row] = []
    for author in dict.fromkeys(s.author for s in mine):
        theirs = [s for s in mine if s.author == author]
        row = _row(theirs, _unscreened(theirs, weights), fixed)
        rows.append({"target": name, "author": author, **row})
    return rows


def _unscreened(scored: Sequence[Scored], weights: dict[str, list[float]]) -> np.ndarray:
    """Probabilities; 0 where the policy decides."""
    if not scored:
        return np.zeros(0)
    chances = probabilities(weights, np.array([s.evidence for s in scored]))
    return np.where([s.screened for s in scored], 0.0, chances)


def _wrong(scored: Sequence[Scored]) -> np.ndarray:
    return np.array([not s.right and not s.related for s in scored], dtype=bool)


def _row(theirs: Sequence[Scored], chances: np.ndarray, fixed: float) -> Row:
    told = [s for s, p in zip(theirs, chances, strict=True) if p >= fixed]
    wrong = int(_wrong(told).sum())
    asked = [s for s in theirs if s.answerable]
    right = sum(s.right for s in told)
    pairs = _pairs(theirs, chances, fixed)
    return {
        "threshold": round(fixed, 4), "answerable": len(asked), "answered": len(told),
        "right": right, "wrong": wrong,
        "beside": sum(not s.right and s.related for s in told),
        "silent": len(theirs) - len(asked), "silent_answered": sum(not s.answerable for s in told),
        "right_rate": _rate(right, len(asked)), "wrong_rate": _rate(wrong, len(told)),
        "wrong_upper95": round(upper_bound(wrong, len(told)), 4) if told else 1.0,
        "first_rate": _rate(sum(s.first for s in asked), len(asked)),
        "three_rate": _rate(sum(s.in_three for s in asked), len(asked)),
        "pairs": len(pairs), "pairs_right": _rate(sum(pairs), len(pairs)) if pairs else None,
    }  # fmt: skip


def _pairs(theirs: Sequence[Scored], chances: np.ndarray, fixed: float) -> list[bool]:
    """For each minimal pair: are all its sides right?"""
    sides: dict[str, list[bool]] = {}
    for s, p in zip(theirs, chances, strict=True):
        if s.pair:
            good = p >= fixed and s.right if s.answerable else p < fixed
            sides.setdefault(s.pair, []).append(good)
    return [all(v) for v in sides.values() if len(v) > 1]


def _rate(hits: int, of: int) -> float:
    return round(hits / max(1, of), 4)


def _percent(share: object) -> str:
    return f"{100 * share:.1f} %" if isinstance(share, float) else "–"


def _of(row: Mapping[str, object], hits: str, of: str) -> str:
    share = _rate(int(str(row[hits])), int(str(row[of])))
    return f"{_percent(share)} ({row[hits]}/{row[of]})"
