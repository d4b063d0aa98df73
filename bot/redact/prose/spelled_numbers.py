"""Finds numbers that are read out digit by digit: "four eight two nine", "4 8 2 - 9 1 3"."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import re2

from bot.redact.normalize import find_words
from bot.redact.prose.keywords import Keyword, KeywordProximity, SecretRole
from bot.redact.word_lists import word_list

# Characters between a keyword and the number behind it, or before it.
MAX_CHARACTERS_AFTER, MAX_CHARACTERS_BEFORE = 90, 40
SEPARATE_DIGITS = rb"[0-9](?:(?:[ ,]|[ ,]{0,2}-[ ,]?|, |\.\.\. ?)[0-9]){3,7}"
KANJI = "〇零一二三四五六七八九"
ROLES = frozenset(
    [
        SecretRole.CODE,
        SecretRole.BARE_CODE,
        SecretRole.SENT,
        SecretRole.CARD_CODE,
        SecretRole.RECOVERY,
        SecretRole.PASSWORD,
    ]
)


def find_spelled_numbers(lowered_text: str, keywords: list[Keyword]) -> Iterator[tuple[int, int]]:
    """Yield numbers that are near one of the keywords. `lowered_text` is lowered."""
    proximity = KeywordProximity(keywords, ROLES)
    if not proximity:
        return
    for start, end in find_words(_spelled_number_pattern(), lowered_text):
        beside = proximity.to(start, end, behind=MAX_CHARACTERS_AFTER, before=MAX_CHARACTERS_BEFORE)
        if beside and not _counts_up(lowered_text[start:end]):
            yield start, end


def _counts_up(number: str) -> bool:
    """Return whether the digits count up, as 1 2 3 4 does in a list or a scale."""
    figures = [int(char) for char in number if char.isascii() and char.isdigit()]
    return bool(figures) and all(b - a == 1 for a, b in pairwise(figures))


@cache
def _spelled_number_pattern() -> Any:
    longest_first = sorted(word_list("figure_words"), key=lambda word: (-len(word), word))
    latin = "|".join(word for word in longest_first if word.isascii())
    other = "|".join(word for word in longest_first if not word.isascii())
    word = rf"(?:\b(?:{latin})\b|{other})"
    run = rf"{word}(?:[ ,.-]{{1,3}}{word}){{3,15}}"
    return re2.compile(rb"\b" + SEPARATE_DIGITS + rb"\b|" + f"{run}|[{KANJI}]{{4,8}}".encode())
