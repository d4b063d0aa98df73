"""knowledge/replies/<lang>.yaml: the reviewed sentences of a language.

None has a slot but `footer_write_to`, and what fills that is a setting of the incident: it is
filled in when the templates are read, so that nothing is left to fill when a reply is made.
"""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.domain import ExpectedTime, SecretKind
from bot.errors import KnowledgeError
from bot.resources import parse_yaml
from bot.text.subject import reply_subject

ADDRESS_SLOT = "{person_address}"


class Templates(BaseModel):
    """Every text of one language that the desk may send beside published passages."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    greeting: str
    subject: str  # of a mail that does not keep the asker's own
    answer_lead: str  # before the answer to one question
    answers_lead: str  # before the answers to several questions
    source_label: str  # before title, date and link of the post
    published_wording: str  # between a translation and the passage that it translates
    earlier: list[str] = []  # sent by an earlier version, and never again: people quote it back
    refusal: list[str]
    refusal_fact: list[str]  # passage ids that a refusal quotes
    handover: str
    handover_with_answers: str  # what is answered above is not all that was asked
    handover_numbers: str  # before the numbers of the questions that go to a person
    handover_urgent: str  # danger, extortion, takeover: short and human
    case_number: str  # before the number of the case that a person has
    answer_within: dict[ExpectedTime, str]  # when to expect the answer of a person
    secret_found: str  # a secret was removed; what to do about it
    secret_kinds: dict[SecretKind, str]
    footer: str  # how to reach a person
    footer_write_to: str = ""  # the same where the incident names a mailbox that people read

    def texts(self) -> tuple[str, ...]:
        """Every sentence block that may leave, for the outbound check."""
        fixed = (
            self.greeting, self.subject, self.answer_lead, self.answers_lead, self.handover,
            self.handover_with_answers, self.handover_numbers, self.handover_urgent,
            self.case_number, self.published_wording, self.secret_found, self.footer,
        )  # fmt: skip
        return (*fixed, *self.refusal, *self.answer_within.values(), *self.secret_kinds.values())


def read_templates(folder: Path, person_address: str = "") -> dict[str, Templates]:
    """Language -> templates; KnowledgeError names the file and what is wrong in it.

    With a `person_address` the footer of each language is the one that names it.
    """
    found = {path.stem: _read(path, person_address) for path in sorted(folder.glob("*.yaml"))}
    if "en" not in found:
        raise KnowledgeError(f"{folder}/en.yaml is missing; the desk needs English reply templates")
    return found


def _read(path: Path, person_address: str) -> Templates:
    try:
        templates = Templates.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"{path}: {' '.join(str(error).split())[:300]}") from None
    templates = _with_footer(templates, person_address, path)
    for text in templates.texts():
        if "{" in text or "%s" in text:
            raise KnowledgeError(
                f"{path}: a template has a slot, and nothing may be filled in: {text[:60]}"
            )
    if reply_subject(templates.subject) != templates.subject:
        raise KnowledgeError(
            f"{path}: subject must be one short line that begins with 'Re: ', without any link"
        )
    for name, whole in (("secret_kinds", SecretKind), ("answer_within", ExpectedTime)):
        if missing := set(whole) - getattr(templates, name).keys():
            raise KnowledgeError(f"{path}: {name} lacks {', '.join(sorted(missing))}")
    return templates


def _with_footer(templates: Templates, person_address: str, path: Path) -> Templates:
    """The templates with the one footer that is sent, and no slot left."""
    footer = templates.footer
    if person_address:
        if ADDRESS_SLOT not in templates.footer_write_to:
            raise KnowledgeError(f"{path}: footer_write_to lacks {ADDRESS_SLOT}")
        footer = templates.footer_write_to.replace(ADDRESS_SLOT, person_address)
    return templates.model_copy(update={"footer": footer, "footer_write_to": ""})
