"""Finds what to ask back: only where what is meant decides the answer, and once in a conversation.

A person has the case all the same, so that nobody who does not reply is left without an answer.
"""

from collections.abc import Callable, Sequence

from bot.corpus import Knowledge
from bot.corpus.clarify import Clarification
from bot.domain import Escalation, EscalationReason, Outcome, Passage, Priority, Question

# Words of a message that leaves open what is meant. A longer one tells more: of 222 eval messages,
# the two that were asked about without this bound were stories that asked something else.
MAX_WORDS = 12
Read = Callable[[Question], tuple[tuple[Passage, ...], bool]]
"""Returns the passages that answer a question best, and whether the desk would send them."""


def find_clarification(
    outcomes: Sequence[Outcome], *, written: Sequence[str], sent: Sequence[str], language: str,
    knowledge: Knowledge, read: Read,
) -> str:  # fmt: skip
    """What to ask back in `language`, in reviewed words; empty for nothing.

    It is asked about a message with one question, which the desk is not sure of, when the two
    readings have different answers and one of them at least can be sent. `written` is all that the
    person wrote in this conversation, this message first, and `sent` what was sent to them.
    """
    asked = _unsure(outcomes)
    if not asked or len(written[0].split()) > MAX_WORDS:
        return ""
    if any(_asks_back(text, knowledge) for text in sent):
        return ""
    for each in knowledge.clarifications:
        fits = language in each.ask and each.is_open_in(asked, written)
        if fits and _decides(each, asked, read):
            return each.ask[language]
    return ""


def _unsure(outcomes: Sequence[Outcome]) -> str:
    """The one question of a message that the desk is not sure of; empty for any other message."""
    if len(outcomes) != 1 or not isinstance(outcomes[0], Escalation):
        return ""
    only = outcomes[0]
    unsure = only.reason is EscalationReason.UNSURE and only.priority is Priority.NORMAL
    return only.question if unsure else ""


def _decides(clarification: Clarification, asked: str, read: Read) -> bool:
    """Do the readings lead to different answers, and is there one that would be sent?"""
    found = [
        read(Question(text=reading.says, context=asked, follows=True))
        for reading in clarification.readings
    ]
    (one, _), (other, _) = found
    return any(sure for _, sure in found) and one[:1] != other[:1]


def _asks_back(text: str, knowledge: Knowledge) -> bool:
    """Does a mail of ours ask back?"""
    flat = " ".join(text.split())
    every = (" ".join(ask.split()) for c in knowledge.clarifications for ask in c.ask.values())
    return any(ask in flat for ask in every)
