"""Posts a model's suggested wording for an open case, or its translation, in the card's thread.

Both are for staff alone: neither is a draft, and neither is ever sent.
"""

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator

from typing_extensions import override

from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.configuration import SuggestionModel
from bot.channels.slack.mrkdwn import escape, truncate_counted
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.cards import RenderedMessage
from bot.domain import EscalationReason
from bot.journal import Journal
from bot.journal.records import QueuedCase
from bot.staff.case_rows import name_language, written_language
from bot.staff.suggestion import Suggestion, Support

MAX_CHARACTERS = 4_000  # of a suggestion in a message
MAX_ATTEMPTS = 2  # for a case that the model failed on, until the next start
SUGGESTED_REASONS = frozenset(
    {EscalationReason.UNSURE, EscalationReason.OFF_TOPIC, EscalationReason.LANGUAGE}
)
MARKS = {Support.STATED: "✅", Support.NEAR: "🟡", Support.NONE: "❌"}
LEGEND = "✅ the post says so, word for word · 🟡 nearly its words: compare · ❌ not in the post"
TITLE = (
    "*A model suggests this wording.* Nobody has checked it, and it goes nowhere: take over what "
    "is right with *Edit & send* or *Write a reply*."
)
SPOKEN = "A suggested wording, in the thread of the case"
MAX_TRANSLATED = 9_000  # characters of a translation in a message; *Show all* has the original
TRANSLATED = (
    "🌐 *Machine translation from {language}*, for staff only. A language model made it and nobody "
    "has checked it; what they really wrote stands on the card."
)
SPOKEN_TRANSLATION = "A machine translation, in the thread of the case"


class ModelPosts(ABC):
    """Posts one kind of a model's output for each open case, once, into the thread of its card."""

    prefix: str  # of the keys of these posts

    def __init__(self, journal: Journal, model: SuggestionModel, channel: str) -> None:
        self.journal = journal
        self.model = model
        self.channel = channel
        self._tried = Counter[str]()  # attempts by key; from MAX_ATTEMPTS on there are no more

    def post(self, stopping: threading.Event) -> int:
        """Ask the model for each case that wants a post and has none; return how many got one."""
        return sum(self._post(case) for case in self._cases() if self._may_ask(stopping))

    @abstractmethod
    def wants(self, case: QueuedCase) -> bool:
        """Return whether there is anything to ask the model about this case."""

    @abstractmethod
    def ask(self, case: QueuedCase) -> RenderedMessage | None:
        """Return the message for the thread; None when the model gives none."""

    def _may_ask(self, stopping: threading.Event) -> bool:
        """Return whether the model may be asked now.

        It is asked before an attempt is counted, so that a spent budget counts as none.
        """
        return self.model.state() == "open" and not stopping.is_set()

    def _key(self, case: QueuedCase) -> str:
        return f"{self.prefix}:{case.id}:{case.round}"

    def _cases(self) -> Iterator[QueuedCase]:
        for case in self.journal.cases.list_open():
            if self.wants(case) and self._tried[self._key(case)] < MAX_ATTEMPTS:
                card = self.journal.slack.read_card(case.id)
                if card and card.ts:
                    yield case

    def _post(self, case: QueuedCase) -> bool:
        key = self._key(case)
        if self.journal.slack.contains(key):
            self._tried[key] = MAX_ATTEMPTS
            return False
        self._tried[key] += 1
        message = self.ask(case)
        if message is None:
            return False
        now = self.journal.cases.read(case.id)
        if now is None or not now.open:  # the model took its time, and somebody decided it
            return False
        return self.journal.slack.enqueue(
            key, channel=self.channel, method="chat.postMessage", case_id=case.id,
            payload=message_arguments(message) | {"thread_of": now.parent or case.id},
            about=case.message_id,
        )  # fmt: skip


class SuggestionPosts(ModelPosts):
    """Suggests a wording for the cases that the desk was not sure of."""

    prefix = "suggestion"

    @override
    def wants(self, case: QueuedCase) -> bool:
        return EscalationReason(case.reason) in SUGGESTED_REASONS

    @override
    def ask(self, case: QueuedCase) -> RenderedMessage | None:
        suggestion = self.model.draft(case.text)
        return render_suggestion(suggestion) if suggestion else None


class TranslationPosts(ModelPosts):
    """Translates what users write in other languages than English, for staff alone."""

    prefix = "translation"

    @override
    def wants(self, case: QueuedCase) -> bool:
        return self.model.translate is not None and written_language(case) not in ("", "en")

    @override
    def ask(self, case: QueuedCase) -> RenderedMessage | None:
        english = self.model.translate(case.text) if self.model.translate else ""
        return render_translation(english, written_language(case)) if english else None


def render_translation(english: str, language: str) -> RenderedMessage:
    """Return a machine translation of what a user wrote, marked as such."""
    blocks = [
        b.markdown(TRANSLATED.format(language=escape(name_language(language)))),
        *b.quote_all(truncate_counted(english, MAX_TRANSLATED)),
    ]
    return RenderedMessage(blocks=b.fit_message(blocks), text=SPOKEN_TRANSLATION)


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
    """Yield the headings of the passages that support a sentence, at most five."""
    carried = {s.passage.id: s.passage for s in suggestion.sentences if s.passage}
    for passage in list(carried.values())[:5]:
        yield f"📄 {escape(passage.heading)} ({passage.date})"
