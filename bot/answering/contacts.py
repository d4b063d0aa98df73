"""Classifies whether a question asks who a caller, sender, link, number or visitor is.

The post states facts of the incident. Its "No" under such a question would read as the desk's
statement on a stranger, so that only passages on how to treat messages may answer it. The weights
lie in bot/data/contacts.yaml, made by `python -m evals contacts` with the desk's encoder.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.errors import KnowledgeError
from bot.resources import read_yaml

HEAD = "contacts.yaml"
AGAIN = "run `python -m evals contacts`"
WIDTH = 384  # of a vector
# Log-odds from which on a question is taken for such a one: 48 of 50 held-out questions of the kind
# are, and 6 of 1,170 held-out messages that the post answers otherwise.
TAKEN = -0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactHead:
    """A logistic regression on vectors of one encoder."""

    encoder: str  # the name of the encoder whose vectors it was made with
    weights: npt.NDArray[np.float32]  # shape (WIDTH,)
    constant: float

    def log_odds(self, vector: npt.ArrayLike) -> float:
        """Return the log-odds that a text asks who a contact is, from its vector (WIDTH,)."""
        return float(np.asarray(vector, dtype=np.float32) @ self.weights + self.constant)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactClassifier:
    """A classifier of questions: a head, and the encoder that it was trained with."""

    head: ContactHead
    vector: Callable[[str], npt.ArrayLike]  # a text to its unit vector

    def asks_who_it_is(self, text: str) -> bool:
        """Return whether `text` asks if a caller, sender, link, number or visitor is ours."""
        return self.head.log_odds(self.vector(text)) >= TAKEN


@cache
def packaged_contacts() -> ContactHead:
    """Return the head that ships; raise KnowledgeError when it cannot be read."""
    try:
        stored: Any = read_yaml(HEAD)
        numbers = np.frombuffer(base64.b64decode(stored["half_floats"]), dtype="<f2")
        weights = numbers.astype(np.float32).reshape(WIDTH)
        return ContactHead(
            encoder=str(stored["encoder"]), weights=weights, constant=float(stored["constant"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise KnowledgeError(f"{HEAD} cannot be read; {AGAIN}") from None


def head_as_yaml(head: ContactHead) -> str:
    """Return the content of contacts.yaml for `head`, with a comment that explains it."""
    numbers = base64.b64encode(head.weights.astype("<f2").tobytes()).decode("ascii")
    return (
        "# Tells questions about who a caller, sender, link or number is; made by\n"
        "# `python -m evals contacts`. 384 half-precision weights, little-endian, in base64.\n"
        f"encoder: {head.encoder}\n"
        f"constant: {head.constant:.4f}\n"
        f"half_floats: {numbers}\n"
    )
