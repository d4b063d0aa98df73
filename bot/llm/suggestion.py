"""A model's free wording for staff, each sentence marked by what the post says of it.

Measured elsewhere, checks by shared words let most unfaithful sentences through; so only what the
post says word for word is called supported, and everything else asks for a person's eye.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import re2

from bot.corpus import Knowledge
from bot.domain import Passage
from bot.policy.staff_remarks import warnings
from bot.redact import redact

MOST_SENTENCES = 12
NEARLY = 0.85  # of a sentence's longer words in one passage
WORD = re2.compile(r"[\pL\pN]+(?:['’][\pL]+)?")
SENTENCE = re2.compile(r"[^.!?\n]+(?:[.!?]+[^\s.!?][^.!?\n]*)*[.!?]*")
DENIES = frozenset({"no", "not", "never", "nor", "none", "without", "nobody", "cannot"})


class Support(StrEnum):
    """How far a sentence is the post's."""

    STATED = "stated"  # stands in a passage word for word
    NEAR = "near"  # nearly one passage's words, with its numbers and its denials
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence, and the passage that comes nearest; none where nothing does."""

    text: str
    support: Support
    passage: Passage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a person may take over, and what to look at before they do."""

    sentences: tuple[Sentence, ...]
    warnings: tuple[str, ...]


def suggested(text: str, passages: Sequence[Passage], knowledge: Knowledge) -> Suggestion:
    """`text` sentence by sentence, secrets masked."""
    clean = redact(text).text
    sentences = [s.strip() for s in SENTENCE.findall(clean) if WORD.search(s)][:MOST_SENTENCES]
    return Suggestion(
        sentences=tuple(supported(each, passages) for each in sentences),
        warnings=warnings(clean, knowledge),
    )


def supported(text: str, passages: Iterable[Passage]) -> Sentence:
    """The strongest support that a passage gives."""
    near: Passage | None = None
    for passage in passages:
        if _stands(text, passage):
            return Sentence(text=text, support=Support.STATED, passage=passage)
        if near is None and _nearly(text, passage):
            near = passage
    return Sentence(text=text, support=Support.NEAR if near else Support.NONE, passage=near)


def _stands(text: str, passage: Passage) -> bool:
    """A whole sentence of the passage: a part of one may say the opposite."""
    words = _words(text)
    return bool(words) and words in [_words(each) for each in (*passage.sentences, passage.text)]


def _nearly(text: str, passage: Passage) -> bool:
    asked, there = _words(text), frozenset(_words(passage.text))
    long = [word for word in asked if len(word) > 3]
    numbers = [word for word in asked if any(c.isdigit() for c in word)]
    if not long or any(n not in there for n in numbers) or _denies(asked) != _denies(there):
        return False
    return sum(word in there for word in long) >= NEARLY * len(long)


def _denies(words: Iterable[str]) -> bool:
    return any(word in DENIES or word.endswith("n't") for word in words)


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in WORD.findall(text.lower())]
