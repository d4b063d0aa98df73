"""Finds descriptions of how one password differs from another: "… the same with a capital B"."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import re2

from bot.redact.normalize import find_words
from bot.redact.prose.keywords import Keyword, KeywordProximity, SecretRole
from bot.redact.prose.spelled_passwords import any_of, holds_sign
from bot.redact.word_lists import is_descriptive_word, is_name

# Characters between the words "the same" and a keyword.
MAX_DISTANCE = 200
# Characters before "the same" in which the other password is named.
MAX_BASE_DISTANCE = 160


def find_changed_passwords(lowered_text: str, keywords: list[Keyword]) -> Iterator[tuple[int, int]]:
    """Yield each described change, and the unchanged password where the text names it as a word.

    `lowered_text` is lowered.
    """
    proximity = KeywordProximity(keywords, (SecretRole.PASSWORD, SecretRole.LOGIN))
    if not proximity:
        return
    for start, end in find_words(_same_pattern(), lowered_text):
        if not proximity.to(start, end, behind=MAX_DISTANCE, before=MAX_DISTANCE):
            continue
        bound = list(find_words(_joint_pattern(), lowered_text[start:end]))
        change = start + bound[0][1] + 1
        if holds_sign(lowered_text[change:end]):
            yield change, end
            yield from _find_base(lowered_text, start)


def _find_base(lowered_text: str, same: int) -> Iterator[tuple[int, int]]:
    """Yield the last word before `same` that somebody says they use, if it is not descriptive."""
    begin = max(0, same - MAX_BASE_DISTANCE)
    before = lowered_text[begin:same]
    for start, end in reversed(list(find_words(_use_pattern(), before))):
        word = before[start:end].split()[-1].strip("\"'")
        if not (is_descriptive_word(word) or is_name(word)):
            yield begin + end - len(word), begin + end
            return


@cache
def _same_pattern() -> Any:
    """Return the pattern of "the same", up to three words, a word like "with", and its clause."""
    same, joint = any_of("same_words"), any_of("change_joints")
    between = r"(?:[ ,-]+[^\s,.;:!?-]+){0,3}?[ ,-]+"
    return re2.compile(rf"\b(?:{same})\b{between}(?:{joint})\b[^.\n?!;]+".encode())


@cache
def _joint_pattern() -> Any:
    return re2.compile(rf"\b(?:{any_of('change_joints')})\b".encode())


@cache
def _use_pattern() -> Any:
    return re2.compile(rf"\b(?:{any_of('use_words')})\b [\"']?([^\s,.;:\"'?!]{{5,}})".encode())
