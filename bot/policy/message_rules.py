"""Reads by rules what a message asks for beside an answer, from message_rules.yaml.

Each function takes the asker's own words, without what they quote or pass on, and reads them in
their plain view only: nobody disguises a request for a person.
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
WITHOUT_SPACES = "\u3040"  # from here on letters stand for words, and no gaps part them
GREETS, SHORT = (",", "!", ":"), 4  # how a greeting ends, and of how many words it is
REPORT_LINES = 3  # at the head of a text that name the program which wrote it
EDGES = " \t\"'“”„«»「」()[]*_.,;:!。！،。-–—>"


def wants_person(text: str) -> bool:
    """Does `text` ask that a person deals with it, or that no automatic answer comes?"""
    shown = visible(clipped(text))
    return _is_lone_word(shown) or _hits("wants-person", shown)


def asks_if_genuine(text: str) -> bool:
    """Does `text` ask whether something that was received is from us, or safe?"""
    return _hits("asks-if-genuine", text) or _hits("points-at-it", text)


def demands_our_word(text: str) -> bool:
    """Does `text` want us to say that something is genuine?"""
    return _hits("demands-our-word", text)


def shows_material(text: str) -> bool:
    """Does `text` speak of something that came along with it, hold a link, or point at "this"?"""
    return _hits("shows-material", text) or _hits("points-at-it", text)


def goes_on(text: str) -> bool:
    """Does `text` have a word after which thanks are no longer the end: but, in advance?"""
    words = f" {' '.join(fold(visible(clipped(text))).split())} "
    padded = (word if word[0] >= WITHOUT_SPACES else f" {word} " for word in short_words("goes_on"))
    bare = PUNCTUATION.sub(" ", words)
    return any(word.replace("_", " ") in bare for word in padded)


def tells_who_they_are(text: str) -> bool:
    """Does `text` give a number or a name by which we may know the sender?"""
    return _hits("tells-who-they-are", text)


def is_filter_report(text: str) -> bool:
    """Does `text` begin with the report that a spam filter puts around a mail?"""
    lines = [line for line in text.split("\n") if line.strip(EDGES)]
    return _hits("is-filter-report", " ".join(lines[:REPORT_LINES]))


def _is_lone_word(text: str) -> bool:
    """Is the first line that says something that one word, as the footer asks for it?"""
    lines = [fold(line).strip() for line in text.split("\n") if line.strip(EDGES)]
    greeted = len(lines) > 1 and lines[0].endswith(GREETS) and len(lines[0].split()) <= SHORT
    first = lines[greeted].strip(EDGES) if lines else ""
    spoken = _without_manners(first.split())
    return " ".join(spoken) in short_words("person")


def _without_manners(words: list[str]) -> list[str]:
    """The words without an article and a please around them."""
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
