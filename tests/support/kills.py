"""Desks that die on purpose: forked from one process that has loaded everything, so that each
takes a second. Not a test by itself; test_kills.py starts it and reads what it says.

    echo '[{"home": …, "url": …, "port": …, "step": …, "hit": 2}]' | python -m tests.support.kills

What is heavy is imported inside: the child that parses mails imports this file again.
"""

import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

if TYPE_CHECKING:
    from bot.answering.responder import Responder
    from bot.app import App
    from bot.serve.service import Service

WARMING = (
    b"From: ana@x.example\r\nTo: incident@desk.example\r\nSubject: keys\r\n"
    b"Message-ID: <1@x.example>\r\n\r\nWere API keys exposed? Which law firm advises you?\r\n"
)
REACHED = "reached"  # a file: the desk that is to die has come to its step


def ready() -> "Responder":
    """A responder on word search: what dies here is the plumbing, not the model."""
    import bot.channels.mail.compose
    import bot.infra.jobs
    import bot.serve.service  # noqa: F401 - loaded once, before the fork
    from bot.adapters.bm25 import BM25
    from bot.answering.responder import Responder
    from bot.app import App
    from bot.domain import Message
    from bot.settings import Settings
    from tests.conftest import KNOWLEDGE
    from tests.support.fakes import VerbatimJudge

    app = App(Settings(knowledge=KNOWLEDGE))
    judge = VerbatimJudge(app.knowledge)
    made = Responder(knowledge=app.knowledge, retriever=BM25(app.records()), judge=judge)
    made.respond(Message(text="Were API keys exposed? Do I need to reset my password?"))
    return made


def warm_up(serve: Callable[[Path], "Service"]) -> None:
    """Have one desk take a mail and end: what is loaded or compiled on first use is there before
    the first fork, and no forked desk pays for it again.
    """
    from bot.channels.mail.local import LocalMailbox

    with TemporaryDirectory() as folder:
        home = Path(folder)
        service = serve(home)
        service.start()
        LocalMailbox(home / "mail").new.add(WARMING)
        service.run(until=lambda: done(service.app))
        service.close()
        service.app.journal.close()


def desk(responder: "Responder", order: dict[str, Any], others: Sequence[int]) -> "App":
    from pydantic import SecretStr

    from bot.app import App
    from bot.corpus.limits import read_limits
    from bot.files import KEY_BYTES
    from bot.journal import Journal
    from bot.settings import Settings
    from tests.conftest import KNOWLEDGE

    settings = Settings(
        home=Path(order["home"]), knowledge=KNOWLEDGE, database_url=order["url"], http_port=0,
        smtp_port=order["port"],
        installation_key=SecretStr("ab" * KEY_BYTES),  # of the desk that made the tables as well
    )  # fmt: skip
    limits = read_limits(KNOWLEDGE)
    journal = Journal(settings.database, limits=limits, clock=lambda: now(others))
    return App(
        settings, knowledge=responder.knowledge, responder=responder, journal=journal, limits=limits
    )


def now(others: Sequence[int]) -> "datetime":
    """The clock of a desk: an hour ahead once one of `others` is dead, so that its lease is over."""
    from bot.journal.clock import wall_clock

    died = any(not Path(f"/proc/{process}").exists() for process in others)
    return wall_clock() + timedelta(hours=died)


def dies(app: "App", order: dict[str, Any]) -> Callable[[str], None]:
    """A hook that ends this process, without a word, when the step is reached for the nth time.

    With `together` it waits before that for another desk to be at work on the same journal.
    """
    seen = 0

    def at(reached: str) -> None:
        nonlocal seen
        seen += reached == order["step"]
        if reached == order["step"] and seen == order["hit"]:
            if order.get("together"):
                (Path(order["home"]) / REACHED).touch()
                wait_until(lambda: len(app.journal.workers.list_all()) > 1)
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def order_at(home: Path) -> dict[str, Any]:
    """Where a desk lives that nobody is asked to look at."""
    return {"home": str(home), "url": f"sqlite:///{home}/desk.sqlite3", "port": free_port()}


def serving(app: "App") -> "Service":
    """A service of this desk that looks around often."""
    from bot.serve.maintenance import MaintenanceIntervals
    from bot.serve.service import Service

    service = Service(app, lambda _handled: None)
    service.maintenance.intervals = MaintenanceIntervals(beat=0.3, send=0.3)
    return service


def work(responder: "Responder", order: dict[str, Any], others: Sequence[int]) -> int:
    """Serve until killed or until nothing is left to do."""
    app = desk(responder, order, others)
    if order.get("joins"):
        wait_until((Path(order["home"]) / REACHED).exists)
    if not order.get("look", True):
        app.desk.delivery.was_sent = lambda _header: None
    if order.get("step"):
        app.desk.on_checkpoint = dies(app, order)
    service = serving(app)
    service.start()
    if order.get("joins"):
        wait_until(lambda: not Path(f"/proc/{others[-1]}").exists())
    net = threading.Timer(SAFETY_NET_SECONDS, service.stop)
    net.start()
    service.run(until=lambda: done(app))
    net.cancel()
    service.stopping.wait(order.get("linger", 0))
    return 0 if done(app) else 3


def done(app: "App") -> bool:
    """Nothing waits in the mailbox, undecided, or to be sent."""
    from bot.journal import OutboxState

    waits = next(iter(app.mailbox.waiting()), None)
    undone = app.journal.mail_outbox.list_in_state(OutboxState.READY, OutboxState.SENDING)
    return not waits and not undone and not app.journal.list_undecided()


def main() -> None:
    """Read a list of orders a line; fork a desk for each at once, and say how they ended."""
    warnings.simplefilter("ignore")  # a fork beside the threads of numpy
    responder = ready()
    warm_up(lambda home: serving(desk(responder, order_at(home), ())))
    say("ready")
    forked: dict[str, list[int]] = {}
    for line in sys.stdin:
        children = []
        for order in json.loads(line):
            before = forked.setdefault(order["home"], [])
            children.append(start(responder, order, tuple(before)))
            before.append(children[-1])
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        say(json.dumps(codes))


def start(responder: "Responder", order: dict[str, Any], others: Sequence[int]) -> int:
    """A forked desk; its process id."""
    child = os.fork()
    if child:
        return child
    code = 4
    try:
        code = work(responder, order, others)
    finally:
        os._exit(code)  # not closed: the end is one more kill


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
