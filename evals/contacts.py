"""Implements `contacts`: makes bot/data/contacts.yaml, the classifier of questions about contacts.

Positive examples are combined from the sentences in evals/data/contacts.yaml. Negative examples are
the sentences about the incident in that file, and those exercises of knowledge/ that are not
answered by what the post says of messages. Exercises that are not learned from measure it.
"""

import argparse
import random
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.adapters.cached_encoder import CachedEncoder
from bot.adapters.e5 import E5
from bot.answering.contacts import HEAD, TAKEN, ContactHead, head_as_yaml
from bot.app import App
from bot.corpus.messages import ANSWERED, LabelledMessage
from bot.resources import data_path, parse_yaml
from bot.settings import read_settings

WORDINGS = Path(__file__).parent / "data" / "contacts.yaml"
SEED = 7
DRAWN = 110  # combinations of each kind in each language
EXERCISES = 1_400  # that are learned from; the others only measure
LONGEST = 400  # characters of an exercise: the desk reads one question at a time
WITHOUT_SPACES = frozenset({"ja"})
SCALE, SHRINK, NEWTON_STEPS = 10.0, 10.0, 25
Rows = npt.NDArray[np.float64]


def contacts(argv: Sequence[str]) -> int:
    """Fit the classifier, write the file and print the figures; return 0."""
    argparse.ArgumentParser(prog="python -m evals contacts", description=__doc__).parse_args(argv)
    app = App(read_settings(), print)
    encoder = CachedEncoder(E5(app.settings.models, print), app.settings.home / "contacts.npz")
    own, others = combined()
    advice = {passage.id for passage in app.responder.finder.find_advice_on_messages()}
    exercises = _exercises(app.knowledge.exercises, advice)
    learned, kept = exercises[:EXERCISES], exercises[EXERCISES:]
    groups = [own, others, [each.text for each in learned]]
    rows = [np.asarray(encoder.vectors(group), dtype=np.float64) for group in groups]
    head = learn_contact_head(rows[0], rows[1:], encoder.name)
    answered = [each.text for each in kept if each.kind in ANSWERED]
    taken = sum(head.log_odds(v) >= TAKEN for v in encoder.vectors(answered))
    encoder.save()
    data_path(HEAD).write_text(head_as_yaml(head), encoding="utf-8")
    print(f"{len(own)} examples of the kind, {len(others) + len(learned)} of others")
    print(f"taken of messages that it was not made from: {taken} of {len(answered)}")
    return 0


def combined() -> tuple[list[str], list[str]]:
    """Return the positive examples, and sentences about the incident that resemble them."""
    rng = random.Random(SEED)  # noqa: S311 - a draw that can be repeated, no secret
    own: list[str] = []
    others: list[str] = []
    for language, texts in parse_yaml(WORDINGS.read_text(encoding="utf-8")).items():
        lines = {name: text.split("\n") for name, text in texts.items()}
        gap = "" if language in WITHOUT_SPACES else " "
        own += [*lines["alone"], *_pairs(lines["came"], lines["asked"], gap, rng)]
        others += [*lines["others"], *_pairs(lines["told"], lines["wondered"], gap, rng)]
    return own, others


def learn_contact_head(own: Rows, others: Sequence[Rows], encoder: str) -> ContactHead:
    """Return an L2-regularized logistic regression of `own` against `others`.

    Rows are vectors. The two sides have the same total weight, and so have the groups of `others`.
    """
    groups = [own, *others]
    rows = np.concatenate([np.c_[SCALE * g, np.ones(len(g))] for g in groups])
    wanted = np.concatenate([np.full(len(g), g is own, dtype=np.float64) for g in groups])
    shares = [1.0, *([1 / len(others)] * len(others))]
    each = [np.full(len(g), share / len(g)) for g, share in zip(groups, shares, strict=True)]
    counts = np.concatenate(each) * len(rows) / 2
    shrink = SHRINK * np.eye(rows.shape[1])
    shrink[-1, -1] = 0
    weights = np.zeros(rows.shape[1])
    for _ in range(NEWTON_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        gradient = rows.T @ (counts * (chances - wanted)) + shrink @ weights
        curve = (rows * (counts * chances * (1 - chances))[:, None]).T @ rows + shrink
        weights -= np.linalg.solve(curve, gradient)
    return ContactHead(
        encoder=encoder,
        weights=(SCALE * weights[:-1]).astype(np.float32),
        constant=float(weights[-1]),
    )


def _pairs(first: list[str], then: list[str], gap: str, rng: random.Random) -> list[str]:
    pairs = [f"{one}{gap}{other}" for one, other in product(first, then)]
    rng.shuffle(pairs)
    return pairs[:DRAWN]


def _exercises(every: Sequence[LabelledMessage], rules: set[str]) -> list[LabelledMessage]:
    """Return the short exercises that no passage of `rules` answers, shuffled in a fixed order."""
    exercises = [
        each
        for each in every
        if len(each.text) < LONGEST and not rules & {p for group in each.gold for p in group}
    ]
    random.Random(SEED).shuffle(exercises)  # noqa: S311 - as above
    return exercises
