"""Applies the rules of message_rules.yaml: what a message wants beside an answer.

Each function takes the asker's own text, without quoted and forwarded text. No disguises are taken
off: nobody disguises a request for a person.
"""

import re

from bot.errors import KnowledgeError
from bot.policy.automata import compiled_anew
from bot.policy.disguises import clipped, fold, visible
from bot.policy.rules import Rule, compiled, read_table
from bot.policy.sentences import as_lines
from bot.policy.short_words import short_words
from bot.resources import data_path

TABLE = data_path("message_rules.yaml")
PUNCTUATION = re.compile(r"[.,;:!]")
WITHOUT_SPACES = "\u3040"  # scripts from here on write words without spaces between them
GREETS, SHORT = (",", "!", ":"), 4  # ends of a greeting line, and the most words of one
REPORT_LINES = 3  # lines at the top of a text that are searched for the name of a mail filter
EDGES = " \t\"'“”„«»「」()[]*_.,;:!。！،。-–—>"


def wants_person(text: str) -> bool:
    """Does `text` ask that a person deals with it, or that no automatic answer comes?"""
    shown = visible(clipped(text))
    return _is_lone_word(shown) or _hits("wants-person", shown)


def asks_if_genuine(text: str) -> bool:
    """Return whether `text` asks if something that was received is from us, or safe."""
    return _hits("asks-if-genuine", text) or _hits("points-at-it", text)


def demands_our_word(text: str) -> bool:
    """Return whether `text` demands that we confirm that something is genuine."""
    return _hits("demands-our-word", text)


def shows_material(text: str) -> bool:
    """Return whether `text` mentions something enclosed, holds a link, or points at "this"."""
    return _hits("shows-material", text) or _hits("points-at-it", text)


def goes_on(text: str) -> bool:
    """Return whether `text` holds a word that makes it more than thanks: "but", "in advance"."""
    words = f" {' '.join(fold(visible(clipped(text))).split())} "
    padded = (word if word[0] >= WITHOUT_SPACES else f" {word} " for word in short_words("goes_on"))
    bare = PUNCTUATION.sub(" ", words)
    return any(word.replace("_", " ") in bare for word in padded)


def tells_who_they_are(text: str) -> bool:
    """Return whether `text` tells a number or a name that identifies the sender."""
    return _hits("tells-who-they-are", text)


def is_filter_report(text: str) -> bool:
    """Return whether `text` begins like the report that a spam filter puts around a mail."""
    lines = [line for line in text.split("\n") if line.strip(EDGES)]
    return _hits("is-filter-report", " ".join(lines[:REPORT_LINES]))


def _is_lone_word(text: str) -> bool:
    """Return whether the first line below a greeting is only the word that asks for a person.

    The footer of each reply names that word.
    """
    lines = [fold(line).strip() for line in text.split("\n") if line.strip(EDGES)]
    greeted = len(lines) > 1 and lines[0].endswith(GREETS) and len(lines[0].split()) <= SHORT
    first = lines[greeted].strip(EDGES) if lines else ""
    spoken = _without_manners(first.split())
    return " ".join(spoken) in short_words("person")


def _without_manners(words: list[str]) -> list[str]:
    """Return the words without an article before them and a "please" or "thanks" around them."""
    while len(words) > 1 and words[0].strip(EDGES) in short_words("before"):
        words = words[1:]
    while len(words) > 1 and words[-1].strip(EDGES) in short_words("after"):
        words = words[:-1]
    return [word.strip(EDGES) for word in words]


def _hits(name: str, text: str) -> bool:
    lines = _lines(text)
    return _packaged()[name].hits(lines, lines)


def _lines(text: str) -> bytes:
    return as_lines(fold(visible(clipped(text))))


@compiled_anew
def _packaged() -> dict[str, Rule]:
    rules = {rule.id: rule for rule in compiled(read_table(TABLE))}
    names = (
        "wants-person", "asks-if-genuine", "demands-our-word", "shows-material", "points-at-it",
        "tells-who-they-are", "is-filter-report",
    )  # fmt: skip
    if missing := [name for name in names if name not in rules]:
        raise KnowledgeError(f"{TABLE.name}: there is no rule {missing[0]}")
    return rules
