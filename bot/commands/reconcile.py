"""`reconcile`: finishes from the journal alone what a crash left behind."""

from collections.abc import Iterator

from bot.app import App
from bot.errors import MissingError
from bot.journal import OutboxState

LEASE_SECONDS = 10.0


def reconcile(app: App) -> Iterator[str]:
    """Finish from the journal alone what a crash left: jobs may be lost, rows are not."""
    with app.jobs.exclusively():
        desk, journal = app.desk, app.journal
        if app.jobs.shared:
            left = journal.mail_outbox.list_orphaned(LEASE_SECONDS)
        else:
            left = journal.mail_outbox.list_in_state(
                OutboxState.SENDING
            )  # by nobody who still lives
        desk.settle_interrupted(left)
        undecided = journal.list_undecided()
        faults = sum(not _worked(app, message_id) for message_id in undecided)
        sent = desk.deliver()
    unknown = len(journal.mail_outbox.list_in_state(OutboxState.UNKNOWN))
    yield f"{len(undecided) - faults} messages decided, {faults} left for a person"
    yield f"{sent} mails delivered, {len(left)} looked up, {unknown} of unknown fate"


def _worked(app: App, message_id: int) -> bool:
    try:
        app.desk.decide_message(message_id)
    except MissingError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets the case
        app.journal.mark_failed(message_id, type(error).__name__)
        return False
    return True
