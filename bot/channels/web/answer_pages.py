"""Shows people's answers that are proposed for the knowledge, and does what is decided about them.

It uses the same actions as Slack and the terminal (`bot.staff.team_answer_review`): one person
proposes the answer of a case, the desk tries it, and another person approves it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from bot.channels.web.views import person
from bot.channels.web.visits import Visit
from bot.corpus.team_answers import TeamAnswer, TeamAnswerState
from bot.domain import Passage
from bot.errors import DeskError, InputError
from bot.staff.case_actions import BROWSER_ACTOR
from bot.staff.team_answer_review import NOT_WRITTEN, TeamAnswerReview
from bot.text.printable import with_full_stop

if TYPE_CHECKING:
    from bot.channels.web.pages import WebDesk

MAX_QUESTION, MAX_ANSWER = 2_000, 20_000  # characters that a form may send
STATES = {
    TeamAnswerState.PENDING: ("escalation", "waits for a second person"),
    TeamAnswerState.APPROVED: ("answer", "approved"),
    TeamAnswerState.WITHDRAWN: ("none", "withdrawn"),
}
Handler = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamAnswerView:
    """An answer, with its state and who did what described in words."""

    answer: TeamAnswer
    kind: str  # of the badge
    state: str
    says: str  # who did what
    can_approve: bool
    waits: bool
    in_use: bool
    quoted: bool  # does the running desk quote it?


class AnswerPages:
    """The pages on the answers of one desk; `web` draws them and knows its cases."""

    def __init__(self, web: "WebDesk", answers: TeamAnswerReview) -> None:
        self.web = web
        self.answers = answers

    @property
    def page_handlers(self) -> Mapping[str, Handler]:
        """Return the handlers of the pages, by path."""
        return {"/answers": self._list, "/cases/{number:int}/take": self._window}

    @property
    def form_handlers(self) -> Mapping[str, Handler]:
        """Return the handlers of submitted forms, by path."""
        return {
            "/cases/{number:int}/take": self._propose, "/answers/{number:int}/try": self._try,
            "/answers/{number:int}/approve": self._approve,
            "/answers/{number:int}/reject": self._reject,
            "/answers/{number:int}/withdraw": self._withdraw,
        }  # fmt: skip

    def _list(self, visit: Visit, wrong: str = "") -> Response:
        status = HTTPStatus.CONFLICT if wrong else HTTPStatus.OK
        quoted = self.answers.knowledge.standing
        found = [_view(each, quoted) for each in reversed(self.answers.list_all())]
        return self.web.render(
            "answers.html", visit, status, found=found, wrong=wrong,
            faults=self.answers.list_faults(),
        )  # fmt: skip

    def _window(self, visit: Visit) -> Response:
        """Show the form to propose the answer of a case, or why it cannot be taken."""
        number = self._known_case(visit)
        try:
            offered = self.answers.suggest(number)
        except InputError as error:
            return self._list(visit, f"This cannot be taken: {with_full_stop(str(error))}")
        return self._form(visit, offered.question, offered.answer)

    def _form(self, visit: Visit, question: str, answer: str, wrong: str = "") -> Response:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
        return self.web.render(
            "take.html", visit, status, number=visit.number, question=question, answer=answer,
            wrong=wrong,
        )  # fmt: skip

    def _propose(self, visit: Visit) -> Response:
        number = self._known_case(visit)
        question = visit.form.get("question", "")[:MAX_QUESTION]
        answer = visit.form.get("answer", "")[:MAX_ANSWER]
        known = self.answers.read(number)
        if known is None:
            try:
                self.answers.propose(number, actor=BROWSER_ACTOR, question=question, answer=answer)
            except InputError as error:
                return self._form(visit, question, answer, with_full_stop(str(error)))
            except OSError:
                return self._form(visit, question, answer, NOT_WRITTEN)
        elif known.proposed_by != BROWSER_ACTOR:
            return self._list(visit, "A colleague has proposed this answer already.")
        return _see("proposed")

    def _try(self, visit: Visit) -> Response:
        return self._do(visit, "tried", lambda: self.answers.try_out(visit.number))

    def _approve(self, visit: Visit) -> Response:
        digest = visit.form.get("digest", "")
        return self._do(
            visit, "approved",
            lambda: self.answers.approve(visit.number, actor=BROWSER_ACTOR, digest=digest),
        )  # fmt: skip

    def _reject(self, visit: Visit) -> Response:
        return self._do(
            visit, "rejected", lambda: self.answers.reject(visit.number, actor=BROWSER_ACTOR)
        )

    def _withdraw(self, visit: Visit) -> Response:
        return self._do(
            visit, "withdrawn", lambda: self.answers.withdraw(visit.number, actor=BROWSER_ACTOR)
        )

    def _do(self, visit: Visit, done: str, action: Callable[[], TeamAnswer]) -> Response:
        """Do an action, then show all answers again, with the reason if it failed."""
        try:
            action()
        except DeskError as error:
            return self._list(visit, f"Nothing was changed: {with_full_stop(str(error))}")
        except OSError:
            return self._list(visit, NOT_WRITTEN)
        return _see(done)

    def _known_case(self, visit: Visit) -> int:
        if self.web.journal.cases.read(visit.number) is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return visit.number


def _see(done: str) -> Response:
    return RedirectResponse(f"/answers?done={done}", HTTPStatus.SEE_OTHER)


def _view(answer: TeamAnswer, quoted: Mapping[str, Passage]) -> TeamAnswerView:
    """Return an answer as the page shows it; `quoted` are the passages that the desk quotes now."""
    kind, state = STATES[answer.state]
    steps = [(answer.answered_by, "answered so"), (answer.proposed_by, "proposed it")]
    steps += [(answer.approved_by, "approved it"), (answer.withdrawn_by, "withdrew it")]
    waits = answer.state is TeamAnswerState.PENDING
    return TeamAnswerView(
        answer=answer, kind=kind, state=state,
        says=" · ".join(f"{person(actor)} {did}" for actor, did in steps if actor),
        can_approve=waits and answer.tried is not None and not answer.tried.faults,
        waits=waits, in_use=answer.state is TeamAnswerState.APPROVED,
        quoted=answer.passage.id in quoted,
    )  # fmt: skip
