"""Makes typical edits of a knowledge folder, each in a copy.

An edit says what it touches; cases about that are expected to change, all others are not.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from bot.corpus import Knowledge, load
from bot.domain import Passage
from bot.errors import InputError
from bot.resources import parse_yaml
from evals.measuring.schema import Case

LONG = 6  # letters of a word that carries meaning
FEW = 5  # words of a sentence that is long enough to be edited
NEW_QUESTION = "Was the desktop app affected?"
NEW_ANSWER = "No. The desktop app does not use web analytics and was not affected."
NEW_WORDINGS = (
    "was the desktop app affected",
    "is the desktop app part of this",
    "I only use the Mac app, does this concern me",
    "does the incident touch the Windows client",
    "we installed the desktop client for everybody, is it affected",
    "did the desktop program send data to the analytics vendor",
    "desktop app: safe or not?",
    "does the app on my laptop use that vendor as well",
    "are people who only use the desktop application concerned",
    "should users of the desktop app worry",
)
NEW_WORDING = "please tell me in one line, for my notes: {}"
NEW_NEAR = "and who at your company decided that, in person?"
LANGUAGE = "de"
NEW_LANGUAGE = "cs"
REMOVED_ANSWER = "an FAQ answer removed"
REMOVED_LANGUAGE = "the wordings of one language removed"
# What was labelled with it goes too: the threshold is chosen anew on fewer messages.
REMOVALS = frozenset({REMOVED_ANSWER, REMOVED_LANGUAGE})
NEW_LANGUAGE_WORDING = "musím si kvůli tomu změnit heslo nebo klíč"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Passages, by the ids from before the edit, and the language that an edit is about."""

    passages: frozenset[str] = frozenset()
    language: str = ""

    def meets(self, case: Case) -> bool:
        """Is the case about what was edited?"""
        named = {*case.related, *(p for group in case.gold for p in group)}
        return case.lang == self.language or bool(named & self.passages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A knowledge folder after an edit; `renamed` gives the new id of a passage for its old one."""

    knowledge: Knowledge
    touched: Touched
    renamed: dict[str, str]

    def case(self, case: Case) -> Case:
        """The case with its labels under the new ids."""
        new = self.renamed
        gold = tuple(tuple(new.get(p, p) for p in group) for group in case.gold)
        related = tuple(new.get(p, p) for p in case.related)
        return case.model_copy(update={"gold": gold, "related": related})


def apply_edit(name: str, before: Knowledge, folder: Path) -> Edited:
    """Make the edit in a copy at `folder`; InputError where the knowledge has no place for it."""
    shutil.copytree(before.folder, folder)
    touched = EDITS[name](_Draft(folder=folder, before=before))
    after = load(folder)
    same = len(after.post.passages) == len(before.post.passages)
    pairs = zip(before.post.passages, after.post.passages, strict=True) if same else ()
    renamed = {old.id: new.id for old, new in pairs if old.id != new.id}
    return Edited(knowledge=after, touched=touched, renamed=renamed)


def _change_word(draft: "_Draft") -> Touched:
    passage, sentence = draft.find_sentence()
    long = [word for word in sentence.split() if len(word) >= LONG and word.isalpha()]
    draft.replace(sentence, sentence.replace(long[-1], "such", 1))
    return Touched(passages=frozenset({passage.id}))


def _add_sentence(draft: "_Draft") -> Touched:
    passage, sentence = draft.find_sentence()
    draft.replace(sentence, f"{sentence} We are sorry for the trouble that this has caused.")
    return Touched(passages=frozenset({passage.id}))


def _change_opening(draft: "_Draft") -> Touched:
    """The id of a passage that answers no FAQ comes from its first words."""
    for passage in draft.before.post.passages:
        opening = passage.text.split("\n")[0]
        plain = not passage.heading.endswith("?") and not draft.is_fixed(passage)
        if plain and len(opening.split()) >= FEW and draft.occurs_once(opening):
            draft.replace(opening, f"As far as we know today: {opening}")
            return Touched(passages=frozenset({passage.id}))
    raise InputError("no passage whose opening words could be changed")


def _rename_heading(draft: "_Draft") -> Touched:
    """The most telling case: the heading of the FAQ answer that most wordings name."""
    for passage in draft.passages_by_wordings():
        heading = f"**{passage.heading}**"
        if (
            passage.heading.endswith("?")
            and not draft.is_fixed(passage)
            and draft.occurs_once(heading)
        ):
            draft.replace(heading, f"**Often asked: {passage.heading}**")
            return Touched(passages=frozenset({passage.id}))
    raise InputError("no FAQ heading that could be renamed")


def _add_wording(draft: "_Draft") -> Touched:
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        first = next(iter(entry["ask"].values())).splitlines()[0]
        entry["ask"]["en"] = f"{entry['ask'].get('en', '')}\n{NEW_WORDING.format(first)}"
    return Touched(passages=frozenset(entry["answers"]))


def _add_near(draft: "_Draft") -> Touched:
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        first = next(iter(entry["ask"].values())).splitlines()[0]
        entry.setdefault("near", {})["person"] = f"{first} {NEW_NEAR}"
    return Touched(passages=frozenset(entry["answers"]))


def _remove_intent(draft: "_Draft") -> Touched:
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        questions.remove(entry)
    return Touched(passages=frozenset(entry["answers"]))


def _add_intent(draft: "_Draft") -> Touched:
    """A new answer at the end of the post, with ten ways to ask for it."""
    text = draft.post.read_text(encoding="utf-8").rstrip()
    draft.post.write_text(f"{text}\n\n**{NEW_QUESTION}**\n\n{NEW_ANSWER}\n", encoding="utf-8")
    (added,) = set(load(draft.folder).passages) - set(draft.before.passages)
    entry = {"intent": "added", "answers": [added], "ask": {"en": "\n".join(NEW_WORDINGS)}}
    _write(draft.folder / "questions" / "added.yaml", [entry])
    return Touched(passages=frozenset({added}))


def _remove_answer(draft: "_Draft") -> Touched:
    """The FAQ answer with the most wordings goes, and what refers to it stays."""
    text = draft.post.read_text(encoding="utf-8")
    for passage in draft.passages_by_wordings():
        begin = text.find(f"**{passage.heading}**")
        if passage.heading.endswith("?") and not draft.is_fixed(passage) and begin >= 0:
            end = text.find("\n**", begin + 1)
            kept = text[:begin] + (text[end + 1 :] if end >= 0 else "")
            draft.post.write_text(kept, encoding="utf-8")
            return Touched(passages=frozenset({passage.id}))
    raise InputError("no FAQ answer that could be removed")


def _add_language(draft: "_Draft") -> Touched:
    """Reply templates and a wording in a language that has none; the words do not matter here."""
    english = (draft.folder / "replies" / "en.yaml").read_text(encoding="utf-8")
    (draft.folder / "replies" / f"{NEW_LANGUAGE}.yaml").write_text(english, encoding="utf-8")
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        entry["ask"][NEW_LANGUAGE] = NEW_LANGUAGE_WORDING
    return Touched(language=NEW_LANGUAGE)


def _remove_language(draft: "_Draft") -> Touched:
    with _Questions(draft.folder) as questions:
        for entry in questions.entries():
            for block in ("ask", "say"):
                if len(entry.get(block, {})) > 1:
                    entry[block].pop(LANGUAGE, None)
    return Touched(language=LANGUAGE)


# What a support lead does to the files, by the words of the table.
EDITS: dict[str, Callable[["_Draft"], Touched]] = {
    "a word changed inside a passage": _change_word,
    "a sentence added to a passage": _add_sentence,
    "the opening words of a passage changed": _change_opening,
    "an FAQ heading renamed": _rename_heading,
    "a wording added": _add_wording,
    "a near question added": _add_near,
    "an intent removed": _remove_intent,
    "an answer and its intent with ten wordings added": _add_intent,
    REMOVED_ANSWER: _remove_answer,
    "a language added": _add_language,
    REMOVED_LANGUAGE: _remove_language,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """The copy that is edited, and the knowledge as it was."""

    folder: Path
    before: Knowledge

    @property
    def post(self) -> Path:
        return self.folder / "incident-post.md"

    def occurs_once(self, text: str) -> bool:
        """Does the file of the post hold the text in one place, without marks inside it?"""
        return self.post.read_text(encoding="utf-8").count(text) == 1

    def replace(self, old: str, new: str) -> None:
        """Write the post with `new` in place of `old`."""
        text = self.post.read_text(encoding="utf-8")
        self.post.write_text(text.replace(old, new), encoding="utf-8")

    def passages_by_wordings(self) -> list[Passage]:
        """The passages, those that most wordings name first."""
        count = dict.fromkeys(self.before.passages, 0)
        for wording in self.before.wordings:
            if wording.answers:
                count[wording.passages[0]] += 1
        return sorted(self.before.post.passages, key=lambda passage: -count[passage.id])

    def find_sentence(self) -> tuple[Passage, str]:
        """The last sentence of the passage with most wordings where it can be replaced."""
        for passage in self.passages_by_wordings():
            sentence = passage.sentences[-1]
            if len(sentence.split()) >= FEW and self.occurs_once(sentence):
                return passage, sentence
        raise InputError("no passage with a sentence that could be changed")

    def is_fixed(self, passage: Passage) -> bool:
        """Do notes or replies name it? They stop the desk when it has gone."""
        notes = self.before.notes
        named = {p for passage, instead in notes.replaced.items() for p in (passage, *instead)}
        named |= {p for c in notes.quote_together for p in (c.passage, c.together)}
        named |= {p for group in notes.quote_one_of for p in group.passages}
        named |= set(notes.quote_in_refusals)
        return passage.id in named


class _Questions:
    """The files of knowledge/questions, written again when the block ends."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[Path, list[dict[str, Any]]] = {
            path: parse_yaml(path.read_text(encoding="utf-8")) or []
            for path in sorted((folder / "questions").glob("*.yaml"))
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_told: object) -> None:
        for path, entries in self.files.items():
            _write(path, entries)

    def entries(self) -> Iterator[dict[str, Any]]:
        for entries in self.files.values():
            yield from entries

    def largest(self) -> dict[str, Any]:
        """The intent with the most wordings."""
        intents = [entry for entry in self.entries() if "intent" in entry]
        return max(intents, key=lambda entry: len("\n".join(entry["ask"].values()).splitlines()))

    def remove(self, entry: dict[str, Any]) -> None:
        for entries in self.files.values():
            if entry in entries:
                entries.remove(entry)


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
