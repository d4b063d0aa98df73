"""Prepares a message for its decision: the asker's own text, their questions and language."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.answering.negative_feedback import says_it_did_not_help
from bot.answering.segmentation import split_questions, whole
from bot.domain import Message, Question, Role, Turn
from bot.text.clean import CleanText, clean_message
from bot.text.language import reply_language
from bot.text.own_words import OwnWords

TURNS = 3  # latest messages of the asker from which the language of a conversation is detected
OPENING = 200  # characters of our reply that are used: its greeting and introduction, no quote


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMessage:
    """A message with what is derived from it before anything is decided."""

    message: Message
    # Without the text of our own replies: quoted back, it is no question or demand of the asker.
    cleaned: CleanText
    turns: tuple[str, ...]  # the asker's earlier messages, oldest first, without our text
    questions: tuple[Question, ...]  # of `cleaned.own`
    language: str  # code of the language that the reply is to have
    did_not_help: bool  # does the asker say that our answer did not help?
    held_secret: bool  # was a secret masked in the message?


def prepare_message(message: Message, own_words: OwnWords) -> PreparedMessage:
    """Return a message prepared for its decision; `own_words` recognizes our own replies."""
    turns = tuple(own_words.without(t.text) for t in message.history if t.role is Role.USER)
    cleaned = clean_message(own_words.without(message.text))
    questions = split_questions(cleaned.own)
    return PreparedMessage(
        message=message,
        cleaned=cleaned,
        turns=turns,
        questions=questions,
        language=_language_of(cleaned.own, questions, message.history),
        did_not_help=says_it_did_not_help(cleaned.own),
        held_secret=bool(message.redactions),
    )


def _language_of(own: str, questions: Sequence[Question], history: Sequence[Turn]) -> str:
    """Return the language code of the reply, from the questions, all of the text `own`, or the
    conversation.
    """
    users = [turn.text for turn in reversed(history) if turn.role is Role.USER]
    desk = [turn.text[:OPENING] for turn in reversed(history) if turn.role is Role.DESK]
    earlier = [_joined(split_questions(clean_message(text).own)) for text in users[:TURNS]]
    return reply_language(_joined(questions), whole(own), [*earlier, *desk[:1]])


def _joined(questions: Sequence[Question]) -> str:
    return " ".join(question.text for question in questions)
