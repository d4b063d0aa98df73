"""Checks post and replies for texts that the outbound check would stop, and says what to do."""

from collections.abc import Iterable, Mapping

from bot.corpus.links import unlisted
from bot.corpus.notes import Notes
from bot.corpus.templates import Templates
from bot.domain import Passage

RESTATES = 4  # words; a shorter FAQ answer is a bare "Yes."


def warnings(
    passages: Iterable[Passage], notes: Notes, templates: Mapping[str, Templates], url: str
) -> tuple[str, ...]:
    """Return warnings with remedies: texts that the outbound check would stop, and FAQ answers
    that have no meaning without their question.
    """
    passages, settled = list(passages), notes.replaced
    dates = {passage.id: passage.date for passage in passages}
    found = [
        f"{each.passage} is superseded by {each.by}, which is not of a later day: exchange them in "
        "superseded in notes.yaml, or use never_quote"
        for each in notes.superseded
        if dates[each.by] <= dates[each.passage]
    ]
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
    if url and unlisted(url, notes):
        found.append(f"the post's own link {url} is on no list: add it to links in notes.yaml")
    return tuple(found)
