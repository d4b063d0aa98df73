"""Handles the modal in which a second person agrees that the desk learns from answers."""

from collections.abc import Mapping
from typing import Any

from bot.channels.slack.views import modals
from bot.channels.slack.views.label_modal import show_labels
from bot.channels.slack.views.modals import View
from bot.errors import InputError
from bot.staff.label_review import LabelReview

Ack = dict[str, Any]
NONE_WAIT = (
    "No answer of somebody else waits for you. Who gave an answer does not agree to it, too."
)
NOT_WRITTEN = (
    "The knowledge folder cannot be written here. Run `incident-desk knowledge labels` where it can"
)
CHANGED = "Some of these were decided meanwhile. Nothing was changed now; open the list again."
NEXT = (
    "They stand in `exercises/learned.yaml`: commit it. A desk without wordings learns them at "
    "once, one with wordings at the next `incident-desk index`, when `incident-desk serve` is "
    "started again."
)


class LabelHandler:
    """Draws the modal with other people's answers, and stores with which of them a person agrees.

    `topics` are the titles of passages by id.
    """

    def __init__(self, label_review: LabelReview, topics: Mapping[str, str]) -> None:
        self.label_review = label_review
        self.topics = topics

    def draw_modal(self, me: str) -> View | str:
        """Return the modal for this person, or the text to show instead."""
        alone = self.label_review.alone
        waiting = [e for e in self.label_review.propose() if alone or e.answered_by != me]
        if not waiting:
            return NONE_WAIT
        texts = {name: each.text for name, each in self.label_review.knowledge.passages.items()}
        return show_labels(waiting, self.topics, texts)

    def submit(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        """Accept the labels of a submitted modal, and reject those that the person called wrong.

        Return the answer to Slack, which says what was done.
        """
        shown = {int(number) for number in remembered.get("labels") or []}
        wrong = {int(number) for number in modals.read_choices(dict(view), "without")} & shown
        try:
            self.label_review.reject(wrong, actor=me)
            count = self.label_review.accept(shown - wrong, actor=me)
        except InputError:
            return _say(CHANGED)
        except OSError:
            return _say(NOT_WRITTEN)
        answers = "1 answer" if count == 1 else f"{count} answers"
        says = f"✅ *The desk learns from {answers}*, and not from {len(wrong)}."
        return _say(f"{says} {NEXT}" if count else says)


def _say(says: str) -> Ack:
    return {"response_action": "update", "view": modals.show_message(0, says)}
