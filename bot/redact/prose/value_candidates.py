"""Describes a token that may be the value of a keyword, and what was read between the two."""

from dataclasses import dataclass

from bot.redact.normalize import lowered
from bot.redact.prose.keywords import Keyword
from bot.redact.prose.tokenizer import JOINED_RUN, Token, TokenShape
from bot.redact.word_lists import word_list

# Digits of a year, or of a date that begins with one: 2025, 20251126.
YEAR_LENGTHS = (4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordContext:
    """What was read between the keyword and the token, and how closely it connects the two."""

    bound: bool = False  # ":", "=" or "is" stands directly before the token
    marked: bool = False  # ":" or "=" stands directly before the token
    words: int = 0
    sentences: int = 0
    lines: int = 0
    taken: int = 0  # values already taken behind this keyword
    identified: bool = False  # a user name is between them
    loose: bool = False  # a comma or a conjunction is between them
    relative: bool = False  # a relative clause of the keyword has begun: "the password that I use"
    before_keyword: bool = False
    before: str = ""  # the word before the token


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A token that may be the value that belongs to a keyword."""

    keyword: Keyword
    context: KeywordContext
    row: list[Token]
    index: int

    @property
    def token(self) -> Token:
        """The token itself."""
        return self.row[self.index]

    @property
    def beside(self) -> bool:
        """Whether the token is directly behind the keyword."""
        return self.context.words == 0 and not self.context.before_keyword

    @property
    def digits(self) -> int:
        """The number of digits of a token that is a number; 0 for any other."""
        return count_digits(self.token.text) if self.token.shape is TokenShape.NUMBER else 0

    @property
    def is_year(self) -> bool:
        """Whether the token may be a year, or a date that begins with one."""
        return count_digits(self.token.text) in YEAR_LENGTHS and self.token.text[:2] in ("19", "20")

    @property
    def mixed(self) -> bool:
        """Whether the token has both digits and letters."""
        text = self.token.text
        return count_digits(text) > 0 and any(char.isalpha() for char in text)

    @property
    def neighbours(self) -> tuple[str, str]:
        """The words before and behind the token; the latter empty if punctuation separates them."""
        before = lowered(self.row[self.index - 1].text) if self.index else ""
        parted = self.index + 1 == len(self.row) or self.token.trail
        return before, "" if parted else lowered(self.row[self.index + 1].text)


def count_digits(text: str) -> int:
    """Return the digits of a text."""
    return sum(char.isdigit() for char in text)


def ends_clause(row: list[Token], index: int) -> bool:
    """Return whether the clause ends with the token."""
    token = row[index]
    if token.trail.strip("\"')*") or index + 1 == len(row):
        return True
    following = row[index + 1]
    if "\n" in following.lead or not following.text or JOINED_RUN.match(following.text):
        return True
    return lowered(following.text) in word_list("conjunctions")
