"""Implements `tune`: makes bot/data/e5_delta.npz, the tuned last layers of the encoder.

Developers of the desk run it rarely; an operator never needs it. After it, `centre` and `transfer`
must be run, because their results depend on the encoder's vectors, and `incident-desk index` learns
anew.
"""

import argparse
import io
import sys
from collections.abc import Sequence

import numpy as np

from bot.adapters.e5 import E5
from bot.adapters.e5_weights import DELTA
from bot.answering.examples import classes_of, examples_of_message, examples_of_wordings
from bot.app import App
from bot.corpus.units import readings
from bot.errors import MissingError
from bot.resources import data_path
from bot.settings import read_settings
from evals.fitting.incidents import LabelledIncident, folders, read_labelled_incident
from evals.fitting.request_head import texts_for_tuning


def tune(argv: Sequence[str]) -> int:
    """Tune the encoder, write the delta and return 0; MissingError without PyTorch."""
    argparse.ArgumentParser(prog="python -m evals tune").parse_args(argv)
    try:
        from evals.fitting.tuning import ClassifiedText, PostQuestions, train_encoder
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{error.name} is not installed; install it first: pip install '.[train]'"
        ) from None
    app = App(read_settings(), _say)
    encoder = E5(app.settings.models, _say)
    classes = classes_of(app.knowledge)
    examples = examples_of_wordings(app.knowledge.wordings, classes)
    for message in app.knowledge.exercises:
        examples += examples_of_message(message, classes)
    posts = [
        PostQuestions(units=units, questions=questions)
        for units, questions in map(_post, _incidents())
    ]
    arrays = train_encoder(
        encoder,
        [ClassifiedText(text=e.text, meanings=tuple(sorted(e.meanings))) for e in examples],
        posts, texts_for_tuning(app.knowledge),
        classes=len(classes.labels), answered=classes.answered, say=_say,
    )  # fmt: skip
    written = io.BytesIO()
    np.savez_compressed(written, allow_pickle=False, **arrays)
    data_path(DELTA).write_bytes(written.getvalue())
    _say(f"wrote {DELTA}: {len(written.getvalue()) // 1024} kB")
    return 0


def _incidents() -> list[LabelledIncident]:
    """Return the incidents that may be learned from, with zeros for vectors, which are not read."""
    return [
        read_labelled_incident(path, "none", lambda texts: np.zeros((len(texts), 1), np.float32))
        for path in folders(held_out=False)
    ]


def _post(
    incident: LabelledIncident,
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    units = tuple(readings(unit, "")[0] for unit in incident.index.units)
    return units, tuple((a.text, tuple(sorted(a.gold))) for a in incident.asked)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
