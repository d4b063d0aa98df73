"""Reads snippets/<lang>.yaml: saved replies that a person may take over as their own words."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.errors import KnowledgeError
from bot.resources import parse_yaml, read_own_text

MAX_SNIPPETS = 100  # of a language; a menu of Slack has no more


class Snippet(BaseModel):
    """A saved reply: the title by which staff find it, and its text."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str = Field(min_length=1, max_length=75)
    text: str = Field(min_length=1, max_length=20_000)


FILE = TypeAdapter(list[Snippet])


def read_snippets(knowledge: Path) -> dict[str, tuple[Snippet, ...]]:
    """Return the saved replies of a knowledge folder by language; empty where it has none.

    KnowledgeError names the file and what is wrong in it.
    """
    return {path.stem: _read(path) for path in sorted((knowledge / "snippets").glob("*.yaml"))}


def _read(path: Path) -> tuple[Snippet, ...]:
    try:
        found = tuple(FILE.validate_python(parse_yaml(read_own_text(path))))
    except (yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"{path}: {' '.join(str(error).split())[:300]}") from None
    if len(found) > MAX_SNIPPETS:
        raise KnowledgeError(f"{path}: {len(found)} saved replies; a menu holds {MAX_SNIPPETS}")
    return found
