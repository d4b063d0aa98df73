"""Reads translations/<language>.yaml: passages in other languages, reviewed by a person.

Only what is marked as reviewed is ever sent, and only while the original is the text that was
translated. The original always stands beside it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bot.corpus.yaml_files import files_by_language, read_file_as
from bot.domain import Passage


class Translation(BaseModel):
    """A passage in another language."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    original: str  # the version of the passage that was translated, as `evals lint` prints it
    heading: str
    text: str
    reviewed: bool = False  # by a person who reads both languages

    def is_current(self, passage: Passage) -> bool:
        """Return whether it translates the passage as it is published now."""
        return self.original == passage.version


Translations = Mapping[str, Mapping[str, Translation]]
"""Language -> id of a passage -> its translation."""


def read_translations(folder: Path) -> dict[str, dict[str, Translation]]:
    """Return all translations in the folder, which need not exist; KnowledgeError for a fault."""
    return {
        language: read_file_as(path, dict[str, Translation], empty={})
        for language, path in files_by_language(folder).items()
    }


def usable(
    stated: Translations, passages: Mapping[str, Passage]
) -> dict[str, dict[str, Translation]]:
    """Return the translations that may be sent: reviewed, and of the passage as published now."""
    return {
        language: {
            name: each
            for name, each in of.items()
            if name in passages and each.reviewed and each.is_current(passages[name])
        }
        for language, of in stated.items()
    }


def outdated(stated: Translations, passages: Mapping[str, Passage]) -> Iterator[str]:
    """Yield a warning for each translation that is not of a passage as it is published now."""
    for language, of in stated.items():
        for name, each in of.items():
            if name not in passages:
                yield f"translations/{language}.yaml: {name} is no passage of the post"
            elif not each.is_current(passages[name]):
                yield (
                    f"translations/{language}.yaml: {name} is older than its original; "
                    f"translate it again and write original: {passages[name].version}"
                )


def missing(stated: Translations, offered: Mapping[str, Passage]) -> Iterator[str]:
    """Yield for each file a warning with the passages that it lacks, each with the version to put
    under `original`, and one with the translations that nobody has reviewed.
    """
    for language, of in stated.items():
        lacking = [f"{p.id} (original: {p.version})" for p in offered.values() if p.id not in of]
        waiting = [name for name in offered if name in of and not of[name].reviewed]
        where = f"translations/{language}.yaml"
        if waiting:
            names = ", ".join(waiting)
            yield f"{where}: {len(waiting)} wait for a review and are not sent: {names}"
        if lacking:
            yield f"{where}: {len(lacking)} are not translated: {', '.join(lacking)}"
