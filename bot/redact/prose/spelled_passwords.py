"""Finds passwords that are spelled out: "capital M, o, zero, seven", "M as in Mike".

A sign is one spelled character.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import re2

from bot.redact.normalize import find_words
from bot.redact.prose.keywords import Keyword, KeywordProximity, SecretRole
from bot.redact.word_lists import word_list

# Characters between a keyword and the spelling behind it, or before it.
MAX_CHARACTERS_AFTER, MAX_CHARACTERS_BEFORE = 120, 80
# Least number of signs in a spelling that names capitals or says "as in", and in one that only
# mixes letters with digits or punctuation; fewer occur in a list of options.
MIN_MARKED_SIGNS, MIN_MIXED_SIGNS = 3, 5
GAP = re.compile(r"[ ,;.-]{1,3}(?:(?:and|then|und|dann|et|puis|y|luego|e|poi|en|dan) )?")
ROLES = frozenset([SecretRole.PASSWORD, SecretRole.CODE, SecretRole.RECOVERY, SecretRole.LOGIN])


def find_spelled_passwords(lowered_text: str, keywords: list[Keyword]) -> Iterator[tuple[int, int]]:
    """Yield spellings that are near one of the keywords. `lowered_text` is lowered."""
    proximity = KeywordProximity(keywords, ROLES)
    if not proximity:
        return
    for signs in _find_runs(lowered_text):
        start, end = signs[0][0], signs[-1][1]
        beside = proximity.to(start, end, behind=MAX_CHARACTERS_AFTER, before=MAX_CHARACTERS_BEFORE)
        if beside and _is_spelling([lowered_text[low:high] for low, high in signs]):
            yield start, end


def _find_runs(lowered_text: str) -> Iterator[list[tuple[int, int]]]:
    """Yield runs of signs with only punctuation and words such as "then" between them."""
    run: list[tuple[int, int]] = []
    for start, end in find_words(_sign_pattern(), lowered_text):
        if run and not GAP.fullmatch(lowered_text, run[-1][1], start):
            yield run
            run = []
        run.append((start, end))
    if run:
        yield run


def holds_sign(lowered_text: str) -> bool:
    """Return whether a text names a capital letter, digits, punctuation or the end of a word."""
    return any(find_words(_named_sign_pattern(), lowered_text))


def _is_spelling(signs: list[str]) -> bool:
    is_explained = any(map(_is_explained, signs))
    named = word_list("spelling_alphabet")
    letters = sum((len(sign) == 1 and sign.isalpha()) or sign in named for sign in signs)
    # Single letters and digits alone may be any word that is spaced out.
    mixed = letters > 0 and any(len(sign) > 1 for sign in signs)
    return (is_explained and len(signs) >= MIN_MARKED_SIGNS) or (
        mixed and len(signs) >= MIN_MIXED_SIGNS
    )


def _is_explained(sign: str) -> bool:
    """Return whether a sign names its case or an example: "capital m", "m as in mike"."""
    words = sign.split()
    if len(words) < 2:
        return False
    around = {words[0], words[-1], " ".join(words[:-1]), " ".join(words[1:])}
    begins = len(words[0]) == 1 and words[-1].startswith(words[0])
    return not around.isdisjoint(word_list("spelled_cases")) or (begins and len(words) > 2)


@cache
def _sign_pattern() -> Any:
    return re2.compile(_sign().encode())


@cache
def _named_sign_pattern() -> Any:
    capital = (
        rf"(?:{any_of('spelled_cases')}) (?:letter )?[\pL]|[\pL] (?:{any_of('spelled_cases')})"
    )
    named = any_of("spelled_marks", "spelled_places")
    return re2.compile(rf"\b(?:{capital}|(?:{named})s?|[0-9]+)(?:[^\pL\pN]|$)".encode())


def _sign() -> str:
    """Return the expression for one sign: a letter, a digit or the name of a punctuation mark."""
    case = rf"(?:{any_of('spelled_cases')})"
    sign = rf"(?:[\pL0-9]|{any_of('figure_words', 'spelled_signs', 'spelling_alphabet')})"
    example = rf"(?: (?:{any_of('spelling_joints')}) [^\s,.;:!?]+)"
    return rf"(?:\b(?:{case} )?{sign}(?: {case})?{example}?\b)"


def any_of(*lists: str) -> str:
    """Return the expression for any word of some lists, the longest first."""
    names = {name for each in lists for name in word_list(each)}
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return "|".join(re2.escape(name) for name in longest_first)
