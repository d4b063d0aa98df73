"""Writes knowledge/fitted/: what was learned, and the calibration of authors left out of it."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bot.corpus import Knowledge
from evals.fitting.labelled import Classes, Trained
from evals.fitting.left_out import TARGETS, markdown
from evals.measuring.schema import Case

FITTED = "fitted"
CALIBRATION = "calibration.json"


def adopt(folder: Path, made: Mapping[str, object]) -> None:
    """Write the calibration, and put it into the fit that stands beside it."""
    text = json.dumps(made, indent=1) + "\n"
    (folder / CALIBRATION).write_text(text, encoding="utf-8")
    stamp, arrays = folder / "fit.json", folder / "decision.npz"
    about = json.loads(stamp.read_text(encoding="utf-8"))
    with np.load(arrays) as stored:
        kept = {name: stored[name] for name in ("labels", "weights", "bias")}
    np.savez_compressed(arrays, allow_pickle=False, **kept, **_weights(made))
    stamp.write_text(json.dumps(about | _thresholds(made), indent=1) + "\n", encoding="utf-8")
    rows = made["left_out"]
    assert isinstance(rows, list)  # noqa: S101 - made by `calibration`
    for target in (*TARGETS, "threshold_other"):
        _say(f"\n{target} {made[target]:.4f}\n{markdown(rows, target)}")


def write(
    knowledge: Knowledge, classes: Classes, trained: Trained, *, count: int, cases: Sequence[Case]
) -> None:
    """The fit of this knowledge, under the calibration that stands in the folder."""
    folder = knowledge.folder / FITTED
    made = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))
    np.savez_compressed(folder / "encoder.npz", allow_pickle=False, **trained.delta)
    np.savez_compressed(
        folder / "decision.npz",
        allow_pickle=False,
        labels=np.array(classes.labels), weights=trained.weights.astype(np.float16),
        bias=trained.bias.astype(np.float16), **_weights(made),
    )  # fmt: skip
    said = "".join(sorted(f"{c.id}\n{c.text}\n{c.gold}\n" for c in cases))
    stamp = {
        "question_version": knowledge.question_version,
        "messages": hashlib.sha256(said.encode()).hexdigest()[:12],
        "examples": count,
        **_thresholds(made),
        "passages": list(classes.answers.passages),
        "answers": {k: [round(float(x), 4) for x in v] for k, v in classes.answers.intents.items()},
    }
    (folder / "fit.json").write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    _say(f"wrote {folder}: {sum(f.stat().st_size for f in folder.iterdir()) // 1024} kB")


def _weights(made: Mapping[str, object]) -> dict[str, np.ndarray]:
    weights = made["weights"]
    assert isinstance(weights, dict)  # noqa: S101 - our own file
    return {name: np.array(weights[name]) for name in ("mean", "spread", "coefficients")}


def _thresholds(made: Mapping[str, object]) -> dict[str, object]:
    return {name: made[name] for name in (*TARGETS, "threshold_other", "confidence")}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
