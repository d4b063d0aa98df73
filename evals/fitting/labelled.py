"""Knowledge and labelled messages as training examples and as questions to be scored."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bot.answering.decision import Answers
from bot.answering.segmentation import questions, whole
from bot.corpus import Knowledge, Wording
from bot.corpus.questions import Act
from bot.text.clean import clean_message
from evals.measuring.schema import Case

LONG_ENOUGH = 4  # words of a question that is also learned without its message
ACTS = {"refuse": Act.REFUSE, "escalate": Act.ESCALATE, "offtopic": Act.OFF_TOPIC}
SPOKEN = frozenset(act.value for act in Act)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text, the meanings that would be right, and the minimal pair it belongs to."""

    text: str
    meanings: frozenset[int]
    pair: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A tuned encoder as the desk will run it, with its classes."""

    delta: dict[str, np.ndarray]
    weights: np.ndarray
    bias: np.ndarray
    vectors: Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The meanings the classifier tells apart: intents, silent topics, acts."""

    labels: tuple[str, ...]
    answers: Answers

    @property
    def answered(self) -> list[int]:
        return [i for i, label in enumerate(self.labels) if label in self.answers.intents]

    @property
    def silent(self) -> frozenset[int]:
        """Silent topics: what an unanswerable message may mean."""
        return frozenset(
            i
            for i, x in enumerate(self.labels)
            if x not in self.answers.intents and x not in SPOKEN
        )

    def of_passages(self, gold: Sequence[str]) -> frozenset[int]:
        """The intents whose best passage is among `gold`, else those that list one of them."""
        best, listed = set[int](), set[int]()
        for place in self.answered:
            weights = self.answers.intents[self.labels[place]]
            ranked = sorted(range(len(weights)), key=lambda i: -weights[i])
            names = [self.answers.passages[i] for i in ranked if weights[i] > 0]
            if names[0] in gold:
                best.add(place)
            if set(names) & set(gold):
                listed.add(place)
        return frozenset(best or listed)


def classes_of(knowledge: Knowledge) -> Classes:
    """The classes that knowledge/questions names, in file order."""
    labels = dict.fromkeys(w.label for w in knowledge.wordings if w.kind != "near")
    answers = Answers.of(list(knowledge.passages), knowledge.wordings)
    return Classes(labels=tuple(labels), answers=answers)


def examples_of(knowledge: Knowledge, cases: Iterable[Case], classes: Classes) -> list[Example]:
    """Every wording, and every message whole and by its question, as the encoder will read them."""
    made = [Example(text=w.text, meanings=_of_wording(w, classes)) for w in knowledge.wordings]
    for case in cases:
        if not (meanings := _of_case(case, classes)):
            continue
        message, *asked = _texts(case)
        made.append(Example(text=message, meanings=meanings, pair=case.pair))
        made += [Example(text=text, meanings=meanings) for text in asked]
    return made


def _texts(case: Case) -> list[str]:
    """The message whole, and its question where it has one that says enough alone."""
    message = whole(clean_message(case.text).own)
    asked = [q.text for q in questions(clean_message(case.text).own)]
    alone = len(asked) == 1 and asked[0] != message and len(asked[0].split()) >= LONG_ENOUGH
    return [message, *asked] if alone else [message]


def _of_wording(wording: Wording, classes: Classes) -> frozenset[int]:
    if wording.kind == "near":
        return classes.silent
    return frozenset({classes.labels.index(wording.label)})


def _of_case(case: Case, classes: Classes) -> frozenset[int]:
    """Empty for a message with several different questions: it has no one meaning."""
    if len({tuple(group) for group in case.gold}) > 1:
        return frozenset()
    if case.gold:
        return classes.of_passages(case.gold[0])
    if case.kind in ACTS:
        return frozenset({classes.labels.index(ACTS[case.kind])})
    return classes.silent
