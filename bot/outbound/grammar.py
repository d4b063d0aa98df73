"""Splits a reply, as `bot.answering.reply` writes it, into its units and checks their order.

The text is read in one pass: at each place only the units that begin with the word there are tried.
The kinds of the units, a letter each, must then form a sequence that a reply, or a part of one, can
have (`FORM`).
"""

import string
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import re2

from bot.answering.reply import (
    MAX_CASE_NUMBER,
    format_passage,
    format_post_source,
    format_quote,
    format_secret_kind,
    format_source_date,
    format_team_source,
)
from bot.corpus import Knowledge, Post, Templates
from bot.corpus.templates import ReplySources
from bot.corpus.validation import RESTATES
from bot.domain import Passage, PassageSource

NO_BREAK_SPACE = "\u00a0"  # French has one before a colon; units are compared with plain spaces
PLAIN_CHARACTERS = frozenset(string.printable) - frozenset("\v\f") | {NO_BREAK_SPACE}
UNORDERED = "its parts do not stand as in a reply"
UNKNOWN_PART = "a part is no whole template and no whole passage"
# Numbers of questions, and the number of a case. Longer numbers are not allowed in a reply, because
# they could be telephone numbers.
NUMBERS = re2.compile(r"(?:[1-9]\d{0,2}, )*[1-9]\d{0,2}\.")
CASE_NUMBER = re2.compile(rf"[1-9]\d{{0,{len(str(MAX_CASE_NUMBER)) - 1}}}")


class UnitKind(StrEnum):
    """The kind of a unit; its value is its letter in `FORM`."""

    GREETING = "G"
    URGENT = "U"
    LEAD = "L"
    NUMBERS = "N"
    HEADING = "H"
    TRANSLATION = "T"
    WORDING = "W"  # the sentence between a translation and its passage
    PASSAGE = "P"
    REFUSAL = "R"
    PASTED = "S"  # the notice that a secret was found in the message
    PASTED_KIND = "K"
    HANDOVER = "A"
    HANDOVER_NUMBERS = "B"
    EXPECTED_TIME = "E"
    CASE = "C"
    CASE_NUMBER = "D"
    CLARIFICATION = "Q"
    SOURCE = "s"
    DATE = "d"
    LINK = "l"
    TEAM = "t"  # a whole source line of the support team, with its day
    FOOTER = "F"


# The sequences of units in a reply, or a part of one: greeting, what to do in danger, the answers,
# the refusal with its facts, the secrets that were found, what goes to a person and what happens
# next, the clarifying question, source, footer.
FORM = re2.compile(
    "G?U?(?:L?(?:N?H?(?:TW)?P)+)?(?:N?R+(?:(?:TW)?P)*)?(?:SK+)?"
    "(?:(?:A|NB)E?)?(?:CD)?Q?(?:sd+l?)?t*F?"
)
# The pieces of a source line.
SOURCE_KINDS = frozenset({UnitKind.SOURCE, UnitKind.DATE, UnitKind.LINK, UnitKind.TEAM})
TRANSLATED = frozenset({UnitKind.TRANSLATION, UnitKind.WORDING})
QUOTE_KINDS = SOURCE_KINDS | TRANSLATED | {UnitKind.HEADING, UnitKind.PASSAGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyUnit:
    """An approved text with its kind and the languages for which it is approved."""

    text: str
    kind: UnitKind
    languages: frozenset[str]
    of: tuple[Passage, ...] = ()  # the passages that it quotes, heads or names the source of


class ReplyGrammar:
    """The approved units, found by their first word, and the rules of their order."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.units: dict[str, ReplyUnit] = {}
        for unit in _approved_units(knowledge):
            self._add(unit)
        self.characters = PLAIN_CHARACTERS.union(*self.units)
        # Most units occur once in a reply; twice the sum leaves room for indents and numbers.
        self.longest = 2 * max(self._length(language) for language in knowledge.templates)
        self._footers: dict[str, set[ReplySources]] = defaultdict(set)
        for templates in knowledge.templates.values():
            for sources, footer in templates.footers.items():
                self._footers[fold_spaces(footer)].add(sources)
        self._by_word: dict[str, list[ReplyUnit]] = defaultdict(list)
        for unit in sorted(self.units.values(), key=lambda u: len(u.text), reverse=True):
            self._by_word[unit.text.split(" ", 1)[0]].append(unit)

    def strange(self, text: str) -> str:
        """Return a character of `text` that no approved text has; empty for none."""
        return min(set(text) - self.characters, default="")

    def object_to_text(self, text: str, case_number: int | None = None) -> str:
        """Return why `text` is not a reply; empty when it is one, or a part of one.

        `text` has folded spaces. With a `case_number` only that case may be named; 0 allows none.
        """
        units = self._parsed(text)
        if units is None:
            return UNKNOWN_PART
        for rule in RULES:
            if why := rule(units):
                return why
        named = [unit.text for unit in units if unit.kind is UnitKind.CASE_NUMBER]
        if case_number is not None and any(number != str(case_number) for number in named):
            return "it names another case than that of its message"
        kinds = {unit.kind for unit in units}
        if self.knowledge.post.url and UnitKind.DATE in kinds and UnitKind.LINK not in kinds:
            return UNORDERED  # its source line lacks the link
        return self._objection_to_quotes(units)

    def _objection_to_quotes(self, units: Sequence[ReplyUnit]) -> str:
        """Return why these passages may not be quoted so; empty when they may."""
        quotes = [unit.of for unit in units if unit.kind is UnitKind.PASSAGE]
        if not all(any(map(self.knowledge.stands, of)) for of in quotes):
            return "it quotes an answer of the support team that was withdrawn"
        sources = ReplySources.of(of[0] for of in quotes)
        named = [self._footers[u.text] for u in units if u.text in self._footers]
        if quotes and not all(sources in each for each in named):
            return "its footer names another source than its passages have"
        missing = self.knowledge.companions([passage.id for of in quotes for passage in of])
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
        """Return the units of `text` in order; None when a part of it is no unit."""
        units: list[ReplyUnit] = []
        position = 0
        while position < len(text):
            end = text.find(" ", position)
            word = text[position : end if end >= 0 else len(text)]
            fits = (u for u in self._by_word.get(word, ()) if _stands_at(u.text, text, position))
            unit = next(fits, None) or self._number_at(text, position, units)
            if unit is None:
                return None
            units.append(unit)
            position += len(unit.text) + 1
        return units

    def _number_at(self, text: str, position: int, before: Sequence[ReplyUnit]) -> ReplyUnit | None:
        """Return the unit of question numbers, or of the case number behind its label, or None."""
        of_case = bool(before) and before[-1].kind is UnitKind.CASE
        pattern = CASE_NUMBER if of_case else NUMBERS
        match = pattern.match(text, position)
        if match is None or not _stands_at(match.group(), text, position):
            return None
        return ReplyUnit(
            text=match.group(),
            kind=UnitKind.CASE_NUMBER if of_case else UnitKind.NUMBERS,
            languages=frozenset(self.knowledge.templates),
        )


def fold_spaces(text: str) -> str:
    """Return `text` with one space for each run of white space."""
    return " ".join(text.split())


def _stands_at(unit: str, text: str, position: int) -> bool:
    end = position + len(unit)
    return text.startswith(unit, position) and (end == len(text) or text[end] == " ")


def _approved_units(knowledge: Knowledge) -> Iterator[ReplyUnit]:
    offered, everywhere = knowledge.offered, frozenset(knowledge.templates)
    for passage in offered:
        for kind, text in (
            (UnitKind.PASSAGE, passage.text),
            (UnitKind.PASSAGE, format_passage(passage)),
            (UnitKind.HEADING, knowledge.heading_of(passage)),
        ):
            yield ReplyUnit(text=fold_spaces(text), kind=kind, languages=everywhere, of=(passage,))
        yield from _source_units(passage, knowledge)
    yield from _translated_units(knowledge)
    for clarification in knowledge.clarifications:
        for language, text in clarification.ask.items():
            yield ReplyUnit(
                text=fold_spaces(text), kind=UnitKind.CLARIFICATION, languages=frozenset({language})
            )
    for language, templates in knowledge.templates.items():
        for kind, text in _template_texts(templates, knowledge.post):
            yield ReplyUnit(text=fold_spaces(text), kind=kind, languages=frozenset({language}))


def _source_units(passage: Passage, knowledge: Knowledge) -> Iterator[ReplyUnit]:
    """Yield the date of a passage of the post, or the source lines of one of the support team."""
    languages = knowledge.templates
    if passage.source is PassageSource.POST:
        # Without a link of the post, the last date ends the line, so it has no separator.
        ends = [passage.date] * bool(passage.date and not knowledge.post.url)
        for day in (format_source_date(passage.date), *ends):
            yield ReplyUnit(
                text=day, kind=UnitKind.DATE, languages=frozenset(languages), of=(passage,)
            )
        return
    for language, templates in languages.items():
        text = fold_spaces(format_team_source(templates, passage.date))
        yield ReplyUnit(
            text=text, kind=UnitKind.TEAM, languages=frozenset({language}), of=(passage,)
        )


def _translated_units(knowledge: Knowledge) -> Iterator[ReplyUnit]:
    for language, translated in knowledge.translations.items():
        for name, translation in translated.items():
            for kind, text in (
                (UnitKind.HEADING, translation.heading),
                (UnitKind.TRANSLATION, format_quote(translation.text)),
            ):
                yield ReplyUnit(
                    text=fold_spaces(text), kind=kind, languages=frozenset({language}),
                    of=(knowledge.passages[name],),
                )  # fmt: skip


def _template_texts(templates: Templates, post: Post) -> Iterator[tuple[UnitKind, str]]:
    yield UnitKind.GREETING, templates.greeting
    yield UnitKind.URGENT, templates.handover_urgent
    for text in (
        templates.answer_lead,
        templates.answers_lead,
        templates.answer_lead_team,
        templates.correction_lead,
    ):
        yield UnitKind.LEAD, text
    yield UnitKind.WORDING, templates.published_wording
    yield from (
        (UnitKind.REFUSAL, text) for text in (*templates.refusal, *templates.refusal_kinds.values())
    )
    yield UnitKind.PASTED, templates.secret_found
    yield from (
        (UnitKind.PASTED_KIND, format_secret_kind(text)) for text in templates.secret_kinds.values()
    )
    for text in (templates.handover, templates.handover_with_answers):
        yield UnitKind.HANDOVER, text
    yield UnitKind.HANDOVER_NUMBERS, templates.handover_numbers
    yield from ((UnitKind.EXPECTED_TIME, text) for text in templates.answer_within.values())
    yield UnitKind.CASE, templates.case_number
    yield UnitKind.SOURCE, format_post_source(templates, post)
    if post.url:
        yield UnitKind.LINK, post.url
    for text in (templates.acknowledgement, *templates.footers.values()):
        yield UnitKind.FOOTER, text


def _check_order(units: Sequence[ReplyUnit]) -> str:
    """Return an objection if the sequence of units is neither a reply nor a part of one."""
    row = "".join(unit.kind for unit in units)
    return "" if FORM.fullmatch(row) else UNORDERED


def _check_repetition(units: Sequence[ReplyUnit]) -> str:
    """Return an objection if a text occurs twice; headings and `WORDING` may.

    Numbers are checked in `_check_numbers`.
    """
    again = (UnitKind.HEADING, UnitKind.NUMBERS, UnitKind.WORDING)
    once = [unit.text for unit in units if unit.kind not in again]
    return "the same text stands there twice" if len(set(once)) < len(once) else ""


def _check_languages(units: Sequence[ReplyUnit]) -> str:
    common = frozenset.intersection(*(unit.languages for unit in units))
    return "" if common else "its templates are of several languages"


def _check_numbers(units: Sequence[ReplyUnit]) -> str:
    """Return an objection if the numbers are not those of all questions, each once, in order."""
    rows = [_numbers(unit) for unit in units if unit.kind is UnitKind.NUMBERS]
    if not rows:
        return ""
    before = [
        _numbers(a) for a, b in pairwise(units)
        if a.kind is UnitKind.NUMBERS and b.kind is UnitKind.HEADING
    ]  # fmt: skip
    every = [number for row in rows for number in row]
    in_order = all(row == sorted(row) for row in rows) and before == sorted(before)
    whole = len(every) > 1 and sorted(every) == list(range(1, len(every) + 1))
    return "" if in_order and whole else "its numbers are not those of the questions"


def _numbers(unit: ReplyUnit) -> list[int]:
    return [int(number) for number in unit.text.rstrip(".").split(", ")]


def _check_headings(units: Sequence[ReplyUnit]) -> str:
    """Return an objection if a passage is under the heading of another."""
    headed: frozenset[str] = frozenset()  # ids of the passages that the last heading belongs to
    for unit in units:
        ids = frozenset(passage.id for passage in unit.of)
        if unit.kind is UnitKind.WORDING:
            continue
        if unit.kind not in (UnitKind.PASSAGE, UnitKind.TRANSLATION):
            headed = ids if unit.kind is UnitKind.HEADING else frozenset()
        elif headed and not ids & headed:
            return "a passage stands under the heading of another"
    return ""


def _check_translations(units: Sequence[ReplyUnit]) -> str:
    """Return an objection if a translation is above another passage than its own."""
    above = [unit for unit in units if unit.kind is UnitKind.TRANSLATION]
    below = [
        b for a, b in pairwise(units) if a.kind is UnitKind.WORDING and b.kind is UnitKind.PASSAGE
    ]
    if all({p.id for p in a.of} & {p.id for p in b.of} for a, b in zip(above, below, strict=True)):
        return ""
    return "a translation stands above another passage than its own"


def _check_questions(units: Sequence[ReplyUnit]) -> str:
    """Return an objection if a bare "Yes." is not under the question that it answers."""
    are_quotes = all(unit.kind in QUOTE_KINDS for unit in units)  # a mere quote needs no question
    for unit in units:
        if unit.kind is UnitKind.PASSAGE:
            if not are_quotes and all(len(p.sentences[0].split()) < RESTATES for p in unit.of):
                return "a bare yes or no stands without its question"
        elif unit.kind not in TRANSLATED:
            are_quotes = unit.kind is UnitKind.HEADING
    return ""


def _check_sources(units: Sequence[ReplyUnit]) -> str:
    """Return an objection if the source lines do not have the dates of the passages."""
    sources = {UnitKind.DATE: PassageSource.POST, UnitKind.TEAM: PassageSource.TEAM}
    dates = {kind: [u.of[0].date for u in units if u.kind is kind] for kind in sources}
    if not any(dates.values()):
        return ""
    quotes = [unit.of for unit in units if unit.kind is UnitKind.PASSAGE]
    agree = bool(quotes) and all(
        _dates_agree(dates[kind], [of for of in quotes if of[0].source is source], source)
        for kind, source in sources.items()
    )
    return "" if agree else "a source line has not the dates of the passages"


def _dates_agree(
    dates: Sequence[str], quotes: Sequence[Sequence[Passage]], source: PassageSource
) -> bool:
    """Return whether the dates are in order and exactly those of the quoted passages."""
    published = [{p.date for p in of if p.source is source} for of in quotes]
    each_belongs = set(dates) <= set[str]().union(*published)
    return each_belongs and all(d & set(dates) for d in published) and list(dates) == sorted(dates)


RULES: tuple[Callable[[Sequence[ReplyUnit]], str], ...] = (
    _check_order, _check_repetition, _check_languages, _check_numbers, _check_headings,
    _check_translations, _check_questions, _check_sources,
)  # fmt: skip
