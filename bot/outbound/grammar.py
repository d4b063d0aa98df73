"""Splits a reply, as `bot.answering.reply` writes it, into its units and checks their order.

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

PLAIN_CHARACTERS = frozenset(string.printable) - frozenset("\v\f")
UNKNOWN_PART = "a part is no whole template and no whole passage"


class UnitKind(IntEnum):
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


# Kinds of which several may stand one below the other.
REPEATABLE_KINDS = frozenset({UnitKind.SECRET_KIND, UnitKind.REFUSAL})
# The pieces of a source line.
SOURCE_KINDS = frozenset({UnitKind.SOURCE, UnitKind.DATE, UnitKind.LINK})
QUOTE_KINDS = SOURCE_KINDS | {UnitKind.ABOUT, UnitKind.PASSAGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyUnit:
    """An approved text with what it may be: the same words can serve several languages."""

    text: str
    kind: UnitKind
    languages: frozenset[str]
    of: tuple[Passage, ...] = ()  # what it quotes, heads or names the source of


class ReplyGrammar:
    """Knows every unit that may leave, by its first word."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.units: dict[str, ReplyUnit] = {}
        for unit in _approved_units(knowledge):
            self._add(unit)
        self.characters = PLAIN_CHARACTERS.union(*self.units)
        # No unit stands twice in a reply; twice the sum leaves room for indents.
        self.longest = 2 * max(self._length(language) for language in knowledge.templates)
        self._by_word: dict[str, list[ReplyUnit]] = defaultdict(list)
        for unit in sorted(self.units.values(), key=lambda u: len(u.text), reverse=True):
            self._by_word[unit.text.split(" ", 1)[0]].append(unit)

    def strange(self, text: str) -> str:
        """Returns a character that no approved text has, such as a look-alike; empty for none."""
        return min(set(text) - self.characters, default="")

    def objection(self, text: str) -> str:
        """Returns why the folded `text` is no reply; empty when it is one, or a part of one."""
        units = self._parsed(text)
        if units is None:
            return UNKNOWN_PART
        for rule in RULES:
            if why := rule(units):
                return why
        quoted_ids = [
            passage.id for unit in units if unit.kind is UnitKind.PASSAGE for passage in unit.of
        ]
        missing = self.knowledge.companions(quoted_ids)
        return f"it must be quoted together with {missing[0]}" if missing else ""

    def _add(self, unit: ReplyUnit) -> None:
        if known := self.units.get(unit.text):
            unit = ReplyUnit(
                text=unit.text, kind=unit.kind, languages=unit.languages | known.languages,
                of=tuple(dict.fromkeys([*known.of, *unit.of])),
            )  # fmt: skip
        self.units[unit.text] = unit

    def _length(self, language: str) -> int:
        return sum(len(u.text) + 1 for u in self.units.values() if language in u.languages)

    def _parsed(self, text: str) -> list[ReplyUnit] | None:
        """Returns the units of `text` in order; None when a part of it is no unit."""
        units: list[ReplyUnit] = []
        place = 0
        while place < len(text):
            end = text.find(" ", place)
            word = text[place : end if end >= 0 else len(text)]
            fits = (u for u in self._by_word.get(word, ()) if _stands_at(u.text, text, place))
            if (unit := next(fits, None)) is None:
                return None
            units.append(unit)
            place += len(unit.text) + 1
        return units


def fold_spaces(text: str) -> str:
    """Returns `text` with one space for any white space."""
    return " ".join(text.split())


def _stands_at(unit: str, text: str, place: int) -> bool:
    end = place + len(unit)
    return text.startswith(unit, place) and (end == len(text) or text[end] == " ")


def _approved_units(knowledge: Knowledge) -> Iterator[ReplyUnit]:
    offered, everywhere = knowledge.offered, frozenset(knowledge.templates)
    for passage in offered:
        for text in (passage.text, quoted(passage)):
            yield ReplyUnit(
                text=fold_spaces(text), kind=UnitKind.PASSAGE, languages=everywhere, of=(passage,)
            )  # fmt: skip
    for language, templates in knowledge.templates.items():
        spoken = frozenset({language})
        for kind, text in _template_texts(templates):
            yield ReplyUnit(text=fold_spaces(text), kind=kind, languages=spoken)
        yield from _frame_units(templates, knowledge.post, offered, spoken)


def _template_texts(t: Templates) -> Iterator[tuple[UnitKind, str]]:
    yield UnitKind.GREETING, t.greeting
    yield UnitKind.SECRET, t.secret_found
    yield from ((UnitKind.SECRET_KIND, text) for text in t.secret_kinds.values())
    yield UnitKind.LEAD, t.answer_lead
    yield from ((UnitKind.REFUSAL, text) for text in t.refusal)
    for text in (t.handover, t.handover_with_answers, t.handover_urgent):
        yield UnitKind.HANDOVER, text
    yield UnitKind.FOOTER, t.footer


def _frame_units(
    templates: Templates, post: Post, offered: Sequence[Passage], spoken: frozenset[str]
) -> Iterator[ReplyUnit]:
    for passage in offered:
        for kind, text in (
            (UnitKind.ABOUT, about_line(templates, passage)),
            (UnitKind.DATE, date_named(passage.date)),
        ):
            yield ReplyUnit(text=fold_spaces(text), kind=kind, languages=spoken, of=(passage,))
    yield ReplyUnit(
        text=fold_spaces(source_named(templates, post)), kind=UnitKind.SOURCE, languages=spoken
    )  # fmt: skip
    yield ReplyUnit(text=fold_spaces(post.url), kind=UnitKind.LINK, languages=spoken)


def _check_repetition(units: Sequence[ReplyUnit]) -> str:
    """Objects to a text that stands twice; only a heading may stand again, over the next
    passage.
    """
    once = [unit.text for unit in units if unit.kind is not UnitKind.ABOUT]
    return "the same text stands there twice" if len(set(once)) < len(once) else ""


def _check_languages(units: Sequence[ReplyUnit]) -> str:
    common = frozenset.intersection(*(unit.languages for unit in units))
    return "" if common else "its templates are of several languages"


def _check_order(units: Sequence[ReplyUnit]) -> str:
    """Objects to templates out of order, and to quotes that stand neither after them nor as
    facts.
    """
    last = -1
    kinds = [None, *(unit.kind for unit in units)]
    if any(b is UnitKind.SECRET_KIND and a not in (UnitKind.SECRET, b) for a, b in pairwise(kinds)):
        return "the kind of a secret stands where it does not belong"
    for unit in units:
        if unit.kind in QUOTE_KINDS:
            latest = UnitKind.LEAD if unit.kind is UnitKind.ABOUT else UnitKind.REFUSAL
            if last > latest:
                return "a quote stands where none belongs"
            last = max(last, UnitKind.LEAD)
        elif unit.kind < last or (unit.kind == last and unit.kind not in REPEATABLE_KINDS):
            return "a template stands where it does not belong"
        else:
            last = unit.kind
    return ""


def _check_headings(units: Sequence[ReplyUnit]) -> str:
    """Objects to a heading over a passage that is not its own."""
    if units[-1].kind is UnitKind.ABOUT or any(
        a.kind is UnitKind.ABOUT and b.kind is not UnitKind.PASSAGE for a, b in pairwise(units)
    ):
        return "a heading has no passage"
    heading = ""
    for unit in units:
        if unit.kind is UnitKind.PASSAGE:
            if heading and all(p.heading != heading for p in unit.of):
                return "a passage stands under the heading of another"
        else:
            heading = unit.of[0].heading if unit.kind is UnitKind.ABOUT else ""
    return ""


def _check_questions(units: Sequence[ReplyUnit]) -> str:
    """Objects to a bare "Yes." in a reply that does not stand under the question it answers."""
    asked = all(unit.kind in QUOTE_KINDS for unit in units)  # a quote alone is no reply
    for unit in units:
        if unit.kind is UnitKind.PASSAGE:
            if not asked and all(len(p.sentences[0].split()) < RESTATES for p in unit.of):
                return "a bare yes or no stands without its question"
        else:
            asked = unit.kind is UnitKind.ABOUT
    return ""


def _check_sources(units: Sequence[ReplyUnit]) -> str:
    """Objects to a source line that is not whole, not below the passages, or has other dates."""
    kinds = [unit.kind for unit in units]
    if not SOURCE_KINDS.intersection(kinds):
        return ""
    line = [unit for unit in units if unit.kind in SOURCE_KINDS]
    begin, dates = kinds.index(line[0].kind), line[1:-1]
    whole = [UnitKind.SOURCE, *(UnitKind.DATE for _ in dates), UnitKind.LINK]
    if not dates or kinds[begin : begin + len(line)] != whole:
        return "a source line is not whole"
    quotes = [unit for unit in units[:begin] if unit.kind is UnitKind.PASSAGE]
    if not quotes or UnitKind.PASSAGE in kinds[begin:]:
        return "a source line stands elsewhere than below the passages"
    named = [unit.of[0].date for unit in dates]
    published = [{p.date for p in unit.of} for unit in quotes]
    return (
        "" if _dates_agree(named, published) else "a source line has not the dates of the passages"
    )


def _dates_agree(named: Sequence[str], published: Sequence[set[str]]) -> bool:
    """Is each date that of a passage, has each passage a date, and are they in order?"""
    each_belongs = set(named) <= set.union(*published)
    return each_belongs and all(d & set(named) for d in published) and list(named) == sorted(named)


RULES: tuple[Callable[[Sequence[ReplyUnit]], str], ...] = (
    _check_repetition, _check_languages, _check_order, _check_headings, _check_questions,
    _check_sources,
)  # fmt: skip
