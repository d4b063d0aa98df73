"""Recognises a reply which says that our answer did not help, by the phrases of any language."""

from functools import cache

from bot.policy.disguises import fold
from bot.text.words import listed_phrases


def says_it_did_not_help(text: str) -> bool:
    """Return whether the text says that an answer did not help, by the phrases of any language."""
    words = _spaced(text)
    return any(phrase in words for phrase in _phrases())


@cache
def _phrases() -> tuple[str, ...]:
    """Return the phrases of such replies: whole words between blanks, and parts of words."""
    whole = [_spaced(phrase) for phrase in listed_phrases("did_not_help")]
    within = [_spaced(phrase).strip() for phrase in listed_phrases("did_not_help_within")]
    return (*whole, *within)


def _spaced(text: str) -> str:
    """Return the folded words of a text, separated and surrounded by single blanks."""
    level = fold(text.replace("’", "'"))
    words = "".join(char if char.isalnum() or char == "'" else " " for char in level).split()
    return f" {' '.join(words)} "
