"""Reads the labelled messages of knowledge/messages/ and knowledge/exercises/.

A file is a list, one message a line. `messages` are written as affected people write: the desk
learns from them, and its threshold is chosen on them, each author left out in turn. `exercises`
teach distinctions that real messages rarely show: the desk only learns from them.
"""

from collections.abc import Container, Iterable
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.corpus.yaml_files import list_yaml_files, read_file_as

Name = Field(min_length=1)


class MessageKind(StrEnum):
    """The true kind of a message, independent of what the desk decides."""

    ANSWERABLE = "answerable"
    FALSE_PREMISE = "false_premise"  # answered by the sentence that denies its premise
    UNANSWERABLE = "unanswerable"
    REFUSE = "refuse"
    ESCALATE = "escalate"
    OFFTOPIC = "offtopic"


ANSWERED = frozenset({MessageKind.ANSWERABLE, MessageKind.FALSE_PREMISE})


class LabelledQuestion(BaseModel):
    """One question of a message that asks several; `gold` names the passages that answer it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str = Name
    kind: MessageKind
    gold: tuple[str, ...] = ()


class LabelledMessage(BaseModel):
    """A message with what answers it.

    `gold` has a group of passages for each thing that was asked: any passage of a group answers it.
    `related` passages concern the subject but do not answer. `author` identifies one writer: two
    sets of messages by the same person have the same name, so that both are left out together.
    `pair` names the minimal pair that the message belongs to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Name
    author: str = Name
    lang: str = "en"
    kind: MessageKind
    text: str = Name
    gold: tuple[tuple[str, ...], ...] = ()
    related: tuple[str, ...] = ()
    pair: str = ""
    questions: tuple[LabelledQuestion, ...] = ()

    @property
    def named(self) -> list[str]:
        """Every passage that the labels name, in order and with repetitions."""
        gold = [p for group in self.gold for p in group]
        return [*self.related, *gold, *(p for q in self.questions for p in q.gold)]

    @model_validator(mode="after")
    def _gold_fits_kind(self) -> "LabelledMessage":
        if self.kind in ANSWERED and not (self.gold and all(self.gold)):
            raise ValueError(f"kind {self.kind.value} needs gold: the passages that answer")
        if self.kind not in ANSWERED and self.gold:
            raise ValueError(f"kind {self.kind.value} has no gold; near passages are `related`")
        return self


def read_messages(folder: Path) -> tuple[LabelledMessage, ...]:
    """Return all labelled messages in `folder`, in file order; KnowledgeError names the entry."""
    return tuple(
        message
        for path in list_yaml_files(folder)
        for message in read_file_as(path, list[LabelledMessage], empty=[])
    )


def known_messages(
    messages: Iterable[LabelledMessage], passages: Container[str]
) -> tuple[LabelledMessage, ...]:
    """Return `messages` without passages that the post does not have any more.

    A message that no passage answers any longer is left out, so that an edit of the post does not
    stop the desk.
    """
    kept = (_known(message, passages) for message in messages)
    return tuple(message for message in kept if message)


def is_whole(message: LabelledMessage, passages: Container[str]) -> bool:
    """Return whether the post has every passage that the message names."""
    return all(name in passages for name in message.named)


def _known(message: LabelledMessage, passages: Container[str]) -> LabelledMessage | None:
    if is_whole(message, passages):
        return message
    gold = tuple(group for each in message.gold if (group := _only(each, passages)))
    if len(gold) < len(message.gold):
        return None
    questions = tuple(
        q.model_copy(update={"gold": _only(q.gold, passages)})
        for q in message.questions
        if not q.gold or _only(q.gold, passages)
    )
    related = _only(message.related, passages)
    return message.model_copy(update={"gold": gold, "related": related, "questions": questions})


def _only(names: Iterable[str], passages: Container[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in passages)
