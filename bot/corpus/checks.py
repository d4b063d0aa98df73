"""What must hold between the files of knowledge/, and what a support lead is warned of."""

from collections.abc import Iterable, Mapping

import re2

from bot.corpus.notes import Notes
from bot.corpus.questions import Wording
from bot.corpus.templates import Templates
from bot.domain import Passage
from bot.errors import KnowledgeError

DOMAIN = re2.compile(r"(?i)\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\b")
RESTATES = 4  # words; a shorter FAQ answer is a bare "Yes."


def check(passages: Iterable[Passage], notes: Notes, templates: Mapping[str, Templates]) -> None:
    """Raise KnowledgeError for a reference to a passage that does not exist."""
    known = {p.id for p in passages}
    for erratum in notes.never_quote:
        _known(known, (erratum.passage, *erratum.instead), "notes.yaml: never_quote")
    for companion in notes.quote_together:
        _known(known, (companion.passage, companion.together), "notes.yaml: quote_together")
    for language, template in templates.items():
        _known(known, template.refusal_fact, f"replies/{language}.yaml: refusal_fact")


def check_wordings(passages: Iterable[Passage], wordings: Iterable[Wording]) -> None:
    """Raise KnowledgeError for a wording that names a passage that does not exist."""
    known = {p.id for p in passages}
    for wording in wordings:
        _known(known, wording.passages, f"questions: {wording.label}")


def warnings(passages: Iterable[Passage], notes: Notes) -> tuple[str, ...]:
    """Unlisted domains and FAQ answers that say nothing alone, and how notes.yaml settles them."""
    settled = {e.passage for e in notes.never_quote}
    found: list[str] = []
    for passage in passages:
        unlisted = sorted(domains(passage.text) - notes.domains)
        dealt = (
            "never quoted (notes.yaml)"
            if passage.id in settled
            else "add it to links or never_quote in notes.yaml"
        )
        found += [
            f"{passage.id} names {domain}, which is on no list: {dealt}" for domain in unlisted
        ]
        if passage.heading.endswith("?") and len(passage.text.split()) < RESTATES:
            found.append(f"{passage.id} answers with {passage.text!r} alone: {dealt}")
    return tuple(found)


def domains(text: str) -> frozenset[str]:
    """Host names that stand in a text, lower-cased; 'e.g.' and the like are too short to count."""
    return frozenset(
        m.lower() for m in DOMAIN.findall(text) if len(m.rsplit(".", 1)[1]) > 1 and len(m) > 4
    )


def _known(known: set[str], wanted: Iterable[str], where: str) -> None:
    for passage in wanted:
        if passage not in known:
            raise KnowledgeError(
                f"{where}: no passage is called {passage!r}; `incident-desk index` lists the ids"
            )
