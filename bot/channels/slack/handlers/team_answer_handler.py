"""Handles the modal in which a person proposes an answer for the knowledge."""

from collections.abc import Mapping
from typing import Any

from bot.channels.slack.views import modals
from bot.channels.slack.views.team_answer_views import propose_answer
from bot.errors import InputError
from bot.journal import Case
from bot.staff.team_answer_review import NOT_WRITTEN, TeamAnswerReview
from bot.text.printable import with_full_stop

Ack = dict[str, Any]
PROPOSED = (
    "✅ *It waits for a second person.* The card in the channel shows what came of trying it."
)
OF_QUESTION = "the question"  # how the faults of what stands in the first field begin
NOT_HERE = (
    "Answers cannot be taken into the knowledge here: `incident-desk knowledge answers` does."
)


class TeamAnswerHandler:
    """Draws the modal for a decided case, and stores what a person proposes.

    `answers` is None where the desk cannot take answers in.
    """

    def __init__(self, answers: TeamAnswerReview | None) -> None:
        self.answers = answers

    def draw_modal(self, case: Case) -> modals.View | str:
        """Return the modal for a case, or why its answer cannot be taken."""
        if self.answers is None:
            return NOT_HERE
        try:
            return propose_answer(self.answers.suggest(case.id))
        except InputError as error:
            return f"This cannot be taken: {with_full_stop(str(error))}"

    def submit(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        """Store the proposal of a submitted modal, and return the answer to Slack.

        Where the proposal cannot be stored, the answer says why.
        """
        case = remembered.get("case")
        if self.answers is None or not isinstance(case, int):
            return _show(modals.show_message(0, NOT_HERE))
        question, answer = (modals.read_field(view, name) for name in ("text_0", "text_1"))
        try:
            self.answers.propose(case, actor=me, question=question, answer=answer)
        except InputError as error:
            if known := self.answers.read(case):
                says = (
                    PROPOSED
                    if known.proposed_by == me
                    else f"Nothing was changed: {with_full_stop(str(error))}"
                )
                return _show(modals.show_message(case, says))
            field = "text_0" if str(error).startswith(OF_QUESTION) else "text_1"
            return {"response_action": "errors", "errors": {field: with_full_stop(str(error))}}
        except OSError:
            return _show(modals.show_message(case, NOT_WRITTEN))
        return _show(modals.show_message(case, PROPOSED))


def _show(view: modals.View) -> Ack:
    return {"response_action": "update", "view": view}
