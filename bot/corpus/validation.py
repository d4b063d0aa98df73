"""What must hold between the files of knowledge/, and what a support lead is warned of."""

from collections.abc import Iterable, Mapping

from bot.corpus.links import unlisted
from bot.corpus.notes import Notes
from bot.corpus.templates import Templates
from bot.domain import Passage
from bot.errors import KnowledgeError

RESTATES = 4  # words; a shorter FAQ answer is a bare "Yes."


def check(passages: Iterable[Passage], notes: Notes) -> None:
    """Raise KnowledgeError for a reference to a passage that does not exist."""
    known = {p.id for p in passages}
    for erratum in notes.never_quote:
        _known(known, (erratum.passage, *erratum.instead), "notes.yaml: never_quote")
    for companion in notes.quote_together:
        _known(known, (companion.passage, companion.together), "notes.yaml: quote_together")
    for alternatives in notes.quote_one_of:
        _known(known, alternatives.passages, "notes.yaml: quote_one_of")
    _known(known, notes.quote_in_refusals, "notes.yaml: quote_in_refusals")


def warnings(
    passages: Iterable[Passage], notes: Notes, templates: Mapping[str, Templates], url: str
) -> tuple[str, ...]:
    """What the outbound check would stop, FAQ answers that say nothing alone, and the remedy."""
    settled = {e.passage for e in notes.never_quote}
    found: list[str] = []
    for passage in passages:
        dealt = (
            "never quoted (notes.yaml)"
            if passage.id in settled
            else "add it to links or never_quote in notes.yaml"
        )
        found += [
            f"{passage.id} names {each}, which is on no list: {dealt}"
            for each in unlisted(f"{passage.heading}\n{passage.text}", notes)
        ]
        if passage.heading.endswith("?") and len(passage.text.split()) < RESTATES:
            found.append(f"{passage.id} answers with {passage.text!r} alone: {dealt}")
    for language, template in templates.items():
        stopped = dict.fromkeys(u for text in template.texts() for u in unlisted(text, notes))
        found += [
            f"replies/{language}.yaml names {each}, which is on no list: its replies are stopped"
            for each in stopped
        ]
    if unlisted(url, notes):
        found.append(f"the post's own link {url} is on no list: add it to links in notes.yaml")
    return tuple(found)


def _known(known: set[str], wanted: Iterable[str], where: str) -> None:
    for passage in wanted:
        if passage not in known:
            raise KnowledgeError(
                f"{where}: no passage is called {passage!r}; `incident-desk index` lists the ids"
            )
