"""Implements `run`: sends cases through the desk, grades them, checks the gates, reports."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.gates import GATES, GateResult, Gates, apply, apply_kept, read_gates
from evals.live import describe_consultations, describe_worth, live
from evals.measuring.grade import Graded, grade
from evals.measuring.measure import SCRIPTED, EvaluatedDesk, desk_of_settings, run_cases
from evals.measuring.metrics import Rate, latency
from evals.measuring.results import Run, stamp_of, write_json
from evals.measuring.schema import (
    CASES,
    CasesError,
    LocatedCase,
    accept_superseding,
    check_passages,
    read_cases,
)  # fmt: skip
from evals.perturbations import kept_outcomes
from evals.reporting import console, html_report, markdown_report

REPORTS = Path("evals/reports")
TAKEN_ALONG = frozenset({"test", "confirm", "guard"})  # splits that a run of `test` includes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Which cases to run, against what, and where the reports go."""

    cases: Path = CASES
    gates: Path = GATES
    split: str = "test"
    authors: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    jobs: int = 1
    model: bool = False
    out: Path = REPORTS

    @property
    def whole(self) -> bool:
        """Return whether the whole test split is run: only then gates apply."""
        return self.split in ("test", "all") and not self.authors and not self.slices


def run(argv: Sequence[str], make: Callable[[], EvaluatedDesk] = desk_of_settings) -> int:
    """Run, report and return 0 when the gates hold, else 1; errors are raised."""
    options = _parse(argv)
    result = measure_run(options, make)
    if result.scripted:
        print(f"{len(result.graded)} messages went through; {result.stamp['decision']}")
        print("a server on this machine is taken for a script: there are no figures of quality")
        return 0
    write_reports(result, options.out)
    return result.code


def measure_run(options: RunOptions, make: Callable[[], EvaluatedDesk] = desk_of_settings) -> Run:
    """Run the chosen cases, check the gates and return the run."""
    began = time.perf_counter()
    gates = read_gates(options.gates)
    placed = select_cases(read_cases(options.cases), options)
    desk = make()
    check_passages(placed, frozenset(desk.knowledge.passages))
    later = {each.passage: each.by for each in desk.knowledge.notes.superseded}
    cases = [accept_superseding(p.case, later) for p in placed]
    stamp, say = stamp_of(desk, options.cases, options.gates), progress(len(cases))
    if options.model:
        lived = live(cases, desk, threads=options.jobs, say=say)
        seen = list(lived.runs[0])
        stamp["decision"] += f", {lived.line}"
    else:
        seen = run_cases(cases, desk, make, jobs=options.jobs, say=say)
    if desk.model:
        stamp["decision"] += f", {describe_consultations(seen)}"
    if desk.model and SCRIPTED not in desk.model:
        stamp["decision"] += f", {describe_worth(cases, seen)}"
    graded = tuple(grade(case, done) for case, done in zip(cases, seen, strict=True))
    checked, kept = _gated(options, gates, graded, desk)
    return Run(
        graded=graded,
        checked=checked,
        kept=kept,
        threshold=desk.threshold,
        stamp=stamp,
        seconds=time.perf_counter() - began,
    )


def _gated(
    choice: RunOptions, gates: Gates, graded: Sequence[Graded], desk: EvaluatedDesk
) -> tuple[tuple[GateResult, ...], dict[str, Rate]]:
    """Return the checked gates and the rates of the perturbations; empty for a partial run.

    A run of a scripted model has neither. A run with a model skips the perturbations.
    """
    if not choice.whole or SCRIPTED in desk.model:
        return (), {}
    checked = apply(gates, graded, latency(graded))
    if desk.model:  # each perturbed message would cost money
        return tuple(checked), {}
    held = [g for g in graded if g.case.split == "test"]
    cases, seen = [g.case for g in held], [g.seen for g in held]
    kept = kept_outcomes(cases, seen, desk, list(gates.kept))
    return (*checked, *apply_kept(gates, kept)), kept


def write_reports(result: Run, out: Path) -> None:
    """Write all reports into `out` and print the console table."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(result, out / "results.json")
    (out / "summary.md").write_text(markdown_report.markdown_page(result), encoding="utf-8")
    (out / "report.html").write_text(html_report.report_page(result), encoding="utf-8")
    print(console.console_report(result))
    print(f"reports: {out}/report.html, summary.md, results.json")


def select_cases(placed: Sequence[LocatedCase], options: RunOptions) -> list[LocatedCase]:
    """Return the chosen cases; CasesError for an unknown author or slice, or when none is left."""
    for name, wanted, there in (
        ("author", options.authors, {p.case.author for p in placed}),
        ("slice", options.slices, {p.case.slice for p in placed}),
    ):
        if unknown := sorted(set(wanted) - there):
            raise CasesError(
                f"no case has {name} {unknown[0]!r}; there are {', '.join(sorted(there))}"
            )
    kept = [
        p
        for p in placed
        if (
            options.split in ("all", p.case.split)
            or (options.split == "test" and p.case.split in TAKEN_ALONG)
        )
        and (not options.authors or p.case.author in options.authors)
        and (not options.slices or p.case.slice in options.slices)
    ]
    if not kept:
        raise CasesError(f"{options.cases}: no case is left to run; an empty run proves nothing")
    return kept


def progress(of: int) -> Callable[[int], None]:
    """Return a function that shows how many of the cases are done, on a terminal only."""

    def tell(done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == of else ""
            print(f"\r{done}/{of} cases", end=end, file=sys.stderr, flush=True)

    return tell


def _parse(argv: Sequence[str]) -> RunOptions:
    parser = argparse.ArgumentParser(
        prog="python -m evals run",
        description="Run cases through the desk and apply the gates.",
        epilog="example: python -m evals run --split all --jobs 2",
    )
    parser.add_argument("--split", choices=("test", "confirm", "fit", "all"), default="test")
    parser.add_argument("--author", action="append", default=[], help="only this author's cases")
    parser.add_argument("--slice", action="append", default=[], help="only this slice's cases")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--model", action="store_true", help="with DESK_MODEL: three runs, flips and cost"
    )
    parser.add_argument("--out", type=Path, default=REPORTS)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--gates", type=Path, default=GATES)
    given = parser.parse_args(argv)
    return RunOptions(
        cases=given.cases, gates=given.gates, split=given.split, authors=tuple(given.author),
        slices=tuple(given.slice), jobs=given.jobs, model=given.model, out=given.out,
    )  # fmt: skip
