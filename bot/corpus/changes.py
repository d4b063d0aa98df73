"""Classes what an edit of the post changed, as a suggestion that a person confirms.

Whoever was told an earlier text is written to after a correction, and never for a wording.
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
# Words in common, in order, of two texts that say the same; below it a person should look.
SAME_WORDS = 0.8
# Words that turn a sentence around or bound it, in English; in any other language a reworded text
# is taken for a correction.
TURN_WORDS = (
    "no not never none nobody nothing neither nor without only all every any some may might could "
    "must should can cannot will would don isn aren wasn weren doesn didn hasn haven won"
)
TURNS = frozenset(TURN_WORDS.split())


class ChangeKind(StrEnum):
    """What a change of a passage means for those who were told its earlier text."""

    WORDING = "wording"  # it says the same
    ADDITION = "addition"  # it says all that it said, and more
    CORRECTION = "correction"  # it says something else
    NEW = "new"  # a passage that did not stand there
    GONE = "gone"  # a passage that no longer stands there


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageText:
    """What a passage said; `version` is the hash of that text, `seen_at` when it first stood."""

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
        """The passage and its versions before and now, empty for none: what a person decides on."""
        return (
            self.id,
            self.before.version if self.before else "",
            self.now.version if self.now else "",
        )

    @property
    def fresh(self) -> frozenset[str]:
        """The sentences that the passage did not have."""
        if self.now is None:
            return frozenset()
        known = {_folded(s) for s in sentences(self.before.text)} if self.before else set()
        return frozenset(s for s in sentences(self.now.text) if _folded(s) not in known)


def changes_since(
    told: Iterable[PassageText], passages: Mapping[str, Passage]
) -> tuple[PassageChange, ...]:
    """What became of each text that was told once; texts that still stand are left out."""
    found: list[PassageChange] = []
    for before in told:
        now = passages.get(before.id)
        if now is not None and now.version == before.version:
            continue
        kind = ChangeKind.GONE if now is None else suggest_kind(before.text, now.text, now.language)
        found.append(PassageChange(id=before.id, kind=kind, before=before, now=now))
    return tuple(found)


def suggest_kind(before: str, now: str, language: str) -> ChangeKind:
    """The kind of a change of a text that stands in the post: a wording only where it is plain."""
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
    """Numbers, names and words that turn a sentence around: what no mere rewording changes."""
    return Counter(
        word.casefold()
        for sentence in sentences(text)
        for place, word in enumerate(WORD.findall(sentence))
        if word.casefold() in TURNS or any(map(str.isdigit, word)) or (place and word[0].isupper())
    )
