"""Desks that die while they send a batch of corrections; not a test by itself.

    echo '{"home": …, "url": …, "step": "stored", "hit": 1}' | python -m tests.support.recall_kills

Each order is done by a process of its own, forked from one that has loaded everything. Says how it
ended: the exit code, or the signal as a negative number.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.kills import ready, say

if TYPE_CHECKING:
    from bot.answering.responder import Responder

INSERTING = "inserting"  # the step of a correction's row, within the commit of the batch
PER_MINUTE = 60_000


def work(responder: "Responder", order: dict[str, Any]) -> None:
    """Send what was approved and deliver it, until all is done or the step is reached."""
    import sqlalchemy as sql

    from bot.channels.mail.local import Folder, MaildirOut
    from bot.desk import Desk
    from bot.journal import Journal, OutboxState
    from bot.outbound import Outbound
    from bot.staff.outdated_answers import Recall
    from bot.staff.recall_batches import RecallBatches
    from tests.support.told import COMPOSE
    from tests.support.waiting import wait_until

    at = dies(order)
    out = MaildirOut(Folder(Path(order["home"]) / "sent"))
    outbound = Outbound(responder.knowledge, ())
    with closing(Journal(order["url"])) as journal:
        sql.event.listen(
            journal.engine, "before_cursor_execute",
            lambda *given: at(INSERTING) if given[2].startswith("INSERT INTO outbox") else None,
        )  # fmt: skip
        desk = Desk(
            knowledge=responder.knowledge, responder=responder, journal=journal, outbound=outbound,
            compose=COMPOSE, out=out, was_sent=out.was_sent,
        )  # fmt: skip
        batches = RecallBatches(
            lambda: Recall(
                knowledge=responder.knowledge, journal=journal, responder=responder,
                outbound=outbound, compose=COMPOSE,
            ),
            journal, per_minute=PER_MINUTE,
        )  # fmt: skip
        batches.on_step = desk.on_checkpoint = at
        desk.delivery.settle_interrupted(journal.mail_outbox.list_in_state(OutboxState.SENDING))
        batches.send_approved()

        def done() -> bool:
            desk.deliver()
            return not journal.mail_outbox.list_in_state(OutboxState.READY, OutboxState.SENDING)

        wait_until(done)


def dies(order: dict[str, Any]) -> Callable[[str], None]:
    """A hook that kills this process when the step of the order is reached for the nth time."""
    seen = 0

    def at(reached: str) -> None:
        nonlocal seen
        seen += reached == order.get("step")
        if reached == order.get("step") and seen == order["hit"]:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def main() -> None:
    """Fork a desk for each line."""
    from bot.text.language import recognize_language

    warnings.simplefilter("ignore")
    responder = ready()
    recognize_language("Wurden meine Daten bei diesem Vorfall gestohlen?")  # loaded once
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 4
            try:
                work(responder, json.loads(line))
                code = 0
            finally:
                os._exit(code)
        say(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


if __name__ == "__main__":
    main()
