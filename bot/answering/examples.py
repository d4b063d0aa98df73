"""Turns knowledge into training examples: each wording and each labelled message."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.answering.evidence import QUOTED, Answers
from bot.answering.segmentation import questions, views, whole
from bot.corpus import Knowledge, LabelledMessage, Wording
from bot.corpus.messages import ANSWERED, MessageKind
from bot.corpus.questions import Act
from bot.text.clean import clean_message

UNANSWERED = "unanswered"  # what people ask and the post says, but no intent quotes
LONG_ENOUGH = 4  # words of a question that can be understood without its message
ACTS = {
    MessageKind.REFUSE: Act.REFUSE,
    MessageKind.ESCALATE: Act.ESCALATE,
    MessageKind.OFFTOPIC: Act.OFF_TOPIC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text and the meanings that would be right for it, as places in `Classes.labels`."""

    text: str
    meanings: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The meanings the classifier tells apart: intents, silent topics, acts."""

    labels: tuple[str, ...]
    answers: Answers
    silent: frozenset[int]  # the silent topics: what an unanswerable message may mean

    @property
    def answered(self) -> list[int]:
        """The meanings that the post answers."""
        return [i for i, label in enumerate(self.labels) if label in self.answers.intents]

    def of_passages(self, gold: Sequence[str]) -> frozenset[int]:
        """The intents whose best passage is among `gold`, else those whose second one is.

        Where no intent would quote one of them, it is the class UNANSWERED, if there is one.
        """
        best, listed = set[int](), set[int]()
        for place in self.answered:
            weights = self.answers.intents[self.labels[place]]
            ranked = sorted(range(len(weights)), key=lambda i: -weights[i])
            names = [self.answers.passages[i] for i in ranked if weights[i] > 0]
            if names[0] in gold:
                best.add(place)
            if set(names[:QUOTED]) & set(gold):
                listed.add(place)
        unanswered = {i for i, label in enumerate(self.labels) if label == UNANSWERED}
        return frozenset(best or listed or unanswered)


def classes_of(knowledge: Knowledge) -> Classes:
    """The classes that knowledge/questions names, in file order.

    An intent whose passages have gone stays a class, so that its questions are known and not
    answered; it is no silent topic, because the post may say it under another passage.
    """
    labels = tuple(dict.fromkeys(w.label for w in knowledge.wordings if w.kind != "near"))
    topics = knowledge.silent_topics
    classes = Classes(
        labels=labels,
        answers=Answers.of(list(knowledge.passages), knowledge.wordings),
        silent=frozenset(i for i, label in enumerate(labels) if label in topics),
    )
    asked = {g for m in (*knowledge.messages, *knowledge.exercises) for g in m.gold}
    if all(classes.of_passages(gold) for gold in asked):
        return classes
    return replace(classes, labels=(*labels, UNANSWERED))


def examples_of_wordings(wordings: Iterable[Wording], classes: Classes) -> list[Example]:
    """Each wording; one that is near an intent may mean any silent topic."""
    meaning = {label: frozenset({place}) for place, label in enumerate(classes.labels)}
    return [
        Example(text=w.text, meanings=classes.silent if w.kind == "near" else meaning[w.label])
        for w in wordings
    ]


def examples_of_message(message: LabelledMessage, classes: Classes) -> list[Example]:
    """The whole message, its question where one stands alone, and its labelled questions.

    A message with several different questions has no one meaning; only its questions are learned.
    """
    meanings = _meanings(message.kind, message.gold, classes)
    several = len(set(message.gold)) > 1
    examples = [
        Example(text=text, meanings=meanings)
        for text in ([] if several or not meanings else _texts(message.text))
    ]
    for question in message.questions:
        gold = (question.gold,) if question.gold else ()
        meanings = _meanings(question.kind, gold, classes)
        if meanings and len(question.text.split()) >= LONG_ENOUGH:
            examples.append(Example(text=question.text, meanings=meanings))
    return examples


def views_of(text: str) -> list[str]:
    """What the desk looks up for a message: each of its questions under its views."""
    asked = questions(clean_message(text).own)
    return [view for question in asked for view in views(question)] or [text]


def _texts(text: str) -> list[str]:
    own = clean_message(text).own
    message, asked = whole(own), [q.text for q in questions(own)]
    alone = len(asked) == 1 and asked[0] != message and len(asked[0].split()) >= LONG_ENOUGH
    return [message, *asked] if alone else [message]


def _meanings(kind: MessageKind, gold: Sequence[Sequence[str]], classes: Classes) -> frozenset[int]:
    """Empty where the classes have no such act, or no intent that the passages answer."""
    if kind in ANSWERED:
        return classes.of_passages(gold[0]) if gold else frozenset()
    if act := ACTS.get(kind):
        return frozenset({classes.labels.index(act)} if act in classes.labels else ())
    return classes.silent
