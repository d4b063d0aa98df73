"""Reads questions/*.yaml: the wordings people use, by intent, silent topic or speech act.

A file is a list of entries. An intent names the passages that answer it, best first; a silent topic
names the nearest passage (what a person would look at); an act is a message that is no question.
One wording a line, so that a reviewer reads them as a list and a diff shows a line.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from bot.corpus.yaml_files import list_yaml_files, read_file_as

Lines = dict[str, str]  # language or contrast -> wordings, one a line


class Act(StrEnum):
    """The speech act of a message that asks nothing which the post could answer."""

    REFUSE = "refuse"
    ESCALATE = "escalate"
    OFF_TOPIC = "off_topic"
    CHATTER = "chatter"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IntentEntry(_Entry):
    intent: str
    answers: list[str] = Field(min_length=1)
    ask: Lines
    near: Lines = {}


class SilentEntry(_Entry):
    silent: str
    nearest: str
    ask: Lines


class ActEntry(_Entry):
    act: Act
    say: Lines


def _form(entry: Any) -> str | None:
    """Return which of the three forms an entry has, by its key; None for none of them."""
    keys = entry if isinstance(entry, dict) else {}
    return next((form for form in ("intent", "silent", "act") if form in keys), None)


Entry = Annotated[
    Annotated[IntentEntry, Tag("intent")]
    | Annotated[SilentEntry, Tag("silent")]
    | Annotated[ActEntry, Tag("act")],
    Discriminator(_form),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One way to say something; `label` is its meaning, `passages` what answers it or is nearest.

    `file` is the file that has it. An intent whose passages are all gone has none and cannot be
    answered.
    """

    text: str
    label: str
    kind: Literal["intent", "near", "silent", "act"]
    passages: tuple[str, ...]
    language: str = "en"
    contrast: str = ""
    file: str = ""

    @property
    def answers(self) -> bool:
        return self.kind == "intent" and bool(self.passages)


def read_questions(folder: Path) -> tuple[Wording, ...]:
    """Return all wordings in `folder`, in file order; KnowledgeError names file and entry."""
    found: list[Wording] = []
    for path in list_yaml_files(folder):
        for entry in read_file_as(path, list[Entry], empty=[]):
            found += [replace(wording, file=path.name) for wording in _wordings(entry)]
    return tuple(found)


def repeated_intents(folder: Path) -> Iterator[str]:
    """Yield a warning for each intent with the name of an earlier one; KnowledgeError as above.

    The desk takes the two for one, so that each is answered with the passages of both.
    """
    first: dict[str, str] = {}
    for path in list_yaml_files(folder):
        for entry in read_file_as(path, list[Entry], empty=[]):
            if isinstance(entry, IntentEntry):
                if entry.intent in first:
                    yield (
                        f"questions/{path.name}: the intent {entry.intent!r} stands in "
                        f"questions/{first[entry.intent]} already; give one of the two another name"
                    )
                first.setdefault(entry.intent, path.name)


def known_wordings(wordings: Iterable[Wording], passages: Container[str]) -> tuple[Wording, ...]:
    """`wordings` without passages that the post does not have any more."""
    return tuple(
        wording
        if all(name in passages for name in wording.passages)
        else replace(wording, passages=tuple(p for p in wording.passages if p in passages))
        for wording in wordings
    )


def _wordings(entry: IntentEntry | SilentEntry | ActEntry) -> list[Wording]:
    match entry:
        case IntentEntry():
            gold = tuple(entry.answers)
            asked = [
                Wording(text=t, label=entry.intent, kind="intent", passages=gold, language=language)
                for language, t in _lines(entry.ask)
            ]
            return asked + [
                Wording(
                    text=t,
                    label=f"near:{entry.intent}",
                    kind="near",
                    passages=gold[:1],
                    contrast=contrast,
                )
                for contrast, t in _lines(entry.near)
            ]
        case SilentEntry():
            return [
                Wording(
                    text=t,
                    label=entry.silent,
                    kind="silent",
                    passages=(entry.nearest,),
                    language=language,
                )
                for language, t in _lines(entry.ask)
            ]
        case ActEntry():
            return [
                Wording(text=t, label=entry.act.value, kind="act", passages=(), language=language)
                for language, t in _lines(entry.say)
            ]


def _lines(block: Lines) -> list[tuple[str, str]]:
    return [
        (key, line.strip())
        for key, text in block.items()
        for line in text.splitlines()
        if line.strip()
    ]
