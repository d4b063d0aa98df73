"""`incident-desk serve`: the local mailbox, one worker, and nothing lost when it is killed.

A mail lies in mail/new until its message is committed; it is decided from the journal; its reply
is handed over from the outbox. Each step can run again after a crash.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.app import App
from bot.channels.mail.intake import read, received
from bot.channels.mail.local import Intake
from bot.channels.mail.rules import Policy
from bot.channels.mail.sandbox import SafeParser
from bot.desk import HOLD
from bot.domain import Response
from bot.errors import DeskError

log = logging.getLogger(__name__)
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """One mail's way through the desk, as a row to show."""

    subject: str
    verdict: str
    rule: str
    response: Response | None


class Service:
    """The intake thread and the working loop."""

    def __init__(self, app: App, show: Callable[[Handled], None]) -> None:
        self.app = app
        self.show = show
        self.inbox = app.folder("new")
        self.intake = Intake(self.inbox, app.settings.smtp_port)
        self.parser = SafeParser()
        self.policy = Policy(
            own=frozenset({app.settings.address}), authserv_id=app.settings.authserv_id
        )
        self.stopping = threading.Event()

    def start(self) -> None:
        """Accept mail; MissingError when the port is taken."""
        self.intake.start()

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Work until `stop` is called or `until` says so; first finish what a crash left."""
        for message_id in self.app.journal.undecided():
            self._decide(message_id, subject="(from before the restart)")
        while not self.stopping.is_set():
            for path in self.inbox.waiting():
                self._handle(path)
            self.app.desk.deliver()
            if until():
                return
            self.stopping.wait(POLL_SECONDS)

    def stop(self) -> None:
        """Accept no more, finish the mail at hand."""
        self.stopping.set()

    def close(self) -> None:
        """Release port and child process."""
        self.intake.stop()
        self.parser.close()

    def _handle(self, path: Path) -> None:
        found = read(path.read_bytes(), self.parser, self.policy)
        stored = received(found, path)
        message_id = self.app.desk.take(stored)
        self.inbox.settle(path)
        if message_id is None:
            log.info("duplicate mail %s", path.name)
            return
        if stored.final:
            self.show(
                Handled(
                    subject=found.mail.subject,
                    verdict=stored.verdict,
                    rule=stored.rule,
                    response=None,
                )
            )
            return
        self._decide(message_id, subject=found.mail.subject)

    def _decide(self, message_id: int, *, subject: str) -> None:
        stored = self.app.journal.message(message_id)
        try:
            response = self.app.desk.work(message_id)
        except DeskError as error:
            log.error("message %s is left for a person: %s", message_id, error)  # noqa: TRY400 - no traceback to a terminal
            return
        verdict = "hold" if stored.verdict == HOLD else stored.verdict
        self.show(Handled(subject=subject, verdict=verdict, rule=stored.rule, response=response))
