"""Draws curves as SVG that loads nothing from elsewhere."""

from collections.abc import Sequence

from evals.measuring.grade import Graded, Verdict
from evals.measuring.metrics import curve, reliability

WIDE, HIGH = 520, 330
LEFT, RIGHT, TOP, BOTTOM = 66, 26, 16, 44
Points = Sequence[tuple[float, float]]
# The style of a picture that is shown outside of a page.
ALONE = (
    "svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#555d6d}.axis{stroke:#e1e4ea}"
    "polyline{fill:none;stroke-width:2}polyline.curve{stroke:#2b7a5b}polyline.second{stroke:#c0392b}"
    "circle.curve,text.curve{fill:#2b7a5b}circle.second,text.second{fill:#c0392b}"
)


def draw_risk_coverage(graded: Sequence[Graded]) -> str:
    """Return a plot of the share wrong, among answered and among asked, over the share answered.

    A mark shows the current threshold.
    """
    points = curve(graded)
    asked = [(c, risk * c) for c, risk in points]
    answered = [g for g in graded if g.answered]
    now = len(answered) / len(graded) if graded else 0.0
    risk = sum(g.verdict is Verdict.WRONG for g in answered) / len(answered) if answered else 0.0
    top = _top([r for _, r in points] + [risk])
    x, y = _x(now), _y(risk / top)
    anchor, shift = ("end", -8) if now > 0.6 else ("start", 8)
    return _frame(
        "Risk–coverage",
        [
            *_grid(top, "share of messages answered", "wrong"),
            _line(points, top, "curve"),
            _line(asked, top, "second"),
            f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{HIGH - BOTTOM}"/>',
            f'<circle class="dot" cx="{x}" cy="{y}" r="5"/>',
            (
                f'<text class="named" x="{x + shift:.1f}" y="{TOP + 14}" text-anchor="{anchor}">'
                f"threshold: {100 * now:.0f} % answered, {100 * risk:.1f} % wrong</text>"
            ),
        ],
    )


def reliability_diagram(graded: Sequence[Graded], threshold: float) -> str:
    """Return a plot of the share right over the stated probability.

    The area of a point grows with its number of cases.
    """
    bins = reliability(graded)
    most = max((n for _, _, n in bins), default=1)
    points = [
        f'<circle class="point" cx="{_x(p)}" cy="{_y(right)}" r="{4 + 9 * (n / most) ** 0.5:.1f}">'
        f"<title>{n} cases: stated {p:.2f}, right {right:.2f}</title></circle>"
        for p, right, n in bins
    ]
    x = _x(min(1.0, threshold))
    return _frame(
        "Reliability",
        [
            *_grid(1.0, "stated probability", "right"),
            _line([(0, 0), (1, 1)], 1.0, "second"),
            f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{HIGH - BOTTOM}"/>',
            (
                f'<text class="named" x="{x - 6:.1f}" y="{HIGH - BOTTOM - 8}" text-anchor="end">'
                f"threshold {threshold:.2f}</text>"
            ),
            *points,
        ],
    )


def draw_learning(points: Sequence[tuple[int, float, float]]) -> str:
    """Return a stand-alone SVG file of what is answered rightly, and wrong of the answers.

    A point is a number of labels with both shares; the points are drawn at equal distances.
    """
    top = _top([value for _, *values in points for value in values])
    last = max(1, len(points) - 1)
    lines = [
        (name, legend, [(i / last, point[part]) for i, point in enumerate(points)])
        for name, legend, part in (
            ("curve", "of the stream answered rightly by itself", 1),
            ("second", "of its answers wrong", 2),
        )
    ]
    parts = [_across(top), *(_line(line, top, name) for name, _, line in lines)]
    for name, _, line in lines:
        parts += [
            f'<circle class="{name}" cx="{_x(x)}" cy="{_y(y / top)}" r="3"/>' for x, y in line
        ]
    below = HIGH - BOTTOM + 18
    for i, (labels, *_) in enumerate(points):
        x = _x(i / last)
        parts.append(f'<text x="{x}" y="{below}" text-anchor="middle">{labels}</text>')
    middle = (LEFT + WIDE - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HIGH - 8}" text-anchor="middle">labels</text>')
    parts += [
        f'<text class="{name}" x="{LEFT + 10}" y="{TOP + 14 + 16 * i}">{legend}</text>'
        for i, (name, legend, _) in enumerate(lines)
    ]
    drawn = _frame("What a desk learns from approved answers", parts)
    head = '<svg xmlns="http://www.w3.org/2000/svg" '
    return drawn.replace("<svg ", head, 1).replace(">", f"><style>{ALONE}</style>", 1) + "\n"


def _across(top: float) -> str:
    """Return the horizontal lines of a plot, labelled with their shares."""
    return "".join(
        f'<line class="axis" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.3g} %</text>'
        for y, share in ((_y(i / 4), 25 * i * top) for i in range(5))
    )


def _frame(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{title}">' + "".join(parts)
    ) + "</svg>"


def _grid(top: float, across: str, up: str) -> list[str]:
    lines = []
    for i in range(5):
        share = i / 4
        x, y = _x(share), _y(share)
        high, wide = f"{100 * share * top:.3g} %", f"{100 * share:.0f} %"
        lines += [
            f'<line class="axis" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y}" y2="{y}"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{high}</text>',
            f'<text x="{x}" y="{HIGH - BOTTOM + 18}" text-anchor="middle">{wide}</text>',
        ]
    middle = (LEFT + WIDE - RIGHT) / 2
    return [
        *lines,
        f'<text x="{middle}" y="{HIGH - 8}" text-anchor="middle">{across}</text>',
        (
            f'<text x="14" y="{(TOP + HIGH - BOTTOM) / 2}" text-anchor="middle" '
            f'transform="rotate(-90 14 {(TOP + HIGH - BOTTOM) / 2})">{up}</text>'
        ),
    ]


def _line(points: Points, top: float, name: str) -> str:
    if not points:
        return ""
    points_text = " ".join(f"{_x(x)},{_y(y / top)}" for x, y in points)
    return f'<polyline class="{name}" points="{points_text}"/>'


def _top(values: Sequence[float]) -> float:
    """Return a round number at or above all values, at most 1, as the top of the plot."""
    most = max(values, default=0.0)
    return next((t for t in (0.02, 0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8) if most <= t), 1.0)


def _x(share: float) -> float:
    return round(LEFT + share * (WIDE - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM), 1)
