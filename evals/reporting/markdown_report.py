"""Reports a run as summary.md for a pull request, without the text of a held-out message."""

from collections.abc import Iterator, Sequence

from evals.gates import GateResult
from evals.measuring.grade import Graded, Verdict
from evals.measuring.metrics import MEANINGS, confusion, figures
from evals.measuring.results import GAP, Run
from evals.reporting import authors
from evals.reporting.console import bounds, figure_text

ROWS = 50
FIRST = (Verdict.WRONG, Verdict.BESIDE, Verdict.UNREFUSED, Verdict.MISSED)
SPECIAL = str.maketrans(
    {"|": "\\|", "<": "&lt;", ">": "&gt;", "@": "&#64;", "`": "&#96;", "\n": " ", "\r": " "}
)
HEADLINES = (
    "right_en", "right_other", "wrong", "wrong_families", "beside", "wrong_other",
    "silent_answered", "pairs", "first", "in_three", "refusal_recall", "false_refusal",
    "escalate_recall",
)  # fmt: skip


def markdown_page(run: Run) -> str:
    """Return the report: verdict, comparison, gates, figures, and errors up to ROWS rows in all."""
    values = figures(run.held)
    head = [
        f"## Evals: {'✅' if run.holds else '❌'} {run.verdict}",
        "",
        (
            f"{len(run.graded)} cases, {escaped(run.stamp['decision'])}, threshold "
            f"{run.stamp['threshold']}, knowledge {run.stamp['knowledge']}"
        ),
        *_compared(run),
        *_gap(run),
    ]
    tables = [
        *_gates(run.checked),
        "",
        "| figure | value | 95 % bounds | |",
        "|---|---|---|---|",
        *(
            f"| {n} | {figure_text(values[n])} | {bounds(values[n])} | {MEANINGS[n]} |"
            for n in HEADLINES
        ),
        "",
        *_confusion(run.held),
        "",
        *_kept(run),
        "",
        *authors.author_table(run),
    ]
    left = ROWS - sum(line.startswith("|") for line in tables) - 2
    return "\n".join([*head, "", *tables, "", *_errors(run.held, left)]) + "\n"


def escaped(text: str) -> str:
    """Return a text for a cell of a table, so that nothing in it is markup or a mention."""
    return text.translate(SPECIAL)


def _gates(checked: Sequence[GateResult]) -> Iterator[str]:
    if not checked:
        return
    yield "| gate | value | limit | |"
    yield "|---|---|---|---|"
    for c in sorted(checked, key=lambda c: c.holds):
        name = f"{c.scope}: {c.name}" if c.scope else c.name
        mark = "✅" if c.holds else "⚠️" if c.soft else "❌"
        value = "see timings" if c.name.startswith("ms_p") else f"{c.value:.4g}"
        yield f"| {escaped(name)} | {value} | {c.limit} | {mark} |"


def _confusion(held: Sequence[Graded]) -> Iterator[str]:
    yield "| expected ↓ got → | answer | refuse | escalate | silent |"
    yield "|---|---|---|---|---|"
    for expected, row in confusion(held).items():
        yield f"| {expected} | {' | '.join(map(str, row.values()))} |"


def _kept(run: Run) -> Iterator[str]:
    if not run.kept:
        return
    yield "| written another way | same outcome | 95 % bounds |"
    yield "|---|---|---|"
    for name, rate in run.kept.items():
        yield f"| {name} | {figure_text(rate)} | {bounds(rate)} |"


def _errors(held: Sequence[Graded], rows: int) -> Iterator[str]:
    errors = sorted(
        (g for g in held if not g.correct),
        key=lambda g: (FIRST.index(g.verdict), g.cause, g.case.id),
    )
    if not errors:
        return
    listed = errors[: max(0, rows)]
    yield f"{len(errors)} cases not correct" + (
        f"; the first {len(listed)}, worst first:" if len(listed) < len(errors) else ":"
    )
    yield ""
    yield "| case | slice | verdict | cause |"
    yield "|---|---|---|---|"
    for g in listed:
        cells = (g.case.id, g.case.slice, g.verdict.value, g.cause)
        yield "| " + " | ".join(map(escaped, cells)) + " |"


def _gap(run: Run) -> list[str]:
    if run.gap is None:
        return []
    mark = " ⚠️" if run.gap > GAP else ""
    return [f"Right on fit cases minus right on test cases: {100 * run.gap:+.1f} points{mark}"]


def _compared(run: Run) -> list[str]:
    diff = run.comparison
    if diff is None:
        return []
    if diff.note:
        return ["", f"⚠️ {escaped(diff.note)}"]
    broken = f"; broken: {', '.join(map(escaped, diff.broken[:20]))}" if diff.broken else ""
    return [
        "",
        (
            f"Against {escaped(diff.base)}: {len(diff.fixed)} fixed, {len(diff.broken)} broken of "
            f"{diff.shared} shared cases (exact McNemar p = {diff.p:.3f}; change 95 % "
            f"{100 * diff.low:+.1f} to {100 * diff.high:+.1f} points, clustered by family){broken}"
        ),
    ]
