"""Splits the inputs of a kind of attack into a half that is mended by and one that is kept apart."""

import random
from collections.abc import Iterable
from typing import TypeVar

Input = TypeVar("Input")
SEED = 21
SEEN, APART = "seen", "apart"


def halves(inputs: Iterable[Input]) -> dict[str, list[Input]]:
    """Return the inputs in two halves, drawn from a seed before anything was measured."""
    drawn = list(inputs)
    random.Random(SEED).shuffle(drawn)
    middle = len(drawn) // 2
    return {SEEN: drawn[:middle], APART: drawn[middle:]}
