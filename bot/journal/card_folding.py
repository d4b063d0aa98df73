"""Folds cases of one sender, text or question: of many alike, one card stands for the rest.

Each case stays in the queue and can be decided by itself; only its card is not posted.
"""

from collections import defaultdict

import sqlalchemy as sql

from bot.corpus.limits import FloodLimits
from bot.journal.case_clusters import awaits_shared_answer, list_leads, lock_clusters
from bot.journal.clock import Clock, after
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
    """Return a condition for cases whose card another one stands for, as long as that is open.

    Those that are about to get the answer of their cluster need none either.
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
    """Return the columns of a case by which cases that are alike find each other."""
    return {
        "sender_key": alike_key(fold_address(sender)),
        "text_key": alike_key(text) if text.strip() else "",
    }


def find_lead(
    db: sql.Connection, keys: dict[str, str], rank: int, limits: FloodLimits, clock: Clock,
    *, surge: bool,
) -> int | None:  # fmt: skip
    """Return the case whose card stands for a new case with these keys; None when it has its own.

    Only cases with a card count that are as urgent as the new one and whose senders are proven or
    not as its own is: a forger folds nothing into the case of the person whose name it is. In a
    surge the second case with one text has no card any more.
    """
    for name, key in keys.items():
        most = 1 if surge and name == "text_key" else limits.fold_after
        column = escalation.c[name]
        query = sql.select(escalation.c.id, escalation.c.rank).where(
            column == key, column != "", is_open(escalation),
            escalation.c.fold_id.is_(None), escalation.c.rank <= rank,
            escalation.c.opened_at > after(clock, -limits.fold_seconds),
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
    """Give the open cases that were folded into this one another card.

    For one that asks something else than this case, the nearest card stands that there is. Of the
    others, the oldest gets a card and stands for the rest from now on. Those that are about to get
    the answer of their cluster are left out.
    """
    folded = (
        escalation.c.fold_id == case_id, escalation.c.state == "open", ~awaits_shared_answer(),
    )  # fmt: skip
    if db.execute(sql.select(escalation.c.id).where(*folded).limit(1)).first() is None:
        return
    lock_clusters(db)  # no card that is chosen here may be closed meanwhile
    cluster = sql.select(escalation.c.cluster_id)
    own = db.execute(cluster.where(escalation.c.id == case_id)).scalar_one()
    below_it = sql.select(
        escalation.c.id, escalation.c.cluster_id, escalation.c.rank, escalation.c.vector
    ).where(*folded)
    leads = [each for each in list_leads(db) if each.case_id != case_id]
    below: dict[int | None, list[int]] = defaultdict(list)
    for row in db.execute(below_it.order_by(escalation.c.id)):
        asks_another = row.cluster_id not in (None, own) and row.vector is not None
        near = [
            (float(each.vector @ row.vector), each.case_id)
            for each in (leads if asks_another else ())
            if each.vector is not None and each.stands_for(row.rank)
        ]
        below[max(near)[1] if near else None].append(row.id)
    if heirs := below.pop(None, []):
        db.execute(escalation.update().where(escalation.c.id == heirs[0]).values(fold_id=None))
        below[heirs[0]] = heirs[1:]
    for lead, cases in below.items():
        moved = escalation.update().where(escalation.c.id.in_(cases))
        db.execute(moved.values(fold_id=lead))
