"""Secrets planted everywhere a person can put them are found in no sink."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.chat_draft import ChatDrafter
from bot.app import App
from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.local import LocalMailbox
from bot.channels.mail.marks import MARK_HEADER, make_mark
from bot.channels.mail.rules import MailRuleContext
from bot.channels.mail.sandbox import SafeParser
from bot.channels.slack import SuggestionModel
from bot.cli import main
from bot.commands.case_review import decide_case, queue_lines
from bot.commands.mail_check import MailCheck
from bot.errors import InputError
from bot.llm.budget import Bounds, Budget
from bot.redact import redact
from bot.serve import service as serving
from bot.serve.maintenance import MaintenanceIntervals
from bot.serve.service import HandledMail, Service
from bot.settings import Settings
from bot.staff.case_actions import object_to_text
from bot.staff.staff_texts import read_staff_texts
from bot.staff.suggestion import build_suggestion
from evals.run import run as run_evals
from tests.conftest import KNOWLEDGE, home_of
from tests.servers.model_server import model_server
from tests.servers.slack_side import ALICE, SlackSide
from tests.support import desk_messages
from tests.support.command_line import run
from tests.support.ports import free_port
from tests.support.running_desk import app_that_cannot_decide
from tests.support.slack_stand import UNSURE, Stand, filled, standing
from tests.support.taint import (
    KINDS,
    MARK,
    Plant,
    desk_log,
    files,
    holds_needle,
    leaks,
    plant,
    tables,
)
from tests.support.tiny_evals import CASES, cases_in, desk_in, gates_in
from tests.support.waiting import SAFETY_NET_SECONDS

PLACES = ("subject", "body", "html", "attachment", "quoted", "display")
LINES = frozenset(KINDS) - {"pem"}  # what fits into a header
STAFF_MAY = frozenset({"outbox.body", "slack_event.payload"})  # a person's own words, on their way


def planted(*places: str) -> dict[tuple[str, str], Plant]:
    return {(kind, place): plant(kind, place) for kind in KINDS for place in places}


def mails(plants: dict[tuple[str, str], Plant]) -> Iterator[bytes]:
    """For each kind a mail in plain text, one in HTML and one that is nothing but a subject."""
    for number, kind in enumerate(KINDS):
        here = {place: plants[kind, place] for place in PLACES}
        head = {p: here[p] if kind in LINES else plants["token", p] for p in PLACES}
        quoted = "\n".join(f"> {line}" for line in here["quoted"].sentence.splitlines())
        plain = EmailMessage()
        plain["Subject"] = head["subject"].sentence
        plain["From"] = f'"{head["display"].sentence}" <ana{number}@x.example>'
        plain.set_content(
            f"{MARK}: {here['body'].sentence}\nWas it exposed?\n\n"
            f"On Monday, a@x.example wrote:\n{quoted}\n"
        )
        plain.add_attachment(
            b"x", maintype="text", subtype="plain", filename=f"{head['attachment'].sentence}.txt"
        )
        html = EmailMessage()
        html["Subject"] = "question"
        html["From"] = f"ana{number}@x.example"
        html.set_content(
            f"<p>{MARK}</p><pre>{here['html'].sentence}</pre><p>Is it <b>safe</b>?</p>",
            subtype="html",
        )
        bare = EmailMessage()
        bare["Subject"] = f"{MARK} {head['subject'].sentence}"
        bare["From"] = f"ana{number}@x.example"
        bare.set_content("")
        for each, mail in enumerate((plain, html, bare)):
            mail["To"] = "incident@desk.example"
            mail["Message-ID"] = f"<{number}.{each}@x.example>"
            yield b"Return-Path: <ana@x.example>\r\n" + mail.as_bytes()


def test_the_search_finds_what_is_there() -> None:
    """Without it, every other test here would prove nothing."""
    for each in planted("here").values():
        assert holds_needle(each.needle, f"... {each.sentence} ...")
        for data in (
            each.needle.encode().hex(),
            each.needle[::-1],
            *(json.dumps({"x": "y" * n + each.needle}) for n in range(3)),
        ):
            assert holds_needle(each.needle, data)
        mail = EmailMessage()
        mail.set_content("x" * 70 + each.sentence, cte="quoted-printable")
        assert holds_needle(each.needle, mail.as_string())
        mail.set_content("x" + each.sentence, cte="base64")
        assert holds_needle(each.needle, str(mail.get_payload()).replace("\n", ""))
        assert not holds_needle(each.needle, redact(each.sentence).text), each.kind


@pytest.mark.no_cover
def test_no_secret_of_a_mail_reaches_a_sink(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    plants = planted(*PLACES)
    raws = list(mails(plants))
    with model_server(lambda _body: f"{MARK} is no JSON") as server, desk_log() as log:
        app = App(_settings(tmp_path, server.url))
        shown: list[HandledMail] = []
        service = Service(app, shown.append)
        assert isinstance(service.mailbox, LocalMailbox)
        for raw in raws:
            service.mailbox.new.add(raw)
        sinks = _served(service, lambda: len(shown) >= len(raws))
        sinks |= {"model": "".join(server.bodies), "desk log": log.getvalue()}
        after = {f"stopped {name}": data for name, data in files(app.settings.home).items()}
        sinks |= {name: data for name, data in after.items() if "sqlite" in name}
    sinks |= {
        "logs": caplog.text, "rows": repr(shown), "queue": "\n".join(queue_lines(app.journal, read_staff_texts(KNOWLEDGE))),
        "terminal": "".join(capsys.readouterr()),
    }  # fmt: skip
    assert leaks(list(plants.values()), sinks) == []
    for name in ("table message", "table outcome", "model", "rows", "queue"):
        assert MARK in sinks[name], name
    assert any(n.startswith("file desk.sqlite3") and MARK in data for n, data in sinks.items())
    assert "decided" in sinks["desk log"]
    assert "decided" in sinks["logs"]
    assert any(name.startswith("file chroma ") for name in sinks)
    assert any(name.startswith("file mail ") and "reply" in data for name, data in sinks.items())
    assert any("workflow" in name for name in sinks), list(sinks)


def test_no_secret_of_an_error_reaches_a_sink(
    tmp_path: Path, app: App, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks, with a mail in its message: in the intake, and in the job that decides."""
    secret = plant("token", "error")

    def breaks(*_: object) -> bool:
        raise ValueError(secret.sentence)

    mine = app_that_cannot_decide(
        App(_settings(tmp_path, "http://127.0.0.1:9/v1"), responder=app.responder),
        ValueError(secret.sentence),
    )
    monkeypatch.setattr(serving, "OUTAGE_SECONDS", (0.05, 0.1))
    service = Service(mine, lambda _: None)
    service.maintenance.intervals = MaintenanceIntervals(beat=0.1, forgotten=0.1, send=0.1)
    assert isinstance(service.mailbox, LocalMailbox)
    ours = f"Message-ID: <1>\r\n{MARK_HEADER}: {make_mark(b'key', '<1>')}"
    service.mailbox.new.add(f"From: a@x.example\r\n{ours}\r\n\r\n{MARK}".encode())
    service.policy = MailRuleContext(is_sent=breaks, key=b"key")
    mine.desk.store_message(desk_messages.received(f"Is {MARK} safe?"))
    with desk_log() as log:
        sinks = _served(service, lambda: len(mine.journal.cases.list_open()) == 2)
    sinks |= {"desk log": log.getvalue(), "terminal": "".join(capfd.readouterr())}
    assert "a mail broke the intake" in sinks["desk log"]
    assert "left for a person" in sinks["desk log"]
    assert holds_needle("the job broke: ValueError", sinks["table workflow_output"])
    assert leaks([secret], sinks) == []


def test_a_leak_would_be_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same sinks, with the mask left out: each that carries text gives it away."""
    caplog.set_level(logging.DEBUG)
    secret = plant("token", "unmasked")
    with model_server(lambda _body: 500) as server:
        app = App(_settings(tmp_path, server.url))
        desk_messages.handle(
            app.desk, desk_messages.received(f"What happened to {secret.needle} in November?")
        )
        logging.getLogger("bot.desk").debug("stored %s", secret.sentence)
        sinks = tables(app.journal.engine) | files(app.settings.home)
        sinks |= {"model": "".join(server.bodies), "logs": caplog.text}
        app.journal.close()
    seen = {line.rpartition(" in ")[2] for line in leaks([secret], sinks)}
    assert {"table message", "table outcome", "model", "logs"} <= seen
    assert any(name.startswith("file desk.sqlite3") for name in seen)


@pytest.mark.no_cover
def test_no_secret_in_what_commands_print(
    tmp_path: Path, app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    plants = planted(*PLACES, "history")
    said: list[str] = []
    with MailCheck(app) as check:
        for number, raw in enumerate(mails(plants)):
            file = tmp_path / f"{number}.eml"
            file.write_bytes(raw)
            said.append(json.dumps(check.check_file(str(file)), ensure_ascii=False))
    assert all(MARK in each for each in said)
    for (_, place), each in plants.items():
        if place == "body":
            assert main(["ask", f"{MARK}: {each.sentence} Is it safe?", "--json"]) == 0
            assert main(["ask", f"{MARK}: {each.sentence} Is it safe?", "--explain"]) == 0
    printed = "".join(capsys.readouterr())
    assert MARK in printed
    sinks = {"mail check": "\n".join(said), "ask": printed}
    assert leaks(list(plants.values()), sinks) == []


def test_no_secret_of_a_history_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plants = planted("history", "text")
    lines = [
        json.dumps({
            "id": kind, "text": f"{plants[kind, 'text'].sentence} And is {MARK} safe?",
            "history": [
                {"role": role, "text": plants[kind, "history"].sentence} for role in ("user", "desk")
            ],
        })
        for kind in KINDS
    ]  # fmt: skip
    code, out, err = run(capsys, monkeypatch, "ask", "--jsonl", stdin="\n".join(lines).encode())
    assert code == 0
    assert out.count(MARK) >= len(KINDS)
    assert leaks(list(plants.values()), {"out": out, "err": err}) == []


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ("Auto-Submitted: auto-replied", "drop"),
        ("Return-Path: <>", "bounce"),
        ("List-Id: <news.x.example>", "drop"),
    ],
)
def test_a_check_masks_mails_that_nobody_answers(
    tmp_path: Path, app: App, head: str, verdict: str
) -> None:
    secret = plant("token", "body").needle
    file = tmp_path / "a.eml"
    file.write_bytes(
        f"{head}\r\nFrom: {secret} <{secret.lower()}@x.example>\r\nSubject: {secret}\r\n\r\n"
        f"I am away. My key is {secret}.\r\n".encode()
    )
    with MailCheck(app) as check:
        said = check.check_file(str(file))
    assert said["verdict"] == verdict
    assert "I am away. My key is [removed: API key]" in said["visible"]
    assert secret.lower() not in json.dumps(said).lower()


def write_at_the_terminal(app: App, plants: list[Plant]) -> tuple[list[str], list[Plant]]:
    """Answer a case with each secret; what the desk says to it, and which of them it sends."""
    told: list[str] = []
    gone: list[Plant] = []
    for each in plants:
        desk_messages.handle(app.desk, desk_messages.received(UNSURE, each.kind))
        case, text = app.journal.cases.list_open()[-1].id, f"{MARK} {each.sentence}"
        with pytest.raises(InputError, match="holds what looks like") as remarks:
            decide_case(app, case, text=text, approve=False, confirm=bool)
        told.append(str(remarks.value))
        if object_to_text(text):  # beyond doubt a secret, which nobody may send
            with pytest.raises(InputError, match="Take it out") as remarks:
                decide_case(app, case, text=text, approve=False, confirm=bool, anyway=True)
            told.append(str(remarks.value))
            continue
        gone.append(each)
        told.append(decide_case(app, case, text=text, approve=False, confirm=bool, anyway=True))
    return told, gone


def test_a_secret_of_staff_goes_out_and_nowhere_else(
    tmp_path: Path, app: App, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person answers for their own words, after a warning that does not repeat them.

    What is beyond doubt a secret does not go out at all.
    """
    caplog.set_level(logging.DEBUG)
    plants = planted("staff")
    own = Settings(home=home_of(tmp_path / "home"), knowledge=KNOWLEDGE, http_port=0)
    mine = App(own, responder=app.responder)
    with closing(mine.journal), desk_log() as log:
        told, gone = write_at_the_terminal(mine, list(plants.values()))
        sinks = tables(mine.journal.engine, but=STAFF_MAY)
        sinks |= {
            "queue": "\n".join(queue_lines(mine.journal, read_staff_texts(KNOWLEDGE))),
            "desk log": log.getvalue(),
        }
        whole = tables(mine.journal.engine)
    sinks |= {
        "logs": caplog.text,
        "said": "\n".join(told),
        "terminal": "".join(capsys.readouterr()),
    }
    assert leaks(list(plants.values()), sinks) == []
    assert 0 < len(gone) < len(KINDS)
    assert len(leaks(list(plants.values()), {"outbox": whole["table outbox"]})) == len(gone)
    sent = {k: v for k, v in files(mine.settings.home).items() if k.startswith("file mail ")}
    assert len(leaks(list(plants.values()), sent)) == len(gone)


@pytest.mark.no_cover
def test_no_secret_of_slack_reaches_a_sink(
    app: App, tmp_path: Path, side: SlackSide, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    plants = planted(*PLACES, "asked", "mentioned", "commanded", "feedback", "edited")
    refused = f"We name no law firm. {MARK}"
    with (
        desk_log() as log,
        model_server(lambda _: {"passages": [], "reply": refused}) as server,
        standing(app, tmp_path, side, "http", model=_model(app, server.url)) as stand,
    ):
        for raw in mails(plants):
            _take(stand, raw)
        stand.slack.wake()
        for kind in KINDS:
            side.dm(ALICE, f"{MARK}: {plants[kind, 'asked'].sentence} Is it safe?")
            side.mention(ALICE, f"{MARK}: {plants[kind, 'mentioned'].sentence} Is it safe?")
            side.command(ALICE, f"ask {MARK}: {plants[kind, 'commanded'].sentence} Is it safe?")
            _edited(stand, plants[kind, "edited"])
        stand.until(lambda: len(side.responses) >= len(KINDS))
        stand.until(lambda: len(stand.desk.journal.cases.list_open()) <= len(side.cards()))
        stand.until(lambda: server.bodies)
        stand.desk.deliver()
        stand.until(lambda: not stand.desk.journal.mail_outbox.list_due())
        sinks = tables(stand.desk.journal.engine, but=STAFF_MAY)
        sinks |= {
            "slack calls": json.dumps([c.args for c in side.calls], ensure_ascii=False),
            "slack replies": json.dumps([side.responses, side.homes], ensure_ascii=False),
            "model": "".join(server.bodies), "desk log": log.getvalue(),
        }  # fmt: skip
        mailed = {"mails": "".join(stand.mails())}
    sinks |= {"logs": caplog.text} | {
        k: v for k, v in files(tmp_path).items() if not k.startswith("file d.sqlite3")
    }
    assert leaks(list(plants.values()), sinks) == []
    for name in ("table message", "slack calls", "model"):
        assert MARK in sinks[name], name
    assert "chat.postMessage" in sinks["table slack_outbox"]  # what was posted is not kept
    assert "Published post" in sinks["slack replies"]
    assert leaks([plants["password", "edited"]], mailed)  # a person said so, twice


def _edited(stand: Stand, secret: Plant) -> None:
    """A person writes it into the window: a certain secret is refused, another asked about."""
    case = stand.case(f"{UNSURE} {MARK}", f"edited-{secret.kind}")
    side, text = stand.side, filled(f"{MARK} {secret.sentence}")
    window = stand.window(ALICE, "edit", case)
    said = side.submit(ALICE, window, text)
    assert secret.needle not in json.dumps(said.get("errors", ""))
    if "view" in said:
        tick = {"warned": {"tick": {"selected_options": [{"value": "yes"}]}}}
        check = side.submit(ALICE, said["view"], text | tick)["view"]
        assert "on its way" in json.dumps(side.submit(ALICE, check, {}))
    else:
        assert secret.kind in ("token", "card", "pem", "code")


def test_no_secret_of_a_case_reaches_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plants = planted("case", "turn")
    rows: list[dict[str, Any]] = [
        {
            "id": f"taint-{kind}", "family": kind, "slice": "faq", "kind": "answerable",
            "turns": [
                {"role": "user", "text": plants[kind, "turn"].sentence},
                {"role": "user", "text": f"{MARK}: {plants[kind, 'case'].sentence}"},
            ],
            "gold": CASES[0]["gold"],
        }
        for kind in KINDS
    ]  # fmt: skip
    out = tmp_path / "out"
    with suppress(InputError):
        run_evals(
            ["--cases", str(cases_in(tmp_path / "cases", [*CASES, *rows])), "--out", str(out),
             "--gates", str(gates_in(tmp_path))],
            lambda: desk_in(tmp_path / "k"),
        )  # fmt: skip
    sinks = {p.name: p.read_text(encoding="utf-8") for p in out.iterdir()}
    sinks["terminal"] = "".join(capsys.readouterr())
    assert set(sinks) == {"report.html", "results.json", "summary.md", "terminal"}
    assert leaks(list(plants.values()), sinks) == []
    assert sinks["report.html"].count(MARK) >= len(KINDS)
    assert all("taint-pem" in data for name, data in sinks.items() if name != "terminal")


def _served(service: Service, done: Callable[[], bool]) -> dict[str, str]:
    """What lies in the home of a desk that runs; its log of writes is gone when it has stopped."""
    service.start()
    try:
        service.run(until=done)
        told = tables(service.journal.engine) | files(service.app.settings.home)
        return told | {"metrics": service.metrics.render().decode()}
    finally:
        service.close()


def _take(stand: Stand, raw: bytes) -> None:
    """A mail as the intake takes one."""
    parser = SafeParser()
    with closing(parser):
        stored = build_received_message(judge_mail(raw, parser, MailRuleContext()), "raw")
    message_id = stand.desk.store_message(stored)
    assert message_id is not None
    stand.desk.decide_message(message_id)


def _model(app: App, url: str) -> SuggestionModel:
    made = ChatDrafter(
        "openai:scripted", knowledge=app.knowledge, budget=Budget(Bounds()),
        options={"api_key": "no key", "base_url": url}, deadline=SAFETY_NET_SECONDS,
    )  # fmt: skip
    return SuggestionModel(
        draft=lambda text: build_suggestion(made.draft(text), app.knowledge),
        state=lambda: made.budget.state,
    )


def _settings(tmp_path: Path, url: str) -> Settings:
    return Settings(
        home=home_of(tmp_path / "home"), knowledge=KNOWLEDGE, smtp_port=free_port(), http_port=0,
        model="openai:scripted", OPENAI_API_KEY="no key", OPENAI_BASE_URL=url,
    )  # type: ignore[call-arg]  # fmt: skip
