"""Reads and writes knowledge/approved/: answers of staff to one person that others may get too.

Each answer is a file named after its case, so that a person can review it and a commit shows what
was added. It counts as a passage of the support team from its approval by a second person until it
is withdrawn. A file that cannot be read does not stop the desk.
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from bot.corpus.post import BULLET, sentences
from bot.corpus.yaml_files import list_yaml_files, read_file_as
from bot.domain import Passage, PassageSource
from bot.errors import KnowledgeError
from bot.files import replace_file

FOLDER = "approved"  # in the knowledge folder
NAME = "case-{case}.yaml"
PREFIX = "team-"  # of the ids of such passages
HEAD = """\
# An answer of the support team to one person. `incident-desk knowledge answers` says what may be
# done with it: it is used once it was tried, and approved by somebody else than who proposed it.
"""
UNREADABLE_ERRORS = (OSError, KnowledgeError)
UNREADABLE = "{why}. This answer is left out until its file is mended"
NOT_OF_CASE = (
    "{path}: it is left out: the answer of case {case} stands in {name}. Delete this copy, or move "
    "it to another folder"
)


class TeamAnswerState(StrEnum):
    """How far an answer is."""

    PENDING = "pending"  # a second person has to look at it
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"  # no longer right: those who were sent it are to get a correction


class Trial(BaseModel):
    """The result of trying an answer: whether labelled questions keep their answers with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    of: str  # digest of the question and the answer that were tried
    at: str
    questions: int  # number of labelled ones that were asked without it and with it
    answers_itself: bool  # would the desk answer its own question with it?
    remarks: tuple[str, ...] = ()  # what the second person should look at
    faults: tuple[str, ...] = ()  # why it may not be used; empty if it may


class TeamAnswer(BaseModel):
    """A question as it was asked, with people and secrets masked, and the answer as it was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    case: int = Field(gt=0)
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    language: str = Field(min_length=2)
    answered_by: str
    answered_at: str = Field(min_length=10)
    proposed_by: str
    proposed_at: str
    state: TeamAnswerState = TeamAnswerState.PENDING
    trial: Trial | None = None
    approved_by: str = ""
    approved_at: str = ""
    withdrawn_by: str = ""
    withdrawn_at: str = ""

    @property
    def digest(self) -> str:
        """A digest of question and answer, which a trial and an approval refer to."""
        return hashlib.sha256(f"{self.question}\n{self.answer}".encode()).hexdigest()[:12]

    @property
    def tried(self) -> Trial | None:
        """The result of trying the present text; None where it was not tried or edited since."""
        return self.trial if self.trial and self.trial.of == self.digest else None

    @property
    def usable(self) -> bool:
        """Whether it may be quoted: it was approved, and its present text tried without a fault."""
        approved = self.state is TeamAnswerState.APPROVED and bool(self.approved_by)
        return approved and self.tried is not None and not self.tried.faults

    @property
    def passage(self) -> Passage:
        """The passage that it is; its heading is the question, its day that of the answer."""
        text = _as_passage(self.answer)
        return Passage(
            id=f"{PREFIX}{self.case}", heading=self.question, text=text, sentences=sentences(text),
            date=self.answered_at[:10], language=self.language, source=PassageSource.TEAM,
            version=hashlib.sha256(f"{self.question}\n{text}".encode()).hexdigest()[:12],
        )  # fmt: skip


def read_team_answers(folder: Path) -> tuple[tuple[TeamAnswer, ...], tuple[str, ...]]:
    """Return the readable answers in a knowledge folder, by case, and the faults of the others."""
    found, wrong = list[TeamAnswer](), list[str]()
    for path in list_yaml_files(folder / FOLDER):
        try:
            answer = read_file_as(path, TeamAnswer)
        except UNREADABLE_ERRORS as error:
            wrong.append(UNREADABLE.format(why=error))
            continue
        name = path_of(answer.case).name
        if path.name == name:
            found.append(answer)
        else:
            wrong.append(NOT_OF_CASE.format(path=path, case=answer.case, name=name))
    return tuple(sorted(found, key=lambda each: each.case)), tuple(wrong)


def read_team_answer(folder: Path, case: int) -> TeamAnswer | None:
    """Return the answer of a case; None where there is none that can be read."""
    try:
        return _read(folder / path_of(case))
    except UNREADABLE_ERRORS:
        return None


def find_file_fault(folder: Path, case: int) -> str:
    """Return why the file of a case cannot be read; empty where it can be, or is not there."""
    path = folder / path_of(case)
    try:
        return "" if _read(path) else f"{path}: it is the answer of another case"
    except FileNotFoundError:
        return ""
    except UNREADABLE_ERRORS as error:
        return str(error)


def still_stands(folder: Path, passage: Passage) -> bool:
    """Return whether a passage of the team may be quoted, by what its file says now."""
    answer = read_team_answer(folder, int(passage.id.removeprefix(PREFIX)))
    return answer is not None and answer.usable and answer.passage.version == passage.version


def write_team_answer(folder: Path, answer: TeamAnswer) -> None:
    """Write an answer, whole or not at all; OSError when the folder cannot be written."""
    rows = answer.model_dump(mode="json", exclude_defaults=True) | {"state": answer.state.value}
    content = yaml.safe_dump(rows, allow_unicode=True, sort_keys=False, width=100)
    replace_file(folder / path_of(answer.case), HEAD + content)


def remove_team_answers(folder: Path, cases: Iterable[int]) -> int:
    """Delete the answers of these cases and return how many there were."""
    paths = [path for path in (folder / path_of(case) for case in cases) if path.exists()]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def path_of(case: int) -> Path:
    """Return where the answer of a case stands in the knowledge folder."""
    return Path(FOLDER) / NAME.format(case=case)


def _read(path: Path) -> TeamAnswer | None:
    """Return the answer in a file; None for that of another case than the file is named after."""
    answer = read_file_as(path, TeamAnswer)
    return answer if path.name == path_of(answer.case).name else None


def _as_passage(text: str) -> str:
    """Return the text in the form of passages: one line, then one for each item of a final list."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((place for place, line in enumerate(lines) if BULLET.match(line)), len(lines))
    items = lines[first:]
    if not first or not all(map(BULLET.match, items)):
        return " ".join(" ".join(lines).split())
    return "\n".join([" ".join(lines[:first]), *(BULLET.sub("", item) for item in items)])
