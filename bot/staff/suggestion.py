"""Marks, for staff, how far the post supports each sentence of a model's free wording.

Measured elsewhere, checks by shared words let most unfaithful sentences through; so only what the
post says word for word counts as stated, and a person has to check everything else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import re2

from bot.corpus import Knowledge
from bot.domain import Passage
from bot.ports import DraftedWording
from bot.redact import redact
from bot.staff.staff_remarks import find_remarks

# Sentences of one suggestion that are shown.
MAX_SENTENCES = 12
# The least share of a sentence's longer words that one passage has.
NEAR_SHARE = 0.85
WORD = re2.compile(r"[\pL\pN]+(?:['’][\pL]+)?")
SENTENCE = re2.compile(r"[^.!?\n]+(?:[.!?]+[^\s.!?][^.!?\n]*)*[.!?]*")
DENYING_WORDS = frozenset({"no", "not", "never", "nor", "none", "without", "nobody", "cannot"})


class Support(StrEnum):
    """How far the post supports a sentence."""

    STATED = "stated"  # stands in a passage word for word
    NEAR = "near"  # nearly all its words and all its numbers in one passage, with the same negation
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedSentence:
    """One sentence, and the passage that comes nearest; None where none does."""

    text: str
    support: Support
    passage: Passage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A model's wording that a person may take over, with what to look at before they do."""

    sentences: tuple[SuggestedSentence, ...]
    warnings: tuple[str, ...]


def build_suggestion(drafted: DraftedWording | None, knowledge: Knowledge) -> Suggestion | None:
    """Return the suggestion for a model's wording; None without a wording or a sentence in it."""
    if drafted is None:
        return None
    suggestion = assess_wording(drafted.text, drafted.passages, knowledge)
    return suggestion if suggestion.sentences else None


def assess_wording(text: str, passages: Sequence[Passage], knowledge: Knowledge) -> Suggestion:
    """Return `text` sentence by sentence, with secrets masked and the support of each sentence.

    The remarks on the whole text are added as warnings.
    """
    clean = redact(text).text
    sentences = [s.strip() for s in SENTENCE.findall(clean) if WORD.search(s)][:MAX_SENTENCES]
    return Suggestion(
        sentences=tuple(find_support(each, passages) for each in sentences),
        warnings=find_remarks(clean, knowledge),
    )


def find_support(text: str, passages: Iterable[Passage]) -> SuggestedSentence:
    """Return the sentence `text` with the strongest support that one of the passages gives."""
    near: Passage | None = None
    for passage in passages:
        if _is_stated(text, passage):
            return SuggestedSentence(text=text, support=Support.STATED, passage=passage)
        if near is None and _is_near(text, passage):
            near = passage
    return SuggestedSentence(
        text=text, support=Support.NEAR if near else Support.NONE, passage=near
    )


def _is_stated(text: str, passage: Passage) -> bool:
    """Is it a whole sentence of the passage? A part of one may say the opposite."""
    words = _words(text)
    return bool(words) and words in [_words(each) for each in (*passage.sentences, passage.text)]


def _is_near(text: str, passage: Passage) -> bool:
    """Does the passage have nearly all its words and all its numbers, and is it negated alike?"""
    asked, there = _words(text), frozenset(_words(passage.text))
    long = [word for word in asked if len(word) > 3]
    numbers = [word for word in asked if any(c.isdigit() for c in word)]
    if not long or any(n not in there for n in numbers) or _denies(asked) != _denies(there):
        return False
    return sum(word in there for word in long) >= NEAR_SHARE * len(long)


def _denies(words: Iterable[str]) -> bool:
    return any(word in DENYING_WORDS or word.endswith("n't") for word in words)


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in WORD.findall(text.lower())]
