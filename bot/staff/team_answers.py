"""Takes what a person answered in their own words into the knowledge, once another one agrees.

One person proposes the answer of a case; the desk tries it on labelled questions; a second person
approves it. From then on it is a passage whose source is the support team. Whoever was told it is
on the list of corrections when it is withdrawn.
"""

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bot.answering.signature import without_staff_signature
from bot.corpus import Knowledge
from bot.corpus.changes import ChangeKind
from bot.corpus.learned import read_numbers, remove_labels
from bot.corpus.post import sentences
from bot.corpus.team_answers import (
    FOLDER,
    TeamAnswer,
    TeamAnswerState,
    Trial,
    read_team_answer,
    read_team_answers,
    remove_team_answers,
    write_team_answer,
)
from bot.errors import InputError
from bot.files import locked
from bot.journal import CaseAction, Journal
from bot.journal.clock import stamp
from bot.journal.labels import PersonalAnswer
from bot.outbound import text_of
from bot.redact.anonymize import CLOSE, GREETING, without_people
from bot.staff.trial import find_faults
from bot.text.printable import printable, printable_line

LOCK = "team-answers.lock"  # in the home; two desks of one home write one after the other
ALREADY = "already in knowledge/{file}: it is {state}"
NOT_OWN_WORDS = (
    "case {case} has no answer in a person's own words that was sent; only such an answer can be "
    "taken into the knowledge"
)
SEVERAL = (
    "case {case} asks several things: say which question the answer is for, in words that others "
    "would use"
)
NOT_WRITTEN = (
    "The knowledge folder cannot be written here. Run `incident-desk knowledge answers` where it "
    "can."
)
NONE_WAITS = "there is no answer of case {case} that waits; `incident-desk knowledge answers` lists"
NOT_APPROVED = "the answer of case {case} is not in use, so there is nothing to withdraw"
SAME_PERSON = "{actor} proposed this answer; somebody else has to approve it"
CHANGED = "the answer of case {case} has been edited since it was shown; look at it again"
NOT_TRIED = "the answer of case {case} has not been tried yet on the labelled questions"
HAS_FAULTS = "the answer of case {case} may not be used: {faults}"
NOT_AS_SENT = "this was not sent so; an answer may be shortened by whole sentences only: {text}"
BLANK_LINE = re.compile(r"\n\s*\n")
Try = Callable[[TeamAnswer], Trial]
"""Tries an answer on labelled questions; MissingError where there is no encoder to do it with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedText:
    """What would be taken from a case, for a person to look at.

    `question` is empty if the case asks several.
    """

    case: int
    question: str
    answer: str
    language: str
    answered_by: str
    answered_at: str


class TeamAnswers:
    """The answers of the support team in one knowledge folder.

    Where `alone`, only one person works at the desk, who may approve what they proposed. `home` is
    the folder of the lock. Each action replaces one file as a whole, so that none is half done.
    """

    def __init__(
        self, *, knowledge: Knowledge, journal: Journal, home: Path, try_answer: Try,
        alone: bool = False,
    ) -> None:  # fmt: skip
        self.knowledge = knowledge
        self.journal = journal
        self.home = home
        self.try_answer = try_answer
        self.alone = alone

    @property
    def folder(self) -> Path:
        """The knowledge folder."""
        return self.knowledge.folder

    def list_all(self) -> tuple[TeamAnswer, ...]:
        """Return every answer as its file stands now, by case."""
        return read_team_answers(self.folder)[0]

    def read(self, case: int) -> TeamAnswer | None:
        """Return the answer of a case; None where there is none."""
        return read_team_answer(self.folder, case)

    def suggest(self, case: int) -> ProposedText:
        """Return what a case offers: its question and the answer as sent, without people.

        InputError where no answer in a person's own words was sent, or it was proposed before.
        """
        if known := self.read(case):
            file = f"{FOLDER}/case-{case}.yaml"
            raise InputError(ALREADY.format(file=file, state=known.state))
        asked = [
            each for each in self.journal.labels.list_of_case(case)
            if each.action is CaseAction.EDITED
        ]  # fmt: skip
        if not asked:
            raise InputError(NOT_OWN_WORDS.format(case=case))
        first = asked[0]
        return ProposedText(
            case=case, language=first.language or "en",
            question=_question_of(first) if len(asked) == 1 else "",
            answer=without_letter(text_of(first.body)),
            answered_by=first.answered_by, answered_at=first.answered_at,
        )  # fmt: skip

    def propose(self, case: int, *, actor: str, question: str = "", answer: str = "") -> TeamAnswer:
        """Store an answer for a second person to look at, and return it.

        `question` is in words that others would use, `answer` the answer as sent or some whole
        sentences of it; both are what the case offers where they are empty. InputError says why it
        cannot be taken; OSError when the folder cannot be written.
        """
        with self._alone_writing():
            offered = self.suggest(case)
            asked = printable_line(question).strip() or offered.question
            if not asked:
                raise InputError(SEVERAL.format(case=case))
            said = printable(answer).strip() or offered.answer
            if not said:
                raise InputError(NOT_OWN_WORDS.format(case=case))
            made = TeamAnswer(
                case=case, question=asked, answer=said, language=offered.language,
                answered_by=offered.answered_by, answered_at=offered.answered_at,
                proposed_by=actor, proposed_at=stamp(self.journal.clock()),
            )  # fmt: skip
            _check_as_sent(made.answer, offered.answer)
            if faults := tuple(find_faults(made, self.knowledge)):
                raise InputError("; ".join(faults))
            write_team_answer(self.folder, made)
        self._note(actor, "proposed", case)
        return made

    def try_out(self, case: int) -> TeamAnswer:
        """Try an answer on labelled questions, store what came of it, and return the answer.

        InputError where there is none that waits or was approved by hand; MissingError where it
        cannot be tried.
        """
        answer = self._find(case, TeamAnswerState.PENDING, TeamAnswerState.APPROVED)
        trial = self.try_answer(answer)
        with self._alone_writing():
            now = self._find(case, TeamAnswerState.PENDING, TeamAnswerState.APPROVED)
            tried = now.model_copy(update={"trial": trial})
            write_team_answer(self.folder, tried)
        return tried

    def approve(self, case: int, *, actor: str, digest: str) -> TeamAnswer:
        """Put an answer into use, and return it: from the next index run on it is quoted.

        `digest` is that of the answer as the person saw it. InputError for an answer that does not
        wait, was edited since, was not tried or has faults, and for who proposed it.
        """
        with self._alone_writing():
            answer = self._find(case, TeamAnswerState.PENDING, TeamAnswerState.APPROVED)
            if answer.state is TeamAnswerState.PENDING:
                self._check_approval(answer, actor, digest)
                answer = self._change_state(answer, TeamAnswerState.APPROVED, actor)
            elif answer.approved_by != actor:
                raise InputError(NONE_WAITS.format(case=case))
            # What follows is done again at a repeated approval, in case a crash prevented it.
            self._forget_labels(case)
        passage = answer.passage
        key = (passage.id, "", passage.version)
        # It is new and corrects nothing: nobody who was answered before is written to.
        self.journal.corrections.decide_kind(key, ChangeKind.WORDING, actor=actor)
        self._note(actor, "approved", case)
        return answer

    def reject(self, case: int, *, actor: str) -> TeamAnswer:
        """Delete an answer that waits, and return what it was; InputError where none waits."""
        with self._alone_writing():
            answer = self._find(case, TeamAnswerState.PENDING)
            remove_team_answers(self.folder, [case])
        self._note(actor, "rejected", case)
        return answer

    def withdraw(self, case: int, *, actor: str) -> TeamAnswer:
        """Take an answer out of use at once, and return it; InputError where none is in use.

        Who was told it is on the list of corrections from now on.
        """
        with self._alone_writing():
            answer = self._find(
                case, TeamAnswerState.APPROVED, TeamAnswerState.WITHDRAWN, none=NOT_APPROVED
            )
            if answer.state is TeamAnswerState.APPROVED:
                answer = self._change_state(answer, TeamAnswerState.WITHDRAWN, actor)
        passage = answer.passage
        key = (passage.id, passage.version, "")
        self.journal.corrections.decide_kind(key, ChangeKind.GONE, actor=actor)
        self._note(actor, "withdrawn", case)
        return answer

    def forget_erased(self) -> int:
        """Delete the waiting answers whose question is gone from the journal; return how many.

        An answer in use stays: it is the company's own text, and two people saw that it names
        nobody.
        """
        if not self._list_waiting():
            return 0
        with self._alone_writing():  # none of them is approved meanwhile
            waiting = self._list_waiting()
            return remove_team_answers(
                self.folder, waiting - self.journal.labels.list_asked(waiting)
            )

    def forget_person(self, cases: Collection[int], names: Callable[[TeamAnswer], bool]) -> int:
        """Delete the answers that name a person, and those to `cases` of theirs that wait.

        Any other stays: it is text of the company, and two people saw that it names nobody.
        """
        with self._alone_writing():
            waiting = self._list_waiting() & set(cases)
            gone = waiting.union(each.case for each in self.list_all() if names(each))
            return remove_team_answers(self.folder, gone)

    def _list_waiting(self) -> set[int]:
        return {a.case for a in self.list_all() if a.state is TeamAnswerState.PENDING}

    def _check_approval(self, answer: TeamAnswer, actor: str, digest: str) -> None:
        """Raise InputError where this person may not approve this answer as it stands."""
        if answer.proposed_by == actor and not self.alone:
            raise InputError(SAME_PERSON.format(actor=actor))
        if answer.digest != digest:
            raise InputError(CHANGED.format(case=answer.case))
        if answer.tried is None:
            raise InputError(NOT_TRIED.format(case=answer.case))
        faults = dict.fromkeys((*answer.tried.faults, *find_faults(answer, self.knowledge)))
        if faults:
            raise InputError(HAS_FAULTS.format(case=answer.case, faults="; ".join(faults)))

    def _change_state(self, answer: TeamAnswer, state: TeamAnswerState, actor: str) -> TeamAnswer:
        """Store an answer as approved or withdrawn by a person now, and return it."""
        now = stamp(self.journal.clock())
        changed = answer.model_copy(
            update={"state": state, f"{state}_by": actor, f"{state}_at": now}
        )
        write_team_answer(self.folder, changed)
        return changed

    def _find(self, case: int, *states: TeamAnswerState, none: str = NONE_WAITS) -> TeamAnswer:
        answer = self.read(case)
        if answer is None or answer.state not in states:
            raise InputError(none.format(case=case))
        return answer

    def _forget_labels(self, case: int) -> None:
        """Remove the labels of the case that say that nothing answers it, as something does now."""
        known = self.journal.cases.read(case)
        numbers = read_numbers(self.folder)
        if known and numbers:
            own = self.journal.labels.list_of_messages([known.message_id])
            remove_labels(self.folder, own & numbers)

    def _note(self, actor: str, what: str, case: int) -> None:
        known = self.journal.cases.read(case)
        event = f"answer {what}:{case}"
        self.journal.slack.append_audit(actor, event, known.message_id if known else None)

    def _alone_writing(self) -> AbstractContextManager[None]:
        return locked(self.home / LOCK)


def without_letter(text: str) -> str:
    """Return what a person wrote without greeting, close and signature."""
    paragraphs = BLANK_LINE.split(without_staff_signature(text).strip())
    lines = "\n\n".join(paragraphs).split("\n")
    if lines and _greets(lines[0]):
        lines = lines[1:]
    end = next(
        (place for place, line in enumerate(lines) if place and CLOSE.match(line)), len(lines)
    )
    return printable("\n".join(lines[:end])).strip()


def _greets(line: str) -> bool:
    """Is a first line a greeting, by its words or as at most four words with a comma or "!"?"""
    short = line.rstrip().endswith((",", "!")) and len(line.split()) <= 4
    return bool(GREETING.match(line)) or short


def _question_of(answered: PersonalAnswer) -> str:
    return printable_line(without_people(answered.question)).strip()


def _check_as_sent(answer: str, sent: str) -> None:
    """Raise InputError for a sentence that was not sent."""
    known = set(_sentences(sent))
    if strange := next((each for each in _sentences(answer) if each not in known), ""):
        raise InputError(NOT_AS_SENT.format(text=strange))


def _sentences(text: str) -> Sequence[str]:
    folded = (" ".join(line.split()) for line in text.splitlines())
    return [each for line in folded if line for each in sentences(line)]
