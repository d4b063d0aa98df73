"""Implements `knowledge labels`: lists answers of people that the desk may learn from."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bot.commands.case_review import name_terminal_actor
from bot.corpus import Knowledge
from bot.corpus.learned import LEARNED
from bot.errors import InputError
from bot.staff.label_review import LabelReview, ProposedLabel
from bot.text.printable import shorten_line

SHOWN = 100  # characters of a question in the list
SHOWN_OF_PASSAGE = 300  # enough to see whether it answers the question
ALL = "all"
OWN_WORDS = "answered in a person's own words: such questions go on to people"
NONE_WAIT = "no answered question waits to be learned from"
NEXT = (
    "commit the file. A desk without wordings learns it at once; one with wordings at the next "
    "`incident-desk index`, when `incident-desk serve` is started again"
)
LOOK = "look at each, then: incident-desk knowledge labels --accept all (or 3,5), --reject 4"


def label_lines(labels: Sequence[ProposedLabel], knowledge: Knowledge) -> Iterator[str]:
    """Yield lines about the waiting labels: number, question, what was sent, by whom and when."""
    if not labels:
        yield NONE_WAIT
        return
    for label in labels:
        yield f"{label.number:>5}  {shorten_line(label.question, SHOWN)}"
        for name in label.passages:
            passage = knowledge.passages[name]
            heading = knowledge.heading_of(passage)
            yield f"       answered with: {shorten_line(heading, SHOWN)}"
            yield f"           {shorten_line(passage.text, SHOWN_OF_PASSAGE)}"
        if not label.passages:
            yield f"       {OWN_WORDS}"
        by, at = label.answered_by, label.answered_at[:16]
        yield f"       case {label.case_id}, by {by}, {at}, language {label.language}"
    yield LOOK


def label_json(label: ProposedLabel) -> dict[str, Any]:
    """Return one label as the public JSON."""
    return asdict(label)


def decide_labels(label_review: LabelReview, *, accept: str, reject: str) -> Iterator[str]:
    """Accept and reject labels, each named by `all` or by numbers with commas; yield what was done.

    InputError when a name is no label, when a label is named for both, and when the person who
    answered wants to accept their own label.
    """
    waiting = [each.number for each in label_review.propose()]
    rejected, accepted = _numbers(reject, waiting), _numbers(accept, waiting)
    if accept == ALL:
        accepted = [number for number in accepted if number not in rejected]
    if both := sorted({*accepted} & {*rejected}):
        raise InputError(f"label {both[0]} cannot be both accepted and rejected")
    if rejected:
        count = label_review.reject(rejected, actor=name_terminal_actor())
        yield f"{_labels_are(count)} rejected"
    if accepted:
        added = label_review.accept(accepted, actor=name_terminal_actor())
        yield f"{_labels_are(added)} in {label_review.knowledge.folder / LEARNED}"
        yield NEXT
    if not (accepted or rejected):
        yield NONE_WAIT


def _labels_are(count: int) -> str:
    return "1 label is" if count == 1 else f"{count} labels are"


def _numbers(named: str, waiting: Sequence[int]) -> list[int]:
    """Return the numbers that `named` lists, or all that wait; InputError for anything else."""
    if named == ALL:
        return list(waiting)
    parts = [part.strip() for part in named.split(",") if part.strip()]
    if wrong := next((part for part in parts if not part.isdecimal()), ""):
        raise InputError(f"{wrong!r} is no label: write all, or numbers such as 3,5")
    return [int(part) for part in parts]
