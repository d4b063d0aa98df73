"""Draws the plots of a report as SVG that loads nothing from elsewhere."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from bot.journal.activity import DayCount
from bot.text.printable import shorten_line

WIDE, HIGH = 640, 260  # of a plot, in units of its view box
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 16, 44
ROW = 40  # height of a question above its bar
MAX_LABEL = 95  # characters of a question that fit above its bar
MAX_DAY_LABELS = 10  # that fit below the bars
SERIES = (("answered", "answered by the desk"), ("handed", "handed over"), ("other", "neither"))
# The limits of the spans of time to an answer, in minutes, and the names of the spans.
BORDERS = (0.0, 15.0, 60.0, 240.0, 480.0, 1440.0, float("inf"))
SPANS = ("15 min", "1 h", "4 h", "8 h", "a day", "longer")


def draw_days(days: Sequence[DayCount]) -> str:
    """Return a plot of the mails of each day, as stacked bars: answered, handed over, neither."""
    top = _round_up(max((day.messages for day in days), default=1))
    width = (WIDE - LEFT - RIGHT) / max(1, len(days))
    parts = [*_grid(top)]
    step = -(-len(days) // MAX_DAY_LABELS)
    for place, day in enumerate(days):
        x, base = LEFT + place * width, 0
        across = (x + width * 0.12, width * 0.76)
        for name, number in zip((s for s, _ in SERIES), _stack(day), strict=True):
            parts.append(_bar(across, base, base + number, top, name=name))
            base += number
        if place % step == 0:
            parts.append(_label(x + width / 2, HIGH - BOTTOM + 16, day.day[5:]))
    for place, (name, says) in enumerate(SERIES):
        x = LEFT + place * 190
        parts.append(f'<rect class="{name}" x="{x}" y="{HIGH - 16}" width="11" height="11"/>')
        parts.append(f'<text x="{x + 17}" y="{HIGH - 6}">{says}</text>')
    return _frame("Mails of each day", parts)


def draw_times(minutes: Sequence[float]) -> str:
    """Return a bar plot of how many answers of people were sent within each span of time."""
    counts = [sum(a <= m < z for m in minutes) for a, z in pairwise(BORDERS)]
    top = _round_up(max(counts, default=1))
    width = (WIDE - LEFT - RIGHT) / len(SPANS)
    parts = [*_grid(top)]
    for place, (says, count) in enumerate(zip(SPANS, counts, strict=True)):
        x = LEFT + place * width
        parts.append(_bar((x + width * 0.15, width * 0.7), 0, count, top, name="answered"))
        parts.append(_label(x + width / 2, HIGH - BOTTOM + 16, says))
    return _frame("Time to a person's answer", parts)


def draw_gaps(gaps: Sequence[tuple[str, int, int]]) -> str:
    """Return a bar plot of how often each question was asked, with the last week marked.

    A gap is its question, how often it was asked in all, and how often in the last week.
    """
    top = max((count for _, count, _ in gaps), default=1)
    high = ROW * len(gaps) + ROW
    parts = []
    for place, (question, count, last_week) in enumerate(gaps):
        y, wide = place * ROW, (WIDE - 60) * count / top
        recent = (WIDE - 60) * last_week / top
        parts += [
            f'<text x="0" y="{y + 13}">{escape(shorten_line(question, MAX_LABEL))}</text>',
            f'<rect class="other" x="0" y="{y + 18}" width="{wide:.1f}" height="12"/>',
            f'<rect class="handed" x="0" y="{y + 18}" width="{recent:.1f}" height="12"/>',
            f'<text x="{wide + 6:.1f}" y="{y + 29}">{count}</text>',
        ]
    legend = f'<text x="0" y="{high - 10}">Orange: asked in the last week.</text>'
    return _frame("Questions without an answer", [*parts, legend], high=high)


def _stack(day: DayCount) -> tuple[int, int, int]:
    """Return how many mails of a day were answered, were handed over, and neither.

    A mail that was answered in part counts as handed over.
    """
    answered = min(day.answered, max(0, day.messages - day.handed_over))
    return answered, day.handed_over, max(0, day.messages - answered - day.handed_over)


def _frame(title: str, parts: Sequence[str], *, high: int = HIGH) -> str:
    return (
        f'<svg viewBox="0 0 {WIDE} {high}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _grid(top: int) -> list[str]:
    lines = []
    for step in range(5):
        y = _y(top * step / 4, top)
        lines.append(f'<line class="axis" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y}" y2="{y}"/>')
        lines.append(
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{top * step / 4:g}</text>'
        )
    return lines


def _bar(place: tuple[float, float], low: float, high: float, top: int, *, name: str) -> str:
    """Return a bar from `low` to `high`; `place` is its left side and its width."""
    (x, width), y, height = place, _y(high, top), _y(low, top) - _y(high, top)
    return (
        f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}"><title>{high - low:g}</title></rect>'
    )


def _label(x: float, y: float, says: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(says)}</text>'


def _y(value: float, top: int) -> float:
    return round(HIGH - BOTTOM - value / top * (HIGH - TOP - BOTTOM), 1)


def _round_up(value: int) -> int:
    """Return the next multiple of four, at least four, so that the grid has whole numbers."""
    return max(4, -(-value // 4) * 4)
