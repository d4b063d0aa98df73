"""Learns a knowledge folder from the vectors of its texts: the classifier, weights and thresholds.

It runs at each index run and takes seconds once the texts have vectors, so any edit is learned at
once: nothing that was learned before is kept.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.answering.calibration import (
    Calibration,
    Scored,
    Weights,
    calibrate,
    left_out_result,
    weigh_across,
)
from bot.answering.classifier import Classifier, Floats, train_classifier
from bot.answering.evidence import HITS, Answers, Array, Choice, choose, features
from bot.answering.examples import (
    ACTS,
    Example,
    classes_of,
    examples_of_message,
    examples_of_wordings,
    views_of,
)
from bot.answering.interpretation import best_view
from bot.corpus import Knowledge, LabelledMessage, Wording, records_of
from bot.corpus.messages import MessageKind
from bot.domain import Hit
from bot.errors import MissingError
from bot.policy import screen

Embed = Callable[[Sequence[str]], Floats]  # n texts -> (n, width) unit vectors
VERSION = 7  # of what is learned and how it is kept
FOLDS = 3  # groups of authors that are left out in turn
FEWEST_MESSAGES = 200  # labelled messages that a threshold can be chosen on
FEWEST_WORDINGS = 30  # with fewer, a fold of them teaches nothing
BLOCK = 512  # views whose neighbours are looked for at once
ACT_KINDS = {act.value: kind for kind, act in ACTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was learned from a knowledge folder with the vectors of one encoder."""

    labels: tuple[str, ...]
    answers: Answers
    classifier: Classifier
    calibration: Calibration
    summary: str  # of how it did on what was left out of learning, for people

    def distribution(self, vector: Sequence[float]) -> Array:
        """The probability of each label for the vector of a question."""
        row = np.asarray(vector, dtype=np.float32)[None]
        return np.asarray(self.classifier.distributions(row)[0])

    def probability(self, evidence: Sequence[float]) -> float:
        """The calibrated probability that the first two passages answer."""
        return float(self.calibration.weights.probabilities(np.array([evidence]))[0])


def can_learn(knowledge: Knowledge) -> bool:
    """Are there wordings of at least two meanings that the post answers, and of one it does not?"""
    kinds = {(w.label, w.answers) for w in knowledge.wordings if w.kind != "near"}
    answered = sum(answers for _, answers in kinds)
    enough = len(knowledge.wordings) >= FEWEST_WORDINGS
    return enough and answered > 1 and len(kinds) > answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A fit, and the scores of messages whose authors were left out of what scored them."""

    fit: Fit
    scored: tuple[Scored, ...]


def learn(knowledge: Knowledge, embed: Embed) -> Learned:
    """Learn the knowledge folder; `embed` gives the vectors of its texts.

    Without enough labelled messages the wordings are scored instead, each fold of them by what the
    others teach.
    """
    course = _Course(knowledge, embed)
    scored = [s for fold in range(FOLDS) for s in course.score_fold(fold)]
    calibration = calibrate(scored)
    fit = Fit(
        labels=course.classes.labels,
        answers=course.classes.answers,
        classifier=course.train(without=None),
        calibration=calibration,
        summary=_summarize(scored, calibration),
    )
    return Learned(fit=fit, scored=tuple(scored))


def _summarize(scored: Sequence[Scored], calibration: Calibration) -> str:
    english = [s for s in scored if s.language == "en"]
    _, chances = weigh_across(english)
    result = left_out_result(english, chances, calibration.threshold)
    return (
        f"answers from a probability of {calibration.threshold:.2f} on; of {result.answerable} "
        f"answerable questions that were left out of learning, {result.right} would be answered "
        f"rightly, and {result.wrong} of {result.answered} answers would be wrong"
    )


class _Course:
    """All texts with vectors and meanings, and in which fold each stands."""

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
        """A classifier of everything, or of everything but one fold."""
        kept = np.ones(len(self.places), bool) if without is None else self.places != without
        return train_classifier(
            self.vectors[kept], self.right[kept], answered=self.classes.answered
        )

    def score_fold(self, fold: int) -> Iterator[Scored]:
        """The messages of a fold, scored by what the other folds teach."""
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
        """The nearest records of each vector; no wording of the fold where wordings are scored."""
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

    def _hit(self, place: int, cosine: float) -> Hit:
        record = self.records[place]
        return Hit(label=record.label, text="", cosine=cosine, answers=record.answers)

    def _view(self, distribution: Array, hits: Sequence[Hit]) -> "_View":
        labels, answers = self.classes.labels, self.classes.answers
        choice = choose(labels, distribution, answers)
        return _View(choice=choice, evidence=features(labels, distribution, choice, hits, answers))

    def _scored(self, message: LabelledMessage, view: "_View", fold: int) -> Scored:
        passages = self.classes.answers.passages
        order = self.knowledge.quotable([passages[i] for i in view.choice.order])
        gold = {passage for group in message.gold for passage in group}
        quoted = set(order[: view.choice.quoted_alone])
        return Scored(
            id=message.id, author=message.author, fold=fold, language=message.lang,
            answerable=bool(message.gold), right=any(quoted & set(g) for g in message.gold),
            related=bool(quoted & set(message.related)), first=order[0] in gold,
            in_three=bool(gold & set(order[:3])), pair=message.pair,
            # The policy matters where an answer would be wrong; it takes time to ask it.
            screened=not message.gold and screen(message.text) is not None,
            evidence=view.evidence,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    choice: Choice
    evidence: tuple[float, ...]

    @property
    def pair(self) -> float:
        return self.choice.pair


def _scored_messages(knowledge: Knowledge) -> tuple[tuple[LabelledMessage, ...], bool]:
    """The labelled messages, or the wordings as messages where those are too few."""
    whole = knowledge.whole_messages
    if len(whole) >= FEWEST_MESSAGES and len({m.author for m in whole}) > 1:
        return whole, False
    return tuple(_as_message(i, w) for i, w in enumerate(knowledge.wordings)), True


def _as_message(number: int, wording: Wording) -> LabelledMessage:
    """The wording as a message of an author who wrote nothing else."""
    other = ACT_KINDS.get(wording.label, MessageKind.UNANSWERABLE)
    return LabelledMessage(
        id=str(number), author=str(number), lang=wording.language, text=wording.text,
        kind=MessageKind.ANSWERABLE if wording.answers else other,
        gold=(wording.passages,) if wording.answers else (),
        related=() if wording.answers else wording.passages,
    )  # fmt: skip


def _folds(messages: Sequence[LabelledMessage]) -> dict[str, int]:
    """The fold of each author, the largest placed first where there is most room.

    Wordings that are scored as messages are placed by their own words.
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


def _table(examples: Sequence[Example], labels: int) -> npt.NDArray[np.bool_]:
    right = np.zeros((len(examples), labels), bool)
    for row, example in zip(right, examples, strict=True):
        row[list(example.meanings)] = True
    return right


def write_fit(path: Path, fit: Fit) -> None:
    """Keep the fit in one file, whole or not at all."""
    calibration = fit.calibration
    about = {
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
        part, allow_pickle=False, about=np.array(json.dumps(about)),
        mean=calibration.weights.mean, spread=calibration.weights.spread,
        coefficients=calibration.weights.coefficients, **fit.classifier.arrays(),
    )  # fmt: skip
    part.replace(path)


def read_fit(path: Path) -> Fit:
    """The fit that was kept; MissingError when the file is broken or of another version."""
    try:
        with path.open("rb") as file, np.load(file) as stored:
            about = json.loads(str(stored["about"]))
            if about["version"] != VERSION:
                raise ValueError(f"version {about['version']}")  # noqa: TRY301 - named below
            weights = Weights(**{name: stored[name] for name in ("mean", "spread", "coefficients")})
            return Fit(
                labels=tuple(about["labels"]),
                answers=Answers(
                    passages=tuple(about["passages"]),
                    intents={name: np.array(row) for name, row in about["intents"].items()},
                ),
                classifier=Classifier(
                    **{name: stored[name] for name in Classifier.__dataclass_fields__}
                ),
                calibration=Calibration(
                    weights=weights, threshold=about["threshold"],
                    threshold_strict=about["threshold_strict"],
                    threshold_other=about["threshold_other"],
                ),
                summary=about["summary"],
            )  # fmt: skip
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise MissingError(
            f"{path}: what the desk learned cannot be read ({error}); run `incident-desk index`"
        ) from None
