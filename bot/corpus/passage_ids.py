"""Assigns stable ids to passages: once given, an id follows its passage through every edit.

knowledge/ids.yaml holds the heading and text under which each id was last seen. A passage that is
there word for word keeps its id; one that was reworded gets the id of the most similar entry; any
other gets a new id made of its distinctive words. Ids in the file may be changed by hand and are
used as they are.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import count
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from bot.corpus.yaml_files import read_file_as
from bot.domain import Passage
from bot.errors import KnowledgeError

# Least shares of words in common, in order, from 0 to 1; set by hand and tried on every kind of
# edit of `python -m evals edits`. A rewritten passage keeps its id under its heading from
# SAME_PLACE on, under another heading only from MOVED on; an answer keeps it as long as its
# question does.
SAME_HEADING = 0.8
SAME_PLACE = 0.5
MOVED = 0.75
FEW_WORDS = 5  # a text with fewer, such as "Yes.", is not recognised under another heading
WORD_LENGTH = 20  # most letters of a word in an id; without spaces, a clause counts as one word
WORD = re.compile(r"[^\W_]+")
ACCENT = re.compile(r"[\u0300-\u036f]")  # of Latin letters; other marks change the letter
# Words that are too frequent to distinguish passages in an id.
PLAIN_WORDS = (
    "a an and any are as at be been by can did do does for from have has how i if in is it its me "
    "my of on or our s should so that the there these they this those to us was we were what when "
    "which who why will with would you your not no into also may t re ve"
)
PLAIN = frozenset(PLAIN_WORDS.split())
HEAD = """\
# The ids of the passages, with the words under which each was last seen. `incident-desk index`
# brings this file up to date. An id follows its passage when words change. To give a passage
# another id, change the id here. An entry that is `gone` stands no longer in the post; should its
# passage come back, it has its id again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageDraft:
    """A passage of the post without an id yet; `faq` says that it is in the part with questions."""

    heading: str
    text: str
    faq: bool


class KnownPassage(BaseModel):
    """An id with the heading and text under which its passage was last seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    heading: str
    text: str
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPassage:
    """A passage with the heading and text that it had before."""

    before: KnownPassage
    now: Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageChanges:
    """What an edit of the post did to its passages."""

    added: tuple[Passage, ...] = ()
    changed: tuple[ChangedPassage, ...] = ()
    gone: tuple[KnownPassage, ...] = ()


def read_ids(path: Path) -> tuple[KnownPassage, ...]:
    """Return the entries of `path`, none without the file; KnowledgeError for a fault in it."""
    if not path.exists():
        return ()
    known = read_file_as(path, list[KnownPassage], empty=[])
    ids = [each.id for each in known]
    if twice := next((name for name in ids if ids.count(name) > 1), ""):
        raise KnowledgeError(f"{path}: the id {twice!r} stands twice; keep one of the two")
    return tuple(known)


def write_ids(path: Path, passages: Sequence[Passage], known: Iterable[KnownPassage] = ()) -> None:
    """Write the passages in reading order, followed by the known ones that have gone."""
    ids = {passage.id for passage in passages}
    rows: list[dict[str, object]] = [
        {"id": p.id, "heading": p.heading, "text": p.text} for p in passages
    ]
    rows += [
        {"id": each.id, "heading": each.heading, "text": each.text, "gone": True}
        for each in known
        if each.id not in ids
    ]
    content = HEAD + yaml.safe_dump(rows, allow_unicode=True, sort_keys=False, width=130)
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.write_text(content, encoding="utf-8")


def compare(passages: Iterable[Passage], known: Iterable[KnownPassage]) -> PassageChanges:
    """Return which passages are new, reworded or gone compared with the known ones."""
    before = {each.id: each for each in known}
    now = {passage.id: passage for passage in passages}
    return PassageChanges(
        added=tuple(p for i, p in now.items() if i not in before or before[i].gone),
        changed=tuple(
            ChangedPassage(before=before[i], now=p)
            for i, p in now.items()
            if i in before
            and not before[i].gone
            and (before[i].heading, before[i].text) != (p.heading, p.text)
        ),
        gone=tuple(each for i, each in before.items() if i not in now and not each.gone),
    )


def assign_ids(drafts: Sequence[PassageDraft], known: Sequence[KnownPassage]) -> list[str]:
    """Return an id for each draft, in order: that of its known passage, or a new one."""
    found = _match_exactly(drafts, known)
    found |= _match_alike(drafts, known, found)
    taken = {each.id for each in known}
    for place, draft in enumerate(drafts):
        if place not in found:
            found[place] = _new_id(draft, taken)
            taken.add(found[place])
    return [found[place] for place in range(len(drafts))]


def telling_words(text: str) -> list[str]:
    """Return the distinctive words of a text, in lower case, without accents, each once."""
    plain = ACCENT.sub("", unicodedata.normalize("NFKD", text))
    composed = unicodedata.normalize("NFC", plain)
    words = [w.lower()[:WORD_LENGTH] for w in WORD.findall(composed)]
    return list(dict.fromkeys(w for w in words if w not in PLAIN))


def _match_exactly(drafts: Sequence[PassageDraft], known: Sequence[KnownPassage]) -> dict[int, str]:
    ids = {(each.heading, each.text): each.id for each in known}
    named = {place: ids.get((d.heading, d.text)) for place, d in enumerate(drafts)}
    return {place: name for place, name in named.items() if name}


def _match_alike(
    drafts: Sequence[PassageDraft], known: Sequence[KnownPassage], found: dict[int, str]
) -> dict[int, str]:
    """Return ids for drafts that equal no entry, by their place; the most similar pairs first.

    Each id is given once.
    """
    used = set(found.values())
    left = [place for place in range(len(drafts)) if place not in found]
    free = [each for each in known if each.id not in used]
    pairs = []
    for place in left:
        for order, each in enumerate(free):
            if score := _likeness(drafts[place], each, drafts, known):
                pairs.append((-score, order, place, each.id))
    given: dict[int, str] = {}
    for _, _, place, name in sorted(pairs):
        if place not in given and name not in given.values():
            given[place] = name
    return given


def _likeness(
    draft: PassageDraft,
    known: KnownPassage,
    drafts: Sequence[PassageDraft],
    every: Sequence[KnownPassage],
) -> float:
    """Return how similar a draft and a known passage are, from 0 to 2; 0 for different ones."""
    heading = _shared(draft.heading, known.heading)
    text = _shared(draft.text, known.text)
    long = min(len(WORD.findall(draft.text)), len(WORD.findall(known.text))) >= FEW_WORDS
    same_question = (
        draft.faq
        and heading >= SAME_HEADING
        and _count(draft.heading, drafts) == _count(known.heading, every) == 1
    )
    same_place = heading >= SAME_PLACE and text >= SAME_PLACE
    if same_question or same_place or (long and text >= MOVED):
        return heading + text
    return 0.0


def _count(heading: str, passages: Iterable[PassageDraft | KnownPassage]) -> int:
    return sum(each.heading == heading for each in passages)


def _shared(one: str, other: str) -> float:
    """Return the share of words, or of letters without spaces, that both have in the same order."""
    first, second = (WORD.findall(text.lower()) for text in (one, other))
    spaced = len(one) < WORD_LENGTH * (len(first) + 1)
    if not spaced:
        first, second = list(one), list(other)
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def _new_id(draft: PassageDraft, taken: Collection[str]) -> str:
    """Return a readable id of the distinctive words of heading and text, made longer if taken."""
    faq = draft.faq
    words = telling_words(draft.heading if faq else f"{draft.heading} {draft.text}")
    name = "-".join((["faq"] if faq else []) + words[: 5 if faq else 6]) or "passage"
    if name not in taken:
        return name
    more = words[6:9] or [w for w in telling_words(draft.text) if w not in words][:3]
    longer = "-".join([name, *more])
    return next(
        each
        for each in (longer if turn == 1 else f"{longer}-{turn}" for turn in count(1))
        if each not in taken
    )
