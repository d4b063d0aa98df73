"""Reads the word lists of bot/data/secret_words.yaml, and classifies words by them."""

import re
from functools import cache
from typing import Any

from bot.redact.normalize import lowered
from bot.resources import read_yaml
from bot.text.incident_names import is_incident_name

# The language of words that all languages use, such as PIN.
ANY_LANGUAGE = "*"
DATE_SUFFIX = re.compile(r"-\d{4}-\d{2}-\d{2}$")
# Least length of a word for which an English or Romance participle ending counts.
MIN_ENDING_WORD = 6


@cache
def load_word_lists() -> dict[str, Any]:
    """Return the whole file, as it is written."""
    words: dict[str, Any] = read_yaml("secret_words.yaml")
    return words


@cache
def word_list(*path: str) -> frozenset[str]:
    """Return the list at `path` in the file, in lower case and without accents."""
    position: Any = load_word_lists()
    for key in path:
        position = position[key]
    return frozenset(split_list(position))


def split_list(text: str) -> list[str]:
    """Return the words of one comma-separated list, in lower case and without accents."""
    return [lowered(word) for part in text.split(",") if (word := part.strip())]


def is_listed_descriptive_word(word: str) -> bool:
    """Return whether the word is listed as describing a password, whatever its ending."""
    listed = word in word_list("predicates", "words") or word in word_list("stop_words")
    return listed or is_incident_name(word)


@cache
def _endings(name: str) -> tuple[str, ...]:
    return tuple(word_list("predicates", name))


def is_descriptive_word(word: str) -> bool:
    """Return whether the lowered `word` describes a password, as in "my password is *safe*"."""
    if is_listed_descriptive_word(word):
        return True
    if len(word) >= MIN_ENDING_WORD and word.endswith(_endings("long_endings")):
        return True
    return len(word) >= MIN_ENDING_WORD and word.endswith(_endings("endings"))


def is_copula(written: str, word: str, language: str) -> bool:
    """Return whether the word is a copula, which links a keyword to its value, as "is" does.

    `word` is `written` without accents.
    """
    if language == ANY_LANGUAGE and word in word_list("shared_copulas"):
        return True
    if word in word_list("copulas") or written in _accented_copulas():
        return True
    return language in load_word_lists()["copulas_of"] and word in word_list("copulas_of", language)


@cache
def _accented_copulas() -> frozenset[str]:
    return frozenset(word.strip() for word in load_word_lists()["accented_copulas"].split(","))


def is_name(word: str) -> bool:
    """Return whether it is a known name, or one with a version: gpt-4o-2024-08-06, iphone15."""
    if DATE_SUFFIX.sub("", word) in word_list("names", "words") or is_incident_name(word):
        return True
    bare = word.rstrip("0123456789.-")
    return bare != word and (
        bare in word_list("names", "prefixes") or f"{bare}-" in word_list("names", "prefixes")
    )
