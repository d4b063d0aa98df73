"""The append-only audit."""

import sqlalchemy as sql

from bot.journal.tables import audit


def append_audit(
    db: sql.Connection, at: str, actor: str, event: str, message_id: int | None
) -> None:
    """A line of it, in the caller's transaction."""
    row = {"at": at, "actor": actor, "event": event, "message_id": message_id}
    db.execute(audit.insert().values(row))
