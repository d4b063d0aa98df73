"""Finds cases that ask the same as they come, and keeps what a person answered to all of them.

Each case joins the cluster whose centre is nearest to it, as `group_by_meaning` does for many at
once, or founds one, which is named after it. One answer then goes to every case of the cluster.
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
from bot.journal.clock import Clock, after, stamp
from bot.journal.engine import reading, storable, writing
from bot.journal.locks import AdvisoryLock, lock_until_commit
from bot.journal.ranking import is_proven_rank
from bot.journal.records import SharedAnswer
from bot.journal.tables import cluster_answer, escalation, message
from bot.journal.threads import is_open

Vector = npt.NDArray[np.float32]
# The cosine to the centre of a cluster from which on a case asks the same. Of 1,000 mails drawn
# from 153 messages by four authors with 25 questions that the post leaves open, 97.0 % then stand
# among messages with their own question, in 76 clusters; at .4 it would be 90.6 %, in 52.
SAME_QUESTION = 0.5
# The cosine from which on, in a surge, the card of a cluster may stand for a case beside it. It
# gets no answer of that cluster unless a person says so. Of the same mails 77 % stand with theirs.
ALIKE = 0.3
MOST_ALIKE = 5  # clusters beside which a case may be shown, the nearest first
NEWEST_SHARE = 10  # a surge is one where at least each tenth of the newest cases joins a cluster
MOST_LEADS = 200  # cards that are compared with a case that has none
MOST_COMPARED = 5000  # newest open cases whose questions are compared with that of a card
CLUSTER_SECONDS = 7 * 86_400.0  # after which nothing joins a cluster that nobody has joined since
REBUILD_SECONDS = 3600.0  # after which erased vectors count for no centre any more
MOST_WORDINGS = 200  # newest cases of a cluster among which different wordings are looked for
GROWTH = 1000  # clusters by which the table of sums grows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlace:
    """Where a case belongs: the cluster that asks the same, and those that ask something alike."""

    same: int | None
    alike: tuple[int, ...]  # nearest first, without `same`
    cosines: dict[int, float]  # to the centre of each cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """How a question was asked in a cluster that a card stands for, and how many ask so."""

    cluster: int
    text: str
    count: int


@dataclass(slots=True)
class ClusterCentres:
    """The centres of the clusters, kept in memory and brought up to date from the table of cases.

    The caller holds the lock of the clusters, so that cases come in the order of their ids.
    """

    clock: Clock
    _places: dict[int, int] = field(default_factory=dict)  # of a cluster in the sums
    _sums: Vector = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _seen: int = 0  # the last case that is counted in
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
        """Count in the cases that came since the last time; now and then all of them anew."""
        if self._rebuild_at <= stamp(self.clock()):
            self._rebuild_at = after(self.clock, REBUILD_SECONDS)
            self._places, self._seen = {}, 0
            self._sums = np.zeros((0, 0), np.float32)
        query = sql.select(escalation.c.id, escalation.c.cluster_id, escalation.c.vector).where(
            escalation.c.id > self._seen, escalation.c.cluster_id.is_not(None),
            escalation.c.vector.is_not(None),
            escalation.c.opened_at > after(self.clock, -CLUSTER_SECONDS),
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
    """Let no other process give cases to clusters until this transaction ends."""
    lock_until_commit(db, AdvisoryLock.CLUSTERS)


def is_surge(db: sql.Connection, limits: FloodLimits, clock: Clock) -> bool:
    """Return whether so many cases came lately that one card shall stand for all that ask alike.

    Those that were answered since count too: they tell that more of the kind will come.
    """
    newest = sql.select(escalation.c.cluster_id, escalation.c.opened_at)
    lately = newest.order_by(escalation.c.id.desc()).limit(NEWEST_SHARE * limits.surge_after)
    begin = after(clock, -limits.fold_seconds)
    came = sum(row.cluster_id is not None and row.opened_at > begin for row in db.execute(lately))
    return bool(came >= limits.surge_after)


def find_same_text(db: sql.Connection, text_key: str, clock: Clock) -> int | None:
    """Return the cluster of cases with the same words that ask more than one thing, if any."""
    query = sql.select(escalation.c.cluster_id).where(
        escalation.c.text_key == text_key, escalation.c.text_key != "",
        escalation.c.cluster_id.is_not(None), escalation.c.vector.is_(None),
        escalation.c.opened_at > after(clock, -CLUSTER_SECONDS),
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
        """Return whether its card may stand for a case of this rank: as urgent, and as proven."""
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
    """Return the case whose card stands for a new case in a surge; None when it has its own.

    It is one that asks the same or something alike, and with `most_cards` or more the nearest.
    """
    leads = list_leads(db)
    fitting = {each.cluster: each for each in reversed(leads) if each.stands_for(rank)}
    near = [each for each in (same, place.same, *place.alike) if each in fitting]
    if not near and fitting and len(leads) >= most_cards:
        near = [max(fitting, key=lambda each: place.cosines.get(each, -1.0))]
    return fitting[near[0]].case_id if near else None


def has_shared_answer(db: sql.Connection, cluster: int, language: str) -> bool:
    """Return whether a case of this cluster in this language will get the answer of others."""
    query = sql.select(cluster_answer.c.id).where(
        cluster_answer.c.cluster_id == cluster, cluster_answer.c.language.in_(("", language))
    )
    return db.execute(query).first() is not None


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
    """Store what a person answers to all cases of a cluster, in the place of an earlier answer.

    The answer may say which other clusters get it too. One for those who write in one language
    leaves those in others in force.
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
        """Return open cases with a larger id than `beyond` that shall get the answer of others."""
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
        query = (
            sql.select(cluster_answer)
            .join(escalation, escalation.c.cluster_id == cluster_answer.c.cluster_id)
            .where(
                escalation.c.id == case_id,
                cluster_answer.c.language.in_(("", escalation.c.language)),
            )
            .order_by(cluster_answer.c.language.desc())
        )  # one in their language before one for all
        with reading(self._engine) as db:
            row = db.execute(query).first()
        if row is None or row.due_at > stamp(self._clock()):
            return None
        return SharedAnswer(
            text=row.text, language=row.language, passages=tuple(json.loads(row.passages)),
            actor=row.actor, case_id=row.case_id, knowledge=row.knowledge,
        )  # fmt: skip

    def list_wordings(self, case_id: int, *, limit: int) -> list[str]:
        """Return how other open cases of the cluster of a case ask, each wording once."""
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

        First those that its card stands for, then those that ask something alike; the nearest
        first of both, and of those that are as near the largest. Cases that somebody has are left
        out.
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
            ids = [each.message_id for each in chosen]
            texts = dict(db.execute(_TEXTS.where(message.c.id.in_(ids))).all())
        return [
            AskedQuestion(
                cluster=each.cluster, text=" ".join(texts[each.message_id].split()),
                count=each.count,
            )
            for each in chosen
        ]  # fmt: skip

    def count_languages(self, case_id: int) -> dict[str, int]:
        """Return in which other languages open cases ask what a case asks, and how many of them."""
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
    """The open cases of a cluster beside a card: `message_id` is that of the oldest of them."""

    cluster: int
    message_id: int = 0
    count: int = 0
    is_below: bool = False
    cosine: float = -1.0

    def order(self) -> tuple[bool, float, int, int]:
        return not self.is_below, -round(self.cosine, 2), -self.count, self.message_id


def _group_by_cluster(own: Any, rows: Iterable[Any]) -> dict[int, _CaseGroup]:
    """Group cases, newest first, and leave out the own cluster and those that ask nothing alike."""
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
