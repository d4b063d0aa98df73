"""Reads clarify.yaml: what the desk may ask back where two readings lead to two answers."""

from collections.abc import Sequence
from pathlib import Path

import re2
from pydantic import BaseModel, ConfigDict, Field

from bot.corpus.yaml_files import read_file_as


class Reading(BaseModel):
    """One of the two things that may be meant.

    `says` is what somebody would reply who means it; who uses a word of `named_by` has said it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    says: str = Field(min_length=1, max_length=80)
    named_by: list[str] = Field(min_length=1)


class Clarification(BaseModel):
    """Two readings, and the reviewed question that tells them apart, by language.

    A question is open to both when it holds a word of `about`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    readings: tuple[Reading, Reading]
    about: list[str] = Field(min_length=1)
    ask: dict[str, str] = Field(min_length=1)

    def is_open_in(self, asked: str, written: Sequence[str]) -> bool:
        """Is the question open to both readings, as nothing that was written names one?"""
        named = [word for reading in self.readings for word in reading.named_by]
        return _holds(asked, self.about) and not any(_holds(text, named) for text in written)


def _holds(text: str, words: Sequence[str]) -> bool:
    """Does the text hold one of these words? Words of other scripts may stand within others."""
    folded = text.casefold()
    return any(
        bool(re2.search(rf"\b{re2.escape(word)}\b", folded)) if word.isascii() else word in folded
        for word in (word.casefold() for word in words)
    )


def read_clarifications(path: Path) -> tuple[Clarification, ...]:
    """What may be asked back; none where there is no such file.

    KnowledgeError names the file and what is wrong in it.
    """
    if not path.exists():
        return ()
    return tuple(read_file_as(path, list[Clarification], empty=[]))
