"""Reports a run as plain text for a terminal or a log."""

from collections.abc import Sequence

from evals.gates import GateResult
from evals.measuring.grade import Graded
from evals.measuring.metrics import MEANINGS, Rate, figures, grouped, latency
from evals.measuring.results import GAP, Run


def console_report(run: Run) -> str:
    """Return the report as text: gates, figures and slices of the test split, and more."""
    parts = [
        f"{run.verdict} · {len(run.graded)} cases in {run.seconds:.1f} s · {_stamp(run)}",
        *_gates(run.checked),
        "",
        *_figures(run.held),
        *_confirmed(run),
        "",
        *_slices(run),
        *_kept(run),
        *_timing(run),
        *_gap(run),
        *_compared(run),
    ]
    return "\n".join(parts)


def figure_text(figure: Rate | float) -> str:
    """Return a figure as text; a rate with its counts."""
    if not isinstance(figure, Rate):
        return f"{figure:g}" if float(figure).is_integer() else f"{figure:.4f}"
    if figure.value is None:
        return "–"
    return f"{100 * figure.value:.1f} % ({figure.hits}/{figure.of})"


def bounds(figure: Rate | float) -> str:
    """Return the two one-sided 95 % bounds of a rate as text; empty for any other figure."""
    if not isinstance(figure, Rate) or figure.value is None:
        return ""
    return f"{100 * figure.lower:.1f}–{100 * figure.upper:.1f} %"


def _stamp(run: Run) -> str:
    return f"{run.stamp['decision']}, threshold {run.stamp['threshold']}"


def _gates(checked: Sequence[GateResult]) -> list[str]:
    return [
        f"  {'ok  ' if c.holds else 'warn' if c.soft else 'FAIL'} "
        f"{(c.scope + ': ' if c.scope else '') + c.name:<38}{c.value:>9.4g}  {c.limit}"
        for c in checked
    ]


def _confirmed(run: Run) -> list[str]:
    """Return the figures of the split `confirm`, which no gate reads, where it was measured."""
    beside = [g for g in run.graded if g.case.split == "confirm"]
    if not beside or beside == run.held:
        return []
    return ["", f"  split confirm, {len(beside)} cases, not gated", *_figures(beside)]


def _figures(graded: Sequence[Graded]) -> list[str]:
    return [
        f"  {name:<22}{figure_text(figure):<20}{bounds(figure):<16}{MEANINGS[name]}"
        for name, figure in figures(graded).items()
    ]


def _slices(run: Run) -> list[str]:
    rows = [f"  {'slice':<22}{'correct':<20}{'95 % bounds':<16}wrong"]
    for name, group in grouped(run.held, lambda g: g.case.slice).items():
        values = figures(group)
        rows.append(
            f"  {name:<22}{figure_text(values['behaviour']):<20}{bounds(values['behaviour']):<16}"
            f"{figure_text(values['wrong'])}"
        )
    return rows


def _kept(run: Run) -> list[str]:
    """Return how many cases keep their outcome under each perturbation."""
    if not run.kept:
        return []
    rows = ["", f"  {'written another way':<22}{'same outcome':<20}95 % bounds"]
    return rows + [
        f"  {name:<22}{figure_text(rate):<20}{bounds(rate)}" for name, rate in run.kept.items()
    ]


def _timing(run: Run) -> list[str]:
    taken = latency(run.graded)
    return ["", "  " + "  ".join(f"{name} {value:.1f}" for name, value in taken.items())]


def _gap(run: Run) -> list[str]:
    if run.gap is None:
        return []
    warned = "  WARNING: fitted to its own authors" if run.gap > GAP else ""
    return [f"  right on fit cases minus right on test cases: {100 * run.gap:+.1f} points{warned}"]


def _compared(run: Run) -> list[str]:
    diff = run.comparison
    if diff is None:
        return []
    if diff.note:
        return [f"  {diff.note}"]
    return [
        (
            f"  against {diff.base}: {len(diff.fixed)} fixed, {len(diff.broken)} broken "
            f"of {diff.shared} (exact McNemar p = {diff.p:.3f}; "
            f"change {100 * diff.low:+.1f} to {100 * diff.high:+.1f} points)"
        )
    ]
