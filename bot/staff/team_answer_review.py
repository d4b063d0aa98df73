"""Takes what a person answered in their own words into the knowledge, once another one agrees.

One person proposes the answer of a case; the desk tries it on labelled questions; a second person
approves it. From then on it is a passage whose source is the support team. Whoever was told it is
on the list of corrections when it is withdrawn.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.answering.staff_signature import without_staff_signature
from bot.corpus import Knowledge
from bot.corpus.changes import ChangeKind
from bot.corpus.learned import read_numbers, remove_labels
from bot.corpus.post import sentences
from bot.corpus.team_answers import (
    FOLDER,
    TeamAnswer,
    TeamAnswerState,
    Trial,
    find_file_fault,
    path_of,
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
NAMES = "the {what} names “{name}”, as somebody in this conversation is called: leave that out"
ALREADY = "already in {file}: it {state}"
NOT_OWN_WORDS = (
    "case {case} has no answer in a person's own words that was sent; only such an answer can be "
    "taken into the knowledge"
)
SEVERAL = (
    "the question is missing: case {case} asks several things, so say which one the answer is for, "
    "in words that others would use"
)
NOT_WRITTEN = (
    "The knowledge folder cannot be written here. Run `incident-desk knowledge answers` where it "
    "can."
)
NOT_PROPOSED = (
    "no answer of case {case} is in {folder}; `incident-desk knowledge answers` lists what is there"
)
STATES = {
    TeamAnswerState.PENDING: "waits for a second person",
    TeamAnswerState.APPROVED: "is approved",
    TeamAnswerState.WITHDRAWN: "is withdrawn",
}
# Why nothing can be done with an answer that is in another state than the action wants.
IN_STATE = {
    TeamAnswerState.PENDING: "the answer of case {case} is not in use; reject it instead",
    TeamAnswerState.APPROVED: (
        "the answer of case {case} is approved already; to take it back, withdraw it"
    ),
    TeamAnswerState.WITHDRAWN: "the answer of case {case} is withdrawn",
}
UNREADABLE = "{why}. Mend the file, or delete it and propose the answer again"
NO_CASE = "there is no case {case}; `incident-desk queue` lists them"
SAME_PERSON = "you proposed this answer; somebody else has to approve it"
CHANGED = "the answer of case {case} has been edited since it was shown; look at it again"
NOT_TRIED = "the answer of case {case} has not been tried yet on the labelled questions"
HAS_FAULTS = "the answer of case {case} may not be used: {faults}"
NOT_AS_SENT = "this was not sent so; an answer may be shortened by whole sentences only: {text}"
WORD = re.compile(r"[^\W\d_]+(?:[-’'][^\W\d_]+)*")
IN_ADDRESS = re.compile(r"[._+\d-]+")
SHORTEST_NAME = 3  # letters; shorter ones are initials and words such as "Ms" or "an"
MAX_NAME_WORDS = 4  # of a line with a name below a closing phrase
ENDS = (".", "!", "?", "。", "؟")  # of a sentence
BLANK_LINE = re.compile(r"\n\s*\n")
Try = Callable[[TeamAnswer], Trial]
"""Tries an answer on labelled questions; MissingError where there is no encoder to do it with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedText:
    """A question and its answer as they would be taken from a case, for a person to look at.

    `question` is empty if the case asks several.
    """

    case: int
    question: str
    answer: str
    language: str
    answered_by: str
    answered_at: str


class TeamAnswerReview:
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
        """Return the knowledge folder."""
        return self.knowledge.folder

    def list_all(self) -> tuple[TeamAnswer, ...]:
        """Return every answer that can be read, as its file stands now, by case."""
        return read_team_answers(self.folder)[0]

    def list_faults(self) -> tuple[str, ...]:
        """Return what is wrong with each file that is left out."""
        return read_team_answers(self.folder)[1]

    def read(self, case: int) -> TeamAnswer | None:
        """Return the answer of a case; None where there is none that can be read."""
        return read_team_answer(self.folder, case)

    def is_gone(self, case: int) -> bool:
        """Return whether a case has no file here, not even one that cannot be read."""
        return self.read(case) is None and not find_file_fault(self.folder, case)

    def suggest(self, case: int) -> ProposedText:
        """Return what a case offers: its question and the answer as sent, without people.

        InputError where no answer in a person's own words was sent, or it was proposed before.
        """
        if known := self._read_checked(case):
            file = self.folder / path_of(case)
            raise InputError(ALREADY.format(file=file, state=STATES[known.state]))
        if self.journal.cases.read(case) is None:
            raise InputError(NO_CASE.format(case=case))
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
            proposed = TeamAnswer(
                case=case, question=asked, answer=said, language=offered.language,
                answered_by=offered.answered_by, answered_at=offered.answered_at,
                proposed_by=actor, proposed_at=stamp(self.journal.clock()),
            )  # fmt: skip
            sent_text = _as_sent(proposed.answer, offered.answer)
            proposed = proposed.model_copy(update={"answer": sent_text})
            if faults := tuple(self._find_faults(proposed)):
                raise InputError("; ".join(faults))
            write_team_answer(self.folder, proposed)
        self._note(actor, "proposed", case)
        return proposed

    def try_out(self, case: int) -> TeamAnswer:
        """Try an answer on labelled questions, store the result, and return the answer with it.

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
                raise InputError(IN_STATE[answer.state].format(case=case))
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
            answer = self._find(case, TeamAnswerState.APPROVED, TeamAnswerState.WITHDRAWN)
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
            raise InputError(SAME_PERSON)
        if answer.digest != digest:
            raise InputError(CHANGED.format(case=answer.case))
        if answer.tried is None:
            raise InputError(NOT_TRIED.format(case=answer.case))
        faults = dict.fromkeys((*answer.tried.faults, *self._find_faults(answer)))
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

    def _find(self, case: int, *states: TeamAnswerState) -> TeamAnswer:
        answer = self._read_checked(case)
        if answer is None:
            raise InputError(NOT_PROPOSED.format(case=case, folder=self.folder / FOLDER))
        if answer.state not in states:
            raise InputError(IN_STATE[answer.state].format(case=case))
        return answer

    def _find_faults(self, answer: TeamAnswer) -> Iterator[str]:
        """Yield why an answer may not be sent to others; one reason is whom it names."""
        yield from find_faults(answer, self.knowledge)
        case = self.journal.cases.read(answer.case)
        letters = [text_of(each.body) for each in self.journal.labels.list_of_case(answer.case)]
        names = {*names_in_letters([*letters, case.text if case else ""])}
        names.update(names_in_address(case.sender if case else ""))
        published = (word for p in self.knowledge.post.passages for word in WORD.findall(p.text))
        names.difference_update(word.lower() for word in published)
        for what, text in (("question", answer.question), ("answer", answer.answer)):
            for word in dict.fromkeys(WORD.findall(text)):
                if word[0].isupper() and word.lower() in names:
                    yield NAMES.format(what=what, name=word)

    def _read_checked(self, case: int) -> TeamAnswer | None:
        """Return the answer of a case, None where it has no file; InputError for a broken one."""
        answer = self.read(case)
        if answer is None and (why := find_file_fault(self.folder, case)):
            raise InputError(UNREADABLE.format(why=why))
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


def names_in_letters(letters: Iterable[str]) -> Iterator[str]:
    """Yield the names behind greetings and closing phrases of letters, in small letters."""
    for letter in letters:
        lines = [line.strip() for line in letter.splitlines() if line.strip()]
        closing = [place for place, line in enumerate(lines) if place and CLOSE.match(line)][:1]
        named_lines = [_behind(GREETING, line) for line in lines[:1] if _greets(line)]
        for place in closing:
            named_lines.append(_behind(CLOSE, lines[place]))
            named_lines += [
                line for line in lines[place + 1 :] if len(line.split()) <= MAX_NAME_WORDS
            ]
        for word in WORD.findall("\n".join(named_lines)):
            if word[0].isupper() and len(word) >= SHORTEST_NAME:
                yield word.lower()


def names_in_address(address: str) -> Iterator[str]:
    """Yield the parts of an address such as jane.miller@x.example, in small letters.

    An address of one word is left out, as it often names a department.
    """
    parts = [part for part in IN_ADDRESS.split(address.partition("@")[0].lower()) if part]
    if len(parts) > 1:
        yield from (part for part in parts if len(part) >= SHORTEST_NAME)


def _behind(pattern: Any, line: str) -> str:
    """Return what stands in a line behind the phrase of this pattern; else the whole line."""
    found = pattern.match(line)
    return line[found.end(1) :] if found else line


def _greets(line: str) -> bool:
    """Is a first line a greeting, by its words or as at most four words with a comma or "!"?"""
    short = line.rstrip().endswith((",", "!")) and len(line.split()) <= 4
    return bool(GREETING.match(line)) or short


def _question_of(answered: PersonalAnswer) -> str:
    return printable_line(without_people(answered.question)).strip()


def _as_sent(answer: str, sent: str) -> str:
    """Return an answer with the mark at its end that was sent, which is easily left out.

    InputError for a sentence that was not sent.
    """
    known = set(_sentences(sent))
    last = _sentences(answer)[-1:]
    answer += next((mark for mark in ENDS for each in last if each + mark in known), "")
    if strange := next((each for each in _sentences(answer) if each not in known), ""):
        raise InputError(NOT_AS_SENT.format(text=strange))
    return answer


def _sentences(text: str) -> Sequence[str]:
    folded = (" ".join(line.split()) for line in text.splitlines())
    return [each for line in folded if line for each in sentences(line)]
