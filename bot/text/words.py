"""Reads bot/data/message_words.yaml: words that tell how lines and sentences belong together."""

from functools import cache

from bot.resources import read_yaml

SURROUNDING_MARKS = ".,;:!?…\"'()[]¿¡«»“”„؟،।।、。？！"


@cache
def listed_words(name: str) -> frozenset[str]:
    """Return the words under `name` in the table, of all languages together."""
    return frozenset(word for row in _rows(name) for word in row.split())


@cache
def listed_phrases(name: str) -> tuple[str, ...]:
    """Return the phrases under `name` in the table, where commas separate them."""
    return tuple(phrase.strip() for row in _rows(name) for phrase in row.split(","))


@cache
def _rows(name: str) -> tuple[str, ...]:
    rows = read_yaml("message_words.yaml")[name]
    return (rows,) if isinstance(rows, str) else tuple(rows)


def points_back(sentence: str) -> bool:
    """Does the sentence speak of something that only an earlier sentence names: `Is that so?`

    It does when it holds a pronoun or a pointing word or phrase of any language in the table.
    """
    lowered = sentence.casefold().replace("’", "'")
    words = [word.strip(SURROUNDING_MARKS) for word in lowered.split()]
    if not listed_words("points_back").isdisjoint(words):
        return True
    spoken = f" {' '.join(words)} "
    if any(f" {phrase} " in spoken for phrase in listed_phrases("points_back_phrases")):
        return True
    return not lowered.isascii() and any(
        word in lowered for word in listed_words("points_back_within")
    )
