"""Posts a model's wording for each open case in the thread of its card; it is never a draft."""

import threading
from collections import Counter
from collections.abc import Iterator

from bot.channels.slack.access import SuggestionModel
from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.cards import RenderedMessage
from bot.domain import EscalationReason
from bot.journal import Journal
from bot.journal.records import QueuedCase
from bot.llm.suggestion import Suggestion, Support

MAX_CHARACTERS = 4_000  # of a suggestion in a message
MAX_ATTEMPTS = 2  # for a case that the model failed on, until the next start
SUGGESTED_REASONS = frozenset(
    {EscalationReason.UNSURE, EscalationReason.OFF_TOPIC, EscalationReason.LANGUAGE}
)
MARKS = {Support.STATED: "✅", Support.NEAR: "🟡", Support.NONE: "❌"}
LEGEND = "✅ the post says so, word for word · 🟡 nearly its words: compare · ❌ not in the post"
TITLE = (
    "*A model suggests this wording.* Nobody has checked it, and it goes nowhere: take over what "
    "is right with *Edit & send*."
)
SPOKEN = "A suggested wording, in the thread of the case"


class Suggestions:
    """Posts suggestions for the cases in one channel that have none yet."""

    def __init__(self, journal: Journal, model: SuggestionModel, channel: str) -> None:
        self.journal = journal
        self.model = model
        self.channel = channel
        self._tried = Counter[str]()  # attempts by key; MAX_ATTEMPTS of them: nothing more to do

    def post_suggestions(self, stopping: threading.Event) -> int:
        """Ask the model for each case without a suggestion, and return how many got one."""
        return sum(
            self._suggest(case)
            for case in self._cases_without_suggestion()
            if self._may_ask(stopping)
        )

    def _may_ask(self, stopping: threading.Event) -> bool:
        """Return whether the model may be asked; a refusal of the budget counts as no attempt."""
        return self.model.state() == "open" and not stopping.is_set()

    def _cases_without_suggestion(self) -> Iterator[QueuedCase]:
        for case in self.journal.cases.list_open():
            if (
                EscalationReason(case.reason) in SUGGESTED_REASONS
                and self._tried[_key(case)] < MAX_ATTEMPTS
            ):
                card = self.journal.slack.read_card(case.id)
                if card and card.ts:
                    yield case

    def _suggest(self, case: QueuedCase) -> bool:
        key = _key(case)
        if self.journal.slack.contains(key):
            self._tried[key] = MAX_ATTEMPTS
            return False
        self._tried[key] += 1
        suggestion = self.model.draft(case.text)
        if suggestion is None:
            return False
        now = self.journal.cases.read(case.id)
        first = now.parent if now else None
        return self.journal.slack.enqueue(
            key, channel=self.channel, method="chat.postMessage", case_id=case.id,
            payload=message_arguments(render_suggestion(suggestion))
            | {"thread_of": first or case.id},
        )  # fmt: skip


def _key(case: QueuedCase) -> str:
    return f"suggestion:{case.id}:{case.round}"


def render_suggestion(suggestion: Suggestion) -> RenderedMessage:
    """Return the sentences with their marks, then the warnings and the passages behind them."""
    blocks: list[b.Block] = [
        b.markdown(TITLE),
        b.quote("\n".join(_lines(suggestion)), MAX_CHARACTERS),
    ]
    if suggestion.warnings:
        blocks += b.list_warnings(suggestion.warnings)
    blocks.append(b.small_print(LEGEND, *_passages(suggestion)))
    return RenderedMessage(blocks=b.fit_message(blocks), text=SPOKEN)


def _lines(suggestion: Suggestion) -> Iterator[str]:
    for each in suggestion.sentences:
        yield f"{MARKS[each.support]} {each.text}"


def _passages(suggestion: Suggestion) -> Iterator[str]:
    """Name the passages that support a sentence, at most five."""
    carried = {s.passage.id: s.passage for s in suggestion.sentences if s.passage}
    for passage in list(carried.values())[:5]:
        yield f"📄 {escape(passage.heading)} ({passage.date})"
