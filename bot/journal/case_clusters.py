"""Groups new cases that ask the same into clusters, and stores a person's answer to a cluster.

Each case joins the cluster whose centre is nearest to it (`group_by_meaning` does this for many
cases at once), or founds a new one, whose id is that of the case. One answer then goes to every
case of the cluster.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sql
from sqlalchemy import Engine

from bot.corpus.limits import FloodLimits
from bot.journal.audit import append_audit
from bot.journal.clock import Clock, stamp, stamp_after
from bot.journal.engine import reading, storable, writing
from bot.journal.locks import AdvisoryLock, lock_until_commit
from bot.journal.ranking import is_proven_rank
from bot.journal.records import SharedAnswer
from bot.journal.tables import cluster_answer, escalation, message
from bot.journal.threads import is_open

Vector = npt.NDArray[np.float32]
# Least cosine to the centre of a cluster at which a case counts as asking the same. Of 1,000 mails
# drawn from 153 messages by four authors with 25 questions that the post leaves open, 97.0 % are
# then grouped with messages that ask the same, in 76 clusters; at 0.4 it would be 90.6 %, in 52.
SAME_QUESTION = 0.5
# Least cosine at which, in a surge, the card of a cluster may also stand for a case outside it.
# That case gets the answer of the cluster only if a person says so. Of the same mails, 77 % are
# then grouped with messages that ask the same.
ALIKE = 0.3
MOST_ALIKE = 5  # most similar clusters with which a case may be shown
NEWEST_SHARE = 10  # in a surge, at least one in ten of the newest cases belongs to a cluster
MOST_LEADS = 200  # cards that are compared with a case that has none
MOST_COMPARED = 5000  # newest open cases whose questions are compared with that of a card
CLUSTER_SECONDS = 7 * 86_400.0  # a cluster that no case joined for this long takes no more cases
REBUILD_SECONDS = 3600.0  # how often centres are computed anew, without vectors erased since
MOST_WORDINGS = 200  # newest cases of a cluster among which different wordings are looked for
GROWTH = 1000  # rows by which the array of sums grows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlace:
    """Where a case belongs: the cluster that asks the same, and those that ask similarly."""

    same: int | None
    alike: tuple[int, ...]  # nearest first, without `same`
    cosines: dict[int, float]  # to the centre of each cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """One wording of the question of a cluster, and the number of its open cases."""

    cluster: int
    text: str
    count: int


@dataclass(slots=True)
class ClusterCentres:
    """The centres of the clusters, kept in memory and brought up to date from the table of cases.

    The caller holds the lock of the clusters, so that cases come in the order of their ids.
    """

    clock: Clock
    _places: dict[int, int] = field(default_factory=dict)  # id of a cluster -> its row in `_sums`
    _sums: Vector = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _seen: int = 0  # id of the last case whose vector was added
    _rebuild_at: str = ""

    def find(self, db: sql.Connection, vector: Vector) -> ClusterPlace:
        """Return where a case with this vector belongs."""
        self._refresh(db)
        if not self._places:
            return ClusterPlace(same=None, alike=(), cosines={})
        sums = self._sums[: len(self._places)]
        lengths = np.maximum(np.linalg.norm(sums, axis=1), np.finfo(np.float32).tiny)
        cosines = sums @ vector / lengths
        names = list(self._places)
        order = np.argsort(-cosines, kind="stable")[: MOST_ALIKE + 1]
        near = [names[i] for i in order if cosines[i] >= ALIKE]
        same = names[order[0]] if cosines[order[0]] >= SAME_QUESTION else None
        return ClusterPlace(
            same=same, alike=tuple(each for each in near if each != same),
            cosines=dict(zip(names, cosines.tolist(), strict=True)),
        )  # fmt: skip

    def _refresh(self, db: sql.Connection) -> None:
        """Add the cases opened since the last call; all of them anew every `REBUILD_SECONDS`."""
        if self._rebuild_at <= stamp(self.clock()):
            self._rebuild_at = stamp_after(self.clock, REBUILD_SECONDS)
            self._places, self._seen = {}, 0
            self._sums = np.zeros((0, 0), np.float32)
        query = sql.select(escalation.c.id, escalation.c.cluster_id, escalation.c.vector).where(
            escalation.c.id > self._seen, escalation.c.cluster_id.is_not(None),
            escalation.c.vector.is_not(None),
            escalation.c.opened_at > stamp_after(self.clock, -CLUSTER_SECONDS),
        )  # fmt: skip
        for row in db.execute(query.order_by(escalation.c.id)):
            self._add(row.cluster_id, row.vector)
            self._seen = row.id

    def _add(self, cluster: int, vector: Vector) -> None:
        place = self._places.setdefault(cluster, len(self._places))
        if place >= len(self._sums):
            more = np.zeros((GROWTH, len(vector)), np.float32)
            self._sums = np.concatenate([self._sums, more]) if len(self._sums) else more
        self._sums[place] += vector


def lock_clusters(db: sql.Connection) -> None:
    """Keep other processes from assigning cases to clusters until this transaction ends."""
    lock_until_commit(db, AdvisoryLock.CLUSTERS)


def is_surge(db: sql.Connection, limits: FloodLimits, clock: Clock) -> bool:
    """Return whether so many cases came lately that one card stands for all that ask alike.

    Cases that were answered since count too, as more of the kind can be expected.
    """
    newest = sql.select(escalation.c.cluster_id, escalation.c.opened_at)
    lately = newest.order_by(escalation.c.id.desc()).limit(NEWEST_SHARE * limits.surge_after)
    begin = stamp_after(clock, -limits.fold_seconds)
    came = sum(row.cluster_id is not None and row.opened_at > begin for row in db.execute(lately))
    return bool(came >= limits.surge_after)


def find_same_text(db: sql.Connection, text_key: str, clock: Clock) -> int | None:
    """Return the cluster of cases in the same words that ask more than one thing, or None.

    Such cases have no vector.
    """
    query = sql.select(escalation.c.cluster_id).where(
        escalation.c.text_key == text_key, escalation.c.text_key != "",
        escalation.c.cluster_id.is_not(None), escalation.c.vector.is_(None),
        escalation.c.opened_at > stamp_after(clock, -CLUSTER_SECONDS),
    )  # fmt: skip
    return db.execute(query.order_by(escalation.c.id).limit(1)).scalar()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """An open case of a cluster that has a card of its own."""

    case_id: int
    cluster: int
    rank: int
    vector: Vector | None

    def stands_for(self, rank: int) -> bool:
        """Return whether it is at least as urgent as a case of this rank, and equally proven."""
        return self.rank <= rank and is_proven_rank(self.rank) == is_proven_rank(rank)


def list_leads(db: sql.Connection) -> list[Lead]:
    """Return the open cases of clusters that have a card of their own, the oldest first."""
    columns = (escalation.c.id, escalation.c.cluster_id, escalation.c.rank, escalation.c.vector)
    query = sql.select(*columns).where(
        escalation.c.fold_id.is_(None), escalation.c.state == "open",
        escalation.c.cluster_id.is_not(None), ~awaits_shared_answer(),
    )  # fmt: skip
    return [
        Lead(case_id=row.id, cluster=row.cluster_id, rank=row.rank, vector=row.vector)
        for row in db.execute(query.order_by(escalation.c.id).limit(MOST_LEADS))
    ]


def find_surge_lead(
    db: sql.Connection, place: ClusterPlace, same: int | None, rank: int, *, most_cards: int
) -> int | None:
    """Return the lead of a new case in a surge, or None when the new case gets its own card.

    It is the lead of the cluster that asks the same, else of the nearest similar cluster, else,
    where there are `most_cards` leads or more, the nearest of all that may stand for it.
    """
    leads = list_leads(db)
    fitting = {each.cluster: each for each in reversed(leads) if each.stands_for(rank)}
    near = [each for each in (same, place.same, *place.alike) if each in fitting]
    if not near and fitting and len(leads) >= most_cards:
        near = [max(fitting, key=lambda each: place.cosines.get(each, -1.0))]
    return fitting[near[0]].case_id if near else None


def has_shared_answer(db: sql.Connection, cluster: int, language: str) -> bool:
    """Return whether this cluster has an answer that a case in this language will get."""
    query = sql.select(cluster_answer.c.id).where(
        cluster_answer.c.cluster_id == cluster, cluster_answer.c.language.in_(("", language))
    )
    return db.execute(query).first() is not None


def find_shared_answer(db: sql.Connection, clock: Clock, case_id: int) -> SharedAnswer | None:
    """Return the answer that a case is due to get; None while there is none."""
    query = (
        sql.select(cluster_answer)
        .join(escalation, escalation.c.cluster_id == cluster_answer.c.cluster_id)
        .where(
            escalation.c.id == case_id,
            cluster_answer.c.language.in_(("", escalation.c.language)),
        )
        .order_by(cluster_answer.c.language.desc())
    )  # one in their language before one for all
    row = db.execute(query).first()
    if row is None or row.due_at > stamp(clock()):
        return None
    return SharedAnswer(
        text=row.text, language=row.language, passages=tuple(json.loads(row.passages)),
        actor=row.actor, case_id=row.case_id, knowledge=row.knowledge,
    )  # fmt: skip


def awaits_shared_answer() -> sql.ColumnElement[bool]:
    """Return a condition for cases that are about to get the answer of their cluster."""
    return (
        sql.select(cluster_answer.c.id)
        .where(
            cluster_answer.c.cluster_id == escalation.c.cluster_id,
            cluster_answer.c.language.in_(("", escalation.c.language)),
        )
        .exists()
    )


def store_shared_answer(
    db: sql.Connection, clock: Clock, cluster: int, answer: SharedAnswer, *, due_at: str
) -> None:
    """Store a person's answer to all cases of a cluster, replacing an earlier one.

    `answer.clusters` names further clusters that get it too. An answer for one language leaves
    those for other languages in force.
    """
    clusters = list(dict.fromkeys((cluster, *answer.clusters)))
    replaced = cluster_answer.delete().where(cluster_answer.c.cluster_id.in_(clusters))
    if answer.language:
        replaced = replaced.where(cluster_answer.c.language == answer.language)
    db.execute(replaced)
    same = {
        "case_id": answer.case_id, "actor": answer.actor, "given_at": stamp(clock()),
        "due_at": due_at, "knowledge": answer.knowledge, "language": answer.language,
        "text": storable(answer.text), "passages": json.dumps(answer.passages),
    }  # fmt: skip
    db.execute(cluster_answer.insert(), [{"cluster_id": each, **same} for each in clusters])


def withdraw_shared_answer(db: sql.Connection, case_id: int) -> None:
    """Let no further case get the answer that was given in this case."""
    db.execute(cluster_answer.delete().where(cluster_answer.c.case_id == case_id))


class Clusters:
    """The clusters of one journal; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def list_waiting(self, *, limit: int, beyond: int = 0) -> list[int]:
        """Return open cases without owner that are due to get the answer of their cluster.

        Only ids larger than `beyond`, at most `limit`, in ascending order.
        """
        now = stamp(self._clock())
        answered = sql.select(cluster_answer.c.cluster_id).where(cluster_answer.c.due_at <= now)
        with reading(self._engine) as db:
            clusters = list(db.execute(answered).scalars())
            if not clusters:
                return []
            query = sql.select(escalation.c.id).where(
                escalation.c.cluster_id.in_(clusters), escalation.c.id > beyond,
                # An index of owners would be of no help: most cases have none.
                is_open(escalation), sql.func.coalesce(escalation.c.owner, "") == "",
                awaits_shared_answer(),
            )  # fmt: skip
            return list(db.execute(query.order_by(escalation.c.id).limit(limit)).scalars())

    def find_answer(self, case_id: int) -> SharedAnswer | None:
        """Return the answer that was given to the cluster of a case; None while there is none."""
        with reading(self._engine) as db:
            return find_shared_answer(db, self._clock, case_id)

    def list_wordings(self, case_id: int, *, limit: int) -> list[str]:
        """Return the texts of the other open cases in the cluster of a case, each text once."""
        this = sql.select(escalation.c.cluster_id).where(escalation.c.id == case_id)
        query = sql.select(message.c.text).select_from(escalation.join(message)).where(
            escalation.c.cluster_id == this.scalar_subquery(), escalation.c.state == "open",
            escalation.c.id != case_id,
        )  # fmt: skip
        with reading(self._engine) as db:
            newest = query.order_by(escalation.c.id.desc()).limit(MOST_WORDINGS)
            texts = db.execute(newest).scalars()
            return list(dict.fromkeys(" ".join(text.split()) for text in texts))[:limit]

    def list_alike(self, case_id: int, *, limit: int) -> list[AskedQuestion]:
        """Return the other clusters that the answer to a case may fit.

        First those with cases that are folded into this one, then those that ask something similar;
        each by cosine, rounded to two decimals, and then by size. Claimed cases are left out.
        """
        query = sql.select(
            escalation.c.cluster_id, escalation.c.message_id, escalation.c.vector,
            (escalation.c.fold_id == case_id).label("is_below"),
        ).where(
            escalation.c.state == "open", escalation.c.owner == "",
            escalation.c.cluster_id.is_not(None),
        ).order_by(escalation.c.id.desc()).limit(MOST_COMPARED)  # fmt: skip
        this = sql.select(escalation.c.cluster_id, escalation.c.vector)
        with reading(self._engine) as db:
            own = db.execute(this.where(escalation.c.id == case_id)).one()
            groups = _group_by_cluster(own, db.execute(query))
            chosen = sorted(groups.values(), key=_CaseGroup.order)[:limit]
            ids = [group.message_id for group in chosen]
            texts = dict(db.execute(_TEXTS.where(message.c.id.in_(ids))).all())
        return [
            AskedQuestion(
                cluster=group.cluster, text=" ".join(texts[group.message_id].split()),
                count=group.count,
            )
            for group in chosen
        ]  # fmt: skip

    def count_languages(self, case_id: int) -> dict[str, int]:
        """Return how many other open cases of the same cluster there are by other language."""
        this = sql.select(escalation.c.cluster_id, escalation.c.language)
        with reading(self._engine) as db:
            own = db.execute(this.where(escalation.c.id == case_id)).one()
            query = sql.select(escalation.c.language, sql.func.count()).where(
                escalation.c.cluster_id == own.cluster_id, escalation.c.state == "open",
                escalation.c.language != own.language,
            )  # fmt: skip
            query = query.group_by(escalation.c.language).order_by(escalation.c.language)
            return dict(db.execute(query).all())

    def leave(self, case_id: int, why: str) -> None:
        """Take a case out of its cluster, so that a person reads it by itself."""
        with writing(self._engine) as db:
            this = escalation.c.id == case_id, escalation.c.state == "open"
            row = db.execute(sql.select(escalation.c.message_id).where(*this)).first()
            if row is None:
                return
            db.execute(escalation.update().where(*this).values(cluster_id=None, fold_id=None))
            append_audit(db, stamp(self._clock()), "desk", f"left cluster:{why}", row.message_id)


_TEXTS = sql.select(message.c.id, message.c.text)


@dataclass(slots=True)
class _CaseGroup:
    """The open cases of another cluster than that of a given case.

    `message_id` is the message of the oldest, `is_below` whether one is folded into the given case,
    and `cosine` the greatest similarity to it.
    """

    cluster: int
    message_id: int = 0
    count: int = 0
    is_below: bool = False
    cosine: float = -1.0

    def order(self) -> tuple[bool, float, int, int]:
        return not self.is_below, -round(self.cosine, 2), -self.count, self.message_id


def _group_by_cluster(own: Any, rows: Iterable[Any]) -> dict[int, _CaseGroup]:
    """Group rows of cases, newest first, by cluster, without the own one and dissimilar ones."""
    groups: dict[int, _CaseGroup] = {}
    for row in rows:
        if row.cluster_id == own.cluster_id:
            continue
        group = groups.setdefault(row.cluster_id, _CaseGroup(row.cluster_id))
        group.message_id = row.message_id
        group.count += 1
        group.is_below |= bool(row.is_below)
        if own.vector is not None and row.vector is not None:
            group.cosine = max(group.cosine, float(own.vector @ row.vector))
    return {k: each for k, each in groups.items() if each.is_below or each.cosine >= ALIKE}
