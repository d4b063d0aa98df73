"""Reads clarify.yaml: what the desk may ask back when a question has two meanings and answers."""

from collections.abc import Sequence
from pathlib import Path

import re2
from pydantic import BaseModel, ConfigDict, Field

from bot.corpus.yaml_files import read_file_as


class Reading(BaseModel):
    """One of the two things that may be meant.

    `says` is how somebody who means it would reply; a message with a word of `named_by` means it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    says: str = Field(min_length=1, max_length=80)
    named_by: list[str] = Field(min_length=1)


class Clarification(BaseModel):
    """Two readings of a question, and the reviewed question, by language, that asks which is meant.

    Only a question with a word of `about` can have both readings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    readings: tuple[Reading, Reading]
    about: list[str] = Field(min_length=1)
    ask: dict[str, str] = Field(min_length=1)

    def is_open_in(self, asked: str, written: Sequence[str]) -> bool:
        """Return whether `asked` can have both readings and no text in `written` names either."""
        named = [word for reading in self.readings for word in reading.named_by]
        return _holds(asked, self.about) and not any(_holds(text, named) for text in written)


def _holds(text: str, words: Sequence[str]) -> bool:
    """Return whether the text has one of these words; non-ASCII ones also inside other words."""
    folded = text.casefold()
    return any(
        bool(re2.search(rf"\b{re2.escape(word)}\b", folded)) if word.isascii() else word in folded
        for word in (word.casefold() for word in words)
    )


def read_clarifications(path: Path) -> tuple[Clarification, ...]:
    """Return the clarifications in the file at `path`; none where there is no such file.

    KnowledgeError names the file and what is wrong in it.
    """
    if not path.exists():
        return ()
    return tuple(read_file_as(path, list[Clarification], empty=[]))
