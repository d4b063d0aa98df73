"""Writes the append-only audit: what the desk and people did, and when."""

import sqlalchemy as sql

from bot.journal.tables import audit


def append_audit(
    db: sql.Connection, at: str, actor: str, event: str, message_id: int | None
) -> None:
    """Append one line to the audit in the transaction of the caller.

    `at` is a time as `clock.stamp` writes it, `actor` is `desk`, `terminal:USER` or `slack:USER`,
    and `event` is a short text that may be counted; `message_id` is None where no message is
    concerned.
    """
    row = {"at": at, "actor": actor, "event": event, "message_id": message_id}
    db.execute(audit.insert().values(row))
