"""Loads a knowledge folder: passages, wordings, notes and templates, checked and versioned."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from bot.corpus.clarify import Clarification, read_clarifications
from bot.corpus.conflicts import Conflict, find_conflicts
from bot.corpus.incident import Incident, read_incident
from bot.corpus.learned import LEARNED, labels_version
from bot.corpus.links import unlisted
from bot.corpus.messages import LabelledMessage, is_whole, known_messages, read_messages
from bot.corpus.notes import Notes, read_notes
from bot.corpus.passage_ids import KnownPassage, PassageChanges, compare, read_ids, write_ids
from bot.corpus.post import INTRODUCTION, Post, is_question, read_post
from bot.corpus.questions import Wording, known_wordings, read_questions, repeated_intents
from bot.corpus.references import known_notes, lost_references
from bot.corpus.team_answers import (
    TeamAnswer,
    TeamAnswerState,
    path_of,
    read_team_answers,
    still_stands,
)
from bot.corpus.templates import Templates, read_templates
from bot.corpus.translations import Translation, Translations, outdated, read_translations, usable
from bot.corpus.validation import warnings
from bot.corpus.yaml_files import list_yaml_files
from bot.domain import Passage, PassageSource
from bot.text.own_words import OwnWords

__all__ = ["Incident", "Knowledge", "Notes", "Passage", "Post", "Templates", "Wording", "load"]

IDS = "ids.yaml"
LEFT_OUT = (
    "{path} is approved and left out: it was not tried as it stands, with faults, or names what is "
    "on no list; `incident-desk knowledge answers try {case}` says what to do"
)


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """A knowledge folder: everything that the desk may say, and how people ask for it."""

    folder: Path
    post: Post
    notes: Notes
    templates: dict[str, Templates]
    version: str  # digest of all that can be sent
    question_version: str  # digest of what is learned: passages, notes, wordings, labelled messages
    labels_version: str = ""  # digest of the questions that people answered; empty without any
    incident: Incident = field(default_factory=Incident)
    known: tuple[KnownPassage, ...] = ()  # passages as ids.yaml has them
    stated_notes: Notes = field(default_factory=lambda: Notes(links=[]))  # also on lost passages
    stated_translations: Translations = field(default_factory=dict)  # also those not to be sent
    clarifications: tuple[Clarification, ...] = ()
    team_answers: tuple[TeamAnswer, ...] = ()  # also those that may not be quoted
    unreadable: tuple[str, ...] = ()  # the faults of team answers that cannot be read

    @cached_property
    def every_passage(self) -> tuple[Passage, ...]:
        """The passages of the post in reading order, followed by those of the support team.

        An answer of the team with an unlisted link, address or number is left out, as the outbound
        check would stop it.
        """
        usable = (each.passage for each in self.team_answers if each.usable)
        listed = (p for p in usable if not unlisted(f"{p.heading}\n{p.text}", self.notes))
        return (*self.post.passages, *listed)

    @cached_property
    def passages(self) -> dict[str, Passage]:
        return {p.id: p for p in self.every_passage}

    @property
    def standing(self) -> dict[str, Passage]:
        """The passages that may be quoted now, without team answers withdrawn since loading."""
        return {i: p for i, p in self.passages.items() if self.stands(p)}

    def stands(self, passage: Passage) -> bool:
        """Return whether a passage may be quoted now.

        An answer of the team may not as soon as somebody withdraws it, even if the knowledge was
        loaded before; so its file is read again.
        """
        return passage.source is PassageSource.POST or still_stands(self.folder, passage)

    def speaks(self, passage: Passage, language: str) -> bool:
        """Return whether the passage may be quoted to somebody who asks in this language.

        The post is quoted in every language; an answer of the team only to askers in its own
        language or that of the post.
        """
        return passage.source is PassageSource.POST or passage.language in (
            language, self.incident.language,
        )  # fmt: skip

    @cached_property
    def translations(self) -> dict[str, dict[str, Translation]]:
        """The translations that may be sent, by language and by id of their passage."""
        return usable(self.stated_translations, self.passages)

    @cached_property
    def wordings(self) -> tuple[Wording, ...]:
        """The known wordings; read on first use, as the running desk uses what it has learned.

        An FAQ answer that no file of questions names has its own question as wording, and so has an
        answer of the support team.
        """
        known = known_wordings(self.stated_wordings, self.passages)
        led_to = {name for wording in known if wording.answers for name in wording.passages}
        own = (
            Wording(
                text=passage.heading, label=passage.id, kind="intent", passages=(passage.id,),
                language=passage.language,
            )
            for passage in self.offered
            if known and passage.id not in led_to and _asks(passage)
        )  # fmt: skip
        return (*known, *own)

    @cached_property
    def stated_wordings(self) -> tuple[Wording, ...]:
        """The wordings as written, also with passages that the post does not have."""
        return read_questions(self.folder / "questions")

    @cached_property
    def messages(self) -> tuple[LabelledMessage, ...]:
        """The labelled messages, without passages that the post does not have any more."""
        return known_messages(self.stated_messages, self.passages)

    @cached_property
    def whole_messages(self) -> tuple[LabelledMessage, ...]:
        """The labelled messages that name only passages of the post; the threshold uses only them.

        For the others it is no longer known which passages would answer them or be related.
        """
        return tuple(m for m in self.stated_messages if is_whole(m, self.passages))

    @cached_property
    def stated_messages(self) -> tuple[LabelledMessage, ...]:
        return read_messages(self.folder / "messages")

    @cached_property
    def exercises(self) -> tuple[LabelledMessage, ...]:
        """The labelled messages that teach distinctions; nothing is measured on them."""
        return known_messages(read_messages(self.folder / "exercises"), self.passages)

    @cached_property
    def silent_topics(self) -> frozenset[str]:
        """The topics in the files of questions about which the post says nothing."""
        return frozenset(w.label for w in self.wordings if w.kind == "silent")

    @cached_property
    def own_words(self) -> OwnWords:
        """The texts that our replies may contain, by which quoted replies are recognised."""
        languages, passages = tuple(self.templates.values()), self.every_passage
        # Replies sent before notes.yaml gave a better heading have the heading of the post.
        headings = {heading for p in passages for heading in (self.heading_of(p), p.heading)}
        translated = [each for of in self.translations.values() for each in of.values()]
        return OwnWords.of(
            replies=[
                *(text for t in languages for text in (*t.texts(), *t.earlier)),
                *(each.text for each in translated),
                *(text for each in self.clarifications for text in each.ask.values()),
            ],
            lines=[
                f"{t.source_label} {source}"
                for t in languages
                for source in (self.post.title, t.source_team)
            ],
            published=[p.text for p in passages],
            labels=[
                *(label for t in languages for label in (t.greeting, t.source_label)),
                *(kind for t in languages for kind in t.secret_kinds.values()),
                self.post.title, self.post.url,
            ],
            headings=[
                *headings,
                *(each.heading for each in translated),
                *(text for t in languages for text in t.earlier),
            ],
        )  # fmt: skip

    @cached_property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Sentences of the post that do not agree, and promises for days that have passed."""
        return find_conflicts(self.post, self.notes, datetime.now(UTC).date())

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for a support lead; none of them stops the desk."""
        stated = warnings(self.every_passage, self.notes, self.templates, self.post.url)
        lost = lost_references(
            self.folder,
            self.passages,
            self.stated_notes,
            self.stated_wordings,
            self.stated_messages,
        )
        translated = outdated(self.stated_translations, self.passages)
        return (
            *stated,
            *map(str, self.conflicts),
            *translated,
            *lost,
            *repeated_intents(self.folder / "questions"),
            *self.unreadable,
            *self._left_out,
        )

    @property
    def _left_out(self) -> Iterator[str]:
        """Yield a warning for each approved answer of the team that may not be quoted."""
        for each in self.team_answers:
            if each.state is TeamAnswerState.APPROVED and each.passage.id not in self.passages:
                yield LEFT_OUT.format(path=self.folder / path_of(each.case), case=each.case)

    @cached_property
    def changes(self) -> PassageChanges:
        """The changes of passages since `keep_ids` was last called."""
        return compare(self.post.passages, self.known)

    def keep_ids(self) -> None:
        """Write the ids of the passages into the folder; OSError where that is not possible."""
        write_ids(self.folder / IDS, self.post.passages, self.known)

    @property
    def offered(self) -> tuple[Passage, ...]:
        """Every passage that may be quoted."""
        never = self.notes.replaced
        return tuple(p for p in self.every_passage if p.id not in never)

    def heading_of(self, passage: Passage) -> str:
        """Return the heading for a quoted passage: that of notes.yaml, else that of the post.

        A passage of the introduction gets the title of the post instead.
        """
        noted = {each.passage: each.heading for each in self.notes.headings}
        own = self.post.title if passage.heading == INTRODUCTION else passage.heading
        return noted.get(passage.id, own)

    def translation_of(self, passage: Passage, language: str) -> Translation | None:
        """Return the reviewed translation of a passage; None where there is none."""
        return self.translations.get(language, {}).get(passage.id)

    def quotable(self, passage_ids: list[str]) -> list[str]:
        """Return `passage_ids` with erroneous and superseded ones replaced, in order, each once."""
        instead = self.notes.replaced
        return list(dict.fromkeys(q for p in passage_ids for q in instead.get(p, [p])))

    def companions(self, passage_ids: list[str]) -> list[str]:
        """Return the further passages that must be quoted together with these."""
        wanted = [c.together for c in self.notes.quote_together if c.passage in passage_ids]
        return [w for w in dict.fromkeys(wanted) if w not in passage_ids]

    def without_alternatives(self, passage_ids: list[str]) -> list[str]:
        """Return `passage_ids` with only one passage of each group that says the same, in order.

        The first of a group is kept, unless another passage must be quoted together with a later
        one.
        """
        needed = {c.together for c in self.notes.quote_together if c.passage in passage_ids}
        kept = list(passage_ids)
        for group in self.notes.quote_one_of:
            there = [p for p in kept if p in group.passages]
            stays = next((p for p in there if p in needed), next(iter(there), ""))
            kept = [p for p in kept if p == stays or p not in group.passages]
        return kept


def load(folder: Path) -> Knowledge:
    """Read and check the knowledge folder; KnowledgeError says what is wrong where.

    A reference to a passage that the post does not have is left out, and `warnings` names it.
    """
    stated = read_notes(folder / "notes.yaml")
    incident = read_incident(folder / "incident.yaml", stated)
    known = read_ids(folder / IDS)
    post = read_post(
        folder / "incident-post.md",
        known=known,
        links=stated.links,
        language=incident.language,
    )
    team_answers, unreadable = read_team_answers(folder)
    of_team = [each.passage for each in team_answers if each.usable]
    notes = known_notes(stated, {p.id for p in (*post.passages, *of_team)})
    templates = read_templates(folder / "replies", incident)
    if notes.quote_in_refusals:
        quoted = {"refusal_fact": notes.quote_in_refusals}
        templates = {name: each.model_copy(update=quoted) for name, each in templates.items()}
    passages = "".join(f"{p.id} {p.version}\n" for p in (*post.passages, *of_team))
    return Knowledge(
        folder=folder,
        post=post,
        notes=notes,
        templates=templates,
        version=_digest(
            folder, "incident-post.md", "incident.yaml", "notes.yaml", "questions", "replies",
            "translations", "clarify.yaml", begin=passages,
        ),
        question_version=_digest(
            folder, "notes.yaml", "questions", "messages", "exercises", begin=passages
        ),
        labels_version=labels_version(folder),
        incident=incident,
        known=known,
        stated_notes=stated,
        stated_translations=read_translations(folder / "translations"),
        clarifications=read_clarifications(folder / "clarify.yaml"),
        team_answers=team_answers,
        unreadable=unreadable,
    )  # fmt: skip


def _asks(passage: Passage) -> bool:
    """Return whether the heading of a passage is a question."""
    return passage.source is PassageSource.TEAM or is_question(passage.heading)


def _digest(folder: Path, *names: str, begin: str) -> str:
    """Return a digest of the content of files and of `begin`, which stands for the passages.

    The file of questions that people answered is left out: a running desk learns from it, so it has
    a version of its own.
    """
    digest = hashlib.sha256(begin.encode())
    for name in names:
        path = folder / name
        for file in list_yaml_files(path) if path.is_dir() else [path]:
            if file.exists() and file != folder / LEARNED:
                digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:12]
