"""knowledge/clarify.yaml: what the desk may ask back where two readings lead to two answers."""

from pathlib import Path

import re2
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.errors import KnowledgeError
from bot.resources import parse_yaml


class Reading(BaseModel):
    """One of the two things that may be meant.

    `says` is what somebody would reply who means it; who uses a word of `named_by` has said it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    says: str = Field(min_length=1, max_length=80)
    named_by: list[str] = Field(min_length=1)

    def is_named_in(self, text: str) -> bool:
        """Does a word of the text begin with one of these?"""
        words = "|".join(map(re2.escape, self.named_by))
        return bool(re2.search(rf"(?i)\b(?:{words})", text))


class Clarification(BaseModel):
    """Two readings, and the reviewed question that tells them apart, by language."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    readings: tuple[Reading, Reading]
    ask: dict[str, str] = Field(min_length=1)


FILE = TypeAdapter(list[Clarification])


def read_clarifications(path: Path) -> tuple[Clarification, ...]:
    """What may be asked back; none where there is no such file.

    KnowledgeError names the file and what is wrong in it.
    """
    if not path.exists():
        return ()
    try:
        return tuple(FILE.validate_python(parse_yaml(path.read_text(encoding="utf-8")) or []))
    except (yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"{path}: {' '.join(str(error).split())[:300]}") from None
