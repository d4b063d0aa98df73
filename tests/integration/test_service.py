"""The running desk over its real SMTP port, in this process and killed in another."""

import mailbox
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
from email.message import EmailMessage
from pathlib import Path

import pytest

from bot.app import App
from bot.channels.mail.local import Folder, LocalMailbox, LocalSmtpServer, MaildirOut
from bot.commands.demo import _samples, send_mail
from bot.errors import DeliveryError, MissingError
from bot.journal import Journal
from bot.serve.service import HandledMail, Service
from bot.settings import Settings
from tests.conftest import ROOT
from tests.support.ports import free_port, is_open
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

DOCUMENTED = Settings(home=Path("var"), smtp_port=2525)


@pytest.fixture
def served(app: App, settings: Settings) -> App:
    own_ports = settings.model_copy(update={"smtp_port": free_port(), "http_port": 0})
    return App(own_ports, responder=app.responder)


PROBABILITY = re.compile(r"p=\d\.\d\d")


def without_versions(printed: str, settings: Settings) -> str:
    """What `make run` prints, without the hash of the content and what each machine sets."""
    found = re.sub(r"knowledge [0-9a-f]{12}", "knowledge VERSION", printed)
    return found.replace(f":{settings.smtp_port};", ":PORT;").replace(
        f"{settings.home}/mail", "HOME/mail"
    )


def test_the_samples_print_what_the_first_page_shows(
    served: App, capsys: pytest.CaptureFixture[str]
) -> None:
    from bot.commands.demo import run_demo

    timer = threading.Timer(120, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        assert run_demo(served, once=True) == 0
    finally:
        timer.cancel()
    out = capsys.readouterr().out
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    transcript = shown.split("<!-- transcript -->\n```\n")[1].split("```")[0]
    # What is learned differs in the last digits from machine to machine, and so do probabilities.
    told, documented = (PROBABILITY.sub("p=", text) for text in (out, transcript))
    assert without_versions(told, served.settings) == without_versions(documented, DOCUMENTED)
    assert "sk-proj" not in out
    replies = list(mailbox.Maildir(served.settings.home / "mail" / "sent", create=False))
    assert len(replies) == len(_samples()) - 1
    for reply in replies:
        assert reply["Auto-Submitted"] == "auto-replied"
        assert reply["In-Reply-To"]
        assert reply["References"]
        assert "sk-proj" not in reply.as_string()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        intake = LocalSmtpServer(Folder(tmp_path / "new"), holder.getsockname()[1])
        with pytest.raises(MissingError, match="DESK_SMTP_PORT"):
            intake.start()


def test_what_was_accepted_is_on_disk(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new")
    intake = LocalSmtpServer(folder, free_port())
    intake.start()
    try:
        mail = EmailMessage()
        mail.set_content("hello")
        with smtplib.SMTP("127.0.0.1", intake.port) as server:
            server.send_message(mail, "a@x.example", ["d@x.example"])
    finally:
        intake.stop()
    (path,) = folder.waiting()
    raw = path.read_bytes()
    assert raw.startswith(b"Return-Path: <a@x.example>\r\nDelivered-To: d@x.example\r\n")


def test_a_full_disk_is_a_delivery_error(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "sent")
    folder.path = tmp_path / "gone"
    with pytest.raises(DeliveryError, match="stored"):
        MaildirOut(folder).send(b"x", recipient="a@x.example")


def test_a_reply_that_cannot_be_made_leaves_the_message_for_a_person(served: App) -> None:
    shown: list[HandledMail] = []
    service = Service(served, shown.append)
    assert isinstance(served.mailbox, LocalMailbox)
    served.mailbox.new.add(
        b"Return-Path: <a@x.example>\r\nFrom: \r\nSubject: x\r\n\r\nWere keys exposed?\r\n"
    )
    service.start()
    try:
        service.run(until=lambda: bool(shown))
        assert [h.verdict for h in shown] == ["hold"]
    finally:
        service.close()


@pytest.mark.no_cover
def test_nothing_accepted_is_lost_by_a_kill(settings: Settings) -> None:
    """50 mails by SMTP, SIGKILL in the middle, restart: each has exactly one outcome row."""
    mine = settings.model_copy(update={"smtp_port": free_port()})
    child = started(mine)
    for number in range(50):
        send_mail(mine, f"Were my API keys exposed? This is mail {number}.")
    child.kill()
    child.wait()
    child = started(mine)
    journal = Journal(settings.database)
    wait_until(lambda: journal.count_rows()["message"] == 50 and not journal.list_undecided())
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=SAFETY_NET_SECONDS) == 0
    assert journal.count_rows()["message"] == 50
    assert all(len(journal.read_outcomes(i)) == 1 for i in range(1, 51))


def started(settings: Settings) -> subprocess.Popen[bytes]:
    """`incident-desk serve` in another process, once it takes mail."""
    environment = {
        **os.environ,  # noqa: TID251 - handed on to the child
        "DESK_HOME": str(settings.home),
        "DESK_KNOWLEDGE": str(settings.knowledge),
        "DESK_SMTP_PORT": str(settings.smtp_port),
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_open(settings.smtp_port) or child.poll() is not None)
        assert child.poll() is None, "the desk did not start"
    except AssertionError:
        child.kill()
        raise
    return child


def test_a_database_that_is_away_at_the_start_is_waited_for(settings: Settings) -> None:
    """A folder in its place is an outage that `serve` can see the end of."""
    home = settings.home
    (home / "desk.sqlite3").mkdir()
    environment = {
        **os.environ,  # noqa: TID251 - handed on to the child
        "DESK_SMTP_PORT": str(free_port()),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "serve"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as child:  # fmt: skip
        assert child.stdout
        try:
            said = iter(child.stdout.readline, "")
            assert any("trying again" in line for line in said)
            (home / "desk.sqlite3").rmdir()
            assert any("taking mail" in line for line in said)
        finally:
            child.terminate()
    assert child.returncode == 0
