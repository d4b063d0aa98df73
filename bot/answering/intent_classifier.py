"""Trains and runs the classifier of question vectors: by intent, silent topic or act.

A linear model over cosines and a network of one hidden layer are trained on the same examples, and
their log-probabilities averaged: on held-out authors the network told minimal pairs apart better
(74 against 70 of 100), the linear model was wrong less often where it was sure, and both together
had both advantages. It is written in numpy because it is refitted at each index run, in seconds,
where no training library is installed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.answering.evidence import TINY

Floats = npt.NDArray[np.float32]
SCALE = 20.0  # factor of the cosines, so that the softmax can reach high probabilities
HIDDEN = 512  # units of the network's hidden layer
DROPOUT = 0.2
SMOOTHING = 0.02  # label smoothing: no label is trained towards probability 0
# Chosen on held-out authors; twice or half of each changes less than another random seed.
LINEAR_EPOCHS, LINEAR_BATCH, LINEAR_RATE, LINEAR_DECAY = 10, 1024, 6e-3, 0.02
NETWORK_EPOCHS, NETWORK_BATCH, NETWORK_RATE, NETWORK_DECAY = 12, 512, 2e-3, 0.01
DIRECT_RATE = 10.0  # the network's direct connection learns this much faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """The trained weights. `width` is that of the vectors, `labels` the number of labels."""

    linear: Floats  # width x labels
    linear_bias: Floats  # labels
    inner: Floats  # width x HIDDEN
    inner_bias: Floats  # HIDDEN
    outer: Floats  # HIDDEN x labels
    direct: Floats  # width x labels
    outer_bias: Floats  # labels

    def distributions(self, vectors: Floats) -> npt.NDArray[np.float64]:
        """Return the probability of each label: (n, width) -> (n, labels), whose rows sum to 1."""
        linear = _log_softmax(vectors @ self.linear + self.linear_bias)
        hidden = np.tanh(vectors @ self.inner + self.inner_bias)
        network = _log_softmax(hidden @ self.outer + vectors @ self.direct + self.outer_bias)
        return np.exp(_log_softmax((linear + network) / np.float32(2))).astype(np.float64)

    def arrays(self) -> Mapping[str, Floats]:
        """Return the weights by name, for storing."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def train_classifier(
    vectors: Floats, right: npt.NDArray[np.bool_], *, answered: Sequence[int], seed: int = 0
) -> Classifier:
    """Return a classifier trained on examples.

    `vectors` (n, width) are unit vectors; `right` (n, labels) says which labels are right for each,
    at least one; `answered` lists the labels that the post answers. The same input gives the same
    weights on the same machine.
    """
    task = _Task(vectors, right, answered)
    rng = np.random.default_rng(seed)
    start = _prototypes(vectors, right)
    linear, linear_bias = _train_linear(task, start, rng)
    inner, inner_bias, outer, direct, outer_bias = _train_network(task, start, rng)
    return Classifier(
        linear=linear, linear_bias=linear_bias, inner=inner, inner_bias=inner_bias, outer=outer,
        direct=direct, outer_bias=outer_bias,
    )  # fmt: skip


class _Task:
    """The training examples, with the gradient of the loss by the scores of a batch.

    The loss is the negative log-likelihood of the right labels together, plus that of whether the
    post answers at all, which is what the desk must above all distinguish.
    """

    def __init__(
        self, vectors: Floats, right: npt.NDArray[np.bool_], answered: Sequence[int]
    ) -> None:
        self.vectors = vectors
        self.right = right.astype(np.float32)
        self.labels = right.shape[1]
        self.mine = np.zeros(self.labels, np.float32)
        self.mine[list(answered)] = 1
        hit = right[:, list(answered)].any(1)
        self.target = np.where(hit, 1 - SMOOTHING, SMOOTHING).astype(np.float32)

    def gradient(self, scores: Floats, batch: npt.NDArray[np.intp]) -> Floats:
        """Return the gradient of the loss by `scores`, averaged over the batch; same shape."""
        guess = np.exp(_log_softmax(scores))
        wanted = guess * self.right[batch]
        wanted /= wanted.sum(1, keepdims=True) + 1e-12
        share = np.clip(guess @ self.mine, TINY, 1 - TINY)
        off = share - self.target[batch]
        weight = (
            1 + SMOOTHING
            + (off / share)[:, None] * self.mine
            - (off / (1 - share))[:, None] * (1 - self.mine)
        )  # fmt: skip
        return np.asarray(
            (guess * weight - wanted - SMOOTHING / self.labels) / len(batch), np.float32
        )

    def batches(
        self, size: int, epochs: int, rng: np.random.Generator
    ) -> Iterator[tuple[npt.NDArray[np.intp], float]]:
        """Yield batches in random order, each with its share of the full learning rate, 0 to 1.

        The share rises over the first tenth of the steps and then falls linearly.
        """
        count = len(self.vectors)
        total, step = epochs * -(-count // size), 0
        for _ in range(epochs):
            order = rng.permutation(count)
            for start in range(0, count, size):
                step += 1
                rate = min(1.0, 10 * step / total) * max(0.03, 1 - step / total)
                yield order[start : start + size], rate


class _Adam:
    """An Adam optimizer with decoupled weight decay for one array, which it changes in place."""

    def __init__(self, weights: Floats, *, rate: float, decay: float = 0.0) -> None:
        self.weights = weights
        self.rate = rate
        self.decay = decay
        self.mean, self.square = np.zeros_like(weights), np.zeros_like(weights)
        self.step = 0

    def update(self, gradient: Floats, share: float) -> None:
        self.step += 1
        rate = self.rate * share
        self.mean += 0.1 * (gradient - self.mean)
        self.square += 0.001 * (gradient * gradient - self.square)
        mean = self.mean / (1 - 0.9**self.step)
        spread = np.sqrt(self.square / (1 - 0.999**self.step)) + 1e-8
        self.weights *= 1 - rate * self.decay
        self.weights -= rate * mean / spread


def _train_linear(task: _Task, start: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the weights of the linear model, (width, labels), and its bias, (labels,).

    The direction of each label has length SCALE, so that no label wins by the length of its vector.
    """
    weights, bias = start.copy(), np.zeros(task.labels, np.float32)
    turn = _Adam(weights, rate=LINEAR_RATE, decay=LINEAR_DECAY)
    shift = _Adam(bias, rate=LINEAR_RATE)
    for batch, share in task.batches(LINEAR_BATCH, LINEAR_EPOCHS, rng):
        length = np.linalg.norm(weights, axis=1, keepdims=True)
        unit = weights / length
        vectors = task.vectors[batch]
        gradient = task.gradient(vectors @ unit.T * SCALE + bias, batch)
        pull = gradient.T @ vectors * SCALE
        turn.update((pull - (pull * unit).sum(1, keepdims=True) * unit) / length, share)
        shift.update(gradient.sum(0), share)
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return np.ascontiguousarray(unit.T * np.float32(SCALE)), bias


def _train_network(
    task: _Task, start: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the weights of the network: one hidden layer, and a direct connection beside it.

    The direct connection starts from the prototypes. The order is inner, inner bias, outer, direct,
    outer bias.
    """
    width = task.vectors.shape[1]
    inner = (rng.normal(size=(width, HIDDEN)) * (18 / width**0.5)).astype(np.float32)
    arrays = (
        inner, np.zeros(HIDDEN, np.float32), np.zeros((HIDDEN, task.labels), np.float32),
        np.ascontiguousarray(start.T * np.float32(SCALE)), np.zeros(task.labels, np.float32),
    )  # fmt: skip
    steps = [
        _Adam(arrays[0], rate=NETWORK_RATE, decay=NETWORK_DECAY),
        _Adam(arrays[1], rate=NETWORK_RATE),
        _Adam(arrays[2], rate=NETWORK_RATE, decay=NETWORK_DECAY),
        _Adam(arrays[3], rate=NETWORK_RATE * DIRECT_RATE),
        _Adam(arrays[4], rate=NETWORK_RATE),
    ]
    inner, inner_bias, outer, direct, outer_bias = arrays
    for batch, share in task.batches(NETWORK_BATCH, NETWORK_EPOCHS, rng):
        vectors = task.vectors[batch]
        hidden = np.tanh(vectors @ inner + inner_bias)
        kept = (rng.random(hidden.shape, np.float32) > DROPOUT) / np.float32(1 - DROPOUT)
        passed = hidden * kept
        gradient = task.gradient(passed @ outer + vectors @ direct + outer_bias, batch)
        back = (gradient @ outer.T) * kept * (1 - hidden * hidden)
        gradients = (
            vectors.T @ back,
            back.sum(0),
            passed.T @ gradient,
            vectors.T @ gradient,
            gradient.sum(0),
        )
        for step, each in zip(steps, gradients, strict=True):
            step.update(each, share)
    return arrays


def _prototypes(vectors: Floats, right: npt.NDArray[np.bool_]) -> Floats:
    """Return the initial direction of each label, shape (labels, width), rows of length 1.

    It is the mean of the examples for which the label alone is right, else of all for which it is
    one of several. So even a label with few examples is recognised.
    """
    alone = right & (right.sum(1, keepdims=True) == 1)
    chosen = np.where(alone.any(0, keepdims=True), alone, right).astype(np.float32)
    summed = chosen.T @ vectors + np.float32(TINY)
    return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True), np.float32)


def _log_softmax(scores: Floats) -> Floats:
    """Return the log-softmax of each row."""
    shifted = scores - scores.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)), np.float32)
