"""A real process, a real mail, Slack's side over HTTP and Socket Mode, and SIGKILL at every step:
nothing acknowledged is lost, nobody gets two mails."""

import json
import mailbox
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from bot.demo import send
from bot.journal import Journal
from bot.settings import Settings
from tests.servers.mail_servers import DESK, USER, Servers, missing, servers
from tests.servers.slack_side import ALICE, BOB, TEAM, TRIAGE, SlackSide
from tests.slack_stand import UNSURE, filled
from tests.test_service import free_port

ROOT = Path(__file__).parents[1]
REPLY = "Dear Ana, we name no law firm."


@pytest.fixture(scope="module")
def forks() -> Iterator[Callable[[dict[str, Any]], int]]:
    """Starts desks; the process id of each."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.slack_process"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    give, take = parent.stdin, parent.stdout
    assert give
    assert take
    assert take.readline() == "ready\n"

    def fork(order: dict[str, Any]) -> int:
        give.write(json.dumps(order) + "\n")
        give.flush()
        return int(take.readline())

    yield fork
    give.close()
    take.close()
    parent.wait(timeout=20)


class Process:
    """One desk that can be killed and started again on the same files."""

    def __init__(
        self, forks: Callable[[dict[str, Any]], int], side: SlackSide, home: Path, mode: str,
        **mail: object,
    ) -> None:  # fmt: skip
        self.forks, self.side, self.home = forks, side, home
        self.order = {
            "home": str(home), "url": f"sqlite:///{home}/desk.sqlite3", "port": free_port(),
            "http": free_port(), "base": side.base_url, "bot": side.bot_token,
            "app": side.app_token if mode == "socket" else "", "secret": side.secret,
            "channel": TRIAGE, "staff": [ALICE, BOB], "address": DESK, **mail,
        }  # fmt: skip
        self.mode = mode
        self.deaths = 0
        side.request_url = f"http://127.0.0.1:{self.order['http']}/slack/events"
        self.pid = 0
        self.start()
        self.journal = Journal(str(self.order["url"]))

    def start(self) -> None:
        for line in self.side.lines:
            line.close()
        self.side.lines.clear()
        self.pid = self.forks(self.order)
        self.until(self._up, 30)

    def _up(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(str(self.order["port"])))):
                return False
        return bool(self.side.lines) or self.mode == "http"

    def kill(self) -> None:
        self.deaths += 1
        os.kill(self.pid, signal.SIGKILL)

    def again(self) -> None:
        """After its death."""
        self.until(self.dead)
        self.start()

    def dead(self) -> bool:
        return not Path(f"/proc/{self.pid}").exists()

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        self.until(self.dead, 30)
        self.journal.close()

    def mail(self) -> None:
        settings = Settings(smtp_port=int(str(self.order["port"])), address=DESK)
        send(settings, UNSURE, sender=USER)

    def until(self, holds: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError([(c.method, c.answer) for c in self.side.calls][-5:])
            time.sleep(0.01)

    def shows(self, words: str) -> bool:
        return words in json.dumps([c["blocks"] for c in self.side.cards()], ensure_ascii=False)

    def human_mails(self) -> int:
        sent = mailbox.Maildir(self.home / "mail" / "sent", create=False)
        return sum("no law firm" in mail.as_string() for mail in sent)

    def case(self) -> Any:
        found = self.journal.cases.read(1)
        assert found
        return found

    def does(self, step: Callable[[], Any]) -> Any:
        """A person's act: without an ack they try again, once the desk is back."""
        while True:
            try:
                return step()
            except (AssertionError, OSError, urllib.error.URLError):
                self.again()


@pytest.fixture(params=["http", "socket"])
def process(
    request: pytest.FixtureRequest,
    forks: Callable[[dict[str, Any]], int],
    side: SlackSide,
    tmp_path: Path,
) -> Iterator[Process]:
    made = Process(forks, side, tmp_path, request.param)
    yield made
    made.stop()


@pytest.fixture
def http(
    forks: Callable[[dict[str, Any]], int], side: SlackSide, tmp_path: Path
) -> Iterator[Process]:
    made = Process(forks, side, tmp_path, "http")
    yield made
    made.stop()


def through(process: Process) -> None:
    """The whole way, by somebody who tries again whatever is not acknowledged."""
    side = process.side
    process.mail()
    comes(process, side.cards)
    process.does(lambda: side.click(ALICE, "claim", "1:"))
    comes(process, lambda: process.case().owner)
    window = opened(process)
    check = process.does(lambda: side.submit(ALICE, window, filled(REPLY)))["view"]
    alive(process)
    end = json.dumps(process.does(lambda: side.submit(ALICE, check, {})))
    assert "on its way" in end or "already" in end, end
    comes(process, process.human_mails)
    comes(process, lambda: process.shows("handed over to the mail server"))


def comes(process: Process, holds: Callable[[], object]) -> None:
    """Wait for what an act leads to, over the death that may come at any time before it."""
    process.until(lambda: process.dead() or holds())
    alive(process)
    process.until(holds)


def alive(process: Process) -> None:
    """Start it again if it died in this step."""
    time.sleep(0.05)
    if process.dead():
        process.start()


def opened(process: Process) -> dict[str, Any]:
    """The window: a click that died with the desk has lost its trigger, so it is pressed again."""
    side = process.side
    while True:
        before = len(side.views)
        version = process.case().version
        process.does(lambda: side.click(ALICE, "edit", f"1:{version}"))  # noqa: B023 - called here
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not process.dead():
            if len(side.views) > before:
                return side.views[-1]
            time.sleep(0.01)
        alive(process)


def test_the_whole_way_in_a_real_process(process: Process) -> None:
    through(process)
    assert process.human_mails() == 1
    assert len(process.side.cards()) == 1


@pytest.mark.skipif(bool(missing()), reason=missing() or "there")
@pytest.mark.parametrize("mode", ["http", "socket"])
def test_from_the_users_mailbox_to_the_users_mailbox(
    forks: Callable[[dict[str, Any]], int], side: SlackSide, tmp_path: Path, mode: str
) -> None:
    """Postfix and Dovecot at both ends, and Slack in between."""
    password = secrets.token_hex(8)
    with servers(password) as real:
        mail = {
            "mail": "imap", "imap_host": "127.0.0.1", "imap_port": real.imap,
            "imap_user": DESK, "imap_password": password, "imap_tls": False,
            "smtp_host": "127.0.0.1", "smtp_tls": False,
        }  # fmt: skip
        process = Process(forks, side, tmp_path, mode, mail=mail, port=real.smtp)
        try:
            process.mail()
            process.until(side.cards)
            process.does(lambda: side.click(ALICE, "claim", "1:"))
            process.until(lambda: process.shows(f"by <@{ALICE}>"))
            check = side.submit(ALICE, opened(process), filled(REPLY))["view"]
            assert "on its way" in json.dumps(side.submit(ALICE, check, {}))
            process.until(lambda: arrived(real, REPLY))
            process.until(lambda: process.shows("handed over to the mail server"))
            assert len(arrived(real, REPLY)) == 1
        finally:
            process.stop()


def arrived(real: Servers, text: str) -> list[bytes]:
    """The user's mails with these words."""
    with IMAPClient("127.0.0.1", real.imap, ssl=False) as client:
        client.login(USER, real.password)
        client.select_folder("INBOX", readonly=True)
        mails = client.fetch(client.search(), ["BODY.PEEK[]"]).values()
        return [m[b"BODY[]"] for m in mails if text.encode() in m[b"BODY[]"]]


def test_acks_stay_quick_under_fifty_at_once(process: Process) -> None:
    """Four times fifty; each is stored on disk before its ack."""

    def deliver(number: int) -> float:
        side, began = process.side, time.perf_counter()
        event = {
            "type": "message", "channel_type": "im", "channel": "DALICE", "user": ALICE,
            "text": f"Were my keys exposed? {number}", "ts": f"1.{number}",
        }  # fmt: skip
        if process.mode == "http":
            return side.event(event)[2]
        body = {
            "type": "event_callback",
            "team_id": TEAM,
            "event_id": f"Ev{number}",
            "event": event,
        }
        side.send("events_api", body)
        return time.perf_counter() - began

    took: list[float] = [deliver(0)]
    with ThreadPoolExecutor(50) as pool:
        for burst in range(4):
            took += pool.map(deliver, range(1 + 50 * burst, 51 + 50 * burst))
            time.sleep(0.5)
    took.sort()
    assert took[198] < (0.5 if sys.gettrace() is None else 1.5), took[-5:]
    assert process.journal.counts()["slack_event"] == 201


@pytest.mark.parametrize(
    ("method", "nth"),
    [
        ("conversations.info", 1), ("chat.postMessage", 1), ("users.info", 1), ("chat.update", 1),
        ("views.open", 1), ("chat.update", 2), ("chat.update", 3),
    ],
)  # fmt: skip
def test_killed_in_a_call(http: Process, method: str, nth: int) -> None:
    """Slack has taken the call, and the desk dies before it hears so."""
    side, seen, real = http.side, [0], http.side.api

    def deadly(called: str, token: str, args: dict[str, Any]) -> Any:
        answer = real(called, token, args)
        seen[0] += called == method
        if called == method and seen[0] == nth:
            http.kill()
            time.sleep(0.1)
        return answer

    side.api = deadly  # type: ignore[method-assign,assignment]
    through(http)
    http.until(lambda: http.journal.slack.counts().get("ready", 0) == 0)
    assert http.human_mails() == 1
    assert http.deaths == (seen[0] >= nth)
    assert len(http.side.cards()) <= 1 + (method == "chat.postMessage")


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.01, 0.03, 0.1])
def test_killed_after_the_ack_of_a_claim(http: Process, delay: float) -> None:
    http.mail()
    http.until(http.side.cards)
    http.side.click(ALICE, "claim", "1:")
    time.sleep(delay)
    http.kill()
    http.again()
    http.until(lambda: http.case().owner == f"slack:{ALICE}")
    http.until(lambda: http.shows("*Taken*"))


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.03, 0.1, 0.4])
def test_killed_after_the_ack_of_send(http: Process, delay: float) -> None:
    """The person has read that it is on its way: so it is, once."""
    side = http.side
    http.mail()
    http.until(side.cards)
    check = side.submit(ALICE, opened(http), filled(REPLY))["view"]
    assert "on its way" in json.dumps(side.submit(ALICE, check, {}))
    time.sleep(delay)
    http.kill()
    http.again()
    assert "already" in json.dumps(side.submit(ALICE, check, {}))
    http.until(http.human_mails)
    http.until(lambda: http.shows("handed over to the mail server"))
    time.sleep(0.5)
    assert http.human_mails() == 1
