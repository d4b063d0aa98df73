"""Says which question of a message is open, where an answer to that question alone settles it.

Such messages may be shown and answered together with others that ask the same. What is urgent,
refused, formal or about a secret, and what belongs to a conversation, a person reads by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.answering import segmentation
from bot.answering.requests import Label, RequestReading
from bot.domain import Escalation, EscalationReason, Message, Outcome, Priority, Refusal

OPEN = frozenset({EscalationReason.UNSURE, EscalationReason.NOT_IN_POST})
# What must not be answered together with others, even where it is only a little likely.
GRAVE = (Label.REFUSE, Label.CRISIS, Label.FORMAL, Label.GIVEN_AWAY, Label.WANTS_PERSON)
GRAVE_FROM = 0.35  # probability of one of them; a rule or a person decides about it by itself
# Words of a message beyond which it says more than its question: the encoder reads some 70 words.
MOST_WORDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneQuestion:
    """The open question of a message; `is_alone` where nothing else of it is left for a person.

    `words` is all that its author says, without greeting and close.
    """

    text: str
    is_alone: bool
    words: str


def find_lone_question(
    message: Message, own: str, outcomes: Sequence[Outcome], requests: RequestReading | None
) -> LoneQuestion | None:
    """Return the open question of a message, or None where a person must read it by itself.

    `own` is the text of the asker without quoted text, `requests` what it was read to ask for. What
    may ask for something grave, or was not read at all, is never alone: only somebody who writes
    the very same words asks the same.
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


def _may_be_grave(requests: RequestReading | None) -> bool:
    return requests is None or any(requests.highest(each) >= GRAVE_FROM for each in GRAVE)


def _is_open(waiting: Escalation) -> bool:
    return waiting.reason in OPEN and waiting.priority is Priority.NORMAL
