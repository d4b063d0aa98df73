"""Corrects misspelt words of the rules' vocabulary, and no others.

It corrects one missing, doubled, changed or swapped letter in a word of six letters or more.
Correct words that resemble such a word are listed and left alone, because a correction would change
what was asked.
"""

import re
from dataclasses import dataclass
from functools import cache

from bot.resources import data_path, parse_yaml

FILE = data_path("policy_spelling.yaml")
LETTERS = re.compile(r"[a-z]+")
SHORTEST, LONGEST = 6, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words that stay, and the words to correct to, by each form that lacks one letter."""

    known: frozenset[str]
    by_cut: dict[str, str]


def mended(text: str) -> str:
    """Return `text`, which is in lower case, with misspelt words of the vocabulary corrected."""
    return LETTERS.sub(_word, text)


def _word(match: re.Match[str]) -> str:
    word = match.group()
    vocabulary = _vocabulary()
    if not SHORTEST - 1 <= len(word) <= LONGEST or word in vocabulary.known:
        return word
    forms = (word, *_cuts(word))
    return next((vocabulary.by_cut[f] for f in forms if f in vocabulary.by_cut), word)


def _cuts(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(1, len(word))]


@cache
def _vocabulary() -> Vocabulary:
    read = parse_yaml(FILE.read_text(encoding="utf-8"))
    mend = [word for word in read["mend"] if len(word) >= SHORTEST]
    return Vocabulary(
        known=frozenset([*read["mend"], *read["leave"]]),
        by_cut={cut: word for word in mend for cut in (word, *_cuts(word))},
    )
