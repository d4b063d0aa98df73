"""Folds similar cases: of many from one sender, with one text or question, only one gets a card.

That case is the lead, and its card stands for the others, the folded cases. These stay in the queue
and can be decided by themselves; only their cards are not posted.
"""

from collections import defaultdict

import sqlalchemy as sql

from bot.corpus.limits import FloodLimits
from bot.journal.case_clusters import awaits_shared_answer, list_leads, lock_clusters
from bot.journal.clock import Clock, stamp_after
from bot.journal.ranking import alike_key, is_proven_rank
from bot.journal.tables import escalation
from bot.journal.threads import is_open
from bot.text.domains import fold_address

_others = escalation.alias("alike")
FOLDED_COUNT = (
    sql.select(sql.func.count())
    .where(_others.c.fold_id == escalation.c.id, _others.c.state == "open")
    .scalar_subquery()
)


def is_folded() -> sql.ColumnElement[bool]:
    """Return an SQL condition for cases that have no card because they are folded into another.

    When the lead is closed, an open case needs a card of its own, unless it is about to get the
    answer of its cluster.
    """
    return sql.and_(
        escalation.c.fold_id.is_not(None),
        sql.or_(
            escalation.c.state != "open",
            awaits_shared_answer(),
            sql.select(_others.c.id)
            .where(_others.c.id == escalation.c.fold_id, _others.c.state == "open")
            .exists(),
        ),
    )


def alike_keys(sender: str, text: str) -> dict[str, str]:
    """Return the columns of a case by which others of the same sender or text are found."""
    return {
        "sender_key": alike_key(fold_address(sender)),
        "text_key": alike_key(text) if text.strip() else "",
    }


def find_lead(
    db: sql.Connection, keys: dict[str, str], rank: int, limits: FloodLimits, clock: Clock,
    *, surge: bool,
) -> int | None:  # fmt: skip
    """Return the lead of a new case with these keys, or None when the new case gets its own card.

    The lead must have a card, be at least as urgent, and its sender must be proven exactly if that
    of the new case is: a forger cannot fold a case into that of the person whose name is used. In a
    surge the second case with the same text is already folded.
    """
    for name, key in keys.items():
        most = 1 if surge and name == "text_key" else limits.fold_after
        column = escalation.c[name]
        query = sql.select(escalation.c.id, escalation.c.rank).where(
            column == key, column != "", is_open(escalation),
            escalation.c.fold_id.is_(None), escalation.c.rank <= rank,
            escalation.c.opened_at > stamp_after(clock, -limits.fold_seconds),
        )  # fmt: skip
        alike = [
            row.id
            for row in db.execute(query.order_by(escalation.c.id))
            if is_proven_rank(row.rank) == is_proven_rank(rank)
        ]
        if len(alike) >= most:
            return int(alike[0])
    return None


def pass_lead_on(db: sql.Connection, case_id: int) -> None:
    """Give the open cases that were folded into this one another lead.

    A case of another cluster is folded into the nearest other lead that may stand for it. Of all
    the rest, the oldest gets a card and becomes their lead. Cases that are about to get the answer
    of their cluster are left out.
    """
    folded = (
        escalation.c.fold_id == case_id, escalation.c.state == "open", ~awaits_shared_answer(),
    )  # fmt: skip
    if db.execute(sql.select(escalation.c.id).where(*folded).limit(1)).first() is None:
        return
    lock_clusters(db)  # a lead that is chosen here must not be closed meanwhile
    cluster = sql.select(escalation.c.cluster_id)
    own = db.execute(cluster.where(escalation.c.id == case_id)).scalar_one()
    below_it = sql.select(
        escalation.c.id, escalation.c.cluster_id, escalation.c.rank, escalation.c.vector
    ).where(*folded)
    leads = [lead for lead in list_leads(db) if lead.case_id != case_id]
    below: dict[int | None, list[int]] = defaultdict(list)
    for row in db.execute(below_it.order_by(escalation.c.id)):
        asks_another = row.cluster_id not in (None, own) and row.vector is not None
        near = [
            (float(lead.vector @ row.vector), lead.case_id)
            for lead in (leads if asks_another else ())
            if lead.vector is not None and lead.stands_for(row.rank)
        ]
        below[max(near)[1] if near else None].append(row.id)
    if heirs := below.pop(None, []):
        db.execute(escalation.update().where(escalation.c.id == heirs[0]).values(fold_id=None))
        below[heirs[0]] = heirs[1:]
    for new_lead, cases in below.items():
        moved = escalation.update().where(escalation.c.id.in_(cases))
        db.execute(moved.values(fold_id=new_lead))
