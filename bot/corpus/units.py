"""Cuts passages into units: the smallest stretches of a post that can answer.

A unit is a sentence, or a list together with its lead-in, under its heading. The heading of an FAQ
answer is its question. A very short sentence ("Yes.") is joined to the next one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.corpus.links import without_link_addresses
from bot.corpus.passage_ids import telling_words
from bot.corpus.post import INTRODUCTION, is_question, sentences
from bot.domain import Passage

SHORT = 12  # characters; a shorter sentence has no meaning without the next
WORDS_IN_ID = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A sentence or a list of the post; `passage` is the id of the passage that it stands in."""

    id: str
    passage: str
    text: str
    heading: str


def readings(unit: Unit, title: str) -> tuple[str, ...]:
    """Return the texts with which questions are compared to find a unit; the first has its heading.

    A unit above the first heading gets the title of the post. Each item of a list is also combined
    with the lead-in alone, because a long list hides its items.
    """
    about = title if unit.heading == INTRODUCTION else unit.heading
    text = without_link_addresses(unit.text)
    lead_in, *items = text.split("\n")
    headed = f"{about} {text}" if is_question(about) else f"{about}: {text}"
    return (headed, text, *(f"{lead_in} {item}" for item in items))


def units_of(passages: Iterable[Passage]) -> tuple[Unit, ...]:
    """Return the units of passages in reading order; an id depends on its own passage alone."""
    return tuple(unit for passage in passages for unit in _units(passage))


def _units(passage: Passage) -> Iterator[Unit]:
    seen: set[str] = set()
    for text in _joined(_texts(passage.text)):
        name = _name(passage.id, text, seen)
        seen.add(name)
        yield Unit(id=name, passage=passage.id, text=text, heading=passage.heading)


def _texts(text: str) -> list[str]:
    """Return the sentences of a text; the last of its first line is joined with a list below it."""
    first, *items = text.split("\n")
    found = list(sentences(first))
    if items:
        found[-1:] = ["\n".join([*found[-1:], *items])]
    return found


def _joined(texts: list[str]) -> list[str]:
    """Return the texts with each very short one joined to the next, or else to the one before."""
    joined: list[str] = []
    for text in texts:
        if joined and min(len(joined[-1]), len(text)) < SHORT:
            joined[-1] = f"{joined[-1]} {text}"
        else:
            joined.append(text)
    return joined


def _name(passage: str, text: str, seen: set[str]) -> str:
    """Return the passage's id and the first distinctive words of the text, more if it is taken."""
    words = telling_words(text)
    for count in range(WORDS_IN_ID, len(words) + 1):
        name = f"{passage}/{'-'.join(words[:count])}"
        if name not in seen:
            return name
    name = f"{passage}/{'-'.join(words)}"
    return name if name not in seen else f"{name}-{len(seen) + 1}"
