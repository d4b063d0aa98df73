"""Opens cases: decides whether a message gets a case of its own or joins an open one.

Everything here runs in the transaction of the caller, so that a case is stored together with what
it is about.
"""

from typing import Any

import sqlalchemy as sql

from bot.corpus.limits import Limits, Scope
from bot.domain import Priority, SenderProof
from bot.journal import rate_limits as counting
from bot.journal.audit import append_audit
from bot.journal.card_folding import alike_keys, find_lead
from bot.journal.case_clusters import (
    ClusterCentres,
    find_same_text,
    find_surge_lead,
    has_shared_answer,
    is_surge,
    lock_clusters,
)
from bot.journal.clock import Clock, stamp, stamp_after
from bot.journal.decision_queries import (
    MAX_OPEN_CASES_PER_THREAD,
    MERGED_CASE,
    OPEN_CASE,
    OPEN_CASES_OF_THREAD,
)
from bot.journal.engine import storable
from bot.journal.ranking import is_proven_rank, rank_of
from bot.journal.records import OpenQuestion, Stage
from bot.journal.tables import conversation, escalation, message
from bot.journal.threads import thread_of

JOINED = "joined"  # the state of a row that is a later mail of an open case


class CaseOpener:
    """Opens cases and knows when each is due; without limits no case is ever due."""

    def __init__(self, clock: Clock, limits: Limits | None, hasher: counting.CountHasher) -> None:
        self._clock = clock
        self._hasher = hasher
        self._limits = limits
        self._centres = ClusterCentres(clock)

    def open(
        self,
        db: sql.Connection,
        message_id: int,
        priority: Priority,
        reason: str,
        *,
        draft: str = "",
        topic: str = "",
        language: str = "",
        question: OpenQuestion | None = None,
    ) -> int:
        """Store an escalation of this message and return the number of its case.

        It is a new case, or a part of the case that it joins.

        `reason` is an `EscalationReason` or the answer reason for a phishing sample; `draft` is the
        reply that a person may approve, empty where there is none; `topic` is the id of the nearest
        passage, empty where none is near; `question` is what is open, where one question is.
        """
        case = self._open_case(db, message_id)
        if case:
            values: dict[str, Any] = {"state": JOINED, "case_id": case.id}
        else:
            surge = self._limits is not None and is_surge(db, self._limits.flood, self._clock)
            values = {"state": "open", "due_at": self.due_at(priority)}
            values |= self._place_in_queue(db, message_id, priority, question, surge=surge)
            if question:
                values |= self._place_in_cluster(db, question, values, language, surge=surge)
        row_key = db.execute(
            escalation.insert().values(
                message_id=message_id, priority=priority.value, reason=reason,
                draft=storable(draft), opened_at=stamp(self._clock()), topic=topic,
                language=language, **values,
            )
        ).inserted_primary_key  # fmt: skip
        if case:
            self._update_joined_case(db, case, message_id, priority, reason)
            return int(case.id)
        made = int(row_key[0]) if row_key else 0
        if question and values["cluster_id"] is None:
            founder = escalation.update().where(escalation.c.id == made)
            db.execute(founder.values(cluster_id=made))
        return made

    def _open_case(self, db: sql.Connection, message_id: int) -> Any | None:
        """Return the open case that a message joins, locked, or None when it needs its own.

        It joins the open case of the same sender in the thread, so that staff can answer everybody
        who writes there. A thread is full when it has `MAX_OPEN_CASES_PER_THREAD` open cases or
        its cap of answers is used up; then the message joins its oldest open case, whoever the
        sender is. This bounds what a robot that writes under ever new addresses can open.
        """
        this = {"message_id": message_id}
        case_id = db.execute(OPEN_CASE, this).scalar() or db.execute(MERGED_CASE, this).scalar()
        if case_id is None:
            cases = list(db.execute(OPEN_CASES_OF_THREAD, this).scalars())
            if cases and (len(cases) == MAX_OPEN_CASES_PER_THREAD or self._is_full(db, message_id)):
                case_id = cases[0]
        case = sql.select(escalation).where(
            escalation.c.id == case_id, escalation.c.state == "open"
        )
        return db.execute(case.with_for_update()).first() if case_id else None

    def _place_in_queue(
        self, db: sql.Connection, message_id: int, priority: Priority,
        question: OpenQuestion | None, *, surge: bool,
    ) -> dict[str, Any]:  # fmt: skip
        """Return the rank of a new case and the case whose card stands for it, if any."""
        query = sql.select(message.c.sender, message.c.text, message.c.proof)
        row = db.execute(query.where(message.c.id == message_id)).one()
        rank = rank_of(priority, proven=SenderProof(row.proof).believed)
        keys = alike_keys(row.sender, (question and question.words) or row.text)
        lead = None
        if self._limits:
            lead = find_lead(db, keys, rank, self._limits.flood, self._clock, surge=surge)
        return {"rank": rank, "fold_id": lead, **keys}

    def _place_in_cluster(
        self, db: sql.Connection, question: OpenQuestion, queued: dict[str, Any], language: str,
        *, surge: bool,
    ) -> dict[str, Any]:  # fmt: skip
        """Return the cluster of a new case, and in a surge the case whose card stands for it."""
        lock_clusters(db)
        place = self._centres.find(db, question.vector)
        if question.is_alone:
            same, vector = place.same, question.vector
        else:  # a message that asks more than one thing joins only cases in the very same words
            same, vector = find_same_text(db, queued["text_key"], self._clock), None
        lead = queued["fold_id"]
        if lead is None and self._limits and surge:
            most = self._limits.flood.surge_cards
            lead = find_surge_lead(db, place, same, queued["rank"], most_cards=most)
        if lead is None and same is not None and has_shared_answer(db, same, language):
            lead = same
        return {"vector": vector, "cluster_id": same, "fold_id": lead}

    def _is_full(self, db: sql.Connection, message_id: int) -> bool:
        """Return whether the desk has answered in this thread as often as a cap allows."""
        if self._limits is None:
            return False
        thread = str(db.execute(sql.select(thread_of(message_id))).scalar())
        who = (Scope.THREAD, self._hasher.thread_key(thread))
        return counting.is_used_up(db, self._limits.caps, who, self._clock)

    def _update_joined_case(
        self, db: sql.Connection, case: Any, message_id: int, priority: Priority, reason: str
    ) -> None:
        """Update an open case for a mail that joined it.

        A snoozed case wakes. The case becomes as urgent as its most urgent mail, and due no later
        than that urgency asks for. Its owner keeps it.
        """
        urgent = max((Priority(case.priority), priority), key=lambda each: each.urgency)
        why = case.reason if urgent == case.priority else reason
        due = self.due_at(urgent)
        if case.stage in (Stage.OPEN, Stage.CLAIMED) and case.due_at:
            due = min(due, case.due_at)
        row = escalation.update().where(escalation.c.id == case.id)
        stage = Stage.CLAIMED if case.owner else Stage.OPEN
        # The case leaves its cluster: its answer would not settle what the sender writes now.
        values: dict[str, Any] = {
            "priority": urgent.value, "reason": why, "stage": stage, "cluster_id": None,
        }  # fmt: skip
        if urgent != case.priority:  # a case that has become more urgent has a card of its own
            rank = rank_of(urgent, proven=is_proven_rank(case.rank))
            values |= {"rank": rank, "fold_id": None}
        elif case.cluster_id is not None:
            values["fold_id"] = None
        db.execute(row.values(due_at=due, **values))
        event = "details came" if case.stage == Stage.WAITING else "wrote again"
        append_audit(db, stamp(self._clock()), "desk", f"{event}:{case.id}", message_id)

    def find_exceeded_cap(self, db: sql.Connection, message_id: int) -> Scope | None:
        """Return the scope of the first cap that a further answer to this message would exceed.

        When there is none, count the answer and return None.
        """
        if self._limits is None:
            return None
        query = sql.select(message.c.sender, message.c.text, conversation.c.thread)
        row = db.execute(query.join(conversation).where(message.c.id == message_id)).one()
        who = self._hasher.count_keys(sender=row.sender, thread=row.thread, text=row.text)
        return counting.find_exceeded_cap(db, self._limits.caps, who, self._clock)

    def open_once(
        self, db: sql.Connection, message_id: int, priority: Priority, reason: str
    ) -> None:
        """Open a case as `open` does, unless the message already has one."""
        query = sql.select(escalation.c.id).where(escalation.c.message_id == message_id)
        if db.execute(query).scalar() is None:
            self.open(db, message_id, priority, reason)

    def due_at(self, priority: Priority) -> str:
        """Return the stamp at which a case of this priority is due, from now; empty for never."""
        if self._limits is None:
            return ""
        return stamp_after(self._clock, 60 * self._limits.due_minutes[priority])
