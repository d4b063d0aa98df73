"""Finds the questions of a message with their context, and the mail of others that it shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.answering import segmentation
from bot.answering.prepared_message import PreparedMessage
from bot.domain import Message, Question
from bot.policy import (
    Refuse,
    asks_if_genuine,
    material,
    quoted_phishing_query,
    screen,
    shows_suspicious,
    without_quotes,
)
from bot.text.clean import clean_message
from bot.text.words import points_back

PASSED_ON = "---------- Forwarded message ----------"  # put above a mail that the asker encloses
# A subject with a prefix such as `Re:` belongs to an earlier mail.
PREFIXED = re.compile(r"^\s*[^\W\d_]{1,9}\s?(?:\[\d+\])?[:：]")
TELLING = 6  # words from which on a subject may hold what a question points back to


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuestions:
    """The questions of a message, and what is known of a mail that it shows.

    `own` is the asker's text without the quoted mail. `sample` describes the kind of that mail in
    English, as a text to look up; it is empty where none is shown. `reports` is true where the
    asker shows a suspicious mail, or asks about the one that they show.
    """

    questions: list[Question]
    own: str
    sample: str
    reports: bool


def find_questions(prepared: PreparedMessage) -> MessageQuestions:
    """Return the questions of a message, at least one: a mere greeting needs an outcome too."""
    message, cleaned = prepared.message, prepared.cleaned
    text = cleaned.own or cleaned.whole
    quoted = quoted_phishing_query(text) or material(text)
    sample = quoted or _forwarded_sample(message)
    own = without_quotes(text) if quoted else text
    asked = prepared.questions if own == cleaned.own else segmentation.split_questions(own)
    asked = asked or (Question(text=segmentation.whole(own)),)
    if not sample:
        questions = _with_context(asked, subject=_telling_subject(message), turns=prepared.turns)
        return MessageQuestions(questions=questions, own=own, sample="", reports=False)
    questions = _with_sample(asked, sample)
    reports = shows_suspicious(text, message.shown) or any(map(is_about_sample, questions))
    return MessageQuestions(questions=questions, own=own, sample=sample, reports=reports)


def is_about_sample(question: Question) -> bool:
    """Return whether a question is about a mail that the asker shows us.

    It asks whether the mail is genuine, or asks nothing by its form.
    """
    return asks_if_genuine(question.text) or not segmentation.asks(question.text)


def _with_sample(asked: Sequence[Question], sample: str) -> list[Question]:
    """Return the questions of a text that shows a mail, none of the shown mail's own.

    A question that needs context gets `sample`, the description of that mail.
    """
    return [replace(q, context=sample) if segmentation.needs_context(q.text) else q for q in asked]


def _with_context(
    asked: Sequence[Question], *, subject: str, turns: Sequence[str]
) -> list[Question]:
    """Return the questions of a text, where the first may get its context from outside of it.

    A first question that needs context and has none gets the `subject`, if it points back and there
    is a subject, else the last question of the asker's earlier messages.
    """
    first, *others = asked
    if not first.context and segmentation.needs_context(first.text):
        if subject and points_back(first.text):
            first = replace(first, context=segmentation.whole(subject))
        elif asked_before := _asked_before(turns):
            first = replace(first, context=asked_before, follows=True)
    return [first, *others]


def _telling_subject(message: Message) -> str:
    """Return the subject if it is long enough to be a question's context; else an empty text."""
    if len(message.subject.split()) < TELLING or PREFIXED.match(message.subject):
        return ""
    return message.subject


def _asked_before(turns: Sequence[str]) -> str:
    """Return the last question in `turns`; empty for none or for one that the rules refuse."""
    asked = _last_question(turns)
    return "" if isinstance(screen(asked), Refuse) else asked


def _last_question(turns: Sequence[str]) -> str:
    """Return the last question in earlier messages, which are newest last; empty for none."""
    for text in reversed(turns):
        asked = [q for q in segmentation.split_questions(clean_message(text).own) if q.text]
        if asked and segmentation.asks(asked[-1].text):
            return asked[-1].text
    return ""


def _forwarded_sample(message: Message) -> str:
    """Return an English description of the mail that is forwarded or enclosed; empty for none."""
    if not message.shown:
        return ""
    text = f"{PASSED_ON}\n{message.shown}"
    return quoted_phishing_query(text) or material(text)
