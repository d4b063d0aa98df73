"""Questions are grouped by meaning: the same way each time, and never moved by later ones."""

import numpy as np

from bot.answering.intent_classifier import Floats
from bot.staff.clustering import SAME_MEANING, group_by_meaning, most_typical


def around(centres: int, rows: int, seed: int) -> Floats:
    """Unit rows that lie close around some directions at right angles, in mixed order."""
    generator = np.random.default_rng(seed)
    directions = np.eye(centres, 32, dtype=np.float32)
    made = directions[np.arange(rows) % centres] + generator.normal(scale=0.05, size=(rows, 32))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def test_questions_of_one_meaning_are_one_group_in_the_order_of_their_first() -> None:
    vectors = around(centres=4, rows=40, seed=1)
    expected = [[i for i in range(40) if i % 4 == meaning] for meaning in range(4)]
    assert group_by_meaning(vectors, SAME_MEANING) == expected
    assert group_by_meaning(vectors, 1.1) == [[i] for i in range(40)], "nothing is that near"
    assert group_by_meaning(vectors[:0], SAME_MEANING) == []


def test_a_later_question_never_moves_an_earlier_one() -> None:
    generator = np.random.default_rng(2)
    rows = generator.normal(size=(120, 16))
    vectors = np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
    whole = group_by_meaning(vectors, SAME_MEANING)
    for count in (1, 30, 77, 119):
        before = group_by_meaning(vectors[:count], SAME_MEANING)
        kept = [[i for i in group if i < count] for group in whole]
        assert before == [group for group in kept if group]


def test_opposite_questions_share_no_group_and_leave_no_fault() -> None:
    vectors = np.array([[1, 0], [-1, 0], [1, 0]], dtype=np.float32)
    assert group_by_meaning(vectors, SAME_MEANING) == [[0, 2], [1]]
    # Even where the bound lets them in, rows that cancel each other out are no error.
    assert group_by_meaning(vectors[:2], -1.0) == [[0, 1]]


def test_the_most_typical_question_lies_nearest_to_the_middle_of_its_group() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    assert most_typical(vectors, [0, 1, 2]) == 2
    assert most_typical(vectors, [1]) == 1
