"""The word lists of secret_words.yaml, read once."""

import re
from functools import cache
from typing import Any

from bot.redact.normalize import lowered
from bot.resources import read_yaml

SHARED = "*"  # the language of a word that every language has taken over: PIN
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
SURE_ENDING = 6  # letters from which an English or Romance participle ending is believed


@cache
def load_lexicon() -> dict[str, Any]:
    words: dict[str, Any] = read_yaml("secret_words.yaml")
    return words


@cache
def words(*path: str) -> frozenset[str]:
    """A list of the file, lower case and without accents."""
    place: Any = load_lexicon()
    for key in path:
        place = place[key]
    return frozenset(listed(place))


def listed(text: str) -> list[str]:
    return [lowered(word) for part in text.split(",") if (word := part.strip())]


def is_listed_descriptive_word(word: str) -> bool:
    """The same by the lists alone: an ending says nothing in a place made for a value."""
    return word in words("predicates", "words") or word in words("stop_words")


@cache
def _endings(name: str) -> tuple[str, ...]:
    return tuple(words("predicates", name))


def is_descriptive_word(word: str) -> bool:
    """A word that tells of a password: "my password is *safe*"; `word` is lowered."""
    if is_listed_descriptive_word(word):
        return True
    if len(word) >= SURE_ENDING and word.endswith(_endings("long_endings")):
        return True
    return len(word) >= SURE_ENDING and word.endswith(_endings("endings"))


def is_copula(written: str, word: str, language: str) -> bool:
    """Binds what follows to the cue; `word` is `written` without accents."""
    if language == SHARED and word in words("shared_copulas"):
        return True
    if word in words("copulas") or written in _accented():
        return True
    return language in load_lexicon()["copulas_of"] and word in words("copulas_of", language)


@cache
def _accented() -> frozenset[str]:
    return frozenset(word.strip() for word in load_lexicon()["accented_copulas"].split(","))


def is_name(word: str) -> bool:
    """A known name, or a name with a version: gpt-4o-2024-08-06, iphone15, sha256."""
    if DATED.sub("", word) in words("names", "words"):
        return True
    bare = word.rstrip("0123456789.-")
    return bare != word and (
        bare in words("names", "prefixes") or f"{bare}-" in words("names", "prefixes")
    )
