"""Decides which urgent cases page people and which are only counted in a summary.

Pages are capped by sender, by domain and in all, so that a sender of many mails that sound urgent
wakes people a few times and not for each. Mails of unproven senders, which anybody can write under
any name, have separate caps, so that they cannot use up those of the others.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.corpus.limits import FloodLimits
from bot.domain import EscalationReason, Priority, SenderProof
from bot.journal.clock import Clock, stamp, stamp_after
from bot.journal.engine import reading, writing
from bot.journal.tables import escalation, message
from bot.text.domains import fold_address, registrable_domain

# Factor on the cap of all pages for a case in which somebody may be in danger, while no other case
# of the sender's domain has paged.
RESERVE_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPages:
    """Counts of open cases whose pages were held for the summary.

    `since` counts those held since one moment, `lately` those held since a later one, and `dangers`
    those of `since` in which somebody may be in danger. `wakes` says whether one of `lately`
    notifies people in quiet hours too.
    """

    since: int = 0
    lately: int = 0
    dangers: int = 0
    wakes: bool = False


def wakes(proof: SenderProof, reason: str) -> bool:
    """Return whether an urgent case notifies people in quiet hours.

    It does when its sender is proven, or when somebody may be in danger, whoever wrote.
    """
    return proof.believed or reason == EscalationReason.DANGER


class Pages:
    """The pages of one journal; each method is one transaction. Without limits each case pages."""

    def __init__(self, engine: Engine, clock: Clock, limits: FloodLimits | None) -> None:
        self._engine = engine
        self._clock = clock
        self.limits = limits

    def may_page(self, case_id: int) -> bool | None:
        """Return whether a case pages people now; None when that was decided before."""
        this = sql.select(
            escalation.c.paged_at, escalation.c.page_held_at, escalation.c.reason,
            message.c.sender, message.c.proof,
        )  # fmt: skip
        query = this.join(message, message.c.id == escalation.c.message_id)
        with reading(self._engine) as db:
            row = db.execute(query.where(escalation.c.id == case_id)).one()
            if row.paged_at or row.page_held_at:
                return None
            return self.limits is None or self._is_within(db, row, self.limits)

    def record(self, case_id: int, *, paged: bool) -> None:
        """Record that a case has paged people, or that its page was held for the summary."""
        column = escalation.c.paged_at if paged else escalation.c.page_held_at
        with writing(self._engine) as db:
            row = escalation.update().where(escalation.c.id == case_id)
            db.execute(row.values({column: stamp(self._clock())}))

    def hold_folded(self) -> None:
        """Record that the pages of urgent folded cases are held for the summary."""
        undecided = (
            escalation.c.state == "open", escalation.c.fold_id.is_not(None),
            escalation.c.priority == Priority.PAGE.value,
            escalation.c.paged_at == "", escalation.c.page_held_at == "",
        )  # fmt: skip
        with reading(self._engine) as db:
            if db.execute(sql.select(escalation.c.id).where(*undecided).limit(1)).first() is None:
                return
        with writing(self._engine) as db:
            row = escalation.update().where(*undecided)
            db.execute(row.values(page_held_at=stamp(self._clock())))

    def count_held(self, since: str, lately: str) -> HeldPages:
        """Return the open cases that were held for the summary after two stamps."""
        query = sql.select(escalation.c.page_held_at, escalation.c.reason, message.c.proof)
        query = query.join(message, message.c.id == escalation.c.message_id).where(
            escalation.c.page_held_at >= since, escalation.c.page_held_at != "",
            escalation.c.state == "open",
        )  # fmt: skip
        with reading(self._engine) as db:
            rows = db.execute(query).all()
        new = [row for row in rows if row.page_held_at >= lately]
        return HeldPages(
            since=len(rows),
            lately=len(new),
            dangers=sum(row.reason == EscalationReason.DANGER for row in rows),
            wakes=any(wakes(SenderProof(row.proof), row.reason) for row in new),
        )

    def _is_within(self, db: sql.Connection, case: Any, limits: FloodLimits) -> bool:
        recent = sql.select(message.c.sender, message.c.proof).select_from(escalation).join(
            message, message.c.id == escalation.c.message_id
        ).where(escalation.c.paged_at > stamp_after(self._clock, -limits.page_seconds))  # fmt: skip
        believed = SenderProof(case.proof).believed
        paged = [
            str(row.sender)
            for row in db.execute(recent)
            if SenderProof(row.proof).believed is believed
        ]
        of_sender = sum(fold_address(each) == fold_address(case.sender) for each in paged)
        of_domain = sum(_owner(each) == _owner(case.sender) for each in paged)
        most = limits.pages_in_all
        # Those who page all the time must not keep people from hearing of somebody else's danger.
        if case.reason == EscalationReason.DANGER and not of_domain:
            most *= RESERVE_FACTOR
        return (
            of_sender < limits.pages_of_sender
            and of_domain < limits.pages_of_domain
            and len(paged) < most
        )


def _owner(sender: str) -> str:
    """Return the registrable domain of an address."""
    return registrable_domain(sender.rpartition("@")[2])
