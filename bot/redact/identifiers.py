"""Finds public identifiers: links, mail addresses, Message-IDs and reference numbers.

Inside one of these, a value that looks random beside a word such as "key" is not masked; only a
secret of a known format is, such as a token or a login in a link.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Any

import re2

from bot.redact.normalize import MappedText, find_words, folded, lowered, to_latin1
from bot.redact.word_lists import load_word_lists, split_list, word_list

# A long link that a mail program has wrapped continues on the next line, if that has what only a
# link has, or is one long run.
WRAPPED_LINK = (
    rb"=?\r?\n[>| \t]{0,6}(?:[^\s<>\"|]*(?:%[0-9a-f]{2}|&[a-z]+=)[^\s<>\"|]*|[a-z0-9_-]{40,})"
)
LINK = re2.compile(
    rb"(?i)\b(?:[a-z][a-z0-9+.-]{1,15}(?::|\[:\])//|www\.|mailto:|(?:[a-z0-9-]{1,63}\.)+[a-z]{2,12}/)"
    rb"(?:[^\s<>\"|]{40,}(?:" + WRAPPED_LINK + rb")+|[^\s<>\"|]*)"
)
# The form of lists of stolen logins: https://site.example/login:kim@site.example:secret.
LOGIN_IN_LINK = re2.compile(rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,100}\.[A-Za-z]{2,12}[:|;,]")
ADDRESS = re2.compile(
    rb"<[^\s<>@]{1,250}@[^\s<>@]{1,250}>|"
    rb"[A-Za-z0-9._%+=/$!-]{1,120}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.[A-Za-z]{2,24}\b"
)
# Reference numbers in the formats of ServiceNow, Salesforce, Zendesk, UPS and Amazon.
REFERENCE_NUMBER = re2.compile(
    rb"\b(?:INC|RITM|REQ|SCTASK|CHG|PRB|TASK|CS|HRC|MSG|KB|CALL|SIR|VIT)[0-9]{5,12}(?:_[A-Za-z0-9]{4,40})?\b|"
    rb"\bref:[_!]?[A-Za-z0-9._!]{8,60}:ref\b|\[[A-Z0-9]{6}-[A-Z0-9]{4,6}\]|"
    rb"\b1Z[0-9A-Z]{16}\b|\b[0-9]{3}-[0-9]{7}-[0-9]{7}\b"
)
NUMBER = r"[a-z0-9_.-]*[0-9](?:[a-z0-9_.-]|/[0-9])*"
# A reference word must not be part of another word: "parola d'ordine" is a password.
WORD_START = r"(?:^|[^\w'’])"
# A number right behind its word, without punctuation or "number" between: AB12, 4711.
BARE_NUMBER = r"\s[a-z]{0,4}[_.-]?[0-9](?:[a-z0-9_.-]|/[0-9])*"
NUMBER_MARK = r"[.:#=(\[\"-]"
# Characters before a reference word in which its purpose may be stated.
PURPOSE_CHARACTERS = 24
GAP = r"[ \t]{0,2}[.:#=*(\[<\"-]{0,3}\s{0,2}"


class PublicIdentifiers:
    """The positions of links, addresses and reference numbers in a text."""

    def __init__(self, text: str) -> None:
        mapped = folded(text)
        spans = sorted(
            (mapped.start(low), mapped.end(high)) for low, high in _find_identifiers(mapped)
        )
        self._starts = [start for start, _ in spans]
        self._ends: list[int] = []
        for _, end in spans:
            self._ends.append(max(end, self._ends[-1] if self._ends else 0))

    def hold(self, position: int) -> bool:
        """Return whether the character at `position` belongs to an identifier."""
        before = bisect_right(self._starts, position)
        return before > 0 and self._ends[before - 1] > position


def _find_identifiers(mapped: MappedText) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each identifier in a folded text; they may overlap."""
    raw = to_latin1(mapped.text)
    for match in LINK.finditer(raw):
        start, end = match.span()
        login = LOGIN_IN_LINK.search(raw, start, end)
        yield start, login.end() if login else end
    for pattern in (ADDRESS, REFERENCE_NUMBER):
        for match in pattern.finditer(raw):
            yield match.span()
    low = lowered(mapped.text)
    for start, end in find_words(_reference_pattern(), low):
        if not _is_purpose(low[max(0, start - PURPOSE_CHARACTERS) : start + 1].split()[-2:]):
            yield start, end


def _is_purpose(before: list[str]) -> bool:
    """Return whether the words say what a secret is for, as in "PIN for the order".

    "número de pedido" does not.
    """
    numbered = any(word.strip(".") in word_list("reference_joints") for word in before)
    return not numbered and not word_list("reference_purposes").isdisjoint(before)


@cache
def _reference_pattern() -> Any:
    """Return the pattern of a reference word, the text that may follow it, and its number."""
    named = {word for text in load_word_lists()["references"].values() for word in split_list(text)}
    joint = rf"(?:{_any_of(word_list('reference_joints'))})"
    joined = rf"{GAP}(?:{joint}{GAP}){{1,2}}{NUMBER}"
    marked = rf"{joined}|[ \t]{{0,2}}{NUMBER_MARK}{GAP}(?:{joint}{GAP})?{NUMBER}"
    return re2.compile(f"(?:{_any_of(named)})(?:{marked}|{BARE_NUMBER})".encode())


def _any_of(names: set[str] | frozenset[str]) -> str:
    """Return an expression for any of the names, as a whole word if the script separates words."""
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return "|".join(
        rf"{WORD_START}{re2.escape(name).replace(' ', '[ _-]')}\b"
        if name.isascii() and name[-1].isalnum() else str(re2.escape(name))
        for name in longest_first
    )  # fmt: skip
