"""Classifies what an edit of the post changed, as a suggestion that a person confirms.

People who were sent the earlier text of a passage get a mail after a correction, and never after a
mere rewording.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from bot.corpus.post import sentences
from bot.domain import Passage

WORD = re.compile(r"[^\W_]+")
# Least share of words, in order, that a text and its rewording have in common.
SAME_WORDS = 0.8
# English words that reverse or limit the meaning of a sentence; in any other language every changed
# text is taken for a correction.
TURN_WORDS = (
    "no not never none nobody nothing neither nor without only all every any some may might could "
    "must should can cannot will would don isn aren wasn weren doesn didn hasn haven won"
)
TURNS = frozenset(TURN_WORDS.split())


class ChangeKind(StrEnum):
    """What a change of a passage means for those who were sent its earlier text."""

    WORDING = "wording"  # it says the same
    ADDITION = "addition"  # it says all that it said, and more
    CORRECTION = "correction"  # it says something else
    NEW = "new"  # a passage that was not in the post before
    GONE = "gone"  # a passage that is no longer in the post


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageText:
    """An earlier text of a passage: `version` is its hash, `seen_at` when it first appeared."""

    id: str
    version: str
    heading: str
    text: str
    seen_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageChange:
    """A passage before and now; `before` is None for a new one, `now` for one that has gone."""

    id: str
    kind: ChangeKind
    before: PassageText | None
    now: Passage | None

    @property
    def heading(self) -> str:
        """The heading of the passage, as it is now or was last."""
        passage = self.now or self.before
        return passage.heading if passage else ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The id and the old and new version (empty for none): the key of a person's decision."""
        return (
            self.id,
            self.before.version if self.before else "",
            self.now.version if self.now else "",
        )

    @property
    def fresh(self) -> frozenset[str]:
        """The sentences that the passage did not have before."""
        if self.now is None:
            return frozenset()
        known = {_folded(s) for s in sentences(self.before.text)} if self.before else set()
        return frozenset(s for s in sentences(self.now.text) if _folded(s) not in known)


def changes_since(
    told: Iterable[PassageText], passages: Mapping[str, Passage]
) -> tuple[PassageChange, ...]:
    """Return a change for each text in `told` that is not the current text of its passage."""
    found: list[PassageChange] = []
    for before in told:
        now = passages.get(before.id)
        if now is not None and now.version == before.version:
            continue
        kind = ChangeKind.GONE if now is None else suggest_kind(before.text, now.text, now.language)
        found.append(PassageChange(id=before.id, kind=kind, before=before, now=now))
    return tuple(found)


def suggest_kind(before: str, now: str, language: str) -> ChangeKind:
    """Return the likely kind of a change of text; a mere wording only where that is certain."""
    old, new = ([_folded(s) for s in sentences(text)] for text in (before, now))
    if " ".join(old) == " ".join(new):
        return ChangeKind.WORDING
    if not Counter(old) - Counter(new):
        return ChangeKind.ADDITION
    one, other = _folded(before).split(), _folded(now).split()
    alike = SequenceMatcher(None, one, other, autojunk=False).ratio() >= SAME_WORDS
    same = alike and language == "en" and _weighty(before) == _weighty(now)
    return ChangeKind.WORDING if same else ChangeKind.CORRECTION


def _folded(text: str) -> str:
    return " ".join(WORD.findall(text.casefold()))


def _weighty(text: str) -> Counter[str]:
    """Return the counts of numbers, names and `TURNS`, none of which a mere rewording changes."""
    return Counter(
        word.casefold()
        for sentence in sentences(text)
        for place, word in enumerate(WORD.findall(sentence))
        if word.casefold() in TURNS or any(map(str.isdigit, word)) or (place and word[0].isupper())
    )
