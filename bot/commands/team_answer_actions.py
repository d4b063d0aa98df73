"""Implements `knowledge answers`: lists, tries, approves and withdraws answers of the team."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bot.corpus.team_answers import TeamAnswer, TeamAnswerState, path_of
from bot.errors import InputError
from bot.staff.team_answer_review import TeamAnswerReview
from bot.text.printable import printable_line, quote_lines

COMMAND = "incident-desk knowledge answers"
NONE = f"no answer of the support team is in the knowledge; take one in: {COMMAND} propose CASE"
LOOK = f"go on with: {COMMAND} propose | try | approve | reject | withdraw CASE"
NEXT = (
    "commit the file. It is quoted from the next `incident-desk index` on, when `incident-desk "
    "serve` is started again"
)
NEXT_WITHDRAWN = (
    "it is not quoted any more. `incident-desk knowledge recall` lists who was told it. Commit the "
    "file and run `incident-desk index`"
)
WHICH = "say of which case, such as: incident-desk knowledge answers {verb} 12"
Confirm = Callable[[str], bool]
"""Shows a text and returns whether the person agrees."""


class Verb(StrEnum):
    """The word at the terminal for what is done with the answer of a case."""

    PROPOSE = "propose"
    TRY = "try"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamAnswerAction:
    """An action of the person at the terminal on the answer of one case.

    `question` and `text` replace the question and the answer of the case in a proposal; where they
    are empty, the proposal has those of the case.
    """

    store: TeamAnswerReview
    case: int
    actor: str
    confirm: Confirm
    question: str = ""
    text: str = ""

    def perform(self, verb: Verb) -> Iterator[str]:
        """Do what `verb` names and yield lines about it; InputError when it cannot be done."""
        if self.case <= 0:
            raise InputError(WHICH.format(verb=verb))
        match verb:
            case Verb.PROPOSE:
                proposed = self.store.propose(
                    self.case, actor=self.actor, question=self.question, answer=self.text
                )
                yield f"{self.store.folder / path_of(self.case)} waits for a second person"
                yield from _text_lines(proposed)
                yield f"look at it, then: incident-desk knowledge answers approve {self.case}"
            case Verb.TRY:
                yield from _lines(self.store.try_out(self.case))
            case Verb.APPROVE:
                yield from self._approve()
            case Verb.REJECT:
                self.store.reject(self.case, actor=self.actor)
                yield f"the answer of case {self.case} is deleted"
            case Verb.WITHDRAW:
                self.store.withdraw(self.case, actor=self.actor)
                yield NEXT_WITHDRAWN
            case _:
                assert_never(verb)

    def _approve(self) -> Iterator[str]:
        """Try the answer if that was not done, show it, and approve it when the person agrees."""
        known = self.store.read(self.case)
        waits = known is not None and known.state is TeamAnswerState.PENDING
        if known is None or (waits and known.tried is None):
            known = self.store.try_out(self.case)
        if waits and not self.confirm("\n".join(_lines(known))):
            yield "nothing was changed"
            return
        self.store.approve(self.case, actor=self.actor, digest=known.digest)
        yield f"case {self.case}: approved"
        yield NEXT


def team_answer_lines(answers: Sequence[TeamAnswer]) -> Iterator[str]:
    """Yield lines about every answer: its case, its state, its text and the result of its trial."""
    if not answers:
        yield NONE
        return
    for each in answers:
        yield from _lines(each)
    yield LOOK


def _lines(answer: TeamAnswer) -> Iterator[str]:
    by = {
        TeamAnswerState.PENDING: f"proposed by {answer.proposed_by}, {answer.proposed_at[:16]}",
        TeamAnswerState.APPROVED: f"by {answer.approved_by}, {answer.approved_at[:16]}",
        TeamAnswerState.WITHDRAWN: f"by {answer.withdrawn_by}, {answer.withdrawn_at[:16]}",
    }
    yield printable_line(f"case {answer.case}: {answer.state}, {by[answer.state]}")
    yield from _text_lines(answer)
    yield from trial_lines(answer)


def _text_lines(answer: TeamAnswer) -> Iterator[str]:
    yield printable_line(f"    question: {answer.question}")
    yield f"    answer of {printable_line(answer.answered_by)}, {answer.answered_at[:16]}:"
    yield from (f"    {line}" for line in quote_lines(answer.answer).split("\n"))


def trial_lines(answer: TeamAnswer) -> Iterator[str]:
    """Yield lines about the trial of the current version of an answer."""
    if answer.tried is None:
        yield "    not tried yet on the labelled questions"
        return
    good = "it may not be used" if answer.tried.faults else "it may be used"
    yield f"    tried beside {answer.tried.questions} labelled questions: {good}"
    yield from (f"    FAULT: {printable_line(each)}" for each in answer.tried.faults)
    yield from (f"    note: {printable_line(each)}" for each in answer.tried.remarks)
