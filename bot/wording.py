"""Response -> the exact text, in the asker's language, from passages and templates only.

Every block is whole: a template, a heading, a passage, a source line; the outbound check takes the
text apart into the same units again.
"""

from collections.abc import Container, Iterator
from typing import assert_never

from bot.corpus import Knowledge, Post, Templates
from bot.corpus.checks import RESTATES
from bot.domain import Answer, Escalation, Passage, Priority, Refusal, Response

INDENT = "    "


def word(response: Response, knowledge: Knowledge) -> str:
    """The reply to one message; never any of the asker's text."""
    templates = knowledge.templates.get(response.language, knowledge.templates["en"])
    blocks = [templates.greeting, *_secrets(response, templates)]
    told: set[str] = set()
    for outcome in response.outcomes:
        match outcome:
            case Answer():
                fresh = [p for p in outcome.passages if p.id not in told]
                told.update(p.id for p in fresh)
                blocks += _answer(fresh, knowledge.post, templates)
            case Refusal() | Escalation():
                pass
            case _:
                assert_never(outcome)
    blocks += _refusals(response, knowledge, templates, told)
    blocks += _handovers(response, templates, answered=bool(told))
    return "\n\n".join([*dict.fromkeys(blocks), templates.footer]) + "\n"


def quoted(passage: Passage) -> str:
    """The passage as it stands in a reply; items of a list get a dash."""
    first, *items = passage.text.split("\n")
    return "\n".join([INDENT + first, *(f"{INDENT}- {item}" for item in items)])


def stands_in(passage: Passage, text: str) -> bool:
    """Is the passage quoted in this text, with or without the dashes of its list?

    A bare "Yes." stands in many texts: such a passage is only there under its own heading.
    """
    folded = " ".join(text.split())
    if len(passage.text.split()) < RESTATES and passage.heading not in folded:
        return False
    return any(" ".join(form.split()) in folded for form in (passage.text, quoted(passage)))


def subject_of(language: str, knowledge: Knowledge) -> str:
    """The desk's own subject of a reply in a language; the English one where there is none."""
    return knowledge.templates.get(language, knowledge.templates["en"]).subject


def about_line(templates: Templates, passage: Passage) -> str:
    """The FAQ question or heading over a quoted passage."""
    return f"{templates.about} {passage.heading}"


def headed(templates: Templates, passage: Passage) -> str:
    """The passage under its heading."""
    return f"{about_line(templates, passage)}\n\n{quoted(passage)}"


def source_line(templates: Templates, post: Post, passage: Passage) -> str:
    """Title, date and link under which the passage was published."""
    return f"{templates.source_label} {post.title}, {passage.date}, {post.url}"


def _answer(passages: list[Passage], post: Post, templates: Templates) -> Iterator[str]:
    if not passages:
        return
    yield templates.answer_lead
    for passage in passages:  # each under its own heading, also where two in a row share one
        yield headed(templates, passage)
    yield from dict.fromkeys(source_line(templates, post, p) for p in passages)


def _secrets(response: Response, templates: Templates) -> Iterator[str]:
    kinds = dict.fromkeys(span.kind for span in response.redactions)
    if kinds:
        yield templates.secret_found
        yield from (templates.secret_kinds[kind] for kind in kinds)


def _refusals(
    response: Response, knowledge: Knowledge, templates: Templates, told: Container[str]
) -> Iterator[str]:
    if not any(isinstance(o, Refusal) for o in response.outcomes):
        return
    yield from templates.refusal
    facts = [knowledge.passages[p] for p in templates.refusal_fact]
    yield from (quoted(p) for p in facts if p.id not in told)
    yield from dict.fromkeys(source_line(templates, knowledge.post, p) for p in facts)


def _handovers(response: Response, templates: Templates, *, answered: bool) -> Iterator[str]:
    waiting = [o for o in response.outcomes if isinstance(o, Escalation)]
    if any(o.priority is Priority.PAGE for o in waiting):
        yield templates.handover_urgent
    elif waiting:
        yield templates.handover_with_answers if answered else templates.handover
