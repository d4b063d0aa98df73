"""Secrets planted everywhere a user can put them are found in no sink."""

import json
import logging
import random
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from bot.app import App
from bot.channels.mail.local import LocalMailbox
from bot.checking import MailCheck, queue_lines
from bot.cli import main
from bot.service import Handled, Service
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.servers.model_server import model_server
from tests.test_service import free_port

PLACES = ("subject", "body", "html", "attachment", "quoted", "masked")


def planted() -> dict[str, str]:
    """One key-shaped secret for each place, made here and now."""
    drawn = random.Random(41)
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return {place: "sk-" + "proj-" + "".join(drawn.choices(letters, k=60)) for place in PLACES}


def mails(secrets: dict[str, str]) -> Iterator[bytes]:
    plain = EmailMessage()
    plain["Subject"] = f"My key {secrets['subject']} leaked?"
    plain.set_content(
        f"Was my key {secrets['body']} exposed?\n\nOn Monday, a@x.example wrote:\n> {secrets['quoted']}\n"
    )
    plain.add_attachment(
        b"x", maintype="text", subtype="plain", filename=f"{secrets['attachment']}.txt"
    )
    html = EmailMessage()
    html["Subject"] = "question"
    html.set_content(f"<p>Is <b>{secrets['html']}</b> safe?</p>", subtype="html")
    empty = EmailMessage()
    empty["Subject"] = f"{secrets['subject']}"
    empty.set_content("")
    for number, mail in enumerate((plain, html, empty)):
        mail["From"], mail["To"] = "ana@x.example", "incident@desk.example"
        mail["Message-ID"] = f"<{number}@x.example>"
        yield b"Return-Path: <ana@x.example>\r\n" + mail.as_bytes()


def test_no_secret_reaches_a_sink(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = planted()
    with model_server(lambda _body: 500) as server:
        app = App(_settings(tmp_path, server.url))
        shown: list[Handled] = []
        service = Service(app, shown.append)
        assert isinstance(service.mailbox, LocalMailbox)
        for raw in mails(secrets):
            service.mailbox.new.add(raw)
        service.start()
        try:
            service.run(until=lambda: len(shown) >= 3)
        finally:
            service.close()
        sent = "".join(server.bodies)
    told = [caplog.text, sent, repr(shown), *queue_lines(app.journal), capsys.readouterr().out]
    told += [f.read_bytes().decode("latin-1") for f in _sinks(app.settings.home)]
    for place, secret in secrets.items():
        assert not any(secret in text for text in told), place
        assert not any(secret[8:40] in text for text in told), place
    assert len(shown) == 3
    assert sent  # the model was asked, so the wire was looked at


def test_no_secret_in_what_a_check_prints(
    tmp_path: Path, app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = planted()
    with MailCheck(app) as check:
        for number, raw in enumerate(mails(secrets)):
            file = tmp_path / f"{number}.eml"
            file.write_bytes(raw)
            said = json.dumps(check.file(str(file)), ensure_ascii=False)
            assert not any(secret in said for secret in secrets.values())
    assert main(["ask", f"Is {secrets['body']} safe?", "--json"]) == 0
    assert secrets["body"] not in capsys.readouterr().out


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
    secret = planted()["body"]
    file = tmp_path / "a.eml"
    file.write_bytes(
        f"{head}\r\nFrom: {secret} <{secret.lower()}@x.example>\r\nSubject: {secret}\r\n\r\n"
        f"Away. My key is {secret}.\r\n".encode()
    )
    with MailCheck(app) as check:
        found = check.file(str(file))
    assert found["verdict"] == verdict
    assert "Away. My key is [removed: API key]" in found["visible"]
    assert secret.lower() not in json.dumps(found).lower()


def _settings(tmp_path: Path, url: str) -> Settings:
    return Settings(
        home=home_of(tmp_path / "home"), knowledge=KNOWLEDGE, smtp_port=free_port(), http_port=0,
        model="openai:scripted", OPENAI_API_KEY="no key", OPENAI_BASE_URL=url,
    )  # type: ignore[call-arg]  # fmt: skip


def _sinks(home: Path) -> Iterator[Path]:
    """Every file of the home but the raw mails, which stay in the mailbox."""
    for path in home.rglob("*"):
        inside = path.relative_to(home).parts
        if (
            path.is_file()
            and not (inside[0] == "mail" and inside[1] != "sent")
            and "models" not in inside
        ):
            yield path
