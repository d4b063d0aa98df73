"""Finds mails with a pasted secret that the desk answered without a person, for a notice to staff.

Only the kinds of the secrets are read, never the secrets themselves.
"""

import json
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import Clock, stamp_after
from bot.journal.engine import reading
from bot.journal.records import MessageState
from bot.journal.tables import escalation, message, slack_outbox

LOOK_BACK_SECONDS = 86_400  # staff need no notice about older mails
NOTICE_KEY = "pasted:"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedSecretMessage:
    """A mail with a pasted secret, and the kinds of secrets in it."""

    message_id: int
    kinds: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return the unique key of the notice to staff, so that it is posted once."""
        return f"{NOTICE_KEY}{self.message_id}"


def list_unannounced(engine: Engine, clock: Clock) -> list[PastedSecretMessage]:
    """Return the mails of the last day that need a notice to staff, oldest first.

    These are mails that the desk answered by itself, without a case and without an earlier notice.
    """
    notice = sql.select(slack_outbox.c.id).where(
        slack_outbox.c.dedupe_key == sql.literal(NOTICE_KEY) + sql.cast(message.c.id, sql.String)
    )
    case = sql.select(escalation.c.id).where(escalation.c.message_id == message.c.id)
    query = sql.select(message.c.id, message.c.redactions).where(
        message.c.state == MessageState.DECIDED, message.c.redactions != "[]",
        message.c.received_at >= stamp_after(clock, -LOOK_BACK_SECONDS),
        ~notice.exists(), ~case.exists(),
    )  # fmt: skip
    with reading(engine) as db:
        rows = db.execute(query.order_by(message.c.id)).all()
    mails = [
        PastedSecretMessage(message_id=row.id, kinds=_sure_kinds(row.redactions)) for row in rows
    ]
    return [mail for mail in mails if mail.kinds]


def _sure_kinds(redactions: str) -> tuple[str, ...]:
    """Return the kinds of secrets that are certain by their format, each once."""
    return tuple(dict.fromkeys(s["kind"] for s in json.loads(redactions) if s["certain"]))
