"""Finds the days that a text names, in the languages of the desk."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from bot.resources import read_yaml

# "Correction of 9 May 2026:" before the text of a later statement, and the most words of it.
OPENING = re.compile(r"^(.{1,80}?)(?:[:：]|[.。](?=\s|$)(?<!\d\.))")
OPENING_WORDS = 8
ISO = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
EAST_ASIAN = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")
WORD = re.compile(r"[^\W_]+")
DAY = r"(\d{1,2})(?:st|nd|rd|th|er|º|ª)?\.?"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDay:
    """A day with its place in the text; `whole` is False where the year was not written."""

    day: date
    start: int
    end: int
    whole: bool = True


def days_in(text: str, *, year: int | None = None) -> list[NamedDay]:
    """Return the days that the text names, in order; without a year only if `year` is given."""
    found = sorted(_found(text, year), key=lambda named: (named.start, -named.end))
    kept: list[NamedDay] = []
    for named in found:
        if not kept or named.start >= kept[-1].end:
            kept.append(named)
    return kept


def day_of_later_statement(heading: str, text: str) -> date | None:
    """Return the day on which a passage was added to the post; None for an original passage.

    Its heading or its first words name the day and call it an update, a correction and the like.
    """
    for head in (heading, _opening(text)):
        days = days_in(head)
        if days and any(word in _words(head) for word in _table()["later"]):
            return days[0].day
    return None


def opens_as_later(text: str) -> bool:
    """Return whether the first words of a passage call it an update, a correction and the like."""
    said = _words(_opening(text))
    return any(word in said for word in _table()["later"])


def _opening(text: str) -> str:
    """Return the text before the first colon or full stop if it is short; else an empty text."""
    opening = OPENING.match(text)
    return opening[1] if opening and len(WORD.findall(opening[1])) <= OPENING_WORDS else ""


def _found(text: str, year: int | None) -> Iterator[NamedDay]:
    for pattern in (ISO, EAST_ASIAN):
        for match in pattern.finditer(text):
            yield from _named(match, *map(int, match.groups()))
    day_first, month_first = _patterns()
    lower = text.lower()
    if len(lower) != len(text):  # a letter that becomes two in lower case would shift the offsets
        lower = text
    for pattern, (day, month, after) in ((day_first, (1, 2, 3)), (month_first, (2, 1, 3))):
        for match in pattern.finditer(lower):
            stated = match[after]
            if stated or year:
                number = _table()["months"][match[month].removesuffix(".")]
                at = int(stated) if stated else int(year or 0)
                yield from _named(match, at, number, int(match[day]), whole=bool(stated))


def _named(
    match: re.Match[str], year: int, month: int, day: int, *, whole: bool = True
) -> Iterator[NamedDay]:
    try:
        named = date(year, month, day)
    except ValueError:  # 31 June, or a version number
        return
    yield NamedDay(day=named, start=match.start(), end=match.end(), whole=whole)


def _words(text: str) -> str:
    """Return the words of a text in lower case, each between spaces."""
    return f" {' '.join(WORD.findall(text.lower()))} "


@cache
def _table() -> dict[str, Any]:
    """Return month names with their numbers, and words for later statements, padded with spaces."""
    table = read_yaml("dates.yaml")
    months = {
        name: number for names in table["months"].values() for number, name in enumerate(names, 1)
    }
    latin = re.compile(r"[a-zа-яіїєґ]")
    later = [f" {word} " if latin.search(word) else word for word in table["later"]]
    return {"months": months, "later": later}


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns of dates: day before month, and month before day; the year is optional."""
    names = "|".join(sorted(map(re.escape, _table()["months"]), key=len, reverse=True))
    year = r"(?:,?\s+(?:de\s+|del\s+)?(\d{4})\b)?"
    first = re.compile(rf"(?<![\w.]){DAY}\s+(?:de\s+|of\s+)?({names})\b\.?{year}")
    second = re.compile(rf"\b({names})\.?\s+{DAY}(?![\w:]){year}")
    return first, second
