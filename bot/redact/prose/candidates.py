"""How firmly a piece is bound to its cue: what was read between the two."""

from dataclasses import dataclass

from bot.redact.lexicon import words
from bot.redact.normalize import lowered
from bot.redact.prose.keywords import Keyword
from bot.redact.prose.tokenizer import JOINED_RUN, Token, TokenShape

YEAR_LENGTHS = (4, 8)  # 2025, 20251126


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was read between the cue and the piece."""

    bound: bool = False  # by ":" or "=" or "is", directly before
    marked: bool = False  # by ":" or "="
    words: int = 0
    sentences: int = 0
    lines: int = 0
    taken: int = 0  # values already found behind this cue
    identified: bool = False  # a user name was passed
    loose: bool = False  # a comma or a conjunction was passed
    relative: bool = False  # "the password that I use": no turn to another matter
    before_cue: bool = False
    before: str = ""  # the word before the piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A piece that may be the value that belongs to a cue."""

    cue: Keyword
    place: Place
    row: list[Token]
    index: int

    @property
    def piece(self) -> Token:
        return self.row[self.index]

    @property
    def beside(self) -> bool:
        """Directly behind the cue."""
        return self.place.words == 0 and not self.place.before_cue

    @property
    def digits(self) -> int:
        """How many figures, of a piece that is a number; 0 for others."""
        return figures(self.piece.text) if self.piece.shape is TokenShape.NUMBER else 0

    @property
    def is_year(self) -> bool:
        return figures(self.piece.text) in YEAR_LENGTHS and self.piece.text[:2] in ("19", "20")

    @property
    def mixed(self) -> bool:
        text = self.piece.text
        return figures(text) > 0 and any(char.isalpha() for char in text)

    @property
    def neighbours(self) -> tuple[str, str]:
        """The words round the piece; nothing where a mark parts them."""
        before = lowered(self.row[self.index - 1].text) if self.index else ""
        parted = self.index + 1 == len(self.row) or self.piece.trail
        return before, "" if parted else lowered(self.row[self.index + 1].text)


def figures(text: str) -> int:
    return sum(char.isdigit() for char in text)


def ends_clause(row: list[Token], index: int) -> bool:
    """Nothing behind the piece belongs to it."""
    piece = row[index]
    if piece.trail.strip("\"')*") or index + 1 == len(row):
        return True
    following = row[index + 1]
    if "\n" in following.lead or not following.text or JOINED_RUN.match(following.text):
        return True
    return lowered(following.text) in words("conjunctions")
