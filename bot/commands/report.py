"""Implements `report`: writes what the desk did, in Markdown or as an HTML page with plots."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from bot.app import App
from bot.channels.slack.digest import describe_cost, describe_minutes
from bot.commands.report_charts import draw_days, draw_times
from bot.errors import InputError
from bot.journal.activity import Activity, read_activity
from bot.staff.case_rows import format_age, name_topics

AGO = re.compile(r"(\d{1,4})([dh])")
MAX_ROWS = 31  # days in the table; the plot has all of them
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # nothing is fetched
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;
color:#1d2330;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid #d8dce4;vertical-align:top}td:last-child{font-variant-numeric:tabular-nums}
svg{width:100%;height:auto}svg text{font-size:12px;fill:#555d6d}.axis{stroke:#e1e4ea}
.answered{fill:#2b7a5b}.handed{fill:#d08a1d}.other{fill:#a9b0bd}
@media (prefers-color-scheme:dark){body{color:#e6e9ef;background:#161a21}
td,th{border-color:#333a46}svg text{fill:#aab2c0}.axis{stroke:#2c333e}.answered{fill:#4fb38a}}
"""


def read_report(app: App, since: str) -> Activity:
    """Return what the desk did since a day such as `2026-11-24` or a period such as `7d` or `12h`.

    InputError when `since` is neither.
    """
    now = app.journal.clock()
    return read_activity(app.journal.engine, parse_since(since, now), now)


def parse_since(since: str, now: datetime) -> datetime:
    """Return the time that `since` names: a day, or a period before `now`; else InputError."""
    if found := AGO.fullmatch(since.strip()):
        number = int(found.group(1))
        return now - (timedelta(days=number) if found.group(2) == "d" else timedelta(hours=number))
    try:
        day = datetime.fromisoformat(since.strip())
    except ValueError:
        raise InputError(
            f"--since {since!r} is no time; write a day such as 2026-11-24, or 7d, or 12h"
        ) from None
    return day if day.tzinfo else day.replace(tzinfo=UTC)


def report_markdown(app: App, activity: Activity) -> str:
    """Return the report as Markdown."""
    lines = [f"# Incident desk, {_period(activity)}"]
    lines += _markdown_table(("what", "figure"), _figures(app, activity))
    if activity.topics:
        topics = ((title, str(h), str(a)) for title, h, a in _topics(app, activity))
        lines += ["", "## Most handed over"]
        lines += _markdown_table(("topic", "to people", "answered"), topics)
    if activity.days:
        days = (
            (d.day, str(d.messages), str(d.answered), str(d.handed_over))
            for d in activity.days[-MAX_ROWS:]
        )
        lines += ["", "## Days"]
        lines += _markdown_table(("day", "mails", "answered", "handed over"), days)
    return "\n".join(lines) + "\n"


def report_html(app: App, activity: Activity) -> str:
    """Return the report as one HTML page with plots; it loads nothing from elsewhere."""
    parts = [_table(_figures(app, activity))]
    if activity.days:
        parts += ["<h2>Mails of each day</h2>", draw_days(activity.days)]
    if activity.minutes:
        parts += ["<h2>Time to a person's answer</h2>", draw_times(activity.minutes)]
    if activity.topics:
        rows = (
            (title, f"{handed} to people, {answered} answered")
            for title, handed, answered in _topics(app, activity)
        )
        parts += ["<h2>Most handed over</h2>", _table(rows)]
    return html_page(f"Incident desk, {_period(activity)}", parts)


def html_page(title: str, parts: Iterable[str]) -> str:
    """Return an HTML page that loads nothing from elsewhere; `parts` are HTML."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
    )
    return "\n".join([*head, *parts, "</body></html>"]) + "\n"


def _figures(app: App, activity: Activity) -> Iterator[tuple[str, str]]:
    yield "mails that came", str(activity.messages)
    yield "answered by the desk", _share(activity.answered, activity.messages)
    yield "handed over to a person", _share(activity.handed_over, activity.messages)
    yield "decided by people", str(activity.decided)
    yield "median time to a person's answer", describe_minutes(activity.median_minutes)
    yield "open now", str(activity.open)
    if activity.open:
        age = app.journal.clock() - datetime.fromisoformat(activity.oldest_at)
        yield "oldest open", f"case {activity.oldest}, {format_age(age)} old"
    yield "answers that staff called wrong", str(activity.wrong)
    yield "language model", describe_cost(activity, app.settings.model_price)


def _topics(app: App, activity: Activity) -> Iterator[tuple[str, int, int]]:
    titles: Mapping[str, str] = name_topics(app.knowledge)
    for topic in activity.topics:
        yield titles.get(topic.passage, topic.passage), topic.handed_over, topic.answered


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.0%})" if whole else str(part)


def _period(activity: Activity) -> str:
    since, until = (each[:16].replace("T", " ") for each in (activity.since, activity.until))
    return f"{since} to {until} UTC"


def _markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    inner = "".join(f"<tr><td>{escape(a)}</td><td>{escape(z)}</td></tr>" for a, z in rows)
    return f"<table>{inner}</table>"
