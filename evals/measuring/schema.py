"""Reads the cases of evals/data/cases/, typed and checked; errors name file and line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import re2
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bot.corpus.messages import ANSWERED, LabelledQuestion, MessageKind
from bot.domain import Channel
from bot.errors import InputError
from bot.resources import parse_yaml

CANARY = "6f1d2c1e-3b52-4c5a-9a47-1f0e8d7b5a90"
CASES = Path("evals/data/cases")
Name = Field(min_length=1)


class CasesError(InputError):
    """A case file is wrong."""


HELD_OUT = frozenset({"test", "confirm"})  # splits that nothing was learned from


class CaseTurn(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    role: Literal["user", "desk"]
    text: str = Name


class Case(BaseModel):
    """One message with what is right to do about it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Name
    family: str = Name
    slice: str = Name
    author: str = Name
    # Gates apply to `test`. `confirm` is measured beside it without gates, so that a claim can rest
    # on authors whose cases never stopped a change. `guard` must never go wrong and is counted in
    # no rate.
    split: Literal["fit", "test", "confirm", "guard"]
    lang: str = "en"
    channel: Channel = Channel.EMAIL
    text: str = ""  # filled from the last turn, or from the visible text of the mail in `file`
    turns: tuple[CaseTurn, ...] = ()
    file: str = ""
    kind: MessageKind
    gold: tuple[tuple[str, ...], ...] = ()  # one group for each thing that must be quoted
    related: tuple[str, ...] = ()
    pair: str = ""
    contrast: str = ""
    critical: bool = False
    questions: tuple[LabelledQuestion, ...] = ()  # of a message that asks several
    vital: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, given: Any) -> Any:
        """Check that there is one source, and fill `text` from `turns`; a file is read later."""
        if not isinstance(given, dict):
            return given
        sources = [key for key in ("text", "turns", "file") if given.get(key)]
        if len(sources) != 1:
            raise ValueError("a case needs one of text, turns and file, not empty")
        turns = given.get("turns")
        if not turns:
            return given
        last = turns[-1] if isinstance(turns, list) else None
        if not isinstance(last, dict) or last.get("role") != "user":
            raise ValueError("the last of turns must be a user's")
        return {**given, "text": last.get("text", "")}

    @field_validator("vital", "forbid")
    @classmethod
    def _patterns_compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if pattern.startswith("re:"):
                _compiles(pattern.removeprefix("re:"))
            elif not pattern.strip():
                raise ValueError("an empty text is in every reply")
        return patterns

    @model_validator(mode="after")
    def _gold_fits_kind(self) -> "Case":
        if self.kind in ANSWERED and (not self.gold or not all(self.gold)):
            raise ValueError(f"kind {self.kind.value} needs gold: the passages that answer")
        if self.kind not in ANSWERED and self.gold:
            raise ValueError(f"kind {self.kind.value} has no gold; near passages are `related`")
        return self

    @property
    def asks_several(self) -> bool:
        """Return whether its questions are labelled one by one; then no one decision is right."""
        return len(self.questions) > 1

    @property
    def expected(self) -> Literal["answer", "refuse", "escalate"]:
        """Return the right decision for its kind."""
        if self.kind in ANSWERED:
            return "answer"
        return "refuse" if self.kind is MessageKind.REFUSE else "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedCase:
    """A case with its file and its place in the file, from 0."""

    case: Case
    path: Path
    index: int

    def fault(self, what: str) -> CasesError:
        """Return an error that names the file and line of this case."""
        return _fault(self.path, self.index, what)


def load_cases(folder: Path = CASES) -> list[Case]:
    """Return all cases in `folder`, in file order; CasesError names file, line and fault."""
    return [placed.case for placed in read_cases(folder)]


def read_cases(folder: Path = CASES) -> list[LocatedCase]:
    """Return all cases as `load_cases`, each with its place for later errors."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise CasesError(f"{folder}: no case file there; a run without cases proves nothing")
    placed = [p for path in paths for p in _read(path)]
    _check_together(placed)
    return placed


def check_passages(placed: Sequence[LocatedCase], known: frozenset[str]) -> None:
    """Raise CasesError for a gold or related passage that the knowledge does not have."""
    for each in placed:
        named = [*(i for group in each.case.gold for i in group), *each.case.related]
        named += [i for question in each.case.questions for i in question.gold]
        if unknown := next((i for i in named if i not in known), None):
            raise each.fault(
                f"case {each.case.id}: no passage is called {unknown!r}; "
                "`incident-desk index` lists the ids"
            )


def accept_superseding(case: Case, superseded: Mapping[str, str]) -> Case:
    """Return the case with later passages, which are quoted in place of gold ones, as gold too.

    `superseded` maps the id of the earlier passage to that of the later one.
    """

    def widened(group: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*group, *(superseded[i] for i in group if i in superseded)]))

    gold = tuple(map(widened, case.gold))
    asked = tuple(each.model_copy(update={"gold": widened(each.gold)}) for each in case.questions)
    fields = {"gold": gold, "questions": asked, "related": widened(tuple(case.related))}
    return case.model_copy(update=fields)


def _read(path: Path) -> Iterator[LocatedCase]:
    try:
        documents = parse_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise CasesError(f"{path}:{line}: not valid YAML: {_problem(error)}") from None
    rows = documents.get("cases") if isinstance(documents, dict) else None
    if not isinstance(rows, list) or set(documents) != {"cases"}:
        raise CasesError(f"{path}:1: the file needs one key, `cases:`, with a list of cases")
    if not rows:
        raise CasesError(f"{path}:1: the slice is empty; add cases or delete the file")
    for index, row in enumerate(rows):
        yield LocatedCase(case=_case(path, index, row), path=path, index=index)


def _case(path: Path, index: int, row: object) -> Case:
    try:
        case = Case.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        name = row.get("id", index) if isinstance(row, dict) else index
        what = first["msg"].removeprefix("Value error, ")
        raise _fault(path, index, f"case {name}: {where + ': ' if where else ''}{what}") from None
    return _with_mail(case, path, index) if case.file else case


def _with_mail(case: Case, path: Path, index: int) -> Case:
    """Return the case with the text that the person wrote in its mail, read as by the intake."""
    from bot.channels.mail.intake import question_text
    from bot.channels.mail.parse import parse

    try:
        raw = (path.parent / case.file).read_bytes()
    except OSError as error:
        raise _fault(path, index, f"case {case.id}: {case.file}: {error.strerror}") from None
    return case.model_copy(update={"text": question_text(parse(raw))})


def _check_together(placed: Sequence[LocatedCase]) -> None:
    ids: dict[str, LocatedCase] = {}
    splits: dict[str, LocatedCase] = {}
    for each in placed:
        if other := ids.get(each.case.id):
            raise each.fault(f"case {each.case.id}: the id is taken in {other.path.name}")
        family = splits.setdefault(each.case.family, each)
        if family.case.split != each.case.split:
            raise each.fault(
                f"case {each.case.id}: family {each.case.family} is in two splits "
                f"(see {family.case.id} in {family.path.name}); a family belongs to one"
            )
        ids[each.case.id] = each


def _fault(path: Path, index: int, what: str) -> CasesError:
    return CasesError(f"{path}:{_line(path, index)}: {what}")


def _line(path: Path, index: int) -> int:
    """Return the line of a case in its file; only for errors, because composing YAML is slow."""
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "cases":
            return int(value.value[index].start_mark.line) + 1
    return 1


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or str(error).splitlines()[0])


def _compiles(pattern: str) -> None:
    try:
        re2.compile(pattern)
    except re2.error as error:
        raise ValueError(f"not a pattern that RE2 takes: {error}") from None
