"""Brings the index in the home folder up to date and reads what an index run left there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.answering.fit import VERSION, Fit, can_learn, learn_fit, read_fit, write_fit
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
FORMAT = 4  # of the files of an index run; raising it makes every index outdated


@dataclass(eq=False)
class HomeIndex:
    """The index in the home, with the vectors and the fit that belong to it."""

    settings: "Settings"
    knowledge: Knowledge
    encoder: "CachedEncoder"
    say: Callable[[str], None]

    @property
    def vectors(self) -> Path:
        """Return the path of the file with the embeddings of all records."""
        return self.settings.home / "vectors.npz"

    @property
    def outdated(self) -> bool:
        """Return whether the index is missing or was made of other knowledge, encoder or format."""
        stamp = self.settings.home / STAMP
        embedded = not self.settings.chroma_url
        if embedded and not (self.settings.chroma / "chroma.sqlite3").exists():
            return True
        return not stamp.exists() or stamp.read_text(encoding="utf-8") != self._version

    def read_fit(self) -> Fit:
        """Return the fit of the last index run; MissingError when it cannot be read."""
        return read_fit(self._fit_file)

    def read_kept_fit(self) -> Fit | None:
        """Return the fit that an earlier run made of this version of the knowledge.

        None when there is none or it cannot be read. It does without the wordings, because reading
        them would slow down every start.
        """
        if self.outdated or not self._fit_file.exists():
            return None
        try:
            return self.read_fit()
        except MissingError as error:
            self.say(f"warning: {error}")
            return None

    def update(self, chroma: "Chroma") -> "Changed":
        """Bring the index up to date with the knowledge and the encoder, and make the fit.

        No fit is made when the knowledge holds too little (see `can_learn`), or when there is one
        of this version of the knowledge.
        """
        # Two processes that write into one embedded index at the same time damage it.
        with locked(self.settings.chroma.resolve().with_suffix(".lock")):
            return self._update(chroma)

    def _update(self, chroma: "Chroma") -> "Changed":
        from bot.adapters.exact_retriever import write_vectors

        stored_fit = self.read_kept_fit()
        changed = chroma.index(records_of(self.knowledge), self.say)
        write_vectors(self.vectors, *chroma.everything())
        if not can_learn(self.knowledge):
            self._fit_file.unlink(missing_ok=True)
        elif not stored_fit:
            self.say("learning from the knowledge, a minute or two …")
            write_fit(self._fit_file, learn_fit(self.knowledge, self.encoder.vectors).fit)
            self.encoder.save()
        Learned.of(self.knowledge).write(self.settings.home / LEARNED)
        # Written last, so that the stamp only ever names a complete index.
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
