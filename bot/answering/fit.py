"""Fits the classifier, the weights of the evidence and the thresholds to a knowledge folder.

It runs from scratch at each index run and takes seconds once the texts have vectors, so that every
edit of the knowledge takes effect at once.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.answering.calibration import (
    Calibration,
    ScoredMessage,
    Weights,
    fit_calibration,
    left_out_result,
    weigh_across,
)
from bot.answering.evidence import HITS, Answers, Array, PassageChoice, choose, features
from bot.answering.examples import (
    ACTS,
    TrainingExample,
    classes_of,
    examples_of_message,
    examples_of_wordings,
    views_of,
)
from bot.answering.intent_classifier import Classifier, Floats, train_classifier
from bot.answering.interpretation import best_view
from bot.corpus import Knowledge, LabelledMessage, Wording, records_of
from bot.corpus.messages import MessageKind
from bot.domain import Hit
from bot.errors import UNREADABLE_ARRAYS, MissingError
from bot.policy import screen

Embed = Callable[[Sequence[str]], Floats]  # n texts -> (n, width) unit vectors
VERSION = 7  # of the stored fit: raised when its content or format changes
FOLDS = 3  # groups of authors that are left out in turn
FEWEST_MESSAGES = 200  # labelled messages; with fewer, no threshold can be chosen on them
FEWEST_WORDINGS = 30  # with fewer, nothing is learned: a fold of them teaches nothing
BLOCK = 512  # views whose neighbours are searched in one matrix product
ACT_KINDS = {act.value: kind for kind, act in ACTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The classifier and calibration fitted to a knowledge folder, for one encoder's vectors."""

    labels: tuple[str, ...]
    answers: Answers
    classifier: Classifier
    calibration: Calibration
    summary: str  # a sentence for people: how it did on held-out messages

    def distribution(self, vector: Sequence[float]) -> Array:
        """Return the probability of each label, shape (labels,), for the vector of a question."""
        row = np.asarray(vector, dtype=np.float32)[None]
        return np.asarray(self.classifier.distributions(row)[0])

    def probability(self, evidence: Sequence[float]) -> float:
        """Return the calibrated probability that the first two passages answer."""
        return float(self.calibration.weights.probabilities(np.array([evidence]))[0])


def can_learn(knowledge: Knowledge) -> bool:
    """Return whether the wordings suffice for a fit.

    There must be FEWEST_WORDINGS of them, with two intents that the post answers and one label that
    it does not.
    """
    kinds = {(w.label, w.answers) for w in knowledge.wordings if w.kind != "near"}
    answered = sum(answers for _, answers in kinds)
    enough = len(knowledge.wordings) >= FEWEST_WORDINGS
    return enough and answered > 1 and len(kinds) > answered


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFit:
    """A fit, and the cross-validated scores that its calibration was chosen on."""

    fit: Fit
    scored: tuple[ScoredMessage, ...]


def learn_fit(knowledge: Knowledge, embed: Embed) -> LearnedFit:
    """Return the fit of a knowledge folder; `embed` gives the vectors of its texts.

    Without enough labelled messages the calibration uses the wordings instead, each fold of them
    scored by a classifier that was trained on the others.
    """
    course = _Training(knowledge, embed)
    scored = [s for fold in range(FOLDS) for s in course.score_fold(fold)]
    calibration = fit_calibration(scored)
    fit = Fit(
        labels=course.classes.labels,
        answers=course.classes.answers,
        classifier=course.train(without=None),
        calibration=calibration,
        summary=_summarize(scored, calibration),
    )
    return LearnedFit(fit=fit, scored=tuple(scored))


def _summarize(scored: Sequence[ScoredMessage], calibration: Calibration) -> str:
    english = [s for s in scored if s.language == "en"]
    _, chances = weigh_across(english)
    result = left_out_result(english, chances, calibration.threshold)
    return (
        f"answers from a probability of {calibration.threshold:.2f} on; of {result.answerable} "
        f"answerable questions that were left out of learning, {result.right} would be answered "
        f"rightly, and {result.wrong} of {result.answered} answers would be wrong"
    )


class _Training:
    """The training and calibration texts with their vectors, labels and folds."""

    def __init__(self, knowledge: Knowledge, embed: Embed) -> None:
        self.knowledge = knowledge
        self.classes = classes_of(knowledge)
        self.messages, self.from_wordings = _scored_messages(knowledge)
        self.folds = _folds(self.messages)
        examples, places = [], []
        for wording, example in zip(
            knowledge.wordings, examples_of_wordings(knowledge.wordings, self.classes), strict=True
        ):
            examples.append(example)
            places.append(self.folds[wording.text] if self.from_wordings else -1)
        for message in (*knowledge.messages, *knowledge.exercises):
            added = examples_of_message(message, self.classes)
            examples += added
            places += [self.folds.get(message.author, -1)] * len(added)
        self.places = np.array(places)
        self.right = _table(examples, len(self.classes.labels))
        self.records = records_of(knowledge)
        self.views = {m.id: views_of(m.text) for m in self.messages}
        views = list(dict.fromkeys(v for each in self.views.values() for v in each))
        texts = [e.text for e in examples] + [r.text for r in self.records] + views
        vectors = embed(texts)
        cut, end = len(examples), len(examples) + len(self.records)
        self.vectors, self.base, seen = vectors[:cut], vectors[cut:end], vectors[end:]
        self.view_vectors = dict(zip(views, seen, strict=True))

    def train(self, *, without: int | None) -> Classifier:
        """Return a classifier trained on all examples, or on all but those of one fold."""
        kept = np.ones(len(self.places), bool) if without is None else self.places != without
        return train_classifier(
            self.vectors[kept], self.right[kept], answered=self.classes.answered
        )

    def score_fold(self, fold: int) -> Iterator[ScoredMessage]:
        """Yield the messages of a fold, scored by a classifier trained on the other folds."""
        messages = [m for m in self.messages if self._fold(m) == fold]
        if not messages:
            return
        classifier = self.train(without=fold)
        views = list(dict.fromkeys(v for m in messages for v in self.views[m.id]))
        vectors = np.array([self.view_vectors[v] for v in views])
        distributions = dict(zip(views, classifier.distributions(vectors), strict=True))
        near = dict(zip(views, self._neighbours(vectors, fold), strict=True))
        for message in messages:
            seen = [self._view(distributions[v], near[v]) for v in self.views[message.id]]
            yield self._scored(message, best_view(seen), fold)

    def _fold(self, message: LabelledMessage) -> int:
        return self.folds[message.text if self.from_wordings else message.author]

    def _neighbours(self, vectors: Floats, fold: int) -> Iterator[tuple[Hit, ...]]:
        """Yield the nearest records of each vector, nearest first.

        Where wordings are scored as messages, those of their own fold are left out.
        """
        hidden = np.zeros(len(self.records), bool)
        if self.from_wordings:
            hidden = np.array([self.folds.get(r.text) == fold for r in self.records])
        for start in range(0, len(vectors), BLOCK):
            cosines = vectors[start : start + BLOCK] @ self.base.T
            cosines[:, hidden] = -1
            count = min(HITS, cosines.shape[1])
            best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
            for row, places in zip(cosines, best, strict=True):
                yield tuple(self._hit(i, float(row[i])) for i in places[np.argsort(-row[places])])

    def _hit(self, position: int, cosine: float) -> Hit:
        record = self.records[position]
        return Hit(label=record.label, text="", cosine=cosine, answers=record.answers)

    def _view(self, distribution: Array, hits: Sequence[Hit]) -> "_View":
        labels, answers = self.classes.labels, self.classes.answers
        choice = choose(labels, distribution, answers)
        return _View(choice=choice, evidence=features(labels, distribution, choice, hits, answers))

    def _scored(self, message: LabelledMessage, view: "_View", fold: int) -> ScoredMessage:
        passages = self.classes.answers.passages
        order = self.knowledge.quotable([passages[i] for i in view.choice.order])
        gold = {passage for group in message.gold for passage in group}
        quoted = set(order[: view.choice.quoted_alone])
        return ScoredMessage(
            id=message.id, author=message.author, fold=fold, language=message.lang,
            answerable=bool(message.gold), right=any(quoted & set(g) for g in message.gold),
            related=bool(quoted & set(message.related)), first=order[0] in gold,
            in_three=bool(gold & set(order[:3])), pair=message.pair,
            # Screening is slow, and matters only where any answer would be wrong.
            screened=not message.gold and screen(message.text) is not None,
            evidence=view.evidence,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    choice: PassageChoice
    evidence: tuple[float, ...]

    @property
    def pair(self) -> float:
        return self.choice.pair


def _scored_messages(knowledge: Knowledge) -> tuple[tuple[LabelledMessage, ...], bool]:
    """Return the messages to score, and whether they were made from wordings.

    Wordings are used where there are too few labelled messages, or all are of one author.
    """
    whole = knowledge.whole_messages
    if len(whole) >= FEWEST_MESSAGES and len({m.author for m in whole}) > 1:
        return whole, False
    return tuple(_as_message(i, w) for i, w in enumerate(knowledge.wordings)), True


def _as_message(number: int, wording: Wording) -> LabelledMessage:
    """Return a wording as a labelled message of an author who wrote nothing else."""
    other = ACT_KINDS.get(wording.label, MessageKind.UNANSWERABLE)
    return LabelledMessage(
        id=str(number), author=str(number), lang=wording.language, text=wording.text,
        kind=MessageKind.ANSWERABLE if wording.answers else other,
        gold=(wording.passages,) if wording.answers else (),
        related=() if wording.answers else wording.passages,
    )  # fmt: skip


def _folds(messages: Sequence[LabelledMessage]) -> dict[str, int]:
    """Return the fold of each author; the largest come first, each into the emptiest fold.

    For wordings that are scored as messages the keys are their texts instead.
    """
    sizes = Counter(m.author for m in messages)
    if len(sizes) == len(messages):
        texts = dict.fromkeys(m.text for m in messages)
        return {text: i % FOLDS for i, text in enumerate(texts)}
    filled, folds = [0] * FOLDS, dict[str, int]()
    for author, size in sizes.most_common():
        folds[author] = filled.index(min(filled))
        filled[folds[author]] += size
    return folds


def _table(examples: Sequence[TrainingExample], labels: int) -> npt.NDArray[np.bool_]:
    targets = np.zeros((len(examples), labels), bool)
    for row, example in zip(targets, examples, strict=True):
        row[list(example.meanings)] = True
    return targets


def write_fit(path: Path, fit: Fit) -> None:
    """Write the fit to one file atomically."""
    calibration = fit.calibration
    metadata = {
        "version": VERSION,
        "labels": fit.labels,
        "passages": fit.answers.passages,
        "intents": {name: row.tolist() for name, row in fit.answers.intents.items()},
        "threshold": calibration.threshold,
        "threshold_strict": calibration.threshold_strict,
        "threshold_other": calibration.threshold_other,
        "summary": fit.summary,
    }
    part = path.with_suffix(".part.npz")
    np.savez(
        part, allow_pickle=False, about=np.array(json.dumps(metadata)),
        mean=calibration.weights.mean, spread=calibration.weights.spread,
        coefficients=calibration.weights.coefficients, **fit.classifier.arrays(),
    )  # fmt: skip
    part.replace(path)


def read_fit(path: Path) -> Fit:
    """Return the stored fit; raise MissingError when it is unreadable or of another version."""
    try:
        with path.open("rb") as file, np.load(file) as stored:
            metadata = json.loads(str(stored["about"]))
            if metadata["version"] != VERSION:
                raise ValueError(f"version {metadata['version']}")
            weights = Weights(**{name: stored[name] for name in ("mean", "spread", "coefficients")})
            return Fit(
                labels=tuple(metadata["labels"]),
                answers=Answers(
                    passages=tuple(metadata["passages"]),
                    intents={name: np.array(row) for name, row in metadata["intents"].items()},
                ),
                classifier=Classifier(
                    **{name: stored[name] for name in Classifier.__dataclass_fields__}
                ),
                calibration=Calibration(
                    weights=weights, threshold=metadata["threshold"],
                    threshold_strict=metadata["threshold_strict"],
                    threshold_other=metadata["threshold_other"],
                ),
                summary=metadata["summary"],
            )  # fmt: skip
    except UNREADABLE_ARRAYS as error:
        raise MissingError(
            f"{path}: what the desk learned cannot be read ({error}); run `incident-desk index`"
        ) from None
