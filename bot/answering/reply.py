"""Composes the text of a reply, in the asker's language, from passages and templates only.

First come the answers in the order of the questions, numbered when there are several, each under
its heading; then what goes to a person and what happens next; the clarifying question; the source
lines; the footer. Every block is a whole template, heading, passage or source line, so that the
outbound check can split the text into the same blocks again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, assert_never

from bot.corpus import Knowledge, Post, Templates
from bot.corpus.templates import ReplySources
from bot.corpus.validation import RESTATES
from bot.domain import (
    Answer,
    Escalation,
    Outcome,
    Passage,
    PassageSource,
    Priority,
    Refusal,
    Response,
)

INDENT = "    "
# The highest case number that a reply names: a longer one looks like a telephone number.
MAX_CASE_NUMBER = 999_999


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPart:
    """Passages that answer together, and the questions that they answer."""

    questions: tuple[str, ...]
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """The numbers of the questions of a message, and which questions had which outcome."""

    numbers: dict[str, int]
    answered: tuple[str, ...]
    refused: tuple[str, ...]  # refused, and not answered
    waiting: tuple[str, ...]  # escalated, and neither answered nor refused
    shown: bool  # does the reply show numbers?

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        """Number the questions, which may have more than one outcome, in their order."""
        kinds: dict[str, list[type[Outcome]]] = {}
        for outcome in outcomes:
            kinds.setdefault(outcome.question, []).append(type(outcome))
        answered = tuple(q for q, found in kinds.items() if Answer in found)
        refused = tuple(q for q, found in kinds.items() if Refusal in found and Answer not in found)
        to_person = [q for q, found in kinds.items() if Escalation in found]
        settled = {*answered, *refused}
        return cls(
            numbers={question: number for number, question in enumerate(kinds, 1)},
            answered=answered,
            refused=refused,
            waiting=tuple(q for q in to_person if q not in settled),
            shown=len(kinds) > 1 and (len(to_person) < len(kinds) or len(answered) > 1),
        )

    def before(self, text: str, questions: Iterable[str]) -> str:
        """Return the text after the numbers of these questions, where the reply shows numbers."""
        numbers = [self.numbers[question] for question in questions]
        return f"{format_numbers(numbers)} {text}" if self.shown and numbers else text


def compose_reply(response: Response, knowledge: Knowledge, case_number: int = 0) -> str:
    """Return the reply to one message, without any text of the asker; empty to send none.

    `case_number` is that of the escalated case; 0 leaves it out.
    """
    if response.silenced or not response.outcomes:
        return ""
    templates = knowledge.templates.get(response.language, knowledge.templates["en"])
    numbering = Numbering.of(response.outcomes)
    parts = answered_parts(response.outcomes)
    answers = {p.id: p for part in parts for p in part.passages}
    refused = {o.reason for o in response.outcomes if isinstance(o, Refusal)}
    facts = [knowledge.passages[i] for i in templates.refusal_fact if i not in answers]
    facts = facts if refused else []
    blocks = [templates.greeting, *_urgent(response, templates)]
    if parts:
        blocks.append(_lead(answers.values(), numbering, templates))
        blocks += _answers(parts, numbering, knowledge, response.language)
    if refused:
        # What is refused and what to do instead comes before what else the desk cannot do.
        named_kinds = (v for k, v in templates.refusal_kinds.items() if k in refused)
        first, *others = [*named_kinds, *templates.refusal]
        blocks += [numbering.before(first, numbering.refused), *others]
        blocks += [block for fact in facts for block in _quotes(fact, knowledge, response.language)]
    blocks += _secrets(response, templates)
    blocks += _next_steps(response, knowledge, numbering, case_number)
    blocks += [response.clarification] * bool(response.clarification)
    if quoted_passages := [*answers.values(), *facts]:
        blocks.append(source_lines(templates, knowledge.post, quoted_passages))
    # A reply which only says that a person will answer need not say how to reach one.
    footers = templates.footers
    footer = (
        footers[ReplySources.of(quoted_passages)] if parts or refused else templates.acknowledgement
    )
    return "\n\n".join([*blocks, footer]) + "\n"


def compose_correction(passages: Sequence[Passage], language: str, knowledge: Knowledge) -> str:
    """Return the mail which corrects an earlier answer, with the current text of `passages`."""
    templates = knowledge.templates.get(language, knowledge.templates["en"])
    blocks = [templates.greeting, templates.correction_lead]
    blocks += (format_passage_with_heading(knowledge, passage) for passage in passages)
    blocks.append(source_lines(templates, knowledge.post, passages))
    blocks.append(templates.footers[ReplySources.of(passages)])
    return "\n\n".join(blocks) + "\n"


def answered_parts(outcomes: Sequence[Outcome]) -> list[ReplyPart]:
    """Return the answers in the order of their questions; each passage is in one part only.

    A question whose best passage is already quoted shares the part that quotes it.
    """
    parts: list[ReplyPart] = []
    for outcome in outcomes:
        match outcome:
            case Answer():
                _add_part(parts, outcome)
            case Refusal() | Escalation():
                pass
            case _:
                assert_never(outcome)
    return parts


def format_passage(passage: Passage) -> str:
    """Return the passage as a reply quotes it: indented, with a dash before items of a list."""
    return format_quote(passage.text)


def format_quote(text: str) -> str:
    """Return a text as a reply quotes it: indented, with a dash before items of a list."""
    first, *items = text.split("\n")
    return "\n".join([INDENT + first, *(f"{INDENT}- {item}" for item in items)])


def stands_in(passage: Passage, text: str) -> bool:
    """Return whether the passage is quoted in this text, with or without the dashes of its list.

    Many texts hold a bare "Yes.": so short a passage only counts together with its heading.
    """
    folded = " ".join(text.split())
    if len(passage.text.split()) < RESTATES and passage.heading not in folded:
        return False
    return any(" ".join(form.split()) in folded for form in (passage.text, format_passage(passage)))


def subject_of(language: str, knowledge: Knowledge) -> str:
    """Return the desk's own subject of a reply in a language, or else in English."""
    return knowledge.templates.get(language, knowledge.templates["en"]).subject


def format_passage_with_heading(knowledge: Knowledge, passage: Passage) -> str:
    """Return the passage, quoted below its heading."""
    return f"{knowledge.heading_of(passage)}\n{format_passage(passage)}"


def heading_in(language: str, passage: Passage, knowledge: Knowledge) -> str:
    """Return the heading of the passage in a reply of this language."""
    translation = knowledge.translation_of(passage, language)
    return translation.heading if translation else knowledge.heading_of(passage)


def format_secret_kind(kind: str) -> str:
    """Return a kind of secret as an item of the list in a reply."""
    return f"{INDENT}- {kind}"


def format_numbers(numbers: Iterable[int]) -> str:
    """Return the numbers of questions as a reply shows them: `1, 3.`"""
    return f"{', '.join(map(str, numbers))}."


def source_lines(templates: Templates, post: Post, passages: Sequence[Passage]) -> str:
    """Return the source lines of passages: one for the post, one for each day of team answers."""
    published = [p for p in passages if p.source is PassageSource.POST]
    days = sorted({p.date for p in _of_team(passages)})
    lines = [_source_line(templates, post, published)] if published else []
    return "\n".join([*lines, *(format_team_source(templates, day) for day in days)])


def _source_line(templates: Templates, post: Post, passages: Iterable[Passage]) -> str:
    """Return the line with the post's title, the passages' days of publication, and its link."""
    dates = (format_source_date(p.date) for p in passages)
    named = [format_post_source(templates, post), *sorted(set(dates)), post.url]
    # A post may have no link; the last day then ends the line.
    return " ".join(filter(None, named)).removesuffix("" if post.url else ",")


def _of_team(passages: Iterable[Passage]) -> list[Passage]:
    return [p for p in passages if p.source is PassageSource.TEAM]


def format_team_source(templates: Templates, day: str) -> str:
    """Return the source line of the support team's answers of a day."""
    return f"{templates.source_label} {templates.source_team}, {day}"


def format_post_source(templates: Templates, post: Post) -> str:
    """Return the beginning of the post's source line."""
    return f"{templates.source_label} {post.title},"


def format_source_date(date: str) -> str:
    """Return a day as a source line shows it."""
    return f"{date},"


def _add_part(parts: list[ReplyPart], answer: Answer) -> None:
    quoted = [p for part in parts for p in part.passages]
    new_passages = tuple(p for p in answer.passages if p not in quoted)
    best = answer.passages[0]
    places = (
        index
        for index, part in enumerate(parts)
        if best in part.passages or answer.question in part.questions
    )
    if (shared := next(places, None)) is None:
        parts.append(ReplyPart(questions=(answer.question,), passages=new_passages))
        return
    part = parts[shared]
    parts[shared] = ReplyPart(
        questions=tuple(dict.fromkeys([*part.questions, answer.question])),
        passages=(*part.passages, *new_passages),
    )


def _lead(passages: Iterable[Passage], numbering: Numbering, templates: Templates) -> str:
    """Return the template that introduces the answers.

    There is one for numbered answers, and one that does not call answers of the team published.
    """
    if _of_team(passages):
        return templates.answer_lead_team
    return templates.answers_lead if numbering.shown else templates.answer_lead


def _answers(
    parts: Sequence[ReplyPart], numbering: Numbering, knowledge: Knowledge, language: str
) -> Iterator[str]:
    for part in parts:
        last = ""
        for index, passage in enumerate(part.passages):
            quote, *original = _quotes(passage, knowledge, language)
            heading = heading_in(language, passage, knowledge)
            said = quote if heading == last else f"{heading}\n{quote}"
            yield said if index else numbering.before(said, part.questions)
            yield from original
            last = heading


def _quotes(passage: Passage, knowledge: Knowledge, language: str) -> Iterator[str]:
    """Yield the quoted passage, after its translation where there is a reviewed one."""
    if translation := knowledge.translation_of(passage, language):
        yield format_quote(translation.text)
        yield f"{knowledge.templates[language].published_wording}\n{format_passage(passage)}"
    else:
        yield format_passage(passage)


def _urgent(response: Response, templates: Templates) -> Iterator[str]:
    """Yield the template for an asker who may be in danger, which comes first."""
    if _is_urgent(response):
        yield templates.handover_urgent


def _is_urgent(response: Response) -> bool:
    waiting = (o for o in response.outcomes if isinstance(o, Escalation))
    return any(o.priority is Priority.PAGE for o in waiting)


def _secrets(response: Response, templates: Templates) -> Iterator[str]:
    kinds = dict.fromkeys(span.kind for span in response.redactions)
    if kinds:
        yield templates.secret_found
        yield "\n".join(format_secret_kind(templates.secret_kinds[kind]) for kind in kinds)


def _next_steps(
    response: Response, knowledge: Knowledge, numbering: Numbering, case_number: int
) -> Iterator[str]:
    """Yield what goes to a person, within which time they answer, and the number of the case."""
    if not any(isinstance(o, Escalation) for o in response.outcomes):
        return
    templates = knowledge.templates.get(response.language, knowledge.templates["en"])
    lines = [_handover(response, numbering, templates)]
    if lines[0] and knowledge.incident.answer_within and not _is_urgent(response):
        lines.append(templates.answer_within[knowledge.incident.answer_within])
    if 0 < case_number <= MAX_CASE_NUMBER:
        lines.append(f"{templates.case_number} {case_number}")
    if any(lines):
        yield "\n".join(filter(None, lines))


def _handover(response: Response, numbering: Numbering, templates: Templates) -> str:
    if numbering.shown and numbering.waiting:
        return numbering.before(templates.handover_numbers, numbering.waiting)
    if _is_urgent(response):
        return ""
    return templates.handover_with_answers if numbering.answered else templates.handover
