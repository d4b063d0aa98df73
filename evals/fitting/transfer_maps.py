"""Learns from labelled incidents what bot/data/transfer.npz holds, with numpy alone, in minutes.

The maps of questions and of units, the score of silence and the direction that says which units
tend to answer are trained together. The loss for a question is that of a softmax over the readings
of its own post and silence; right is any reading of a unit that answers, or else silence. Related
units of the same post are the hard negatives.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bot.answering.calibration import fit_evidence_weights
from bot.answering.labelled_ranker import FEATURES as LABELLED
from bot.answering.transfer import (
    ANSWERABLE,
    FEATURES,
    UNANSWERABLE,
    WIDTH,
    Array,
    Transfer,
)
from bot.corpus.questions import Act
from evals.fitting.incidents import LabelledIncident

EPOCHS = 15
RUNS = 4  # trainings with different seeds, of which the mean is kept
PARTS = 3  # steps for each incident and epoch
RATES = {"maps": 3e-4, "directions": 3e-3, "scalars": 3e-2}
SHRINK = 0.3  # weight decay of maps and directions, times the rate, at each step
DROP = 0.3  # dropout: share of inputs to the maps that a step does not see
RANK = 64  # of each map; 32 loses half a point, the full 384 gains nothing
REACH = 10.0  # factor of the directions, so that they learn as fast as the maps
KIND_STEPS, KIND_RATE, KIND_REACH, KIND_SHRINK = 300, 0.05, 10.0, 1e-3
KINDS = (ANSWERABLE, UNANSWERABLE, *(act.value for act in Act))
Table = npt.NDArray[np.float64]


@dataclass
class Adam:
    """The Adam optimizer with decoupled weight decay; each parameter has its own rate."""

    parameters: dict[str, Array]
    rates: dict[str, float]
    shrink: dict[str, float] = field(default_factory=dict)
    steps: int = 0

    def __post_init__(self) -> None:
        self._first = {name: np.zeros_like(p) for name, p in self.parameters.items()}
        self._second = {name: np.zeros_like(p) for name, p in self.parameters.items()}

    def step(self, gradients: dict[str, Array], share: float) -> None:
        """Move the parameters one step against `gradients`, at `share` of the rates."""
        self.steps += 1
        for name, gradient in gradients.items():
            rate = self.rates[name] * share
            self._first[name] = 0.9 * self._first[name] + 0.1 * gradient
            self._second[name] = 0.99 * self._second[name] + 0.01 * gradient**2
            first = self._first[name] / (1 - 0.9**self.steps)
            second = self._second[name] / (1 - 0.99**self.steps)
            kept = self.parameters[name] * (1 - rate * self.shrink.get(name, 0.0))
            self.parameters[name] = (kept - rate * first / (np.sqrt(second) + 1e-8)).astype("f4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One incident as arrays for training."""

    questions: Array
    readings: Array
    shared: Array  # questions x readings: word overlap
    answers: npt.NDArray[np.bool_]  # questions x (readings and silence)


def learn_transfer(incidents: Sequence[LabelledIncident], *, encoder: str, data: str) -> Transfer:
    """Return maps, directions and kinds learned from `incidents`, without weights of evidence.

    Weights and thresholds are neutral until `weighed` and the choice of thresholds set them.
    """
    lessons = [_lesson(each) for each in incidents]
    runs = [_train(lessons, seed) for seed in range(RUNS)]
    learned = {name: np.mean([run[name] for run in runs], axis=0, dtype="f4") for name in runs[0]}
    weights, bias = _train_kinds(incidents)
    (question_down, question_up), (unit_down, unit_up) = (
        _low_rank(learned[name]) for name in ("question", "unit")
    )
    return Transfer(
        encoder=encoder, data=data, question_down=question_down, question_up=question_up,
        unit_down=unit_down, unit_up=unit_up,
        unit_direction=REACH * learned["answering"], silence_direction=REACH * learned["silent"],
        silence=float(learned["silence"]), scale=float(learned["scale"]),
        overlap=float(learned["overlap"]), kinds=KINDS, kind_weights=weights, kind_bias=bias,
        mean=np.zeros(len(FEATURES), np.float32), spread=np.ones(len(FEATURES), np.float32),
        coefficients=np.zeros(len(FEATURES) + 1, np.float32), threshold=1.0, threshold_other=1.0,
        labelled_mean=np.zeros(len(LABELLED), np.float32),
        labelled_spread=np.ones(len(LABELLED), np.float32),
        labelled_coefficients=np.zeros(len(LABELLED) + 1, np.float32), labelled_threshold=1.0,
    )  # fmt: skip


def weighed(learned: Transfer, evidence: Table, right: npt.NDArray[np.bool_]) -> Transfer:
    """Return `learned` with the weights that turn this evidence into a probability."""
    weights = fit_evidence_weights(evidence, right)
    return replace(
        learned,
        mean=weights.mean.astype(np.float32),
        spread=weights.spread.astype(np.float32),
        coefficients=weights.coefficients.astype(np.float32),
    )


def _lesson(incident: LabelledIncident) -> Lesson:
    index = incident.index
    ends = [*index.starts[1:].tolist(), len(index.vectors)]
    unit_of = np.repeat(np.arange(len(index.units)), np.array(ends) - index.starts)
    shared = np.stack([index.words.shares(each.text)[0] for each in incident.asked])
    answers = np.zeros((len(incident.asked), len(unit_of) + 1), dtype=bool)
    for row, each in enumerate(incident.asked):
        gold = sorted(each.gold) if each.answerable else []
        answers[row, :-1] = np.isin(unit_of, gold)
        answers[row, -1] = not gold
    return Lesson(
        questions=incident.vectors, readings=index.vectors, shared=shared[:, unit_of],
        answers=answers,
    )  # fmt: skip


def _train(lessons: Sequence[Lesson], seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    square, line = (np.zeros(shape, np.float32) for shape in ((WIDTH, WIDTH), WIDTH))
    scalars = {"scale": 20.0, "overlap": 3.0, "silence": 8.0}
    start = {"question": square, "unit": square, "answering": line, "silent": line}
    start |= {name: np.array(value, np.float32) for name, value in scalars.items()}
    rates = dict.fromkeys(("question", "unit"), RATES["maps"])
    rates |= dict.fromkeys(("answering", "silent"), RATES["directions"])
    shrink = dict.fromkeys(rates, SHRINK)
    adam = Adam(start, rates | dict.fromkeys(scalars, RATES["scalars"]), shrink)
    total = EPOCHS * len(lessons) * PARTS
    for _ in range(EPOCHS):
        for place in rng.permutation(len(lessons)):
            rows = rng.permutation(len(lessons[place].questions))
            for part in np.array_split(rows, PARTS):
                gradients = _gradients(adam.parameters, lessons[place], part, rng)
                adam.step(gradients, 1 - 0.9 * adam.steps / total)
    return adam.parameters


def _gradients(
    now: dict[str, Array], lesson: Lesson, part: npt.NDArray[np.int64], rng: np.random.Generator
) -> dict[str, Array]:
    """Return the gradients of the mean loss over the questions `part` of one incident."""
    asked, seen_units = lesson.questions[part], _dropped(lesson.readings, rng)
    seen_asked = _dropped(asked, rng)
    question, question_length = _mapped(asked, seen_asked, now["question"])
    unit, unit_length = _mapped(lesson.readings, seen_units, now["unit"])
    cosines, shared = question @ unit.T, lesson.shared[part]
    scores = now["scale"] * cosines + now["overlap"] * shared
    scores = scores + REACH * (seen_units @ now["answering"])
    silence = now["silence"] + REACH * (seen_asked @ now["silent"])
    shares = _shares(np.c_[scores, silence])
    right = shares * lesson.answers[part]
    gradient = (shares - right / (right.sum(1, keepdims=True) + 1e-12)) / len(part)
    gradient, quiet = gradient[:, :-1], gradient[:, -1]
    to_question, to_unit = now["scale"] * gradient @ unit, now["scale"] * gradient.T @ question
    return {
        "question": seen_asked.T @ _through_length(to_question, question, question_length),
        "unit": seen_units.T @ _through_length(to_unit, unit, unit_length),
        "answering": REACH * seen_units.T @ gradient.sum(0),
        "silent": REACH * seen_asked.T @ quiet,
        "scale": (gradient * cosines).sum(),
        "overlap": (gradient * shared).sum(),
        "silence": quiet.sum(),
    }


def _dropped(vectors: Array, rng: np.random.Generator) -> Array:
    kept = rng.random(vectors.shape) > DROP
    return np.asarray(vectors * kept / (1 - DROP), dtype=np.float32)


def _mapped(vectors: Array, seen: Array, change: Array) -> tuple[Array, Array]:
    moved = vectors + seen @ change
    length = np.asarray(np.linalg.norm(moved, axis=1, keepdims=True), dtype=np.float32)
    return np.asarray(moved / length, dtype=np.float32), length


def _through_length(gradient: Array, mapped: Array, length: Array) -> Array:
    """Return the gradient before the vectors were scaled to length one."""
    inward = gradient - mapped * (mapped * gradient).sum(1, keepdims=True)
    return np.asarray(inward / length, dtype=np.float32)


def _shares(scores: npt.NDArray[np.floating]) -> Array:
    grown = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(grown / grown.sum(1, keepdims=True), dtype=np.float32)


def _low_rank(change: Array) -> tuple[Array, Array]:
    left, sizes, right = np.linalg.svd(change, full_matrices=False)
    return left[:, :RANK] * sizes[:RANK], right[:RANK]


def _train_kinds(incidents: Sequence[LabelledIncident]) -> tuple[Array, Array]:
    """Return the weights (kinds x 384) and the bias of a linear classifier of message kinds."""
    vectors = np.concatenate([each.vectors for each in incidents])
    kinds = [KINDS.index(asked.kind) for each in incidents for asked in each.asked]
    wanted = np.eye(len(KINDS), dtype=np.float32)[kinds]
    start = {
        "weights": np.zeros((WIDTH, len(KINDS)), np.float32),
        "bias": np.zeros(len(KINDS), np.float32),
    }
    adam = Adam(start, dict.fromkeys(start, KIND_RATE))
    for step in range(KIND_STEPS):
        now = adam.parameters
        shares = _shares(KIND_REACH * vectors @ now["weights"] + now["bias"])
        gradient = (shares - wanted) / len(vectors)
        adam.step(
            {
                "weights": KIND_REACH * vectors.T @ gradient + KIND_SHRINK * now["weights"],
                "bias": gradient.sum(0),
            },
            1 - 0.95 * step / KIND_STEPS,
        )
    return KIND_REACH * adam.parameters["weights"].T, adam.parameters["bias"]
