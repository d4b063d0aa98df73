"""Implements `edits`: measures what an edit of the knowledge costs other questions.

Each edit is made in a copy, learned by the light fit and measured on the held-out cases of the
split `test`: on those that are about other parts, and on those that are about the edited part.
A case keeps its answer when it is answered, refused or handed over as before, and as rightly.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.app import App
from bot.corpus import Knowledge
from bot.corpus.messages import ANSWERED
from bot.settings import read_settings
from evals.measuring.grade import Graded, Verdict
from evals.measuring.knowledge_edits import EDITS, REMOVED_ANSWER, EditedKnowledge, apply_edit
from evals.measuring.light import QueryCache, light_desk, measure_cases, query_cache
from evals.measuring.metrics import Rate
from evals.measuring.schema import CASES, Case, load_cases

KEPT = 0.98  # of the cases about other parts keep their answer after any edit
WITHIN = 0.01  # how much fewer right answers an edit may leave elsewhere
WITHIN_REMOVED = 0.02  # the same where an answer goes, and all that was labelled with it
HEAD = (
    "| edit | elsewhere: cases that keep their answer | the same passage first | right, before → "
    "after | wrong of answered | the edited part: right | ids that changed | seconds |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResult:
    """The same cases before and after an edit, with the seconds that learning it took."""

    name: str
    edited: EditedKnowledge
    before: tuple[Graded, ...]
    after: tuple[Graded, ...]
    seconds: float

    def rates(self, *, touched: bool) -> tuple[Rate, Rate]:
        """Answered rightly of the answerable, before and after, on one side of the edit."""
        sides = self.pairs(touched=touched)
        return right([before for before, _ in sides]), right([after for _, after in sides])

    def pairs(self, *, touched: bool) -> list[tuple[Graded, Graded]]:
        """Each case before and after, on one side of the edit."""
        sides = zip(self.before, self.after, strict=True)
        return [(b, a) for b, a in sides if self.edited.touched.meets(b.case) is touched]

    @property
    def kept(self) -> Rate:
        """The cases about other parts that keep their answer."""
        sides = self.pairs(touched=False)
        return Rate(hits=sum(map(keeps_answer, sides)), of=len(sides))

    @property
    def same_first(self) -> Rate:
        """Of the cases about other parts, those that also quote the same passage first."""
        sides = self.pairs(touched=False)
        new = self.edited.renamed
        same = [
            keeps_answer((b, a))
            and [new.get(p, p) for p in b.seen.quoted[:1]] == [*a.seen.quoted[:1]]
            for b, a in sides
        ]
        return Rate(hits=sum(same), of=len(same))

    @property
    def holds(self) -> bool:
        """Did the questions about other parts keep their answers, and as many right ones?"""
        before, after = self.rates(touched=False)
        allowed = WITHIN_REMOVED if self.name == REMOVED_ANSWER else WITHIN
        as_many = (after.value or 0.0) >= (before.value or 0.0) - allowed
        return (self.kept.value or 0.0) >= KEPT and as_many


def edits(argv: Sequence[str]) -> int:
    """0 every edit leaves answering elsewhere as it was, as far as is asked; 1 some does not."""
    parser = argparse.ArgumentParser(
        prog="python -m evals edits", description="Edits, learned by the light fit and measured."
    )
    parser.add_argument("--edit", action="append", choices=list(EDITS), help="only this one")
    names = parser.parse_args(argv).edit or list(EDITS)
    app = App(read_settings(), _say)
    encoder = query_cache(app)
    results = measure_edits(app.knowledge, encoder, load_cases(CASES), names)
    encoder.save()
    failed = [result.name for result in results if not result.holds]
    _say(f"{len(failed)} of {len(results)} edits change more elsewhere than is allowed")
    return 1 if failed else 0


def measure_edits(
    knowledge: Knowledge, encoder: QueryCache, cases: Sequence[Case], names: Sequence[str]
) -> list[EditResult]:
    """Measure the knowledge as it is and after each edit; a row of the table as each ends."""
    held = [case for case in cases if case.split == "test"]
    base = light_desk(knowledge, encoder)
    before = tuple(measure_cases(held, base.desk))
    _say(
        f"before: {percent_with_counts(right(before))} right, {base.seconds:.0f} s to learn\n{HEAD}"
    )
    results = []
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            edited = apply_edit(name, knowledge, Path(place) / "knowledge")
            light = light_desk(edited.knowledge, encoder)
            after = measure_cases([edited.case(case) for case in held], light.desk)
            results.append(
                EditResult(
                    name=name, edited=edited, before=before, after=tuple(after),
                    seconds=light.seconds,
                )
            )  # fmt: skip
            _say(edit_row(results[-1]))
            for warning in set(edited.knowledge.warnings) - set(knowledge.warnings):
                _say(f"  {warning}")
    return results


def edit_row(result: EditResult) -> str:
    """One line of the table."""
    sides = result.pairs(touched=False)
    elsewhere, there = result.rates(touched=False), result.rates(touched=True)
    change = 100 * ((elsewhere[1].value or 0.0) - (elsewhere[0].value or 0.0))
    cells = (
        result.name,
        percent_with_counts(result.kept),
        percent_with_counts(result.same_first),
        f"{percent_with_counts(elsewhere[0])} → {percent_with_counts(elsewhere[1])}: {change:+.1f}",
        f"{_counts(wrong([b for b, _ in sides]))} → {_counts(wrong([a for _, a in sides]))}",
        f"{percent_with_counts(there[0])} → {percent_with_counts(there[1])}",
        str(len(result.edited.renamed)),
        f"{result.seconds:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def keeps_answer(sides: tuple[Graded, Graded]) -> bool:
    """Is a case answered, refused or handed over as before, and as rightly?"""
    before, after = sides
    return before.seen.decision == after.seen.decision and before.verdict is after.verdict


def right(graded: Sequence[Graded]) -> Rate:
    """Answered rightly, in any language, of all that the post answers."""
    asked = [g for g in graded if g.case.kind in ANSWERED]
    return Rate(hits=sum(g.correct for g in asked), of=len(asked))


def wrong(graded: Sequence[Graded]) -> Rate:
    """Wrong of all answered."""
    answered = [g for g in graded if g.answered]
    return Rate(hits=sum(g.verdict is Verdict.WRONG for g in answered), of=len(answered))


def percent_with_counts(rate: Rate) -> str:
    """`74.5 % (339/455)`."""
    return f"{100 * rate.hits / rate.of:.1f} % ({rate.hits}/{rate.of})" if rate.of else "–"


def _counts(rate: Rate) -> str:
    return f"{rate.hits}/{rate.of}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
