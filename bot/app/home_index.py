"""Brings the index of a home up to date, and knows what an index run left there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.answering.fit import VERSION, Fit, can_learn, learn, read_fit, write_fit
from bot.corpus import Knowledge, records_of
from bot.corpus.drift import Learned
from bot.errors import MissingError
from bot.files import locked, replace_file

if TYPE_CHECKING:
    from bot.adapters.cached_encoder import CachedEncoder
    from bot.adapters.chroma import Changed, Chroma
    from bot.settings import Settings

STAMP = "index.version"
LEARNED = "index.learned"  # what the index was made from, for `doctor`
FORMAT = 4  # of what an index run leaves; another one makes every index outdated


@dataclass(eq=False)
class HomeIndex:
    """The index in the home, with the vectors and the fit that belong to it."""

    settings: "Settings"
    knowledge: Knowledge
    encoder: "CachedEncoder"
    say: Callable[[str], None]

    @property
    def vectors(self) -> Path:
        """The file of the vectors of every record."""
        return self.settings.home / "vectors.npz"

    @property
    def outdated(self) -> bool:
        """Is the index gone, or was it made from other knowledge, by another encoder or version?"""
        stamp = self.settings.home / STAMP
        embedded = not self.settings.chroma_url
        if embedded and not (self.settings.chroma / "chroma.sqlite3").exists():
            return True
        return not stamp.exists() or stamp.read_text(encoding="utf-8") != self._version

    def read_fit(self) -> Fit:
        """What the last run learned."""
        return read_fit(self._fit_file)

    def read_kept_fit(self) -> Fit | None:
        """What an earlier run learned from this very knowledge, if it can still be read.

        The wordings are not needed for it, and reading them would slow down every start.
        """
        if self.outdated or not self._fit_file.exists():
            return None
        try:
            return self.read_fit()
        except MissingError as error:
            self.say(f"warning: {error}")
            return None

    def update(self, chroma: "Chroma") -> "Changed":
        """Bring the index up to date with the knowledge and the encoder, and learn from it.

        Nothing is learned where the knowledge holds too little (see `can_learn`), or where what was
        learned belongs to this very knowledge.
        """
        # Two processes that write into one embedded index at once leave it damaged.
        with locked(self.settings.chroma.resolve().with_suffix(".lock")):
            return self._update(chroma)

    def _update(self, chroma: "Chroma") -> "Changed":
        from bot.adapters.exact_retriever import write_vectors

        kept = self.read_kept_fit()
        changed = chroma.index(records_of(self.knowledge), self.say)
        write_vectors(self.vectors, *chroma.everything())
        if not can_learn(self.knowledge):
            self._fit_file.unlink(missing_ok=True)
        elif not kept:
            self.say("learning from the knowledge, a minute or two …")
            write_fit(self._fit_file, learn(self.knowledge, self.encoder.vectors).fit)
            self.encoder.save()
        Learned.of(self.knowledge).write(self.settings.home / LEARNED)
        # Last, for what it names is complete now.
        replace_file(self.settings.home / STAMP, self._version)
        return changed

    @property
    def _fit_file(self) -> Path:
        return self.settings.home / "fit.npz"

    @property
    def _version(self) -> str:
        knowledge = self.knowledge
        versions = filter(None, (knowledge.question_version, knowledge.labels_version))
        return f"{FORMAT}.{VERSION} {self.encoder.name} {' '.join(versions)}"
