"""Finds the phrases of several lists in a text, in one pass, ignoring case and accents."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

# The most characters that a * in a phrase stands for.
MAX_GAP_CHARACTERS = 40
# Scripts from this character on have prefixes or no spaces: there phrases match within words too.
UNSPACED = "\u0590"
ACCENTS = re.compile("[\u0300-\u036f\u064b-\u0652\u0640]")
# Marks of the direction of writing, and other invisible characters.
DIRECTION_MARKS = {
    ord(c): None
    for c in "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u00ad"
}


class PhraseIndex:
    """An index of the phrases of named lists, by their first two characters.

    A * in a phrase stands for up to MAX_GAP_CHARACTERS characters.
    """

    def __init__(self, lists: Mapping[str, Iterable[str]]) -> None:
        """Read the rows of each list, in which commas separate the phrases."""
        self._by_start: dict[str, list[tuple[str, str]]] = {}
        for name, rows in lists.items():
            phrases = {fold_text(phrase) for row in rows for phrase in row.split(",")} - {""}
            for phrase in sorted(phrases):
                self._by_start.setdefault(phrase[:2], []).append((name, phrase))

    def find(self, folded: str) -> dict[str, dict[str, int]]:
        """Return the phrases that a folded text holds, by list, each with its last position.

        A phrase is found only at the beginning of a word, except in scripts from UNSPACED on.
        """
        places: dict[str, dict[str, int]] = {}
        for index, letter in enumerate(folded):
            before = folded[index - 1 : index]
            if letter.isalnum() and letter < UNSPACED and before.isalnum() and before < UNSPACED:
                continue  # within a word
            for name, phrase in (
                *self._by_start.get(folded[index : index + 2], ()),
                *self._by_start.get(letter, ()),
            ):
                if _begins_at(folded, index, phrase):
                    places.setdefault(name, {})[phrase] = index
        return places


def _begins_at(folded: str, position: int, phrase: str) -> bool:
    """Does the phrase begin here? A * in it stands for up to MAX_GAP_CHARACTERS."""
    first, _, second = phrase.partition("*")
    end = position + len(first)
    reach = end + MAX_GAP_CHARACTERS + len(second)
    return folded.startswith(first, position) and second in folded[end:reach]


def fold_text(text: str) -> str:
    """Return the text without differences of compatibility form, case, accents, apostrophes."""
    level = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = ACCENTS.sub("", level.translate(DIRECTION_MARKS)).replace("’", "'")
    return " ".join(unicodedata.normalize("NFC", bare).split())
