"""Reads notes.yaml: reviewed remarks on the post, such as what is not quoted and what is listed."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.corpus.yaml_files import read_file_as


class Erratum(BaseModel):
    """A passage that is never quoted, and what is quoted in its place."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    passage: str
    instead: list[str]
    why: str


class Superseded(BaseModel):
    """A passage that a later one corrects: the later one, with its date, is quoted in its place."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    passage: str
    by: str
    why: str


class Companion(BaseModel):
    """A passage that is quoted only together with another."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    passage: str
    together: str
    why: str


class Alternatives(BaseModel):
    """Passages that say the same, where one may be corrected or clearer; an answer quotes one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    passages: list[str] = Field(min_length=2)
    why: str


class Heading(BaseModel):
    """A better heading over a quoted passage than the one that the post has."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    passage: str
    heading: str


class Notes(BaseModel):
    """The reviewed remarks on the post."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    links: list[str] = []
    numbers: list[str] = []  # telephone numbers and the like that may stand in a reply
    never_quote: list[Erratum] = []
    superseded: list[Superseded] = []
    quote_together: list[Companion] = []
    quote_one_of: list[Alternatives] = []
    headings: list[Heading] = []
    quote_in_refusals: list[str] = []  # passages on such requests, which a refusal quotes

    @property
    def replaced(self) -> dict[str, tuple[str, ...]]:
        """Each passage that is never quoted, and what is quoted in its place."""
        errata = {each.passage: tuple(each.instead) for each in self.never_quote}
        return errata | {each.passage: (each.by,) for each in self.superseded}

    @property
    def domains(self) -> frozenset[str]:
        """Hosts of the allowed links and addresses."""
        return frozenset(_host(link) for link in self.links)


def read_notes(path: Path) -> Notes:
    """Return the notes in `path`, empty without the file; KnowledgeError names the wrong field."""
    if not path.exists():
        return Notes(links=[])
    return read_file_as(path, Notes, empty={})


def _host(link: str) -> str:
    return (
        link.removeprefix("mailto:").rsplit("@", 1)[-1].split("://", 1)[-1].split("/", 1)[0].lower()
    )
