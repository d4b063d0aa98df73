"""Finds the questions of a message, and which suspicious mail it shows, each with its context."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.answering import segmentation
from bot.answering.interpretation import is_about_sample
from bot.domain import Message, Question
from bot.policy import (
    Refuse,
    material,
    quoted_phishing_query,
    screen,
    shows_suspicious,
    without_quotes,
)
from bot.text.clean import clean_message
from bot.text.words import points_back

PASSED_ON = "---------- Forwarded message ----------"  # above what the asker shows us
PREFIXED = re.compile(r"^\s*[^\W\d_]{1,9}\s?(?:\[\d+\])?[:：]")  # Re: is of an earlier mail
TELLING = 6  # words of a subject that says more than what the mail is about


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuestions:
    """The questions of a message.

    `own` is the person's text, without what it quotes of a mail that it shows; `sample` says in
    English what kind of mail that is, empty where none is shown. `reports` is true where the person
    shows a suspicious mail, or asks about the one that they show.
    """

    asked: list[Question]
    own: str
    sample: str
    reports: bool


def find_questions(message: Message, own: str, turns: Sequence[str]) -> MessageQuestions:
    """Return the questions of a message whose cleaned text is `own`.

    `turns` are earlier messages of the person, the newest last.
    """
    quoted = quoted_phishing_query(own) or material(own)
    sample = quoted or _forwarded_sample(message)
    suspicious = shows_suspicious(own, message.shown)
    own = without_quotes(own) if quoted else own
    if sample:
        asked = _with_sample(own, sample)
    else:
        asked = _with_context(own, subject=_telling_subject(message), turns=turns)
    reports = bool(sample) and (suspicious or any(map(is_about_sample, asked)))
    return MessageQuestions(asked=asked, own=own, sample=sample, reports=reports)


def _questions(own: str) -> tuple[Question, ...]:
    """Return the questions of a text; of nothing but greetings, which get an outcome too, one."""
    return segmentation.questions(own) or (Question(text=segmentation.whole(own)),)


def _with_sample(own: str, sample: str) -> list[Question]:
    """Return the questions of a text that shows a mail, which gives those their context that
    need one; what that mail asks is none of them.
    """
    return [
        replace(q, context=sample) if segmentation.needs_context(q.text) else q
        for q in _questions(own)
    ]


def _with_context(own: str, *, subject: str, turns: Sequence[str]) -> list[Question]:
    """Return the questions of a text, the first one with what it points back to.

    With nothing before it in the text, that is what the `subject` tells; where that tells nothing,
    a short question goes on with what the person asked last.
    """
    first, *others = _questions(own)
    if not first.context and segmentation.needs_context(first.text):
        if subject and points_back(first.text):
            first = replace(first, context=segmentation.whole(subject))
        elif asked_before := _asked_before(turns):
            first = replace(first, context=asked_before, follows=True)
    return [first, *others]


def _telling_subject(message: Message) -> str:
    """Return the subject where it tells something that a question may point back to."""
    if len(message.subject.split()) < TELLING or PREFIXED.match(message.subject):
        return ""
    return message.subject


def _asked_before(turns: Sequence[str]) -> str:
    """Return what the person asked last; a refused demand says nothing of the next question."""
    asked = _last_question(turns)
    return "" if isinstance(screen(asked), Refuse) else asked


def _last_question(turns: Sequence[str]) -> str:
    """Return what a person asked last in earlier messages, the newest last; empty for nothing."""
    for text in reversed(turns):
        asked = [q for q in segmentation.questions(clean_message(text).own) if q.text]
        if asked and segmentation.asks(asked[-1].text):
            return asked[-1].text
    return ""


def _forwarded_sample(message: Message) -> str:
    """Return in English what kind of mail the asker forwards or encloses; empty for none."""
    if not message.shown:
        return ""
    text = f"{PASSED_ON}\n{message.shown}"
    return quoted_phishing_query(text) or material(text)
