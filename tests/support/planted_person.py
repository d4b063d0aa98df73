"""A person who is planted wherever a desk can hold something, and a search of every such place."""

import base64
import json
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import sqlalchemy as sql

from bot.app import App
from bot.journal import CaseAction
from bot.journal.slack_records import NewSlackEvent
from tests.support.running_desk import EXPOSED, local_mailbox, running
from tests.support.taint import holds_needle
from tests.support.waiting import wait_until

ADDRESS, NAME = "quilla.ondarreta@customer.example", "Quilla Ondarreta"
OTHER, THIRD = "bo@elsewhere.example", "cy@elsewhere.example"
# Words of her mails, of what staff wrote to her, and of nobody else.
WORDS = ("xylotheque", "zeugmatic", "quincunxial")
UNSURE = "Which law firm advises you about the budget of the marketing team?"
TRIAGE = "C0TRIAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What was planted: how many mails she wrote, and the open case of another person."""

    mails: int
    other_case: int


def mail(text: str, name: str, *, sender: str = "", encoding: str = "7bit", **more: str) -> bytes:
    """Return a mail of hers, or of `sender`."""
    made = EmailMessage()
    made["From"] = sender or f"{NAME} <{ADDRESS}>"
    made["To"] = "incident@desk.example"
    made["Subject"] = f"{name} {WORDS[1]}" if not sender else name
    made["Message-ID"] = f"<{name}@{'customer.example' if not sender else 'elsewhere.example'}>"
    for header, value in more.items():
        made[header.replace("_", "-")] = value
    made.set_content(text, cte=encoding)
    return f"Return-Path: <{sender or ADDRESS}>\r\n".encode() + made.as_bytes()


def plant(app: App) -> Planted:
    """Have her write, be answered by the desk and by a person, be quoted, and be talked about."""
    forwarded = f"{UNSURE} It is about a friend:\nFrom: {NAME} <{ADDRESS}>\n"
    mails = [
        mail(EXPOSED, "asks"),
        mail(f"Which law firm advises you about the {WORDS[0]} of {NAME}?", "unsure"),
        mail(f"{UNSURE} My password is Tulip-{WORDS[0]}-81.", "open"),
        mail(f"I am away. {WORDS[0]}", "away", Auto_Submitted="auto-replied"),
        mail(f"{UNSURE} {WORDS[0]}", "held", Precedence="list"),
        mail(forwarded, "forwards", sender=OTHER, encoding="base64"),
        mail(UNSURE, "third", sender=THIRD),
    ]
    for raw in mails:
        local_mailbox(app).new.add(raw)
    with running(app) as (service, shown):
        service.mailbox.wake()
        wait_until(lambda: len(shown) >= len(mails))
        cases = {case.sender: case.id for case in app.journal.cases.list_open()}
        hers = next(i for i in app.journal.cases.list_open_ids() if _sender(app, i) == ADDRESS)
        text = f"Dear {NAME}, we name no law firm: {WORDS[2]}."
        app.desk.resolve(hers, actor="slack:U0ALICE", action=CaseAction.EDITED, text=text)
        told = f"Dear Cy,\n\n{NAME} <{ADDRESS}> asked the same.\n\nWe name no law firm."
        app.desk.resolve(cases[THIRD], actor="terminal", action=CaseAction.EDITED, text=told)
        _plant_slack(app, hers, cases[OTHER], text)
        wait_until(lambda: not app.journal.mail_outbox.list_due())
    lines = [{"turns": [{"role": "user", "text": said}]} for said in (f"Is {ADDRESS} in it?", "Hi")]
    path = app.settings.home / "candidates.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return Planted(mails=len(mails) - 2, other_case=cases[OTHER])


def _sender(app: App, case_id: int) -> str:
    case = app.journal.cases.read(case_id)
    assert case
    return case.sender


def _plant_slack(app: App, case_id: int, other_case: int, text: str) -> None:
    """What Slack's channel would have stored, without a Slack."""
    slack = app.journal.slack
    asked = {"kind": "dm", "user": "U0ALICE", "text": f"What did {NAME} <{ADDRESS}> want?"}
    slack.store_events([NewSlackEvent(key=f"dm:{ADDRESS}", lane="ask", payload=asked)])
    slack.store_result(1, json.dumps({"text": f"{ADDRESS} wanted nothing"}))
    slack.store_text(text)
    for case, words in ((case_id, f"{WORDS[0]} {NAME}"), (other_case, f"a friend of {NAME}")):
        drawn = {"text": "a card", "blocks": [{"quote": words}]}
        slack.enqueue_card(case, channel=TRIAGE, drawn=drawn, stamp="s")
    for post in slack.list_due():
        if post.case_id == case_id:
            slack.claim(post)
            slack.mark_sent(post, f"{post.id}.5")
    slack.enqueue(
        f"later:{case_id}:1", channel=TRIAGE, method="chat.postMessage", case_id=case_id,
        payload={"text": f"{NAME} wrote {WORDS[0]}", "thread_of": case_id},
    )  # fmt: skip


def sightings(app: App, needles: tuple[str, ...]) -> dict[str, list[str]]:
    """Return where each of `needles` stands: in which tables, and in which files of the home."""
    places = _tables(app) | _files(app.settings.home)
    low = {place: data.lower() for place, data in places.items()}
    return {
        n: [place for place, data in low.items() if holds_needle(n.lower(), data)] for n in needles
    }


def _tables(app: App) -> dict[str, str]:
    """Every table of every schema, those of the job queue too."""
    engine, told = app.journal.engine, dict[str, str]()
    inspector = sql.inspect(engine)
    schemas = [s for s in inspector.get_schema_names() if s != "information_schema"]
    with engine.connect() as db:
        for schema in schemas:
            for name in inspector.get_table_names(schema):
                rows = db.exec_driver_sql(f'SELECT * FROM "{schema}"."{name}"').all()
                told[f"table {name}"] = "\n".join(_text(value) for row in rows for value in row)
    assert any("workflow" in name for name in told)
    return told


def _files(home: Path) -> dict[str, str]:
    return {
        f"file {path.relative_to(home)}": _readable(path)
        for path in home.rglob("*")
        if path.is_file() and path.relative_to(home).parts[0] not in ("models", "chroma")
    }


def _readable(path: Path) -> str:
    """Return a file as text, and what its lines of Base64 stand for."""
    raw = path.read_bytes()
    text = raw.decode("latin-1")
    if b"base64" in raw:
        body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        text += base64.b64decode(b"".join(body.split())).decode("utf-8", "replace")
    return text


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
