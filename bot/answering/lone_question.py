"""Finds the one open question of a message, so that its case can join others that ask the same.

Such cases may be shown and answered together. A message that is urgent, refused, formal or about a
secret, or that belongs to a conversation, always gets a case of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.answering import segmentation
from bot.answering.request_classifier import ClassifiedRequests, Label
from bot.domain import Escalation, EscalationReason, Message, Outcome, Priority, Refusal

# Reasons of a question on the incident which the post leaves open, so that others may ask it too.
LEFT_OPEN = frozenset({EscalationReason.UNSURE, EscalationReason.NOT_IN_POST})
# Labels of messages that must not be answered together with others.
GRAVE = (Label.REFUSE, Label.CRISIS, Label.FORMAL, Label.GIVEN_AWAY, Label.WANTS_PERSON)
GRAVE_FROM = 0.35  # probability of one of them from which on a message may be grave
# A message with more words may say more than its question: the encoder reads some 70 words.
MOST_WORDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneQuestion:
    """The open question of a message.

    `is_alone` is true where an answer to it leaves nothing else for a person. `words` is all that
    the author says, without greeting and close.
    """

    text: str
    is_alone: bool
    words: str


def find_lone_question(
    message: Message, own: str, outcomes: Sequence[Outcome], requests: ClassifiedRequests | None
) -> LoneQuestion | None:
    """Return the open question of a message, or None where a person must read it by itself.

    `own` is the text of the asker without quoted text, `requests` the labels that were found in it.
    A message that may be grave, or has no labels, never counts as alone: then only a message in the
    very same words asks the same.
    """
    waiting = [o for o in outcomes if isinstance(o, Escalation)]
    if not waiting or message.redactions or message.shown or message.history:
        return None
    if (
        message.signature
        or any(isinstance(o, Refusal) for o in outcomes)
        or not all(map(_is_open, waiting))
    ):
        return None
    words = " ".join(segmentation.spoken_sentences(own)) or own
    text = segmentation.whole(own) if len(outcomes) == 1 else waiting[0].question
    is_alone = len(waiting) == 1 and len(own.split()) <= MOST_WORDS and not _may_be_grave(requests)
    return LoneQuestion(text=text, is_alone=is_alone, words=words)


def _may_be_grave(requests: ClassifiedRequests | None) -> bool:
    return requests is None or any(requests.highest(each) >= GRAVE_FROM for each in GRAVE)


def _is_open(waiting: Escalation) -> bool:
    return waiting.reason in LEFT_OPEN and waiting.priority is Priority.NORMAL
