"""Implements `gaps`: what people ask that the desk does not answer, as table, JSON or page."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from bot.app import App
from bot.commands.report import html_page, parse_since
from bot.commands.report_charts import draw_gaps
from bot.staff.case_rows import name_topics
from bot.staff.gaps import Gap, find_gaps
from bot.text.printable import shorten_line

FEWEST = 2  # the fewest questions of a gap that is shown; a single one is no pattern
PLOTTED = 12  # gaps in the plot
SHOWN = 90  # characters of a question in the table
ALL_ANSWERED = "no question went to a person for want of an answer"
NEXT = (
    "write an answer into the post, or wordings for the nearest passage into questions/; in Slack, "
    "`Answer all` on a card answers all who ask the same"
)


def read_gaps(app: App, since: str) -> tuple[Gap, ...]:
    """Return the gaps since a day such as `2026-11-24` or a period such as `7d`.

    InputError when `since` is neither.
    """
    begin = parse_since(since, app.journal.clock())
    return find_gaps(app.journal, app.encoder.vectors, begin)


def gap_lines(gaps: Sequence[Gap], app: App) -> Iterator[str]:
    """Yield the gaps as a table: count, trend, question, nearest passage and open cases."""
    if not gaps:
        yield ALL_ANSWERED
        return
    titles = name_topics(app.knowledge)
    yield f"{'asked':>6} {'week':>5} {'trend':>6}  question"
    for gap in _patterns(gaps):
        question = shorten_line(gap.question, SHOWN)
        yield f"{gap.count:>6} {gap.last_week:>5} {gap.trend:>+6}  {question}"
        if gap.passage:
            yield f"{'':>21}nearest: {titles.get(gap.passage, gap.passage)}"
        if gap.open_cases:
            yield f"{'':>21}open cases: {', '.join(map(str, gap.open_cases))}"
    single = sum(gap.count < FEWEST for gap in gaps)
    was = "was" if single == 1 else "were"
    yield f"{sum(gap.count for gap in gaps)} questions; {single} of them {was} asked once"
    yield NEXT


def gap_json(gap: Gap) -> dict[str, Any]:
    """Return one gap as the public JSON."""
    return asdict(gap) | {"trend": gap.trend}


def gap_page(gaps: Sequence[Gap], app: App) -> str:
    """Return the gaps as one HTML page with a plot; it loads nothing from elsewhere."""
    titles = name_topics(app.knowledge)
    named = list(_patterns(gaps))
    rows = "".join(
        f"<tr><td>{gap.count}</td><td>{gap.last_week} ({gap.trend:+})</td>"
        f"<td>{escape(gap.question)}</td><td>{escape(titles.get(gap.passage, gap.passage))}</td>"
        f"<td>{', '.join(map(str, gap.open_cases))}</td></tr>"
        for gap in named
    )
    heads = ("asked", "last week", "question", "nearest passage", "open cases")
    head = "".join(f"<th>{name}</th>" for name in heads)
    plot = draw_gaps([(gap.question, gap.count, gap.last_week) for gap in named[:PLOTTED]])
    body = [plot, f"<table><tr>{head}</tr>{rows}</table>"] if named else [f"<p>{ALL_ANSWERED}</p>"]
    return html_page("What people ask that the desk does not answer", body)


def _patterns(gaps: Sequence[Gap]) -> Iterator[Gap]:
    return (gap for gap in gaps if gap.count >= FEWEST)
