"""Implements `centre`: computes the mean that is subtracted from every vector of the encoder.

The mean rests on questions about many incidents and on wordings of the shipped one in every
language, so that it serves any post. It changes only with the encoder: another mean makes other
vectors, and everything learned on the old ones is void.
"""

import argparse
import base64
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bot.adapters.e5 import E5, MEAN
from bot.corpus import Wording, load
from bot.errors import InputError
from bot.resources import data_path
from bot.settings import read_settings
from evals.fitting.incidents import HELD_OUT

INCIDENTS = Path("evals/data/incidents")
WORDINGS_A_LANGUAGE = 200  # about as many questions as two incidents have
HEAD = """\
# The mean that is subtracted from every vector of the encoder; `python -m evals centre` makes it.
#
# 384 half-precision numbers, little-endian, in base64. Another mean makes other vectors: the index
# is made anew, and the fit must be too.
"""


def centre(argv: Sequence[str]) -> int:
    """Write bot/data/e5_mean.yaml; `--incidents` names the folders of labelled incidents."""
    parser = argparse.ArgumentParser(prog="python -m evals centre", description=__doc__)
    parser.add_argument("--incidents", type=Path, nargs="+", default=[INCIDENTS])
    arguments = parser.parse_args(argv)
    settings = read_settings()
    asked = [text for folder in arguments.incidents for text in questions_of(folder)]
    worded = list(sampled(load(settings.knowledge).wordings))
    print(f"{len(asked)} questions about incidents, {len(worded)} wordings")
    encoder = E5(settings.models, print)
    mean = np.mean([encoder.raw_vector(t) for t in dict.fromkeys([*asked, *worded])], axis=0)
    data_path(MEAN).write_text(mean_as_yaml(mean), encoding="utf-8")
    name = E5(settings.models).name  # by the new mean
    print(f"wrote {MEAN}: length {np.linalg.norm(mean):.3f}; vectors are those of {name}")
    return 0


def questions_of(folder: Path) -> Iterator[str]:
    """Yield the labelled questions of every incident in `folder` that is not kept unseen.

    InputError when the folder holds no incident.
    """
    paths = sorted(folder.glob("*/questions.jsonl"))
    if not paths:
        raise InputError(f"{folder} holds no incidents: no */questions.jsonl")
    for path in paths:
        if not path.parent.name.startswith(HELD_OUT):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)["text"]


def sampled(wordings: Sequence[Wording]) -> Iterator[str]:
    """Yield the same number of wordings in each language, evenly spaced; all if there are fewer."""
    grouped = defaultdict[str, list[str]](list)
    for wording in wordings:
        grouped[wording.language].append(wording.text)
    for language in sorted(grouped):
        texts = grouped[language]
        count = min(len(texts), WORDINGS_A_LANGUAGE)
        yield from (texts[n * len(texts) // count] for n in range(count))


def mean_as_yaml(mean: np.ndarray) -> str:
    """Return the content of the file that holds `mean`, with a comment that explains it."""
    stored = base64.b64encode(mean.astype("<f2").tobytes()).decode("ascii")
    return f"{HEAD}half_floats: {stored}\n"
