"""Implements `requests`: makes bot/data/requests.npz and measures it on authors left out.

Each hand in turn is left out; calibration and thresholds rest on these readings alone. Two more
hands are for `python -m evals safety` only: nothing is learned from them or chosen by them.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bot.adapters.cached_encoder import CachedEncoder
from bot.adapters.e5 import E5
from bot.answering.requests import (
    HEAD,
    LABELS,
    OUTPUTS,
    PLACE,
    Array,
    Label,
    RequestHead,
    calibrate,
    has_kind,
)
from bot.app import App
from bot.resources import data_path
from bot.settings import read_settings
from evals.fitting.requests import (
    TABLE_ONLY,
    Example,
    around,
    data_hash,
    hands,
    learn,
    of_hand,
    with_thresholds,
)
from evals.measuring.stats import lower_bound, upper_bound

# The share of messages of unseen hands that each threshold may wrongly take. Honest questions that
# are refused, and questions that go to a person instead of being answered, cost the most.
FALSE = {
    "refused": 0.018, "doubtful": 0.08, "paged": 0.012, "alarming": 0.03, "formal": 0.01,
    "wants_person": 0.005, "secret_given": 0.01, "silent": 0.002,
}  # fmt: skip
DECIDES = {
    "refused": Label.REFUSE, "doubtful": Label.REFUSE, "paged": Label.CRISIS,
    "alarming": Label.CRISIS, "formal": Label.FORMAL, "wants_person": Label.WANTS_PERSON,
    "secret_given": Label.GIVEN_AWAY, "silent": Label.SILENT,
}  # fmt: skip
HONEST = "answer_or_escalate"
Scored = list[tuple[Example, Array]]
Flags = npt.NDArray[np.bool_]
Table = npt.NDArray[np.float64]
NEWTON_STEPS, SHRINK = 30, 1.0


def requests(argv: Sequence[str]) -> int:
    """Learn, calibrate, write the file, print the table."""
    parser = argparse.ArgumentParser(prog="python -m evals requests")
    parser.parse_args(argv)
    app = App(read_settings(), _say)
    kept = app.settings.home / "request-vectors.npz"
    encoder = CachedEncoder(E5(app.settings.models, _say), kept)

    def vector(text: str) -> Array:
        return np.asarray(encoder.vectors([text])[0], dtype=np.float32)

    told = {name: of_hand(name, vector) for name in hands() if name not in TABLE_ONLY}
    beside = around(app.knowledge, vector)
    encoder.save()
    head = make(told, beside, encoder.name)
    data_path(HEAD).write_bytes(head.to_bytes())
    return 0


def make(told: dict[str, list[Example]], beside: list[Example], encoder: str) -> RequestHead:
    """A head from all hands, calibrated on each of them read by a head of the others."""
    scored: Scored = []
    for left_out, examples in told.items():
        others = [each for name, hand in told.items() if name != left_out for each in hand]
        head = learn([*others, *beside], encoder=encoder, data="")
        scored += [(each, head.scores(each.vectors)) for each in examples]
        _say(f"read {left_out} by the others")
    calibration = _calibration(scored)
    thresholds = _thresholds(scored, calibration)
    _table(scored, calibration, thresholds)
    every = [each for hand in told.values() for each in hand]
    whole = learn([*every, *beside], encoder=encoder, data=data_hash(told))
    return with_thresholds(whole, calibration, thresholds)


def _calibration(scored: Scored) -> Array:
    """For each label the weights of its two log-odds, fitted on messages as wholes."""
    made = np.zeros((LABELS, 3), np.float32)
    for place, label in enumerate(OUTPUTS[:LABELS]):
        rows = [[s[:-1, place].max(), s[-1, place], 1.0] for _, s in scored]
        made[place] = _logistic(np.array(rows), _has(scored, Label(label)))
    return made


def _logistic(evidence: Table, right: Flags) -> Table:
    """The weights of a logistic regression, by Newton's steps; a little shrunken."""
    weights = np.zeros(evidence.shape[1])
    for _ in range(NEWTON_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(evidence @ weights, -30, 30)))
        slope = evidence.T @ (chances - right) + SHRINK * weights
        curve = (evidence.T * (chances * (1 - chances))) @ evidence
        weights -= np.linalg.solve(curve + SHRINK * np.eye(len(weights)), slope)
    return weights


def _thresholds(scored: Scored, calibration: Array) -> dict[str, float]:
    """Of each decision the lowest probability at which it wrongly takes few enough messages."""
    likely = _likely(scored, calibration)
    named = np.array([has_kind(each) for each in likely])
    chosen = {}
    for name, label in DECIDES.items():
        wrong = _wrong(scored, name)
        chances = likely[:, PLACE[label]] * (named if name == "refused" else 1)
        own = np.sort(chances[wrong])[::-1]
        allowed = int(FALSE[name] * wrong.sum())
        chosen[name] = float(own[allowed]) + 1e-4
    return chosen


def _wrong(scored: Scored, name: str) -> Flags:
    """The messages that a decision must leave alone."""
    if name in ("refused", "doubtful"):
        return np.array([bool(each.row and each.row.expected == HONEST) for each, _ in scored])
    return ~_has(scored, DECIDES[name])


def _likely(scored: Scored, calibration: Array) -> Array:
    return np.stack([calibrate(calibration, scores).max(0) for _, scores in scored])


def _has(scored: Scored, label: Label) -> Flags:
    return np.array([bool(each.wanted[-1, PLACE[label]]) for each, _ in scored])


def _table(scored: Scored, calibration: Array, thresholds: dict[str, float]) -> None:
    likely = _likely(scored, calibration)
    named = np.array([has_kind(each) for each in likely])
    _say("hands read by heads of the others; one-sided 95 % bounds")
    for name, label in DECIDES.items():
        takes = likely[:, PLACE[label]] >= thresholds[name]
        takes &= named if name == "refused" else True
        own, wrong = _has(scored, label), _wrong(scored, name)
        _say(
            f"  {name:<14} from {thresholds[name]:.3f}: {_rate(takes, own)} of {label}, "
            f"{_rate(takes, wrong)} of others"
        )


def _rate(takes: Flags, of: Flags) -> str:
    hits, count = int((takes & of).sum()), int(of.sum())
    low, high = 100 * lower_bound(hits, count), 100 * upper_bound(hits, count)
    return f"{100 * hits / max(1, count):.1f} % ({hits}/{count}; {low:.1f}-{high:.1f})"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
