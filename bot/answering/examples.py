"""Turns knowledge into training examples: each wording and each labelled message."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.answering.evidence import QUOTED, Answers
from bot.answering.segmentation import split_questions, views, whole
from bot.corpus import Knowledge, LabelledMessage, Wording
from bot.corpus.messages import ANSWERED, MessageKind
from bot.corpus.questions import Act
from bot.text.clean import clean_message

UNANSWERED = "unanswered"  # the label of questions whose passages no intent would quote
LONG_ENOUGH = 4  # words from which on a question can be understood without its message
ACTS = {
    MessageKind.REFUSE: Act.REFUSE,
    MessageKind.ESCALATE: Act.ESCALATE,
    MessageKind.OFFTOPIC: Act.OFF_TOPIC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExample:
    """A training text and its right labels, as indexes into `Classes.labels`."""

    text: str
    meanings: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The labels that the classifier distinguishes: intents, silent topics and acts."""

    labels: tuple[str, ...]
    answers: Answers
    silent: frozenset[int]  # indexes of the silent topics: the labels of unanswerable messages

    @property
    def answered(self) -> list[int]:
        """Return the indexes of the labels that the post answers, the intents."""
        return [i for i, label in enumerate(self.labels) if label in self.answers.intents]

    def of_passages(self, gold: Sequence[str]) -> frozenset[int]:
        """Return the intents whose best passage is among `gold`, else those whose second one is.

        Where no intent would quote a passage of `gold`, the result is the label UNANSWERED if there
        is one, else empty. `gold` lists the ids of passages that answer.
        """
        best, listed = set[int](), set[int]()
        for position in self.answered:
            weights = self.answers.intents[self.labels[position]]
            ranked = sorted(range(len(weights)), key=lambda i: -weights[i])
            names = [self.answers.passages[i] for i in ranked if weights[i] > 0]
            if names[0] in gold:
                best.add(position)
            if set(names[:QUOTED]) & set(gold):
                listed.add(position)
        unanswered = {i for i, label in enumerate(self.labels) if label == UNANSWERED}
        return frozenset(best or listed or unanswered)


def classes_of(knowledge: Knowledge) -> Classes:
    """Return the labels that knowledge/questions names, in file order, and UNANSWERED if needed.

    An intent whose passages are gone keeps its label, so that its questions are recognised and not
    answered. It is no silent topic, because the post may say the same in another passage.
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


def examples_of_wordings(wordings: Iterable[Wording], classes: Classes) -> list[TrainingExample]:
    """Return each wording as an example; for a near question all silent topics are right."""
    meaning = {label: frozenset({index}) for index, label in enumerate(classes.labels)}
    return [
        TrainingExample(
            text=w.text, meanings=classes.silent if w.kind == "near" else meaning[w.label]
        )
        for w in wordings
    ]


def examples_of_message(message: LabelledMessage, classes: Classes) -> list[TrainingExample]:
    """Return examples from the whole message, its only question if it has one, and labelled ones.

    A message with several different questions has no single meaning, so that only its labelled
    questions become examples.
    """
    meanings = _meanings(message.kind, message.gold, classes)
    several = len(set(message.gold)) > 1
    examples = [
        TrainingExample(text=text, meanings=meanings)
        for text in ([] if several or not meanings else _texts(message.text))
    ]
    for question in message.questions:
        gold = (question.gold,) if question.gold else ()
        meanings = _meanings(question.kind, gold, classes)
        if meanings and len(question.text.split()) >= LONG_ENOUGH:
            examples.append(TrainingExample(text=question.text, meanings=meanings))
    return examples


def views_of(text: str) -> list[str]:
    """Return the texts that the desk looks up for a message: the views of each of its questions."""
    asked = split_questions(clean_message(text).own)
    return [view for question in asked for view in views(question)] or [text]


def _texts(text: str) -> list[str]:
    own = clean_message(text).own
    message, asked = whole(own), [q.text for q in split_questions(own)]
    alone = len(asked) == 1 and asked[0] != message and len(asked[0].split()) >= LONG_ENOUGH
    return [message, *asked] if alone else [message]


def _meanings(kind: MessageKind, gold: Sequence[Sequence[str]], classes: Classes) -> frozenset[int]:
    """Return the labels that are right for a message of `kind` with the answers `gold`.

    The result is empty where there is no label for that act or for those passages.
    """
    if kind in ANSWERED:
        return classes.of_passages(gold[0]) if gold else frozenset()
    if act := ACTS.get(kind):
        return frozenset({classes.labels.index(act)} if act in classes.labels else ())
    return classes.silent
