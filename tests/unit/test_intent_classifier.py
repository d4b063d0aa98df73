import numpy as np
import pytest

from bot.answering.intent_classifier import Classifier, train_classifier

WIDTH, LABELS, EACH = 24, 4, 60
DIRECTIONS = np.linalg.qr(np.random.default_rng(3).normal(size=(WIDTH, LABELS)))[0].T


def texts(seed: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around the direction of their meaning, and the meaning of each."""
    drawn = np.random.default_rng(seed)
    meanings = np.repeat(np.arange(LABELS), EACH)
    vectors = DIRECTIONS[meanings] + noise * drawn.normal(size=(len(meanings), WIDTH)) / WIDTH**0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), meanings


@pytest.fixture(scope="module")
def trained() -> Classifier:
    vectors, meanings = texts(1)
    return train_classifier(vectors, np.eye(LABELS, dtype=bool)[meanings], answered=[0, 1])


def test_meanings_of_unseen_vectors_are_told_apart(trained: Classifier) -> None:
    vectors, meanings = texts(2)
    shares = trained.distributions(vectors)
    assert np.allclose(shares.sum(1), 1)
    assert (shares.argmax(1) == meanings).mean() > 0.97


def test_the_same_examples_give_the_same_weights(trained: Classifier) -> None:
    vectors, meanings = texts(1)
    again = train_classifier(vectors, np.eye(LABELS, dtype=bool)[meanings], answered=[0, 1])
    assert all(np.array_equal(again.arrays()[n], a) for n, a in trained.arrays().items())


def test_an_example_of_several_meanings_is_none_of_the_others() -> None:
    vectors, meanings = texts(1)
    right = np.eye(LABELS, dtype=bool)[meanings]
    right[meanings == 2] = right[meanings == 3] = [False, False, True, True]
    shares = train_classifier(vectors, right, answered=[0, 1]).distributions(texts(2)[0])
    assert (shares[meanings >= 2][:, 2:].sum(1) > 0.9).mean() > 0.97


def test_a_meaning_with_three_examples_is_known_by_their_mean() -> None:
    vectors, meanings = texts(1)
    few = np.flatnonzero(meanings != 1).tolist() + np.flatnonzero(meanings == 1)[:3].tolist()
    right = np.eye(LABELS, dtype=bool)[meanings[few]]
    shares = train_classifier(vectors[few], right, answered=[0, 1]).distributions(texts(2)[0])
    assert (shares.argmax(1) == meanings)[meanings == 1].mean() > 0.6
