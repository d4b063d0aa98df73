"""A whole desk in a process of its own that can be killed and started again; not a test by itself."""

import json
import mailbox
import os
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bot.commands.demo import send_mail
from bot.errors import MissingError
from bot.journal import Case, Journal
from bot.settings import Settings
from tests.servers.mail_servers import DESK, USER
from tests.servers.slack_side import ALICE, BOB, TRIAGE, SlackSide
from tests.support.ports import free_port, is_open
from tests.support.slack_stand import DOUBTFUL, Watching, filled
from tests.support.waiting import SAFETY_NET_SECONDS

ROOT = Path(__file__).parents[2]
REPLY = "Dear Ana, we name no law firm."
Fork = Callable[[dict[str, Any]], int]


@contextmanager
def forking() -> Iterator[Fork]:
    """Starts desks; the process id of each."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.support.slack_process"],
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
    parent.wait(timeout=SAFETY_NET_SECONDS)


class Process(Watching):
    """One desk that can be killed and started again on the same files."""

    def __init__(
        self, forks: Fork, side: SlackSide, home: Path, mode: str,
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
        self.until(self._up)

    def _up(self) -> bool:
        """Does it take mail and Slack's requests?"""
        slack = bool(self.side.lines) if self.mode == "socket" else is_open(self.order["http"])
        return slack and is_open(self.order["port"])

    def kill(self) -> None:
        self.deaths += 1
        os.kill(self.pid, signal.SIGKILL)

    def again(self) -> None:
        """After its death."""
        self.until(self.dead)
        self.start()

    def dead(self) -> bool:
        return not Path(f"/proc/{self.pid}").exists()

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """For good."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, how)
        self.until(self.dead)
        self.journal.close()

    def mail(self) -> None:
        """A user writes."""
        settings = Settings(smtp_port=int(str(self.order["port"])), address=DESK)
        self.does(lambda: send_mail(settings, DOUBTFUL, sender=USER))

    def sent(self) -> list[str]:
        """The mails that went out."""
        folder = mailbox.Maildir(self.home / "mail" / "sent", create=False)
        return [mail.as_string() for mail in folder]

    def human_mails(self) -> int:
        return sum("no law firm" in mail for mail in self.sent())

    def case(self, number: int = 1) -> Case:
        found = self.journal.cases.read(number)
        assert found
        return found

    def does(self, step: Callable[[], Any]) -> Any:
        """A person's act: without an ack they try again, once the desk is back."""
        while True:
            try:
                return step()
            except (AssertionError, OSError, MissingError, urllib.error.URLError):
                self.again()


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


def opened(process: Process, action: str = "edit", case: int = 1) -> dict[str, Any]:
    """The window: a click that died with the desk has lost its trigger, so it is pressed again."""
    side = process.side
    while True:
        before = len(side.views)
        value = f"{case}:{process.case(case).version}"
        process.does(lambda: side.click(ALICE, action, value))  # noqa: B023 - called here
        lost = len(side.responses)  # "that took too long for Slack": press it again
        process.until(
            lambda: len(side.views) > before or len(side.responses) > lost or process.dead()  # noqa: B023
        )
        if len(side.views) > before:
            return side.views[-1]
        alive(process)
