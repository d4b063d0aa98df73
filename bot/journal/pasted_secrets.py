"""Secrets that somebody pasted into a mail which no person sees: kinds, never the secret."""

import json
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.journal.clock import Clock, after
from bot.journal.engine import reading
from bot.journal.records import MessageState
from bot.journal.tables import escalation, message, slack_outbox

DAY = 86_400
NOTICE_KEY = "pasted:"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedSecretMessage:
    """One such mail."""

    message_id: int
    kinds: tuple[str, ...]

    @property
    def key(self) -> str:
        """Under which staff are told, once."""
        return f"{NOTICE_KEY}{self.message_id}"


def list_unannounced(engine: Engine, clock: Clock) -> list[PastedSecretMessage]:
    """Those of the last day that the desk answered by itself, and of which nobody was told."""
    told = sql.select(slack_outbox.c.id).where(
        slack_outbox.c.dedupe_key == sql.literal(NOTICE_KEY) + sql.cast(message.c.id, sql.String)
    )
    case = sql.select(escalation.c.id).where(escalation.c.message_id == message.c.id)
    query = sql.select(message.c.id, message.c.redactions).where(
        message.c.state == MessageState.DECIDED, message.c.redactions != "[]",
        message.c.received_at >= after(clock, -DAY), ~told.exists(), ~case.exists(),
    )  # fmt: skip
    with reading(engine) as db:
        rows = db.execute(query.order_by(message.c.id)).all()
    found = [PastedSecretMessage(message_id=row.id, kinds=_sure(row.redactions)) for row in rows]
    return [each for each in found if each.kinds]


def _sure(redactions: str) -> tuple[str, ...]:
    """Kinds of what is a secret by its form; what only might be one is nobody's business."""
    return tuple(dict.fromkeys(s["kind"] for s in json.loads(redactions) if s["certain"]))
