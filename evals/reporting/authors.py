"""Tabulates the figures of the held-out authors side by side, in Markdown."""

from collections.abc import Iterator

from evals.measuring.metrics import MEANINGS, Rate, figures, grouped
from evals.measuring.results import Run
from evals.measuring.schema import HELD_OUT
from evals.reporting.console import bounds, figure_text

FIGURES = (
    "right_en", "wrong", "beside", "silent_answered", "pairs", "first", "in_three", "right_other",
    "wrong_other", "parts_right", "parts_beside", "words_quoted", "quotes_right",
)  # fmt: skip


def author_table(run: Run) -> Iterator[str]:
    """Yield a table with a column for each author and each split; nothing for a single author."""
    held = [g for g in run.graded if g.case.split in HELD_OUT]
    authors = grouped(held, lambda g: g.case.author)
    if len(authors) < 2:
        return
    splits = grouped(held, lambda g: g.case.split)
    columns = [*authors.items(), *((f"split {name}", each) for name, each in splits.items())]
    columns_of_figures = [figures(graded) for _, graded in columns]
    heads = [f"{name}: {len(graded)}" for name, graded in columns]
    yield f"| | {' | '.join(heads)} |"
    yield f"|---{'|---' * len(columns)}|"
    for name in FIGURES:
        cells = [_cell(each[name]) for each in columns_of_figures]
        yield f"| {name}: {MEANINGS[name]} | {' | '.join(cells)} |"


def _cell(figure: Rate | float) -> str:
    """Return a rate with its counts and its two bounds, as in `74.5 % (339/455; 70.9–77.9 %)`."""
    ends = bounds(figure)
    return f"{figure_text(figure)[:-1]}; {ends})" if ends else figure_text(figure)
