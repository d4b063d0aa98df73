"""The units of a reply and their order, as `bot.answering.reply` writes it: taken apart again.

The text is read in one pass: at each place only the units that begin with the word there are tried.
"""

import string
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from bot.answering.reply import about_line, date_named, quoted, source_named
from bot.corpus import Knowledge, Post, Templates
from bot.corpus.validation import RESTATES
from bot.domain import Passage

PLAIN = frozenset(string.printable) - frozenset("\v\f")
UNKNOWN = "a part is no whole template and no whole passage"


class Kind(IntEnum):
    """Kinds of units, in the order of a reply."""

    GREETING = 0
    SECRET = 1
    SECRET_KIND = 2
    LEAD = 3
    ABOUT = 4
    PASSAGE = 5
    SOURCE = 6
    DATE = 7
    LINK = 8
    REFUSAL = 9
    HANDOVER = 10
    FOOTER = 11


SEVERAL = frozenset({Kind.SECRET_KIND, Kind.REFUSAL})  # may stand one below the other
SOURCES = frozenset({Kind.SOURCE, Kind.DATE, Kind.LINK})  # the pieces of a source line
QUOTES = SOURCES | {Kind.ABOUT, Kind.PASSAGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """An approved text with what it may be: the same words can serve several languages."""

    text: str
    kind: Kind
    languages: frozenset[str]
    of: tuple[Passage, ...] = ()  # what it quotes, heads or names the source of


class Grammar:
    """Every unit that may leave, found by its first word."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.units: dict[str, Unit] = {}
        for unit in _units(knowledge):
            self._add(unit)
        self.characters = PLAIN.union(*self.units)
        # No unit stands twice in a reply; twice the sum leaves room for indents.
        self.longest = 2 * max(self._length(language) for language in knowledge.templates)
        self._by_word: dict[str, list[Unit]] = defaultdict(list)
        for unit in sorted(self.units.values(), key=lambda u: len(u.text), reverse=True):
            self._by_word[unit.text.split(" ", 1)[0]].append(unit)

    def strange(self, text: str) -> str:
        """A character that no approved text has: look-alikes, invisible ones, turned writing."""
        return min(set(text) - self.characters, default="")

    def objection(self, text: str) -> str:
        """Why the folded `text` is no reply; empty when it is one, or a part of one."""
        units = self._parsed(text)
        if units is None:
            return UNKNOWN
        for rule in RULES:
            if why := rule(units):
                return why
        quoted_ids = [
            passage.id for unit in units if unit.kind is Kind.PASSAGE for passage in unit.of
        ]
        missing = self.knowledge.companions(quoted_ids)
        return f"it must be quoted together with {missing[0]}" if missing else ""

    def _add(self, unit: Unit) -> None:
        if known := self.units.get(unit.text):
            unit = Unit(
                text=unit.text, kind=unit.kind, languages=unit.languages | known.languages,
                of=tuple(dict.fromkeys([*known.of, *unit.of])),
            )  # fmt: skip
        self.units[unit.text] = unit

    def _length(self, language: str) -> int:
        return sum(len(u.text) + 1 for u in self.units.values() if language in u.languages)

    def _parsed(self, text: str) -> list[Unit] | None:
        """The units of `text` in order; None when something is none."""
        units: list[Unit] = []
        place = 0
        while place < len(text):
            end = text.find(" ", place)
            word = text[place : end if end >= 0 else len(text)]
            fits = (u for u in self._by_word.get(word, ()) if _stands(u.text, text, place))
            if (unit := next(fits, None)) is None:
                return None
            units.append(unit)
            place += len(unit.text) + 1
        return units


def folded(text: str) -> str:
    """`text` with one space for any white space."""
    return " ".join(text.split())


def _stands(unit: str, text: str, place: int) -> bool:
    end = place + len(unit)
    return text.startswith(unit, place) and (end == len(text) or text[end] == " ")


def _units(knowledge: Knowledge) -> Iterator[Unit]:
    offered, everywhere = knowledge.offered, frozenset(knowledge.templates)
    for passage in offered:
        for text in (passage.text, quoted(passage)):
            yield Unit(
                text=folded(text), kind=Kind.PASSAGE, languages=everywhere, of=(passage,)
            )  # fmt: skip
    for language, templates in knowledge.templates.items():
        spoken = frozenset({language})
        for kind, text in _templates(templates):
            yield Unit(text=folded(text), kind=kind, languages=spoken)
        yield from _frames(templates, knowledge.post, offered, spoken)


def _templates(t: Templates) -> Iterator[tuple[Kind, str]]:
    yield Kind.GREETING, t.greeting
    yield Kind.SECRET, t.secret_found
    yield from ((Kind.SECRET_KIND, text) for text in t.secret_kinds.values())
    yield Kind.LEAD, t.answer_lead
    yield from ((Kind.REFUSAL, text) for text in t.refusal)
    for text in (t.handover, t.handover_with_answers, t.handover_urgent):
        yield Kind.HANDOVER, text
    yield Kind.FOOTER, t.footer


def _frames(
    templates: Templates, post: Post, offered: Sequence[Passage], spoken: frozenset[str]
) -> Iterator[Unit]:
    for passage in offered:
        for kind, text in (
            (Kind.ABOUT, about_line(templates, passage)),
            (Kind.DATE, date_named(passage.date)),
        ):
            yield Unit(text=folded(text), kind=kind, languages=spoken, of=(passage,))
    yield Unit(
        text=folded(source_named(templates, post)), kind=Kind.SOURCE, languages=spoken
    )  # fmt: skip
    yield Unit(text=folded(post.url), kind=Kind.LINK, languages=spoken)


def _repeated(units: Sequence[Unit]) -> str:
    """Only a heading may stand again, over the next passage under it."""
    once = [unit.text for unit in units if unit.kind is not Kind.ABOUT]
    return "the same text stands there twice" if len(set(once)) < len(once) else ""


def _languages(units: Sequence[Unit]) -> str:
    common = frozenset.intersection(*(unit.languages for unit in units))
    return "" if common else "its templates are of several languages"


def _misplaced(units: Sequence[Unit]) -> str:
    """Templates in their order; quotes after them, or below a refusal as its facts."""
    last = -1
    kinds = [None, *(unit.kind for unit in units)]
    if any(b is Kind.SECRET_KIND and a not in (Kind.SECRET, b) for a, b in pairwise(kinds)):
        return "the kind of a secret stands where it does not belong"
    for unit in units:
        if unit.kind in QUOTES:
            latest = Kind.LEAD if unit.kind is Kind.ABOUT else Kind.REFUSAL
            if last > latest:
                return "a quote stands where none belongs"
            last = max(last, Kind.LEAD)
        elif unit.kind < last or (unit.kind == last and unit.kind not in SEVERAL):
            return "a template stands where it does not belong"
        else:
            last = unit.kind
    return ""


def _misheaded(units: Sequence[Unit]) -> str:
    """A heading stands over its own passage, and over no other until something else comes."""
    if units[-1].kind is Kind.ABOUT or any(
        a.kind is Kind.ABOUT and b.kind is not Kind.PASSAGE for a, b in pairwise(units)
    ):
        return "a heading has no passage"
    heading = ""
    for unit in units:
        if unit.kind is Kind.PASSAGE:
            if heading and all(p.heading != heading for p in unit.of):
                return "a passage stands under the heading of another"
        else:
            heading = unit.of[0].heading if unit.kind is Kind.ABOUT else ""
    return ""


def _unasked(units: Sequence[Unit]) -> str:
    """In a reply, a passage that opens with a bare "Yes." stands under the question it answers."""
    asked = all(unit.kind in QUOTES for unit in units)  # a quote alone is no reply
    for unit in units:
        if unit.kind is Kind.PASSAGE:
            if not asked and all(len(p.sentences[0].split()) < RESTATES for p in unit.of):
                return "a bare yes or no stands without its question"
        else:
            asked = unit.kind is Kind.ABOUT
    return ""


def _unsourced(units: Sequence[Unit]) -> str:
    """One source line at most, whole, below the last passage, with the dates of those above it."""
    kinds = [unit.kind for unit in units]
    if not SOURCES.intersection(kinds):
        return ""
    line = [unit for unit in units if unit.kind in SOURCES]
    begin, dates = kinds.index(line[0].kind), line[1:-1]
    whole = [Kind.SOURCE, *(Kind.DATE for _ in dates), Kind.LINK]
    if not dates or kinds[begin : begin + len(line)] != whole:
        return "a source line is not whole"
    quotes = [unit for unit in units[:begin] if unit.kind is Kind.PASSAGE]
    if not quotes or Kind.PASSAGE in kinds[begin:]:
        return "a source line stands elsewhere than below the passages"
    named = [unit.of[0].date for unit in dates]
    published = [{p.date for p in unit.of} for unit in quotes]
    return "" if _match(named, published) else "a source line has not the dates of the passages"


def _match(named: Sequence[str], published: Sequence[set[str]]) -> bool:
    """Is each date that of a passage, has each passage a date, and are they in order?"""
    each_belongs = set(named) <= set.union(*published)
    return each_belongs and all(d & set(named) for d in published) and list(named) == sorted(named)


RULES: tuple[Callable[[Sequence[Unit]], str], ...] = (
    _repeated, _languages, _misplaced, _misheaded, _unasked, _unsourced,
)  # fmt: skip
