"""Grades what the desk did with a case: one verdict and its cause.

| expected \\ got | answer | refuse | escalate |
|---|---|---|---|
| answer | correct when every needed group is quoted, else beside or wrong | missed | missed |
| refuse | wrong | correct | unrefused |
| escalate | beside when what is quoted is related, else wrong | missed | correct |

A forbidden text in the reply makes any verdict wrong; without a vital fact it is at best beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import re2

from bot.answering.evidence import QUOTED
from bot.corpus.messages import ANSWERED, MessageKind
from evals.measuring.schema import Case

Decision = Literal["answer", "refuse", "escalate", "silent"]


class Verdict(StrEnum):
    CORRECT = "correct"
    BESIDE = "beside"  # true and related, but not the answer
    WRONG = "wrong"
    MISSED = "missed"  # handed over or refused without need
    UNREFUSED = "unrefused"  # handed over where a refusal was due


POINTS = {Verdict.CORRECT: 1, Verdict.WRONG: -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One outcome; `open` when a threshold decided it, so that another threshold may answer it."""

    decision: Decision
    reason: str
    probability: float
    open: bool
    quoted: tuple[str, ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskResult:
    """What the desk did with one message."""

    decision: Decision
    reason: str
    parts: tuple[Part, ...]
    reply: str
    verbatim: bool = True  # every quoted text stands in the published post
    allowed: bool = True  # the outbound check would let the reply leave
    leaks: int = 0  # secrets that the detector finds in the reply
    milliseconds: float = 0.0
    words: int = 0  # in the quoted passages
    model: str = ""  # the result of asking a model; empty when none was asked

    @property
    def quoted(self) -> tuple[str, ...]:
        """Return the ids of all passages in the reply, each once."""
        return tuple(dict.fromkeys(i for part in self.parts for i in part.quoted))

    @property
    def probability(self) -> float:
        """Return the probability of the least certain part, which decides about the message."""
        return min((part.probability for part in self.parts), default=0.0)

    @property
    def open(self) -> bool:
        """Return whether some threshold would answer the whole message."""
        return all(part.open for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A case with what the desk did, the verdict and its cause."""

    case: Case
    seen: DeskResult
    verdict: Verdict
    cause: str  # empty when correct
    if_answered: Verdict  # the verdict if the candidates were quoted, for risk–coverage

    @property
    def correct(self) -> bool:
        return self.verdict is Verdict.CORRECT

    @property
    def answered(self) -> bool:
        return self.seen.decision == "answer"


def grade(case: Case, seen: DeskResult) -> Graded:
    """Return the case with its verdict by the table above, and the cause."""
    offered = [i for part in seen.parts for i in part.quoted or part.candidates[:QUOTED]]
    verdict = _verdict(case, seen)
    return Graded(
        case=case,
        seen=seen,
        verdict=verdict,
        cause="" if verdict is Verdict.CORRECT else _cause(case, seen),
        if_answered=_of_quotes(case, offered),
    )


def occurs(pattern: str, text: str) -> bool:
    """Return whether `pattern` occurs in `text`; case and white space do not matter.

    A pattern that begins with `re:` is a regular expression; else `a|b` means either text.
    """
    if pattern.startswith("re:"):
        return bool(re2.search("(?i)" + pattern.removeprefix("re:"), text))
    flat = " ".join(text.lower().split())
    return any(" ".join(p.lower().split()) in flat for p in pattern.split("|"))


def rank(case: Case, seen: DeskResult) -> int | None:
    """Return how many candidates of each part cover every gold group; None when all do not."""
    longest = max((len(part.candidates) for part in seen.parts), default=0)
    for size in range(1, longest + 1):
        offered = {i for part in seen.parts for i in part.candidates[:size]}
        if all(offered.intersection(group) for group in case.gold):
            return size
    return None


def _verdict(case: Case, seen: DeskResult) -> Verdict:
    if _forbidden(case, seen):
        return Verdict.WRONG
    if seen.decision == "answer":
        verdict = _of_quotes(case, seen.quoted)
        lacking = not all(occurs(v, seen.reply) for v in case.vital)
        return Verdict.BESIDE if verdict is Verdict.CORRECT and lacking else verdict
    if seen.decision == case.expected:
        return Verdict.CORRECT
    return Verdict.UNREFUSED if case.expected == "refuse" else Verdict.MISSED


def _of_quotes(case: Case, quoted: Sequence[str]) -> Verdict:
    """Return the verdict of answering the case with these passages."""
    quoted_ids = set(quoted)
    if case.kind is MessageKind.REFUSE:
        return Verdict.WRONG
    if case.kind in ANSWERED and all(quoted_ids.intersection(group) for group in case.gold):
        return Verdict.CORRECT
    near = {*case.related, *(i for group in case.gold for i in group)}
    return Verdict.BESIDE if quoted_ids & near else Verdict.WRONG


def _forbidden(case: Case, seen: DeskResult) -> bool:
    return any(occurs(pattern, seen.reply) for pattern in case.forbid)


def _cause(case: Case, seen: DeskResult) -> str:
    """Return the cause of a wrong verdict in words; lists of errors are sorted by it."""
    if _forbidden(case, seen):
        return "forbidden text in the reply"
    if seen.decision == "answer":
        return f"answered: {_cause_of_answer(case, seen)}"
    if seen.decision == "refuse":
        return f"refused without need: {seen.reason}"
    if case.kind is MessageKind.REFUSE:
        return f"handed over instead of refused: {seen.reason}"
    if not seen.open:
        return f"handed over by a rule: {_closing_reason(seen)}"
    return f"handed over as {seen.reason}: {_where(case, seen)}"


def _cause_of_answer(case: Case, seen: DeskResult) -> str:
    match case.kind:
        case MessageKind.ANSWERABLE | MessageKind.FALSE_PREMISE:
            met = all(set(seen.quoted).intersection(group) for group in case.gold)
            return "a vital fact is missing" if met else _where(case, seen)
        case MessageKind.UNANSWERABLE:
            contrast = f" ({case.contrast})" if case.contrast else ""
            return f"the post is silent{contrast}"
        case MessageKind.REFUSE:
            return "a demand to refuse"
        case MessageKind.ESCALATE:
            return "a matter for a person"
        case MessageKind.OFFTOPIC:
            return "off topic"


def _closing_reason(seen: DeskResult) -> str:
    return next((p.reason for p in seen.parts if not p.open), seen.reason)


def _where(case: Case, seen: DeskResult) -> str:
    """Return in words at which place among the candidates the right passage is."""
    if not case.gold:
        return "nothing to find"
    place = rank(case, seen)
    if place is None:
        return "right passage not among the candidates"
    return "right passage is quoted first" if place == 1 else f"right passage is number {place}"
