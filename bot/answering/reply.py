"""Response -> the exact text, in the asker's language, from passages and templates only.

Every block is whole: a template, a heading, a passage, a source line; the outbound check takes the
text apart into the same units again.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

from bot.corpus import Knowledge, Post, Templates
from bot.corpus.validation import RESTATES
from bot.domain import Answer, Escalation, Passage, Priority, Refusal, Response

INDENT = "    "


def compose_reply(response: Response, knowledge: Knowledge) -> str:
    """The reply to one message, never any of the asker's text; empty where none is to be sent.

    The source stands once, below the last quoted passage.
    """
    if response.silenced or not response.outcomes:
        return ""
    templates = knowledge.templates.get(response.language, knowledge.templates["en"])
    answers = _answers(response)
    refused = any(isinstance(o, Refusal) for o in response.outcomes)
    facts = [knowledge.passages[i] for i in templates.refusal_fact if i not in answers]
    facts = facts if refused else []
    source = [source_line(templates, knowledge.post, [*answers.values(), *facts])]
    blocks = [templates.greeting, *_secrets(response, templates)]
    if answers:
        blocks += [templates.answer_lead, *(headed(templates, p) for p in answers.values())]
        blocks += source if not facts else []
    if refused:
        blocks += [*templates.refusal, *map(quoted, facts)]
        blocks += source if facts else []
    blocks += _handovers(response, templates, answered=bool(answers))
    return "\n\n".join([*blocks, templates.footer]) + "\n"


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


def source_line(templates: Templates, post: Post, passages: Iterable[Passage]) -> str:
    """Title and link of the post, and the days on which these passages were published."""
    dates = (date_named(p.date) for p in passages)
    named = [source_named(templates, post), *sorted(set(dates)), post.url]
    return " ".join(named)


def source_named(templates: Templates, post: Post) -> str:
    """How a source line begins."""
    return f"{templates.source_label} {post.title},"


def date_named(date: str) -> str:
    """A day in a source line."""
    return f"{date},"


def _answers(response: Response) -> dict[str, Passage]:
    """The passages of all answers by their ids, each once, in the order of the questions."""
    found: dict[str, Passage] = {}
    for outcome in response.outcomes:
        match outcome:
            case Answer():
                found |= {p.id: p for p in outcome.passages if p.id not in found}
            case Refusal() | Escalation():
                pass
            case _:
                assert_never(outcome)
    return found


def _secrets(response: Response, templates: Templates) -> Iterator[str]:
    kinds = dict.fromkeys(span.kind for span in response.redactions)
    if kinds:
        yield templates.secret_found
        yield from (templates.secret_kinds[kind] for kind in kinds)


def _handovers(response: Response, templates: Templates, *, answered: bool) -> Iterator[str]:
    waiting = [o for o in response.outcomes if isinstance(o, Escalation)]
    if any(o.priority is Priority.PAGE for o in waiting):
        yield templates.handover_urgent
    elif waiting:
        yield templates.handover_with_answers if answered else templates.handover
