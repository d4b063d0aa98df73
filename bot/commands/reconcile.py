"""Implements `reconcile`: finishes what a crash or outage left behind, from the journal alone."""

from collections.abc import Iterator

from bot.app import App
from bot.errors import MissingError
from bot.journal import OutboxState

LEASE_SECONDS = 10.0  # a mail in `sending` for longer belongs to a worker that is dead


def reconcile_journal(app: App) -> Iterator[str]:
    """Decide and send what was left behind, and yield lines about it.

    It needs no jobs, which may be lost, but only the rows of the journal. A mail that waits for its
    next attempt is tried now. MissingError when another desk works on the same SQLite database.
    """
    with app.jobs.exclusively():
        desk, journal = app.desk, app.journal
        if app.jobs.shared:
            left = journal.mail_outbox.list_orphaned(LEASE_SECONDS)
        else:
            left = journal.mail_outbox.list_in_state(OutboxState.SENDING)  # its worker is dead
        desk.delivery.settle_interrupted(left)
        undecided = journal.list_undecided()
        faults = sum(not _decide(app, message_id) for message_id in undecided)
        retried = journal.mail_outbox.retry_now()
        sent = desk.deliver()
    unknown = len(journal.mail_outbox.list_in_state(OutboxState.UNKNOWN))
    yield f"{len(undecided) - faults} messages decided, {faults} left for a person"
    yield f"{sent} mails delivered, {len(left)} looked up, {unknown} of unknown fate"
    if retried:
        yield f"{retried} mails had waited for another attempt"


def _decide(app: App, message_id: int) -> bool:
    try:
        app.desk.decide_message(message_id)
    except MissingError:
        raise
    except Exception as error:  # noqa: BLE001 - a person gets the case of any error
        app.journal.mark_failed(message_id, type(error).__name__)
        return False
    return True
