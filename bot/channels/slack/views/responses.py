"""Draws the answer to a question of staff: the same outcomes as by mail, with their evidence."""

from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from bot.answering.reply import format_passage_with_heading
from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import RenderedMessage
from bot.domain import Answer, Escalation, Outcome, Passage, Refusal, Response
from bot.llm.consult import describe_consultation
from bot.outbound import Outbound
from bot.staff.staff_texts import StaffTexts

MAX_PASSAGE_CHARACTERS = 1_200
MAX_OUTCOMES = 5  # that are shown; of more only the number is named
REFUSED = (
    "*Refused.* This asks for something that the desk never gives: a password, key or code, "
    "somebody's data, or our word that a link is genuine."
)
HELP = (
    "*What you can do*\n"
    "• `/incident ask Were keys exposed?` what the published post says; only you see it\n"
    "• `/incident queue` what waits for a person; `/incident queue 2` goes on\n"
    "• `/incident queue unclaimed`, `urgent`, `mine`, `topic password`, `language German` part of "
    "it; these can be combined, `topic` last\n"
    "• `/incident find invoice` cases by words of the mail, its subject or the sender's address\n"
    "• `/incident mine` the cases that you have\n"
    "• `/incident case 12` one case, with its buttons\n"
    "You can also write to me directly, mention me in a private channel, or use "
    "*Ask Incident Desk* on a message.\n"
    "Slash commands do not work in threads: there, use the buttons on the card.\n"
    "Nothing that you type in a thread is ever sent to a user."
)
NOT_SAFE = (
    "*The desk has no safe answer.* What it found is not what it may say; look at the post itself."
)
NOTHING_ASKED = "*That asks nothing.* By mail, thanks like these close silently: no reply, no case."
MORE = "✂️ There are {count} more questions in it: ask those by themselves."
WAIT = "Looking it up …"
SPOKEN = "Incident Desk has an answer for you"


class ResponseRenderer:
    """Renders responses to questions of staff.

    `threshold_for` returns the probability from which the desk answers a language by itself.
    """

    def __init__(
        self, outbound: Outbound, texts: StaffTexts, threshold_for: Callable[[str], float]
    ) -> None:
        self.outbound = outbound
        self.texts = texts
        self.threshold_for = threshold_for

    def render(
        self, response: Response, event_id: int, *, can_share: bool = False
    ) -> RenderedMessage:
        """Return the message with every outcome, then buttons to rate the answer and, with
        `can_share`, to share it.
        """
        blocks: list[Block] = []
        if response.redactions:
            blocks.append(
                b.markdown("🔒 Your text held what looks like a secret. It was not stored.")
            )
        if not response.outcomes:
            blocks.append(b.markdown(NOTHING_ASKED))
        for outcome in response.outcomes[:MAX_OUTCOMES]:
            blocks += self._outcome(outcome, response.language, several=len(response.outcomes) > 1)
        if (more := len(response.outcomes) - MAX_OUTCOMES) > 0:
            blocks.append(b.small_print(MORE.format(count=more)))
        blocks = b.fit_message(blocks, b.MOST_BLOCKS - 3)
        rests_on = f"Published post, knowledge {escape(response.knowledge)}"
        blocks.append(b.small_print(rests_on, *map(escape, describe_consultation(response))))
        blocks.append(_feedback(event_id))
        if can_share:
            value = str(event_id)
            blocks.append(b.button_row("share", [b.button("Share here", "share", value)]))
        return RenderedMessage(blocks=blocks, text=SPOKEN)

    def _outcome(self, outcome: Outcome, language: str, *, several: bool) -> Iterator[Block]:
        if several:
            yield b.quote(outcome.question, 300)
        match outcome:
            case Answer() if not self._may_be_said(outcome.passages):
                yield b.markdown(NOT_SAFE)
            case Answer():
                yield b.markdown(f"*The post answers this* ({outcome.probability:.0%} sure).")
                yield from self._passages(outcome.passages)
            case Refusal():
                yield b.markdown(REFUSED)
            case Escalation():
                reason = self.texts.reasons[outcome.reason]
                yield b.markdown(f"*A person must decide this.* {escape(reason.why)}")
                if nearest := [p for p in outcome.candidates[:2] if self._is_published(p)]:
                    yield b.markdown(
                        f"Nearest in the post, for you to judge ({outcome.probability:.0%} sure; "
                        f"the desk answers from {self.threshold_for(language):.0%}):"
                    )
                    yield from self._passages(nearest)
            case _:
                assert_never(outcome)

    def _may_be_said(self, passages: Sequence[Passage]) -> bool:
        """Return whether a user might be sent these passages; staff are shown nothing else."""
        knowledge = self.outbound.knowledge
        return self.outbound.check(
            "\n\n".join(format_passage_with_heading(knowledge, p) for p in passages)
        ).allowed

    def _is_published(self, passage: Passage) -> bool:
        knowledge = self.outbound.knowledge
        beside = [knowledge.passages[i] for i in knowledge.companions([passage.id])]
        return self._may_be_said([passage, *beside])

    def _passages(self, passages: Sequence[Passage]) -> Iterator[Block]:
        for passage in passages:
            heading = self.outbound.knowledge.heading_of(passage)
            yield b.small_print(f"📄 *{escape(heading)}* ({passage.date})")
            yield b.preformatted(passage.text, MAX_PASSAGE_CHARACTERS)


def refusal_text(why: str) -> str:
    """Return the answer to anybody who may not do something; `why` completes it."""
    return f"Incident Desk cannot do that for you: {escape(why)}."


def _feedback(event_id: int) -> Block:
    return {
        "type": "context_actions",
        "block_id": "feedback",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "feedback",
                "positive_button": _thumb("Right", f"right:{event_id}"),
                "negative_button": _thumb("Wrong", f"wrong:{event_id}"),
            }
        ],
    }


def _thumb(text: str, value: str) -> Block:
    return {
        "text": {"type": "plain_text", "text": text},
        "value": value,
        "accessibility_label": f"This answer was {text.lower()}",
    }
