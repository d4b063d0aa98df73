"""Makes typical edits of a knowledge folder, each in a copy.

An edit says what it touches. Cases about that may change; all others must not.
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

LONG = 6  # letters of a word from which on it counts as a content word
FEW = 5  # words that a sentence needs to be edited
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
NEW_LANGUAGE_WORDING = "musím si kvůli tomu změnit heslo nebo klíč"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditScope:
    """What an edit is about: passages, by their ids before the edit, and a language."""

    passages: frozenset[str] = frozenset()
    language: str = ""

    def meets(self, case: Case) -> bool:
        """Return whether the case is about what was edited."""
        named = {*case.related, *(p for group in case.gold for p in group)}
        return case.lang == self.language or bool(named & self.passages)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedKnowledge:
    """A knowledge folder after an edit; `renamed` gives the new id of a passage for its old one."""

    knowledge: Knowledge
    touched: EditScope
    renamed: dict[str, str]

    def case(self, case: Case) -> Case:
        """Return the case with the new ids of passages in its labels."""
        new = self.renamed
        gold = tuple(tuple(new.get(p, p) for p in group) for group in case.gold)
        related = tuple(new.get(p, p) for p in case.related)
        return case.model_copy(update={"gold": gold, "related": related})


def apply_edit(name: str, before: Knowledge, folder: Path) -> EditedKnowledge:
    """Make the edit in a copy at `folder` and return it.

    InputError when the knowledge has nothing that the edit could change.
    """
    shutil.copytree(before.folder, folder)
    touched = EDITS[name](_Draft(folder=folder, before=before))
    after = load(folder)
    same = len(after.post.passages) == len(before.post.passages)
    pairs = zip(before.post.passages, after.post.passages, strict=True) if same else ()
    renamed = {old.id: new.id for old, new in pairs if old.id != new.id}
    return EditedKnowledge(knowledge=after, touched=touched, renamed=renamed)


def _change_word(draft: "_Draft") -> EditScope:
    passage, sentence = draft.find_sentence()
    long = [word for word in sentence.split() if len(word) >= LONG and word.isalpha()]
    draft.replace(sentence, sentence.replace(long[-1], "such", 1))
    return EditScope(passages=frozenset({passage.id}))


def _add_sentence(draft: "_Draft") -> EditScope:
    passage, sentence = draft.find_sentence()
    draft.replace(sentence, f"{sentence} We are sorry for the trouble that this has caused.")
    return EditScope(passages=frozenset({passage.id}))


def _change_opening(draft: "_Draft") -> EditScope:
    """Change the first words of a passage outside the FAQ: its id is made from them."""
    for passage in draft.before.post.passages:
        opening = passage.text.split("\n")[0]
        plain = not passage.heading.endswith("?") and not draft.is_fixed(passage)
        if plain and len(opening.split()) >= FEW and draft.occurs_once(opening):
            draft.replace(opening, f"As far as we know today: {opening}")
            return EditScope(passages=frozenset({passage.id}))
    raise InputError("no passage whose opening words could be changed")


def _rename_heading(draft: "_Draft") -> EditScope:
    """Rename the heading of the FAQ answer that most wordings name, which matters most."""
    for passage in draft.passages_by_wordings():
        heading = f"**{passage.heading}**"
        if (
            passage.heading.endswith("?")
            and not draft.is_fixed(passage)
            and draft.occurs_once(heading)
        ):
            draft.replace(heading, f"**Often asked: {passage.heading}**")
            return EditScope(passages=frozenset({passage.id}))
    raise InputError("no FAQ heading that could be renamed")


def _add_wording(draft: "_Draft") -> EditScope:
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        first = next(iter(entry["ask"].values())).splitlines()[0]
        entry["ask"]["en"] = f"{entry['ask'].get('en', '')}\n{NEW_WORDING.format(first)}"
    return EditScope(passages=frozenset(entry["answers"]))


def _add_near(draft: "_Draft") -> EditScope:
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        first = next(iter(entry["ask"].values())).splitlines()[0]
        entry.setdefault("near", {})["person"] = f"{first} {NEW_NEAR}"
    return EditScope(passages=frozenset(entry["answers"]))


def _remove_intent(draft: "_Draft") -> EditScope:
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        questions.remove(entry)
    return EditScope(passages=frozenset(entry["answers"]))


def _add_intent(draft: "_Draft") -> EditScope:
    """Add a new answer at the end of the post, with ten wordings for it."""
    text = draft.post.read_text(encoding="utf-8").rstrip()
    draft.post.write_text(f"{text}\n\n**{NEW_QUESTION}**\n\n{NEW_ANSWER}\n", encoding="utf-8")
    (added,) = set(load(draft.folder).passages) - set(draft.before.passages)
    entry = {"intent": "added", "answers": [added], "ask": {"en": "\n".join(NEW_WORDINGS)}}
    _write(draft.folder / "questions" / "added.yaml", [entry])
    return EditScope(passages=frozenset({added}))


def _remove_answer(draft: "_Draft") -> EditScope:
    """Remove the FAQ answer with the most wordings, but not what refers to it."""
    text = draft.post.read_text(encoding="utf-8")
    for passage in draft.passages_by_wordings():
        begin = text.find(f"**{passage.heading}**")
        if passage.heading.endswith("?") and not draft.is_fixed(passage) and begin >= 0:
            end = text.find("\n**", begin + 1)
            kept = text[:begin] + (text[end + 1 :] if end >= 0 else "")
            draft.post.write_text(kept, encoding="utf-8")
            return EditScope(passages=frozenset({passage.id}))
    raise InputError("no FAQ answer that could be removed")


def _add_language(draft: "_Draft") -> EditScope:
    """Add English templates and a wording under a new language; the words do not matter here."""
    english = (draft.folder / "replies" / "en.yaml").read_text(encoding="utf-8")
    (draft.folder / "replies" / f"{NEW_LANGUAGE}.yaml").write_text(english, encoding="utf-8")
    with _Questions(draft.folder) as questions:
        entry = questions.largest()
        entry["ask"][NEW_LANGUAGE] = NEW_LANGUAGE_WORDING
    return EditScope(language=NEW_LANGUAGE)


def _remove_language(draft: "_Draft") -> EditScope:
    with _Questions(draft.folder) as questions:
        for entry in questions.entries():
            for block in ("ask", "say"):
                if len(entry.get(block, {})) > 1:
                    entry[block].pop(LANGUAGE, None)
    return EditScope(language=LANGUAGE)


# What a support lead does to the files, by the name in the table.
EDITS: dict[str, Callable[["_Draft"], EditScope]] = {
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
    "the wordings of one language removed": _remove_language,
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
        """Return whether the file of the post holds the text exactly once, without markup in it."""
        return self.post.read_text(encoding="utf-8").count(text) == 1

    def replace(self, old: str, new: str) -> None:
        """Write the post with `new` in place of `old`."""
        text = self.post.read_text(encoding="utf-8")
        self.post.write_text(text.replace(old, new), encoding="utf-8")

    def passages_by_wordings(self) -> list[Passage]:
        """Return the passages, those that most wordings name first."""
        count = dict.fromkeys(self.before.passages, 0)
        for wording in self.before.wordings:
            if wording.answers:
                count[wording.passages[0]] += 1
        return sorted(self.before.post.passages, key=lambda passage: -count[passage.id])

    def find_sentence(self) -> tuple[Passage, str]:
        """Return the last sentence that can be replaced, of the passage with most wordings.

        InputError when there is none.
        """
        for passage in self.passages_by_wordings():
            sentence = passage.sentences[-1]
            if len(sentence.split()) >= FEW and self.occurs_once(sentence):
                return passage, sentence
        raise InputError("no passage with a sentence that could be changed")

    def is_fixed(self, passage: Passage) -> bool:
        """Return whether the notes name the passage: without it the desk would not start."""
        notes = self.before.notes
        named = {p for passage, instead in notes.replaced.items() for p in (passage, *instead)}
        named |= {p for c in notes.quote_together for p in (c.passage, c.together)}
        named |= {p for group in notes.quote_one_of for p in group.passages}
        named |= set(notes.quote_in_refusals)
        return passage.id in named


class _Questions:
    """The files of knowledge/questions as a context manager, which writes them at its end."""

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
        """Return the intent with the most wordings."""
        intents = [entry for entry in self.entries() if "intent" in entry]
        return max(intents, key=lambda entry: len("\n".join(entry["ask"].values()).splitlines()))

    def remove(self, entry: dict[str, Any]) -> None:
        for entries in self.files.values():
            if entry in entries:
                entries.remove(entry)


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
