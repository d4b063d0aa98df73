"""Chooses a clarifying question: where two readings have different answers, once a conversation.

A person gets the case all the same, so that an asker who does not reply is answered too.
"""

from collections.abc import Callable, Sequence

from bot.corpus import Knowledge
from bot.corpus.clarify import Clarification
from bot.domain import Escalation, EscalationReason, Outcome, Passage, Priority, Question

# A longer message is not asked back about, because it says more of what is meant: of 222 eval
# messages, the two that were asked about without this bound were stories that asked something else.
MAX_WORDS = 12
AnswerFinder = Callable[[Question], tuple[tuple[Passage, ...], bool]]
"""Returns the passages that answer a question best, and whether the desk would send them."""


def find_clarification(
    outcomes: Sequence[Outcome], *, written: Sequence[str], sent: Sequence[str], language: str,
    knowledge: Knowledge, find_answer: AnswerFinder,
) -> str:  # fmt: skip
    """Return the reviewed clarifying question in `language`; empty for none.

    It is asked about a message with a single question that the desk is unsure of, when the two
    readings have different answers and one of these at least could be sent. `written` is all that
    the asker wrote in this conversation, this message first, and `sent` what was sent to them.
    """
    question = _unsure(outcomes)
    if not question or len(written[0].split()) > MAX_WORDS:
        return ""
    if any(_asks_back(text, knowledge) for text in sent):
        return ""
    for each in knowledge.clarifications:
        fits = language in each.ask and each.is_open_in(question, written)
        if fits and _decides(each, question, find_answer):
            return each.ask[language]
    return ""


def _unsure(outcomes: Sequence[Outcome]) -> str:
    """Return the only question of a message if the desk is unsure of it; else an empty text."""
    if len(outcomes) != 1 or not isinstance(outcomes[0], Escalation):
        return ""
    only = outcomes[0]
    unsure = only.reason is EscalationReason.UNSURE and only.priority is Priority.NORMAL
    return only.question if unsure else ""


def _decides(clarification: Clarification, question: str, find_answer: AnswerFinder) -> bool:
    """Return whether the readings have different answers, of which one at least would be sent."""
    answers = [
        find_answer(Question(text=reading.says, context=question, follows=True))
        for reading in clarification.readings
    ]
    (one, _), (other, _) = answers
    return any(sure for _, sure in answers) and one[:1] != other[:1]


def _asks_back(text: str, knowledge: Knowledge) -> bool:
    """Return whether a mail of ours holds a clarifying question."""
    flat = " ".join(text.split())
    every = (" ".join(ask.split()) for c in knowledge.clarifications for ask in c.ask.values())
    return any(ask in flat for ask in every)
