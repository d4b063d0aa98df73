"""Stores cases: which are open or due, who owns each, and what a person decided."""

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.corpus.limits import Scope
from bot.domain import Priority, SenderProof
from bot.journal.audit import append_audit
from bot.journal.card_folding import pass_lead_on
from bot.journal.case_clusters import (
    find_shared_answer,
    store_shared_answer,
    withdraw_shared_answer,
)
from bot.journal.case_lists import (
    QUEUE_ORDER,
    CaseFilter,
    FoundCases,
    count_languages,
    count_topics,
    find_cases,
)
from bot.journal.case_opening import JOINED, CaseOpener
from bot.journal.case_queries import (
    CASE,
    LATER,
    details_key,
    mail_key,
    read_card_stamps,
    read_case,
    text_for_staff,
    version_of,
)
from bot.journal.clock import Clock, stamp, stamp_after
from bot.journal.decision_queries import (
    ANNOUNCED_PRIORITY,
    ASKED_FOR_PERSON,
    CASE_NUMBER,
    CLAIMED_IN_THREAD,
    CLAIMED_WITH_MERGED,
)
from bot.journal.engine import reading, writing
from bot.journal.mail_outbox import MailOrigin, new_outbox_row
from bot.journal.rate_limits import lock_counts
from bot.journal.records import (
    Case,
    CaseAction,
    CaseChange,
    OutboxState,
    QueuedCase,
    Reopened,
    Reply,
    SharedAnswer,
    Stage,
)
from bot.journal.slack_outbox import REMINDER, waiting
from bot.journal.tables import (
    decision,
    escalation,
    message,
    outbox,
    slack_outbox,
)

EnqueueJob = Callable[[sql.Connection, int], None]
"""Enqueues a job in the transaction that makes it necessary.

Its arguments are the connection of that transaction and the id of a conversation or of a case.
"""


class Cases:
    """The cases of one journal; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock, opener: CaseOpener) -> None:
        self._engine = engine
        self._clock = clock
        self._opener = opener

    def list_open(self) -> list[QueuedCase]:
        """Return the open cases, the most urgent first and then the oldest."""
        of = (message.c.sender, message.c.text, message.c.headers, LATER.label("later"))
        query = sql.select(escalation, *of).join(message).where(escalation.c.state == "open")
        with reading(self._engine) as db:
            rows = db.execute(query.order_by(*QUEUE_ORDER)).all()
        return [
            QueuedCase(
                id=r.id, message_id=r.message_id, priority=r.priority, reason=r.reason,
                sender=r.sender, text=text_for_staff(r), draft=r.draft, opened_at=r.opened_at,
                due_at=r.due_at, round=r.round, later=r.later, language=r.language,
            )
            for r in rows
        ]  # fmt: skip

    def list_open_ids(self, owner: str | None = None, *, limit: int | None = None) -> list[int]:
        """Return the ids of open cases, the most urgent first and then the oldest.

        Of two that are equally urgent, one with a proven sender comes first. With an `owner` only
        cases of that owner are returned (empty: cases without one), and with a `limit` at most so
        many.
        """
        query = sql.select(escalation.c.id).where(escalation.c.state == "open")
        if owner is not None:
            query = query.where(escalation.c.owner == owner)
        with reading(self._engine) as db:
            return list(db.execute(query.order_by(*QUEUE_ORDER).limit(limit)).scalars())

    def find(self, wanted: CaseFilter, *, limit: int, page: int = 1) -> FoundCases:
        """Return a page of the cases that a filter lets through; pages count from 1."""
        return find_cases(self._engine, wanted, limit=limit, page=page)

    def count_topics(self) -> dict[str, int]:
        """Return how many open cases each topic has, the most frequent first."""
        return count_topics(self._engine)

    def count_languages(self) -> dict[str, int]:
        """Return how many open cases each language has, the most frequent first."""
        return count_languages(self._engine)

    def count_open(self) -> int:
        """Return how many cases are open."""
        query = sql.select(sql.func.count()).select_from(escalation)
        with reading(self._engine) as db:
            return db.execute(query.where(escalation.c.state == "open")).scalar_one()

    def oldest_opened_at(self) -> str:
        """Return the stamp at which the oldest open case was opened; empty without open cases."""
        query = sql.select(sql.func.min(escalation.c.opened_at))
        with reading(self._engine) as db:
            return db.execute(query.where(escalation.c.state == "open")).scalar() or ""

    def record_due_reminders(self, limit: int = 100) -> list[tuple[int, int]]:
        """Count a reminder for each open case past its due time, and make it due again later.

        Returns at most `limit` pairs of case id and number of reminders so far.
        """
        now = self._now()
        query = sql.select(escalation).where(
            escalation.c.state == "open", escalation.c.due_at != "", escalation.c.due_at <= now
        )
        with reading(self._engine) as db:
            if db.execute(query.limit(1)).first() is None:
                return []
        with writing(self._engine) as db:
            rows = db.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
            for row in rows:
                case = escalation.update().where(escalation.c.id == row.id)
                due = self._opener.due_at(Priority(row.priority))
                woken = Stage.CLAIMED if row.owner else Stage.OPEN
                db.execute(case.values(due_at=due, reminders=row.reminders + 1, stage=woken))
                append_audit(
                    db, now, "desk", f"reminder:{row.id}:{row.reminders + 1}", row.message_id
                )
        return [(row.id, row.reminders + 1) for row in rows]

    def store_decision(
        self,
        case_id: int,
        *,
        actor: str,
        action: CaseAction,
        reply: Reply | None,
        enqueue_job: EnqueueJob | None = None,
        version: str = "",
        hold_seconds: float = 0,
        shared: SharedAnswer | None = None,
    ) -> bool:
        """Store a person's decision and its mail in one commit.

        Return False if another person was first. With a `version` the case must still have that
        version, and nobody else may own it. `reply` is None to close the case without a mail; a
        mail waits for `hold_seconds`. A `shared` answer is stored for all cases of the cluster,
        which get it one by one afterwards.
        """
        try:
            with writing(self._engine) as db:
                row = self._lock(db, case_id)
                if row is None or row.action or (version and not _fits(row, actor, version)):
                    return False
                now = self._now()
                values = {"action": action, "actor": actor, "decided_at": now}
                db.execute(decision.insert().values(escalation_id=case_id, **values))
                if shared and row.cluster_id is not None:
                    due = stamp_after(self._clock, hold_seconds)
                    store_shared_answer(db, self._clock, row.cluster_id, shared, due_at=due)
                self._update(db, row, state="decided")
                if reply:
                    key = mail_key(row.id, row.round)
                    self._insert_mail(db, row, key, reply, seconds=hold_seconds)
                    if enqueue_job:
                        enqueue_job(db, case_id)
                append_audit(db, now, actor, action, row.message_id)
        except IntegrityError:
            return False
        return True

    def share_answer(self, case_id: int, answer: SharedAnswer, reply: Reply) -> Scope | None:
        """Give an open case the answer of its cluster in one commit, if it still awaits this one.

        Return the scope of the cap that forbids the mail now. None means that no cap does, also
        where nothing is stored because the case was claimed, changed or answered before, or the
        answer was taken back.
        """
        with writing(self._engine) as db:
            lock_counts(db)  # before the case, as who decides a message does
            row = self._lock(db, case_id)
            if row is None or row.action or row.state != "open" or row.owner:
                return None
            if find_shared_answer(db, self._clock, case_id) != answer:
                return None
            if cap := self._opener.find_exceeded_cap(db, row.message_id):
                return cap
            now = self._now()
            values = {"action": CaseAction.SHARED, "actor": answer.actor, "decided_at": now}
            db.execute(decision.insert().values(escalation_id=case_id, **values))
            self._update(db, row, state="decided")
            self._insert_mail(db, row, mail_key(row.id, row.round), reply)
            event = f"{CaseAction.SHARED}:{answer.case_id}"
            append_audit(db, now, answer.actor, event, row.message_id)
        return None

    def read(self, case_id: int) -> Case | None:
        """Return the case with everything that belongs to it, or None when there is none."""
        with reading(self._engine) as db:
            return read_case(db, case_id)

    def read_all(self, case_ids: Iterable[int]) -> list[Case]:
        """Return these cases in this order, without counting other cases of their senders.

        A list does not show those counts, and for a sender with thousands of cases they take long.
        """
        with reading(self._engine) as db:
            found = (read_case(db, each, with_earlier=False) for each in case_ids)
            return [case for case in found if case]

    def read_stamps(self, *, days: int) -> dict[int, str]:
        """Return a text for each case that changes whenever its card would look different.

        It covers open cases and those decided in the last `days` days, by case id.
        """
        with reading(self._engine) as db:
            return read_card_stamps(db, since=stamp_after(self._clock, -86_400 * days))

    def change(
        self, case_id: int, *, actor: str, change: CaseChange, owner: str, version: str = ""
    ) -> bool:
        """Claim, release or snooze a case; return False when that is no longer possible.

        The case must be open and still belong to `owner`, and with a `version` it must still have
        that version.
        """
        with writing(self._engine) as db:
            row = self._lock(db, case_id)
            if row is None or row.state != "open" or row.owner != owner:
                return False
            if version and version_of(row) != version:
                return False
            # Earlier reminders were for the former owner; a new owner has the whole time.
            due = change.due_at
            if due is None and change.owner not in ("", row.owner):
                due = self._opener.due_at(Priority(row.priority))
            values: dict[str, Any] = {} if due is None else {"due_at": due}
            self._update(db, row, stage=change.stage, owner=change.owner, reminders=0, **values)
            append_audit(db, self._now(), actor, change.verb, row.message_id)
        return True

    def request_details(
        self,
        case_id: int,
        *,
        actor: str,
        reply: Reply,
        version: str,
        enqueue_job: EnqueueJob | None = None,
        hold_seconds: float = 0,
    ) -> bool:
        """Store a mail that asks the user for details; return False when the case has changed.

        The case stays open, belongs to `actor` and waits for the user. The mail does not leave
        within `hold_seconds`.
        """
        try:
            with writing(self._engine) as db:
                row = self._lock(db, case_id)
                if row is None or row.state != "open" or not _fits(row, actor, version):
                    return False
                due = self._opener.due_at(Priority.NORMAL)
                self._update(db, row, stage=Stage.WAITING, owner=actor, due_at=due, reminders=0)
                key = details_key(case_id, row.version)
                self._insert_mail(db, row, key, reply, seconds=hold_seconds)
                if enqueue_job:
                    enqueue_job(db, case_id)
                append_audit(db, self._now(), actor, "asked for details", row.message_id)
        except IntegrityError:
            return False
        return True

    def reopen(self, case_id: int, *, actor: str, version: str = "") -> Reopened | None:
        """Reopen a decided case for `actor`; return None when it is open, erased or has changed.

        A mail that has not left yet is deleted, so that no second answer is sent. The earlier
        decision remains in the audit. With a `version` the case must still have that version.
        """
        with writing(self._engine) as db:
            row = self._lock(db, case_id)
            if row is None or row.state in ("open", JOINED) or row.erased_at:
                return None
            if version and version_of(row) != version:
                return None
            took_back = _take_back(db, mail_key(case_id, row.round))
            db.execute(decision.delete().where(decision.c.escalation_id == case_id))
            withdraw_shared_answer(db, case_id)
            due = self._opener.due_at(Priority(row.priority))
            values = {"state": "open", "stage": Stage.CLAIMED, "owner": actor, "due_at": due}
            self._update(db, row, round=row.round + 1, reminders=0, **values)
            append_audit(db, self._now(), actor, "reopened", row.message_id)
            if took_back:
                append_audit(db, self._now(), actor, "took its mail back", row.message_id)
        return Reopened.WITHOUT_ITS_MAIL if took_back else Reopened.AS_IT_IS

    def undo(self, case_id: int, *, actor: str, version: str) -> bool:
        """Delete a mail of `actor` that has not left yet; return False if it cannot be undone.

        It is the mail of a decision, or one that asks for details. The case is open again and
        belongs to `actor`.
        """
        with writing(self._engine) as db:
            row = self._lock(db, case_id)
            if row is None or version_of(row) != version:
                return False
            asks = row.state == "open" and row.stage == Stage.WAITING
            if actor != (row.owner if asks else row.actor):
                return False
            key = details_key(case_id, row.version - 1) if asks else mail_key(case_id, row.round)
            if not _take_back(db, key):
                return False
            db.execute(decision.delete().where(decision.c.escalation_id == case_id))
            withdraw_shared_answer(db, case_id)
            due = self._opener.due_at(Priority(row.priority))
            values = {"state": "open", "stage": Stage.CLAIMED, "owner": actor, "due_at": due}
            self._update(db, row, reminders=0, **values)
            append_audit(db, self._now(), actor, "undone", row.message_id)
        return True

    def merge(self, case_id: int, into: int, *, actor: str, version: str) -> bool:
        """Make a case part of another open case of the same sender; return False if it cannot be.

        It is answered together with the other, which takes the higher priority and the earlier due
        time of the two. Nobody else may own either, and the case must still have `version`.
        """
        with writing(self._engine) as db:
            rows = {number: self._lock(db, number) for number in sorted({case_id, into})}
            this, other = rows[case_id], rows[into]
            if this is None or other is None or not _may_merge(this, other, actor, version):
                return False
            urgent = max(other, this, key=lambda row: Priority(row.priority).urgency)
            due = min(filter(None, (this.due_at, other.due_at)), default="")
            parts = escalation.update().where(escalation.c.case_id == case_id)
            db.execute(parts.values(case_id=into))
            self._update(db, this, state=JOINED, case_id=into)
            self._update(
                db, other, priority=urgent.priority, reason=urgent.reason, due_at=due, reminders=0
            )
            append_audit(db, self._now(), actor, f"merged into:{into}", this.message_id)
        return True

    def has_claimed_case(self, message_id: int) -> bool:
        """Return whether a person has claimed an open case of this message's thread.

        A case of the thread that was merged counts as the case that it became a part of.
        """
        with reading(self._engine) as db:
            return is_claimed(db, message_id)

    def has_asked_for_person(self, message_id: int) -> bool:
        """Return whether an earlier message of the same conversation asked for a person."""
        with reading(self._engine) as db:
            return db.execute(ASKED_FOR_PERSON, {"message_id": message_id}).first() is not None

    def announced_priority(self, message_id: int) -> Priority | None:
        """Return the priority of the open case that an automatic reply announced to this sender.

        None where no case of this conversation is open, or no automatic reply announced it.
        """
        with reading(self._engine) as db:
            priority = db.execute(ANNOUNCED_PRIORITY, {"message_id": message_id}).scalar()
        return Priority(priority) if priority else None

    def find_number(self, message_id: int) -> int:
        """Return the number of the case that a message opened or joined; 0 for none."""
        with reading(self._engine) as db:
            number = db.execute(CASE_NUMBER, {"message_id": message_id}).scalar()
        return int(number or 0)

    def conversation_of(self, case_id: int) -> int:
        """Return the id of the conversation that a case belongs to."""
        query = sql.select(message.c.conversation_id).join(escalation)
        with reading(self._engine) as db:
            return int(db.execute(query.where(escalation.c.id == case_id)).scalar_one())

    def _lock(self, db: sql.Connection, case_id: int) -> Any | None:
        """Return the row of the case, locked until the transaction ends; None for no such case."""
        lock = sql.select(escalation.c.id).where(escalation.c.id == case_id).with_for_update()
        if db.execute(lock).first() is None:
            return None
        return db.execute(CASE.where(escalation.c.id == case_id)).one()

    def _update(self, db: sql.Connection, row: Any, **values: Any) -> None:
        case = escalation.update().where(escalation.c.id == row.id)
        if values.get("state") == "decided":
            pass_lead_on(db, row.id)
        else:  # somebody works on it, so it gets a card of its own
            values["fold_id"] = None
        db.execute(case.values(version=row.version + 1, touched_at=self._now(), **values))
        # Reminders that still wait are about the case as it was before this step.
        db.execute(slack_outbox.delete().where(waiting(f"{REMINDER}{row.id}:")))

    def _insert_mail(
        self, db: sql.Connection, row: Any, key: str, reply: Reply, *, seconds: float = 0
    ) -> None:
        """Store a mail that may leave in `seconds`."""
        origin = MailOrigin(key=key, message_id=row.message_id, conversation_id=row.conversation_id)
        values = new_outbox_row(origin, reply, automatic=False, now=self._now())
        values["next_attempt_at"] = stamp_after(self._clock, seconds)
        db.execute(outbox.insert().values(values))

    def _now(self) -> str:
        return stamp(self._clock())


def is_claimed(db: sql.Connection, message_id: int) -> bool:
    """Return whether a person has claimed an open case of this message's thread."""
    this = {"message_id": message_id}
    queries = (CLAIMED_IN_THREAD, CLAIMED_WITH_MERGED)
    return any(db.execute(each, this).first() is not None for each in queries)


def _take_back(db: sql.Connection, key: str) -> bool:
    """Delete the mail with this key if it is still ready; return False where there is none."""
    waits = sql.and_(outbox.c.dedupe_key == key, outbox.c.state == OutboxState.READY)
    return bool(db.execute(outbox.delete().where(waits)).rowcount)


def _may_merge(this: Any, other: Any, actor: str, version: str) -> bool:
    """Return whether a person may make a case part of another one; both are rows of `CASE`.

    A mail under a false name must not become part of a case of the person whose name it uses.
    """
    both_open = this.id != other.id and this.state == other.state == "open"
    return (
        both_open
        and this.sender == other.sender
        and SenderProof(this.proof).believed is SenderProof(other.proof).believed
        and _fits(this, actor, version)
        and other.owner in ("", actor)
    )


def _fits(row: Any, actor: str, version: str) -> bool:
    return version_of(row) == version and row.owner in ("", actor)
