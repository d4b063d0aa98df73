"""Desks that die on purpose: forked from one process that has loaded everything, so that each
takes a second. Not a test by itself; test_kills.py starts it and reads what it says.

    echo '[{"home": …, "url": …, "port": …, "step": …, "hit": 2}]' | python -m tests.kills

What is heavy is imported inside: the child that parses mails imports this file again.
"""

import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.app import App
    from bot.responder import Responder


def ready() -> "Responder":
    """A responder on word search: what dies here is the plumbing, not the model."""
    import bot.channels.mail.compose
    import bot.jobs
    import bot.service  # noqa: F401 - loaded once, before the fork
    from bot.adapters.bm25 import BM25
    from bot.app import App
    from bot.confidence import Answers, StrictJudge
    from bot.domain import Message
    from bot.responder import Responder
    from bot.settings import Settings
    from tests.conftest import KNOWLEDGE

    app = App(Settings(knowledge=KNOWLEDGE))
    judge = StrictJudge(answers=Answers.of(list(app.knowledge.passages), app.knowledge.wordings))
    made = Responder(knowledge=app.knowledge, retriever=BM25(app.records()), judge=judge)
    made.respond(Message(text="Were API keys exposed? Do I need to reset my password?"))
    return made


def desk(responder: "Responder", order: dict[str, Any]) -> "App":
    from bot.app import App
    from bot.settings import Settings
    from tests.conftest import KNOWLEDGE

    settings = Settings(
        home=Path(order["home"]), knowledge=KNOWLEDGE, database_url=order["url"], http_port=0,
        smtp_port=order["port"],
    )  # fmt: skip
    app = App(settings)
    app.__dict__["knowledge"] = responder.knowledge
    app.__dict__["responder"] = responder
    return app


def dies(step: str, hit: int) -> Callable[[str], None]:
    """A hook that ends this process, without a word, when `step` is reached for the nth time."""
    seen = 0

    def at(reached: str) -> None:
        nonlocal seen
        seen += reached == step
        if reached == step and seen == hit:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def work(responder: "Responder", order: dict[str, Any]) -> int:
    """Serve until killed or until nothing is left to do."""
    from bot.service import Service
    from bot.upkeep import Pace

    time.sleep(order.get("wait", 0))
    app = desk(responder, order)
    if not order.get("look", True):
        app.desk.was_sent = lambda _header: None
    if order.get("step"):
        app.desk.at = dies(order["step"], order["hit"])
    service = Service(app, lambda _handled: None)
    service.upkeep.pace = Pace(beat=0.3, lease=order.get("lease", 1.5), send=0.3)
    service.start()
    began = time.monotonic()
    least, most = began + order.get("linger", 0), began + order["seconds"]
    service.run(until=lambda: (done(app) and time.monotonic() > least) or time.monotonic() > most)
    return 0 if done(app) else 3


def done(app: "App") -> bool:
    """Nothing waits in the mailbox, undecided, or to be sent."""
    from bot.journal import OutboxState

    waits = next(iter(app.mailbox.waiting()), None)
    undone = app.journal.sends.in_state(OutboxState.READY, OutboxState.SENDING)
    return not waits and not undone and not app.journal.undecided()


def main() -> None:
    """Read a list of orders a line; fork a desk for each at once, and say how they ended."""
    warnings.simplefilter("ignore")  # a fork beside the threads of numpy
    responder = ready()
    say("ready")
    for line in sys.stdin:
        children = [start(responder, order) for order in json.loads(line)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        say(json.dumps(codes))


def start(responder: "Responder", order: dict[str, Any]) -> int:
    """A forked desk; its process id."""
    child = os.fork()
    if child:
        return child
    code = 4
    try:
        code = work(responder, order)
    finally:
        os._exit(code)  # not closed: the end is one more kill


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
