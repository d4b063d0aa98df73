"""Numbers read out figure by figure: "four eight two nine", "4 8 2 - 9 1 3"."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import re2

from bot.redact.lexicon import words
from bot.redact.normalize import found_words
from bot.redact.prose.keywords import Keyword, Nearby, SecretRole

BEHIND, BEFORE = 90, 40  # characters between a cue and the number behind it, or before it
SINGLE = rb"[0-9](?:(?:[ ,]|[ ,]{0,2}-[ ,]?|, |\.\.\. ?)[0-9]){3,7}"
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


def numbers_read_out(low: str, keywords: list[Keyword]) -> Iterator[tuple[int, int]]:
    """`low` is lowered(view.text), `keywords` its cues; a number counts beside one of them."""
    near = Nearby(keywords, ROLES)
    if not near:
        return
    for start, end in found_words(_read_out(), low):
        beside = near.to(start, end, behind=BEHIND, before=BEFORE)
        if beside and not _counts_up(low[start:end]):
            yield start, end


def _counts_up(number: str) -> bool:
    """1 2 3 4: a list or a scale."""
    figures = [int(char) for char in number if char.isascii() and char.isdigit()]
    return bool(figures) and all(b - a == 1 for a, b in pairwise(figures))


@cache
def _read_out() -> Any:
    longest_first = sorted(words("figure_words"), key=lambda word: (-len(word), word))
    latin = "|".join(word for word in longest_first if word.isascii())
    other = "|".join(word for word in longest_first if not word.isascii())
    word = rf"(?:\b(?:{latin})\b|{other})"
    run = rf"{word}(?:[ ,.-]{{1,3}}{word}){{3,15}}"
    return re2.compile(rb"\b" + SINGLE + rb"\b|" + f"{run}|[{KANJI}]{{4,8}}".encode())
