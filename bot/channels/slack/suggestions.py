"""A model's wording for each open case, once, in the thread of its card: a help, never a draft."""

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

LENGTH = 4_000
TRIES = 2  # of a case that the model failed on, until the next start
WORTH = frozenset({EscalationReason.UNSURE, EscalationReason.OFF_TOPIC, EscalationReason.LANGUAGE})
MARKS = {Support.STATED: "✅", Support.NEAR: "🟡", Support.NONE: "❌"}
LEGEND = "✅ the post says so, word for word · 🟡 nearly its words: compare · ❌ not in the post"
TITLE = (
    "*A model suggests this wording.* Nobody has checked it, and it goes nowhere: take over what "
    "is right with *Edit & send*."
)
SPOKEN = "A suggested wording, in the thread of the case"


class Suggestions:
    """Looks for cases that have none yet."""

    def __init__(self, journal: Journal, model: SuggestionModel, channel: str) -> None:
        self.journal = journal
        self.model = model
        self.channel = channel
        self._tried = Counter[str]()  # by key; TRIES of it: nothing more to do

    def post_suggestions(self, stopping: threading.Event) -> int:
        """Ask the model for each case that wants a wording; how many got one."""
        return sum(
            self._suggest(case)
            for case in self._cases_without_suggestion()
            if self._may_ask(stopping)
        )

    def _may_ask(self, stopping: threading.Event) -> bool:
        """A case that comes while the budget is spent has lost no try."""
        return self.model.state() == "open" and not stopping.is_set()

    def _cases_without_suggestion(self) -> Iterator[QueuedCase]:
        for case in self.journal.cases.list_open():
            if EscalationReason(case.reason) in WORTH and self._tried[_key(case)] < TRIES:
                card = self.journal.slack.read_card(case.id)
                if card and card.ts:
                    yield case

    def _suggest(self, case: QueuedCase) -> bool:
        key = _key(case)
        if self.journal.slack.contains(key):
            self._tried[key] = TRIES
            return False
        self._tried[key] += 1
        found = self.model.draft(case.text)
        if found is None:
            return False
        now = self.journal.cases.read(case.id)
        first = now.parent if now else None
        return self.journal.slack.enqueue(
            key, channel=self.channel, method="chat.postMessage", case_id=case.id,
            payload=message_arguments(render_suggestion(found)) | {"thread_of": first or case.id},
        )  # fmt: skip


def _key(case: QueuedCase) -> str:
    return f"suggestion:{case.id}:{case.round}"


def render_suggestion(found: Suggestion) -> RenderedMessage:
    """The sentences with their marks, then what to look at."""
    made: list[b.Block] = [b.markdown(TITLE), b.quote("\n".join(_lines(found)), LENGTH)]
    if found.warnings:
        made += b.list_warnings(found.warnings)
    made.append(b.small_print(LEGEND, *_rests(found)))
    return RenderedMessage(blocks=b.fit_message(made), text=SPOKEN)


def _lines(found: Suggestion) -> Iterator[str]:
    for each in found.sentences:
        yield f"{MARKS[each.support]} {each.text}"


def _rests(found: Suggestion) -> Iterator[str]:
    """The passages that carry a sentence."""
    carried = {s.passage.id: s.passage for s in found.sentences if s.passage}
    for passage in list(carried.values())[:5]:
        yield f"📄 {escape(passage.heading)} ({passage.date})"
