"""Reads the reviewed sentences of each language: the shipped ones, or the incident's own.

A file replies/<language>.yaml of the knowledge folder may hold every key or only some: the others
come from the shipped file of that language. Slots such as `{company}` are filled with settings of
incident.yaml when the templates are read, so that nothing is left to fill when a reply is made.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.corpus.incident import Incident
from bot.corpus.yaml_files import check_value, files_by_language, read_yaml_file
from bot.domain import ExpectedTime, Passage, PassageSource, RefusalReason, SecretKind
from bot.errors import KnowledgeError
from bot.resources import shipped_knowledge
from bot.text.reply_subject import reply_subject

ADDRESS_SLOT = "{person_address}"
SOURCES_SLOT = "{sources}"  # in a footer
SLOT = re.compile(r"\{([^{}]*)\}")


class ReplySources(StrEnum):
    """Where the passages of one reply come from."""

    POST = "post"
    TEAM = "team"
    BOTH = "both"

    @staticmethod
    def of(passages: Iterable[Passage]) -> "ReplySources":
        """Return the sources of these passages; the post where there are none."""
        sources = {passage.source for passage in passages}
        if PassageSource.TEAM not in sources:
            return ReplySources.POST
        return ReplySources.BOTH if PassageSource.POST in sources else ReplySources.TEAM


class Templates(BaseModel):
    """Every text of one language that the desk may send beside published passages."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    greeting: str
    subject: str  # of a mail that does not keep the asker's own
    answer_lead: str  # before the answer to one question
    answers_lead: str  # before numbered answers, where there are several questions
    answer_lead_foreign: str = ""  # both where the post is in another language
    answers_lead_foreign: str = ""
    # Lead-in and source name of an answer by the support team, which is not published. A language
    # of the folder without these gets the English ones.
    answer_lead_team: str = "This is what we can tell you:"
    source_team: str = "our support team"
    source_label: str  # before title, date and link of the post, or before the team and the day
    published_wording: str  # between a translation and the passage that it translates
    earlier: list[str] = []  # of earlier versions, to recognise quotes of old replies; never sent
    refusal: list[str]
    refusal_fact: list[str] = []  # passage ids that a refusal quotes: those of notes.yaml
    handover: str
    handover_with_answers: str  # what is answered above is not all that was asked
    handover_numbers: str  # behind the numbers of the questions that go to a person
    handover_urgent: str  # danger, extortion, takeover: short and human
    case_number: str  # before the number of the case that a person has
    answer_within: dict[ExpectedTime, str]  # when to expect the answer of a person
    secret_found: str  # a secret was removed; what to do about it
    secret_kinds: dict[SecretKind, str]
    correction_lead: str  # before passages that have changed since they were quoted
    acknowledgement: str  # in place of the footer where all of a message goes to a person
    footer: str  # what the reply was made from, here the post, and how to reach a person
    # The footers of replies that quote the support team, alone or beside the post. They are made
    # from the footer of the file, in which `{sources}` stands for one of `footer_sources`.
    footer_team: str = ""
    footer_both: str = ""
    footer_sources: dict[ReplySources, str] = {}
    footer_write_to: str = ""  # the same where the incident names a mailbox that people read
    refusal_kinds: dict[RefusalReason, str] = {}  # which request is refused, and what to do instead

    @property
    def footers(self) -> Mapping[ReplySources, str]:
        """The footer of a reply, by the sources of its passages."""
        return {
            ReplySources.POST: self.footer,
            ReplySources.TEAM: self.footer_team or self.footer,
            ReplySources.BOTH: self.footer_both or self.footer,
        }

    def texts(self) -> tuple[str, ...]:
        """Return every text that may be sent, for the outbound check."""
        fixed = (
            self.greeting, self.subject, self.answer_lead, self.answers_lead, self.answer_lead_team,
            self.handover, self.handover_with_answers, self.handover_numbers, self.handover_urgent,
            self.case_number, self.published_wording, self.correction_lead, self.secret_found,
            self.acknowledgement, *dict.fromkeys(self.footers.values()),
        )  # fmt: skip
        kinds = (*self.secret_kinds.values(), *self.refusal_kinds.values())
        return (*fixed, *self.refusal, *self.answer_within.values(), *kinds)


def read_templates(folder: Path, incident: Incident | None = None) -> dict[str, Templates]:
    """Return the templates by language; KnowledgeError names the file and what is wrong in it.

    `folder` is `replies` of the knowledge folder, which need not exist. With a `person_address` the
    footer of each language is the one that names it.
    """
    about = incident or Incident()
    shipped = files_by_language(shipped_knowledge() / "replies")
    own = files_by_language(folder)
    wanted = {*about.languages, "en"} if about.languages else {*shipped, *own}
    for language in sorted(wanted - {*shipped, *own}):
        raise KnowledgeError(
            f"incident.yaml: languages names {language!r}, which has no reply templates; add "
            f"{folder / language}.yaml"
        )
    return {
        language: _read(language, shipped.get(language), own.get(language), about)
        for language in sorted(wanted)
    }


def _read(language: str, shipped: Path | None, own: Path | None, incident: Incident) -> Templates:
    files = [path for path in (shipped, own) if path]
    path = files[-1]
    texts: dict[str, Any] = {}
    for each in files:
        texts |= _mapping(each)
    templates = check_value(
        path, texts, Templates, noun="sentence", remedy="copy {them} from en.yaml"
    )
    chosen: dict[str, Any] = {
        "answer_lead_foreign": "", "answers_lead_foreign": "", "footer_write_to": "",
    }  # fmt: skip
    if language != incident.language:
        chosen["answer_lead"] = templates.answer_lead_foreign or templates.answer_lead
        chosen["answers_lead"] = templates.answers_lead_foreign or templates.answers_lead
    if incident.person_address:
        if ADDRESS_SLOT not in templates.footer_write_to:
            raise KnowledgeError(f"{path}: footer_write_to lacks {ADDRESS_SLOT}")
        chosen["footer"] = templates.footer_write_to
    chosen |= _footers(chosen.get("footer", templates.footer), templates.footer_sources, path)
    texts = templates.model_dump() | chosen
    templates = Templates.model_validate(_filled(texts, incident.slots, str(path)))
    if reply_subject(templates.subject) != templates.subject:
        raise KnowledgeError(
            f"{path}: subject must be one short line that begins with 'Re: ', without any link"
        )
    for name, whole in (("secret_kinds", SecretKind), ("answer_within", ExpectedTime)):
        if missing := set(whole) - getattr(templates, name).keys():
            raise KnowledgeError(f"{path}: {name} lacks {', '.join(sorted(missing))}")
    return templates


def _footers(footer: str, sources: Mapping[ReplySources, str], path: Path) -> dict[str, str]:
    """Return the footer for each kind of sources, by its name among the templates."""
    if SOURCES_SLOT in footer and (missing := set(ReplySources) - sources.keys()):
        raise KnowledgeError(f"{path}: footer_sources lacks {', '.join(sorted(missing))}")
    named = {
        "footer": ReplySources.POST, "footer_team": ReplySources.TEAM,
        "footer_both": ReplySources.BOTH,
    }  # fmt: skip
    return {name: footer.replace(SOURCES_SLOT, sources.get(of, "")) for name, of in named.items()}


def _mapping(path: Path) -> dict[str, Any]:
    read = read_yaml_file(path)
    if not isinstance(read, dict):
        raise KnowledgeError(f"{path}: it must hold templates by their keys, such as greeting")
    return read


def _filled(value: Any, slots: Mapping[str, str], where: str) -> Any:
    """Return a template, or a list or mapping of templates, with all slots filled."""
    match value:
        case dict():
            return {key: _filled(each, slots, f"{where}: {key}") for key, each in value.items()}
        case list():
            return [_filled(each, slots, where) for each in value]
        case str():
            text = SLOT.sub(lambda slot: _slot(slot[1], slots, where), value)
            if "{" in text or "%s" in text:
                raise KnowledgeError(f"{where}: a template has an unknown slot: {text[:60]}")
            return text
        case _:
            return value


def _slot(name: str, slots: Mapping[str, str], where: str) -> str:
    if name not in slots:
        raise KnowledgeError(
            f"{where}: a template has the slot {{{name}}}, and nothing may be filled in but "
            f"{', '.join(slots)}"
        )
    if not slots[name]:
        raise KnowledgeError(f"{where}: it names {{{name}}}, which incident.yaml leaves empty")
    return slots[name]
