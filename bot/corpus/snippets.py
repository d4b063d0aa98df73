"""Reads snippets/<lang>.yaml: saved replies that a person may take over as their own words."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.corpus.yaml_files import files_by_language, read_file_as
from bot.errors import KnowledgeError

MAX_SNIPPETS = 100  # of a language; a menu of Slack has no more


class Snippet(BaseModel):
    """A saved reply: the title by which staff find it, and its text."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str = Field(min_length=1, max_length=75)
    text: str = Field(min_length=1, max_length=20_000)


def read_snippets(knowledge: Path) -> dict[str, tuple[Snippet, ...]]:
    """Return the saved replies of a knowledge folder by language; empty where it has none.

    KnowledgeError names the file and what is wrong in it.
    """
    return {
        language: _read(path)
        for language, path in files_by_language(knowledge / "snippets").items()
    }


def _read(path: Path) -> tuple[Snippet, ...]:
    found = tuple(read_file_as(path, list[Snippet], empty=[]))
    if len(found) > MAX_SNIPPETS:
        raise KnowledgeError(f"{path}: {len(found)} saved replies; a menu holds {MAX_SNIPPETS}")
    return found
