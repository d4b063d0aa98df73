"""`fit` makes knowledge/fitted/; `calibrate` weighs and bounds it on authors it never saw.

calibrate trains an encoder without each group of authors and reads their messages with it. On
these scores alone, which no fit has seen, rest the weights of the evidence and the thresholds.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bot.adapters.weights import fetch
from bot.app import App
from bot.corpus import Knowledge
from bot.errors import MissingError
from bot.settings import read_settings
from evals.fitting.labelled import Classes, Example, Trained, classes_of, examples_of
from evals.fitting.left_out import GROUPS, TARGETS, Scored, calibration, keep, markdown, score
from evals.measuring.schema import CASES, TRAINING, Case, load_cases

FITTED = "fitted"
CALIBRATION = "calibration.json"
Train = Callable[..., Trained]


def fit(argv: Sequence[str]) -> int:
    """Train on everything that is labelled and write encoder, classes and stamp."""
    argparse.ArgumentParser(prog="python -m evals fit").parse_args(argv)
    train = _train()
    knowledge, cases, weights = _inputs()
    classes = classes_of(knowledge)
    examples = examples_of(knowledge, cases, classes)
    trained = _trained(train, examples, classes, weights)
    write(knowledge, classes, trained, count=len(examples), cases=cases)
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
        examples = examples_of(knowledge, seen, classes)
        trained = _trained(train, examples, classes, weights)
        scored += score([c for c in cases if c.author in group], trained, knowledge, classes)
        keep(scored)
    made = {"question_version": knowledge.question_version, **calibration(scored)}
    adopt(knowledge.folder / FITTED, made)
    return 0


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


def _trained(train: Train, examples: Sequence[Example], classes: Classes, weights: Path) -> Trained:
    with tempfile.TemporaryDirectory() as scratch:
        return train(
            examples, classes=len(classes.labels), answered=classes.answered,
            weights=weights, scratch=Path(scratch), say=_say,
        )  # fmt: skip


def _weights(made: Mapping[str, object]) -> dict[str, np.ndarray]:
    weights = made["weights"]
    assert isinstance(weights, dict)  # noqa: S101 - our own file
    return {name: np.array(weights[name]) for name in ("mean", "spread", "coefficients")}


def _thresholds(made: Mapping[str, object]) -> dict[str, object]:
    return {name: made[name] for name in (*TARGETS, "threshold_other", "confidence")}


def _train() -> Callable[..., Trained]:
    """MissingError when the train extra is not installed."""
    try:
        from evals.fitting.training import train
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{error.name} is not here; install it first: pip install torch"
        ) from None
    return train


def _inputs() -> tuple[Knowledge, list[Case], Path]:
    app = App(read_settings(), _say)
    cases = [c for c in (*load_cases(CASES), *load_cases(TRAINING)) if c.split == "fit"]
    return app.knowledge, cases, fetch(app.settings.models, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
