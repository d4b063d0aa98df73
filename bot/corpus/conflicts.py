"""Finds sentences of a post that disagree, and warns a support lead; the desk does not act on them.

A later statement may have replaced an older sentence, one sentence may deny what another affirms,
and a promise may name a day that has passed. Sentences are compared by their words alone, so a
finding is only a hint; an entry in `notes.yaml` settles it.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache

from typing_extensions import override

from bot.corpus.dates import days_in, opens_as_later
from bot.corpus.links import without_link_addresses
from bot.corpus.notes import Notes
from bot.corpus.passage_ids import telling_words
from bot.corpus.post import Post
from bot.domain import Passage
from bot.resources import read_yaml

# Least shares of the words in common in the weight of the shorter and of the longer sentence; rare
# words weigh more. Chosen on the posts in evals/data/incidents, see evals/README.md.
DENIES, DENIES_LONGER = 0.6, 0.45
TAKEN_BACK = 0.3
STILL_GOING_ON = 0.15
SHARED, SHARED_ONGOING = 3, 2  # words that both must have at least
MOST_SENTENCES = 1_000  # that are compared with each other; posts have some hundred at most
MANY = 100  # least number that identifies a fact; smaller numbers occur in many sentences
STEM = 5  # leading letters by which words are compared: notify, notified, notifying
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2}")
FULL_STOPS = (".", "!", "。", "！", ".”", '."', ")")
INSIDE = re.compile(r"[\u3040-\u9fff\uac00-\ud7af]|^n't$")  # stands inside another word
NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{3})+|\d+")


class ConflictKind(StrEnum):
    """How two sentences, or a sentence and the calendar, disagree."""

    OVERTAKEN = "overtaken"
    CONTRADICTION = "contradiction"
    PASSED = "passed"
    BESIDE = "beside"  # a passage that calls itself an update, and the most similar older one


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A sentence of a passage and the one that disagrees with it, or the past day of a promise."""

    kind: ConflictKind
    passage: str
    sentence: str
    other_passage: str = ""
    other_sentence: str = ""
    day: date | None = None

    @override
    def __str__(self) -> str:
        """Return the warning for a support lead, with both sentences and what to do."""
        if self.kind is ConflictKind.PASSED:
            return (
                f"{self.passage} speaks of {self.day}, which has passed: “{self.sentence}” Ask the "
                "publisher for news; until then, add it to never_quote in notes.yaml if it misleads"
            )
        if self.kind is ConflictKind.OVERTAKEN:
            return (
                f"{self.passage} may be older than {self.other_passage}: “{self.sentence}” / "
                f"“{self.other_sentence}” Name them under superseded in notes.yaml, or under "
                "quote_together where only a part is old"
            )
        if self.kind is ConflictKind.BESIDE:
            return (
                f"{self.passage} will still be quoted beside the later {self.other_passage}: "
                f"“{self.sentence}” / “{self.other_sentence}” Settle it under quote_together or "
                "superseded in notes.yaml, where the older one is not right any more"
            )
        return (
            f"{self.passage} and {self.other_passage} seem to contradict each other: "
            f"“{self.sentence}” / “{self.other_sentence}” Ask the publisher; add the wrong one to "
            "never_quote in notes.yaml"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sentence:
    passage: Passage
    text: str
    stems: frozenset[str]
    denies: bool
    place: int


def find_conflicts(post: Post, notes: Notes, today: date) -> tuple[Conflict, ...]:
    """Return every conflict that notes.yaml does not settle, grouped by kind."""
    sentences = list(_sentences(post.passages))
    weights = _weights(sentences)
    settled = _settled(notes)
    later = [s for s in sentences if s.passage.date != post.published]
    found = [
        *_overtaken(sentences, later, weights, post.published),
        *_contradictions(sentences, weights),
        *_passed(sentences, post.published, today),
    ]
    known = {each.other_passage for each in found} | _named_as_later(notes)
    found += _beside(sentences, weights, known)
    never = {e.passage for e in notes.never_quote} | {s.passage for s in notes.superseded}
    return tuple(
        each
        for each in found
        if each.passage not in never
        and each.other_passage not in never
        and frozenset({each.passage, each.other_passage}) not in settled
    )


def _overtaken(
    sentences: Sequence[_Sentence],
    later: Sequence[_Sentence],
    weights: Mapping[str, float],
    published: str,
) -> Iterator[Conflict]:
    """Yield each original sentence that a later one ends or takes back, with the most similar."""
    for old in sentences:
        if old.passage.date != published:
            continue
        near = [
            (_share(old, new, weights)[0], new)
            for new in later
            if _is_over(old, new, weights) or _is_taken_back(old, new, weights)
        ]
        if near:
            _, new = max(near, key=lambda pair: (pair[0], -pair[1].place))
            yield _conflict(ConflictKind.OVERTAKEN, old, new)


def _is_over(old: _Sentence, new: _Sentence, weights: Mapping[str, float]) -> bool:
    """Return whether `old` says that something is going on and `new` that it is done."""
    return (
        _has(old.text, "ongoing")
        and _has(new.text, "done")
        and len(old.stems & new.stems) >= SHARED_ONGOING
        and _share(old, new, weights)[0] >= STILL_GOING_ON
    )


def _is_taken_back(old: _Sentence, new: _Sentence, weights: Mapping[str, float]) -> bool:
    """Return whether `new` takes something back and names a number of `old`, or its opposite."""
    if not _has(new.text, "takes_back"):
        return False
    told, tells = _numbers(old.text), _numbers(new.text)
    if any(int(number) >= MANY for number in told & tells) and old.stems & new.stems:
        return True
    opposite = old.denies != new.denies
    return opposite and _share(old, new, weights)[0] >= TAKEN_BACK


def _beside(
    sentences: Sequence[_Sentence], weights: Mapping[str, float], known: Collection[str]
) -> Iterator[Conflict]:
    """Yield each passage that calls itself an update or correction, and the most similar older one.

    Passages in `known` are left out. However few words the two share, a person must decide what
    becomes of the older one, because until then the desk may quote either.
    """
    opened = {s.passage.id for s in sentences if opens_as_later(s.passage.text)}
    for name in dict.fromkeys(s.passage.id for s in sentences if s.passage.id in opened - {*known}):
        new = [s for s in sentences if s.passage.id == name]
        at, heading = new[0].passage.date, new[0].passage.heading
        older = [s for s in sentences if s.passage.id not in opened or s.passage.date < at]
        beside = [s for s in older if s.passage.heading == heading]
        pairs = [(_likeness(a, b, weights), a, b) for a in beside or older for b in new]
        share, old, later = max(pairs, key=lambda pair: pair[0], default=(0.0, new[0], new[0]))
        if share > 0 or beside:
            yield _conflict(ConflictKind.BESIDE, old, later)


def _likeness(one: _Sentence, other: _Sentence, weights: Mapping[str, float]) -> float:
    """Return the weight of the common words of two sentences over that of all words, 0 to 1."""
    both, every = (
        sum(map(weights.__getitem__, stems))
        for stems in (one.stems & other.stems, one.stems | other.stems)
    )
    return both / every if every else 0.0


def _named_as_later(notes: Notes) -> set[str]:
    """Return the passages that a note quotes together with, or instead of, other passages."""
    together = {name for each in notes.quote_together for name in (each.passage, each.together)}
    groups = {name for each in notes.quote_one_of for name in each.passages}
    return (
        together
        | groups
        | {each.by for each in notes.superseded}
        | {name for each in notes.never_quote for name in each.instead}
    )


def _contradictions(
    sentences: Sequence[_Sentence], weights: Mapping[str, float]
) -> Iterator[Conflict]:
    """Yield pairs of sentences about the same things of which only one has a negation."""
    whole = (s for s in sentences if s.text.endswith(FULL_STOPS))  # an item of a list says little
    said = [s for s in whole if not _has(s.text, "conditions")][:MOST_SENTENCES]
    for place, one in enumerate(said):
        for other in said[place + 1 :]:
            if one.passage.date != other.passage.date or one.denies == other.denies:
                continue
            shorter, longer = _share(one, other, weights)
            if shorter >= DENIES and longer >= DENIES_LONGER:
                yield _conflict(ConflictKind.CONTRADICTION, one, other)


def _passed(sentences: Iterable[_Sentence], published: str, today: date) -> Iterator[Conflict]:
    """Yield promises for a day that lay ahead when the passage was published and has passed."""
    begin = _day(published)
    if begin is None:
        return
    for sentence in sentences:
        at = _day(sentence.passage.date) or begin
        text = sentence.text
        days = [d.day for d in days_in(text, year=at.year) if at < d.day < today]
        promised = _has(text, "futures") or (_has(text, "promises") and not _has(text, "past"))
        if days and promised:
            yield Conflict(
                kind=ConflictKind.PASSED, passage=sentence.passage.id, sentence=text, day=max(days)
            )


def _conflict(kind: ConflictKind, one: _Sentence, other: _Sentence) -> Conflict:
    return Conflict(
        kind=kind, passage=one.passage.id, sentence=one.text,
        other_passage=other.passage.id, other_sentence=other.text,
    )  # fmt: skip


def _sentences(passages: Iterable[Passage]) -> Iterator[_Sentence]:
    place = 0
    for passage in passages:
        for text in passage.sentences:
            said = without_link_addresses(text)
            if not said.endswith(("?", "？")):
                yield _Sentence(
                    passage=passage,
                    text=said,
                    stems=_stems(said),
                    denies=_denies(said),
                    place=place,
                )
            place += 1


def _weights(sentences: Sequence[_Sentence]) -> dict[str, float]:
    """Return the weight of each word, which is lower the more sentences have it."""
    counted = Counter(stem for s in sentences for stem in s.stems)
    return {stem: math.log(1 + len(sentences) / times) for stem, times in counted.items()}


def _share(one: _Sentence, other: _Sentence, weights: Mapping[str, float]) -> tuple[float, float]:
    """Return the weight of the common words over that of the shorter and of the longer sentence."""
    both = one.stems & other.stems
    if len(both) < SHARED_ONGOING:
        return 0.0, 0.0
    shared = sum(weights[s] for s in both)
    least, most = sorted(sum(weights[s] for s in each.stems) for each in (one, other))
    return (
        shared / least if len(both) >= SHARED else min(shared / least, STILL_GOING_ON)
    ), shared / most


def _stems(text: str) -> frozenset[str]:
    found = set()
    for word in telling_words(text):
        if UNSPACED.search(word):
            found |= {word[i : i + 2] for i in range(len(word) - 1)}
        elif len(word) > 3 or (word.isdigit() and len(word) > 2):
            found.add(word[:STEM])
    return frozenset(found)


def _denies(text: str) -> bool:
    return _has(text, "negations")


def _numbers(text: str) -> frozenset[str]:
    """Return the numbers of a text that are not part of a date."""
    days = days_in(text, year=2000)
    for named in reversed(days):
        text = f"{text[: named.start]} {text[named.end :]}"
    return frozenset(re.sub(r"[.,]", "", n) for n in NUMBER.findall(text))


def _settled(notes: Notes) -> set[frozenset[str]]:
    """Return the pairs of passages for which a note says what to do."""
    pairs = {frozenset({c.passage, c.together}) for c in notes.quote_together}
    for group in notes.quote_one_of:
        pairs |= {frozenset({a, b}) for a in group.passages for b in group.passages}
    return pairs


def _has(text: str, name: str) -> bool:
    return bool(_pattern(name).search(text.lower().replace("’", "'")))


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Return a pattern of the words under `name`, as whole words where the language has spaces."""
    spaced: list[str] = []
    unspaced: list[str] = []
    for word in read_yaml("post_words.yaml")[name]:
        (unspaced if INSIDE.search(word) else spaced).append(word)
    whole = "|".join(sorted(map(re.escape, spaced), key=len, reverse=True))
    inside = "".join(f"|{re.escape(word)}" for word in unspaced)
    return re.compile(rf"(?<![^\W_])(?:{whole})(?![^\W_]){inside}")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
