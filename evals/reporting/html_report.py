"""Reports a run as one HTML page that loads nothing from elsewhere; messages are masked."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from bot.redact import redact
from evals.measuring.grade import Graded
from evals.measuring.metrics import MEANINGS, Rate, confusion, figures, grouped, latency, sweep
from evals.measuring.results import Run, by
from evals.reporting.charts import draw_risk_coverage, reliability_diagram
from evals.reporting.console import bounds, figure_text
from evals.reporting.markdown_report import FIRST

HERE = Path(__file__).parent
TILES = {
    "right_en": "English answerable, answered rightly",
    "wrong": "wrong among answered",
    "beside": "beside the point among answered",
    "pairs": "minimal pairs right on all sides",
    "in_three": "right passage among three",
    "refusal_recall": "demands refused",
    "right_other": "other languages, answered rightly",
    "leaks": "secrets in outgoing texts",
}
FILTERS = ("verdict", "split", "slice", "author", "lang", "expected", "got")
# The page may load nothing, whatever a message contains.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def report_page(run: Run) -> str:
    """Return the whole document."""
    parts = [
        *_head(run), *_tiles(run), *_charts(run), *_matrix(run), *_gates(run), *_figures(run),
        *_slices(run), *_thresholds(run), *_errors(run), *_cases(run), *_foot(run),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _head(run: Run) -> Iterator[str]:
    tone = ("good" if run.holds else "bad") if run.checked else "none"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f"<title>Evals: {escape(run.verdict)}</title>"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield f"<style>{(HERE / 'page.css').read_text(encoding='utf-8')}</style></head><body>"
    yield "<h1>Incident Desk evals</h1>"
    yield f'<p><span class="verdict {tone}">{escape(run.verdict)}</span></p>'
    taken = latency(run.graded)
    yield (
        f'<p class="soft">{len(run.graded)} cases, {len(run.held)} of them in the figures below · '
        f"{escape(run.stamp['decision'])}, threshold {escape(run.stamp['threshold'])} · "
        f"{taken['ms_p50']:.1f} ms a decision (p95 {taken['ms_p95']:.1f}) · "
        f"{run.seconds:.1f} s in all</p>"
    )
    if run.gap is not None:
        yield f"<p>Right on fit cases minus right on test cases: {100 * run.gap:+.1f} points</p>"
    yield from _compared(run)
    yield (
        '<nav><a href="#gates">Gates</a><a href="#figures">Figures</a><a href="#slices">Slices</a>'
        '<a href="#errors">Errors</a><a href="#cases">Cases</a></nav>'
    )


def _compared(run: Run) -> Iterator[str]:
    diff = run.comparison
    if diff and diff.note:
        yield f'<p class="warn">{escape(diff.note)}</p>'
    elif diff:
        yield (
            f"<p>Against {escape(diff.base)}: {len(diff.fixed)} fixed, {len(diff.broken)} broken "
            f"of {diff.shared} (exact McNemar p = {diff.p:.3f}; change {100 * diff.low:+.1f} to "
            f"{100 * diff.high:+.1f} points over families)</p>"
        )
        if diff.broken:
            yield f'<p>Broken: <span class="id">{escape(", ".join(diff.broken))}</span></p>'


def _tiles(run: Run) -> Iterator[str]:
    values = figures(run.held)
    yield '<div class="tiles">'
    for name, label in TILES.items():
        figure = values[name]
        value = f"{100 * (figure.value or 0):.1f} %" if isinstance(figure, Rate) else f"{figure:g}"
        if isinstance(figure, Rate) and figure.value is None:
            value = "–"
        rest = f"{figure.hits} of {figure.of}, {bounds(figure)}" if isinstance(figure, Rate) else ""
        yield f'<div class="tile"><b>{value}</b>{label}<span>{rest}</span></div>'
    yield "</div>"


def _charts(run: Run) -> Iterator[str]:
    yield '<div class="charts"><figure>'
    yield draw_risk_coverage(run.held)
    yield (
        "<figcaption>Most certain first. Solid: wrong among answered; dashed: among all asked. "
        "Rules keep what is missing on the right at any threshold.</figcaption></figure><figure>"
    )
    yield reliability_diagram(run.held, run.threshold)
    yield (
        "<figcaption>How often the candidates were right where a probability was stated; on the "
        "dashed line it is honest.</figcaption></figure></div>"
    )


def _matrix(run: Run) -> Iterator[str]:
    yield '<h2>Decisions</h2><table class="matrix"><tr><th>expected ↓ got →</th>'
    yield (
        "".join(f"<th>{side}</th>" for side in ("answer", "refuse", "escalate", "silent")) + "</tr>"
    )
    for expected, row in confusion(run.held).items():
        cells = "".join(
            f'<td class="{"diagonal" if got == expected else "off" if n else ""}">{n}</td>'
            for got, n in row.items()
        )
        yield f"<tr><th>{expected}</th>{cells}</tr>"
    yield "</table>"


def _gates(run: Run) -> Iterator[str]:
    yield '<h2 id="gates">Gates</h2>'
    if not run.checked:
        yield f"<p>{escape(run.verdict)}</p>"
        return
    rows = []
    for c in run.checked:
        tone = "good" if c.holds else "warn" if c.soft else "bad"
        mark = "holds" if c.holds else "warns" if c.soft else "fails"
        rows.append(
            [escape(c.scope), escape(c.name), f"{c.value:.4g}", escape(c.limit),
             f'<b class="{tone}">{mark}</b>']
        )  # fmt: skip
    yield from _table(("slice", "figure", "value", "limit", ""), rows, numbers=(2,))


def _figures(run: Run) -> Iterator[str]:
    yield '<h2 id="figures">Figures</h2>'
    rows = [
        [name, figure_text(figure), bounds(figure), MEANINGS[name]]
        for name, figure in figures(run.held).items()
    ]
    yield from _table(("figure", "value", "95 % bounds", "what it counts"), rows, numbers=(1, 2))


def _slices(run: Run) -> Iterator[str]:
    yield '<h2 id="slices">Slices, authors and languages</h2>'
    names = ("behaviour", "right_en", "right_other", "wrong", "beside", "in_three")
    rows = []
    for field in ("slice", "author", "lang"):
        for name, group in by(run.graded, field).items():
            splits = "+".join(grouped(group, lambda g: g.case.split))
            found = figures(group)
            cells = [_cell(found[n]) for n in names]
            rows.append([field, escape(name), splits, str(len(group)), *cells])
    heads = ("by", "name", "split", "cases", "correct", "right en", "right other", "wrong",
             "beside", "in three")  # fmt: skip
    yield from _table(heads, rows, numbers=range(3, 10))


def _thresholds(run: Run) -> Iterator[str]:
    yield "<h2>What other thresholds would do</h2>"
    rows = [
        [f"{r['threshold']:.2f}", f"{r['answered']:g}", *(
            f"{100 * r[n]:.1f} %" for n in ("coverage", "right", "wrong", "wrong_upper95")
        )]
        for r in sweep(run.held)
    ]  # fmt: skip
    heads = ("threshold", "answered", "coverage", "answerable answered rightly", "wrong",
             "wrong, upper 95 %")  # fmt: skip
    yield from _table(heads, rows, numbers=range(6))


def _errors(run: Run) -> Iterator[str]:
    yield '<h2 id="errors">Errors by cause</h2>'
    errors = [g for g in run.held if not g.correct]
    causes = grouped(errors, lambda g: f"{FIRST.index(g.verdict)}{g.verdict.value}: {g.cause}")
    if not causes:
        yield '<p class="good">Every case is correct.</p>'
    ordered = sorted(causes.items(), key=lambda item: (item[0][0], -len(item[1]), item[0]))
    for name, group in ordered:
        yield f"<details><summary>{len(group)} × {escape(name[1:])}</summary>"
        yield from _table(
            ("case", "message", "quoted or nearest", "p"), map(_error_row, group), numbers=(3,)
        )
        yield "</details>"


def _error_row(graded: Graded) -> list[str]:
    return [
        f'<span class="id">{escape(graded.case.id)}</span>',
        f'<div class="message">{_said(graded)}</div>',
        f'<span class="id">{escape(_passages(graded))}</span>',
        f"{graded.seen.probability:.2f}",
    ]


def _cases(run: Run) -> Iterator[str]:
    yield '<h2 id="cases-title">Cases</h2><div class="filters">'
    yield '<input id="words" type="search" placeholder="words of a message, id, cause or passage">'
    tagged = [(g, _tags(g)) for g in run.graded]
    for key in FILTERS:
        options = "".join(
            f'<option value="{escape(v)}">{escape(v)}</option>'
            for v in sorted({t[key] for _, t in tagged})
        )
        label = f'<option value="">any {key}</option>'
        yield f'<select data-key="{key}" aria-label="{key}">{label}{options}</select>'
    yield '<span id="count" class="soft"></span></div><div class="scroll"><table id="cases"><thead>'
    yield "<tr><th>case</th><th>message</th><th>expected, got</th><th>verdict</th>"
    yield '<th>quoted or nearest</th><th class="n">p</th></tr></thead><tbody>'
    yield from (_case_row(g, tags) for g, tags in tagged)
    yield "</tbody></table></div>"


def _case_row(graded: Graded, tags: dict[str, str]) -> str:
    kept = " ".join(f'data-{key}="{escape(value)}"' for key, value in tags.items())
    tone = (
        "good"
        if graded.correct
        else "warn"
        if graded.verdict.value in ("missed", "unrefused")
        else "bad"
    )
    cause = f'<div class="soft">{escape(graded.cause)}</div>' if graded.cause else ""
    return (
        f'<tr {kept}><td><span class="id">{escape(graded.case.id)}</span></td>'
        f'<td><div class="message">{_said(graded)}</div></td>'
        f"<td>{graded.case.expected}, {graded.seen.decision}"
        f'<div class="soft">{escape(graded.seen.reason)}</div></td>'
        f'<td><b class="{tone}">{graded.verdict.value}</b>{cause}</td>'
        f'<td><span class="id">{escape(_passages(graded))}</span></td>'
        f'<td class="n">{graded.seen.probability:.2f}</td></tr>'
    )


def _said(g: Graded) -> str:
    """Return the text of a message with secrets masked, because reports are passed on."""
    return escape(redact(g.case.text).text)


def _tags(g: Graded) -> dict[str, str]:
    case = g.case
    values = (
        g.verdict.value, case.split, case.slice, case.author, case.lang, case.expected,
        g.seen.decision,
    )  # fmt: skip
    return dict(zip(FILTERS, values, strict=True))


def _passages(g: Graded) -> str:
    nearest = (i for part in g.seen.parts for i in part.candidates[:2])
    return ", ".join(g.seen.quoted or dict.fromkeys(nearest))


def _cell(figure: Rate | float) -> str:
    bound = bounds(figure)
    return figure_text(figure) + (f'<div class="soft">{bound}</div>' if bound else "")


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int]
) -> Iterator[str]:
    """Yield a table; cells are HTML, and the columns in `numbers` are aligned to the right."""
    right = set(numbers)
    tags = ['class="n"' if i in right else "" for i in range(len(heads))]
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(f"<th {t}>{h}</th>" for t, h in zip(tags, heads, strict=True))
    yield "</tr></thead><tbody>"
    for row in rows:
        cells = zip(tags, row, strict=True)
        yield "<tr>" + "".join(f"<td {t}>{cell}</td>" for t, cell in cells) + "</tr>"
    yield "</tbody></table></div>"


def _foot(run: Run) -> Iterator[str]:
    stamp = " · ".join(f"{escape(k)} {escape(v)}" for k, v in run.stamp.items())
    yield f'<p class="soft">{stamp}</p>'
    yield f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script></body></html>"
