"""Stores messages and the decisions on them, and gives access to the other parts of the journal.

A message is stored masked, before it is acknowledged; outcomes, reply and escalation are stored in
one commit, before anything is sent.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from bot.corpus.limits import Limits, Scope
from bot.domain import (
    NEAR,
    AnswerReason,
    Escalation,
    EscalationReason,
    Outcome,
    Priority,
    Response,
    SenderProof,
)
from bot.errors import DeskError
from bot.journal import rate_limits as counting
from bot.journal.audit import append_audit
from bot.journal.case_clusters import Clusters
from bot.journal.case_opening import CaseOpener
from bot.journal.cases import Cases, EnqueueJob, is_claimed
from bot.journal.clock import Clock, stamp, stamp_after, wall_clock
from bot.journal.correction_batches import CorrectionBatches
from bot.journal.corrections import LONGEST_WAIT_SECONDS, Corrections
from bot.journal.database_file import DatabaseFile
from bot.journal.decision_queries import CAPPED, HISTORY, MESSAGE, SENT
from bot.journal.engine import RESTORE, connect, reading, storable, writing
from bot.journal.labels import Labels
from bot.journal.ledger import Ledger
from bot.journal.locks import AdvisoryLock, lock_until_commit
from bot.journal.mail_outbox import MailOrigin, MailOutbox, new_outbox_row
from bot.journal.migrations import upgrade
from bot.journal.on_call import Pages
from bot.journal.opt_outs import OptOuts
from bot.journal.records import (
    Decision,
    MessageState,
    OpenQuestion,
    ReceivedMessage,
    Reply,
    StoredDecision,
)
from bot.journal.retention import Retention
from bot.journal.slack_events import SlackStore
from bot.journal.tables import (
    TABLES,
    audit,
    conversation,
    message,
    outbox,
    outcome,
)
from bot.journal.threads import conversation_of
from bot.journal.workers import Workers

DAY_SECONDS = 86_400.0
INCIDENT = "incident: "  # prefix of the audit event that names the incident
KEY_MARK = "installation key: "  # prefix of the audit event with the mark of the installation's key


class Journal:
    """The journal of one desk on SQLite or PostgreSQL; each method is one transaction.

    Without `limits` no cap holds a reply and no case is due. `key` is that of the installation,
    with which senders are hashed where answers are counted. SettingsError for a wrong URL and
    MissingError for a database that does not answer.
    """

    def __init__(
        self,
        url: str,
        *,
        limits: Limits | None = None,
        clock: Clock = wall_clock,
        key: bytes = b"",
    ) -> None:
        self.engine = connect(url)
        self.limits = limits
        self.clock = clock
        try:
            upgrade(self.engine)
        except DeskError:
            self.engine.dispose()
            raise
        self.file = DatabaseFile(self.engine)
        self.hasher = counting.CountHasher(key)
        self._opener = CaseOpener(clock, limits, self.hasher)
        self.cases = Cases(self.engine, clock, self._opener)
        waits = limits.retry_seconds if limits else (DAY_SECONDS,)
        longest = max(*waits, LONGEST_WAIT_SECONDS)
        self.mail_outbox = MailOutbox(self.engine, clock, self._opener, longest_wait=longest)
        self.slack = SlackStore(self.engine, clock)
        self.pages = Pages(self.engine, clock, limits.flood if limits else None)
        self.workers = Workers(self.engine, clock)
        self.clusters = Clusters(self.engine, clock)
        self.corrections = Corrections(self.engine, clock)
        self.correction_batches = CorrectionBatches(self.engine, clock)
        self.opt_outs = OptOuts(self.engine, clock, self.hasher)
        self.labels = Labels(self.engine, clock)
        self.ledger = Ledger(self.engine)
        self.retention = Retention(self.engine, clock)

    def close(self) -> None:
        """Close all connections to the database."""
        self.engine.dispose()
        self.file.close()

    def name_incident(self, key: str) -> str:
        """Record that the journal belongs to the incident `key`, unless one is recorded already.

        Return the key of the incident that it belongs to.
        """
        noted = sql.select(audit.c.event).where(audit.c.event.startswith(INCIDENT))
        with writing(self.engine) as db:
            _lock_marks(db)
            found = db.execute(noted.order_by(audit.c.id).limit(1)).scalar()
            if not found:
                append_audit(db, stamp(self.clock()), "desk", f"{INCIDENT}{key}", None)
        return str(found).removeprefix(INCIDENT) if found else key

    def hold_key(self, mark: str, *, anew: bool = False) -> bool:
        """Record `mark`, which identifies the installation's key, if none is recorded or if `anew`.

        Return whether it is the recorded mark, as hosts that share a database must share the key.
        """
        noted = sql.select(audit.c.event).where(audit.c.event.startswith(KEY_MARK))
        with writing(self.engine) as db:
            _lock_marks(db)
            found = db.execute(noted.order_by(audit.c.id.desc()).limit(1)).scalar()
            if anew or not found:
                append_audit(db, stamp(self.clock()), "desk", f"{KEY_MARK}{mark}", None)
                return True
        return hmac.compare_digest(str(found), f"{KEY_MARK}{mark}")

    def receive(
        self, received: ReceivedMessage, enqueue_job: EnqueueJob | None = None
    ) -> int | None:
        """Store a message together with its job and return its id; None for a duplicate key."""
        while True:
            try:
                with writing(self.engine) as db:
                    conversation_id = conversation_of(db, received)
                    stored = self._insert_message(db, received, conversation_id)
                    if enqueue_job and not received.final:
                        enqueue_job(db, conversation_id)
                    return stored
            except IntegrityError:
                # Not a duplicate: another process began the same conversation just now.
                if self.find_by_key(received.key):
                    return None

    def find_by_key(self, key: str) -> tuple[str, str] | None:
        """Return verdict and raw reference of the message with this key; None for no such key."""
        query = sql.select(message.c.verdict, message.c.raw_ref).where(message.c.key == key)
        with reading(self.engine) as db:
            row = db.execute(query).first()
        return (row.verdict, row.raw_ref) if row else None

    def list_undecided(self, conversation_id: int | None = None) -> list[int]:
        """Return the ids of undecided messages, in order, of all conversations or of one."""
        query = sql.select(message.c.id).where(message.c.state == MessageState.RECEIVED)
        if conversation_id is not None:
            query = query.where(message.c.conversation_id == conversation_id)
        with reading(self.engine) as db:
            return list(db.execute(query.order_by(message.c.seq, message.c.id)).scalars())

    def count_undecided(self) -> int:
        """Return how many messages were not decided yet."""
        query = sql.select(sql.func.count()).where(message.c.state == MessageState.RECEIVED)
        with reading(self.engine) as db:
            return db.execute(query).scalar_one()

    def list_conversations(self, message_ids: Sequence[int]) -> list[int]:
        """Return the ids of the conversations of these messages, each once."""
        query = sql.select(message.c.conversation_id).where(message.c.id.in_(message_ids))
        with reading(self.engine) as db:
            return list(dict.fromkeys(db.execute(query.order_by(message.c.id)).scalars()))

    def list_stalled_conversations(self, seconds: float) -> list[int]:
        """Return the conversations with a message undecided for longer than `seconds`."""
        query = sql.select(message.c.conversation_id).where(
            message.c.state == MessageState.RECEIVED,
            message.c.received_at < stamp_after(self.clock, -seconds),
        )
        with reading(self.engine) as db:
            return list(db.execute(query.distinct()).scalars())

    def enqueue(self, conversation_ids: Sequence[int], enqueue_job: EnqueueJob) -> None:
        """Enqueue a job for each of these conversations in one transaction."""
        with writing(self.engine) as db:
            for each in conversation_ids:
                enqueue_job(db, each)

    def count_attempt(self, message_id: int) -> int:
        """Count an attempt to decide a message and return how many there have been."""
        with writing(self.engine) as db:
            row = message.update().where(message.c.id == message_id)
            db.execute(row.values(attempts=message.c.attempts + 1))
            query = sql.select(message.c.attempts).where(message.c.id == message_id)
            return int(db.execute(query).scalar_one())

    def read_message(self, message_id: int) -> ReceivedMessage:
        """Return the stored message with this id."""
        with reading(self.engine) as db:
            row = db.execute(MESSAGE, {"message_id": message_id}).one()
        return ReceivedMessage(
            channel=row.channel, thread_key=row.thread_key, key=row.key, raw_ref=row.raw_ref,
            verdict=row.verdict, rule=row.rule, sender=row.sender, headers=json.loads(row.headers),
            text=row.text, redactions=tuple(json.loads(row.redactions)),
            proof=SenderProof(row.proof),
        )  # fmt: skip

    def read_history(self, message_id: int) -> list[str]:
        """Return the last masked texts of the conversation before this message, oldest first.

        What a rule held or dropped is left out: it must not change how the next message is decided.
        """
        with reading(self.engine) as db:
            texts = db.execute(HISTORY, {"message_id": message_id}).scalars()
            return list(texts)[::-1]

    def read_sent_mails(self, message_id: int) -> list[bytes]:
        """Return the bytes of our last mails in the conversation of this message, oldest first."""
        with reading(self.engine) as db:
            bodies = db.execute(SENT, {"message_id": message_id}).scalars()
            return [bytes(body) for body in bodies][::-1]

    def decide(
        self,
        message_id: int,
        response: Response,
        *,
        draft: str,
        reply: Reply | Callable[[int], Reply] | None,
        capped: Callable[[Scope], Decision] | None = None,
        if_claimed: Decision | None = None,
        question: OpenQuestion | None = None,
    ) -> StoredDecision:
        """Store outcomes, escalation and reply in one commit; a second call changes nothing.

        A reply that names its case is given as a function of the number of that case, 0 for none.
        When a cap forbids the automatic reply, the decision that `capped` returns for the scope of
        that cap is stored instead, and `if_claimed` when a person has claimed a case of the thread
        since the message was read. `draft` is what a person may approve if a case opens; `question`
        is what is open then, where one question is.
        """
        with writing(self.engine) as db:
            now = self._now()
            row = self._leave_received(db, message_id, MessageState.DECIDED, now)
            if row is None:
                return StoredDecision(response=response, first=False)
            cap: Scope | None = None
            if reply and if_claimed and is_claimed(db, message_id):
                response, reply, draft = if_claimed.response, None, if_claimed.draft
                question = None
            if reply and capped and self.limits:
                who = self.hasher.count_keys(sender=row.sender, thread=row.thread, text=row.text)
                cap = counting.find_exceeded_cap(db, self.limits.caps, who, self.clock)
            if cap and capped:
                held_instead = capped(cap)
                response, reply, draft = held_instead.response, None, held_instead.draft
                question = None
                held = message.update().where(message.c.id == message_id)
                db.execute(held.values(verdict="hold", rule=f"{CAPPED} cap: {cap}"))
                self._append_audit(db, "desk", f"cap:{cap}", message_id)
            case_number = self._insert_outcomes(db, message_id, response, draft, question)
            if reply:
                mail = reply(case_number) if callable(reply) else reply
                origin = MailOrigin(
                    key=f"reply:{message_id}", message_id=message_id,
                    conversation_id=row.conversation_id,
                )  # fmt: skip
                db.execute(
                    outbox.insert().values(new_outbox_row(origin, mail, automatic=True, now=now))
                )
            self._append_decided(db, message_id, response)
        return StoredDecision(response=response, cap=cap or "", case_number=case_number)

    def mark_failed(self, message_id: int, fault: str) -> bool:
        """Give a message that cannot be decided to a person; return False if it was decided."""
        with writing(self.engine) as db:
            if self._leave_received(db, message_id, MessageState.FAILED, self._now()) is None:
                return False
            reason = EscalationReason.MAIL_FAULT
            self._opener.open(db, message_id, Priority.HIGH, reason.value)
            self._append_audit(db, "desk", f"failed:{fault}", message_id)
        return True

    def count_recent(self, event: str, seconds: float) -> int:
        """Return how often `event` was appended to the audit in the last `seconds`."""
        query = sql.select(sql.func.count()).select_from(audit)
        query = query.where(audit.c.event == event, audit.c.at > stamp_after(self.clock, -seconds))
        with reading(self.engine) as db:
            return db.execute(query).scalar_one()

    def clock_lead_seconds(self) -> float:
        """Return by how many seconds the newest line of the audit is later than now.

        A positive number means that a clock is wrong; 0 for an empty audit.
        """
        query = sql.select(audit.c.at).order_by(audit.c.id.desc()).limit(1)
        with reading(self.engine) as db:
            newest = db.execute(query).scalar()
        return (datetime.fromisoformat(newest) - self.clock()).total_seconds() if newest else 0.0

    def read_outcomes(self, message_id: int) -> list[sql.Row[Any]]:
        """Return the outcome rows of a message in the order of its questions."""
        query = sql.select(outcome).where(outcome.c.message_id == message_id)
        with reading(self.engine) as db:
            return list(db.execute(query.order_by(outcome.c.place)).all())

    def count_rows(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        with reading(self.engine) as db:
            return {
                t.name: db.execute(sql.select(sql.func.count()).select_from(t)).scalar_one()
                for t in TABLES.sorted_tables
            }

    def append_audit(self, event: str, message_id: int | None = None) -> None:
        """Append an event of the desk to the audit."""
        with writing(self.engine) as db:
            self._append_audit(db, "desk", event, message_id)

    def delete_old_counts(self) -> None:
        """Delete the counts of answers that no cap looks at any more."""
        with writing(self.engine) as db:
            counting.delete_old_counts(db, self.clock)

    def check_connection_and_file(self) -> str:
        """Return what is wrong with the database; empty when it answers and is whole.

        MissingError when it does not answer.
        """
        if fault := self.file.fault():
            return fault
        with reading(self.engine) as db:
            missing = TABLES.tables.keys() - sql.inspect(db).get_table_names()
        if not missing:
            return ""
        remedy = RESTORE if self.file.path else "stop the desk and put a backup in its place"
        return f"the database lacks the table {min(missing)}; {remedy}"

    def _insert_message(
        self, db: sql.Connection, received: ReceivedMessage, conversation_id: int
    ) -> int:
        state = MessageState.DROPPED if received.final else MessageState.RECEIVED
        last = sql.select(sql.func.coalesce(sql.func.max(message.c.seq), 0))
        seq = db.execute(last.where(message.c.conversation_id == conversation_id)).scalar_one() + 1
        row = message.insert().values(
            conversation_id=conversation_id, seq=seq, key=received.key, raw_ref=received.raw_ref,
            verdict=received.verdict, rule=storable(received.rule),
            sender=storable(received.sender), headers=json.dumps(received.headers),
            text=storable(received.text), redactions=json.dumps(received.redactions), state=state,
            received_at=self._now(), message_id_header=storable(received.message_id),
            proof=received.proof.value,
        )  # fmt: skip
        stored = _inserted(db, row)
        self._append_audit(db, "desk", f"received:{received.verdict}", stored)
        return stored

    def _leave_received(
        self, db: sql.Connection, message_id: int, state: MessageState, now: str
    ) -> Any | None:
        """Move a message from `received` to `state` and return its row; None if it had moved."""
        done = db.execute(
            message.update()
            .where(message.c.id == message_id, message.c.state == MessageState.RECEIVED)
            .values(state=state, decided_at=now)
        )
        if not done.rowcount:
            return None
        query = sql.select(message, conversation.c.thread).join(conversation)
        return db.execute(query.where(message.c.id == message_id)).one()

    def _insert_outcomes(
        self, db: sql.Connection, message_id: int, response: Response, draft: str,
        question: OpenQuestion | None,
    ) -> int:  # fmt: skip
        """Store the outcomes, and the case where one opens; return its number, 0 for none."""
        for place, each in enumerate(response.outcomes):
            db.execute(outcome.insert().values(_outcome(message_id, place, each, response)))
        waiting = [o for o in response.outcomes if isinstance(o, Escalation)]
        if waiting:
            first = max(waiting, key=lambda escalation: escalation.priority.urgency)
            return self._opener.open(
                db, message_id, first.priority, first.reason.value, draft=draft,
                topic=_topic(waiting), language=response.language, question=question,
            )  # fmt: skip
        if any(o.reason == AnswerReason.PHISHING_SAMPLE for o in response.outcomes):
            # It is answered from the post, and the security team sees what was sent in.
            reason = AnswerReason.PHISHING_SAMPLE.value
            return self._opener.open(db, message_id, Priority.NORMAL, reason)
        return 0

    def _append_decided(self, db: sql.Connection, message_id: int, response: Response) -> None:
        self._append_audit(db, "desk", "decided", message_id)
        for kind in dict.fromkeys(span.kind for span in response.redactions):
            self._append_audit(db, "desk", f"secret_pasted:{kind}", message_id)
        if any(o.reason == AnswerReason.PHISHING_SAMPLE for o in response.outcomes):
            self._append_audit(db, "desk", AnswerReason.PHISHING_SAMPLE, message_id)

    def _append_audit(
        self, db: sql.Connection, actor: str, event: str, message_id: int | None
    ) -> None:
        append_audit(db, self._now(), actor, event, message_id)

    def _now(self) -> str:
        return stamp(self.clock())


def _lock_marks(db: sql.Connection) -> None:
    """Keep others from recording whose journal it is until this transaction ends."""
    lock_until_commit(db, AdvisoryLock.KEY_MARK)


def _outcome(message_id: int, place: int, decided: Outcome, response: Response) -> dict[str, Any]:
    quoted = getattr(decided, "passages", decided.candidates)
    return {
        "message_id": message_id,
        "place": place,
        "kind": type(decided).__name__.lower(),
        "reason": decided.reason.value,
        "probability": decided.probability,
        "question": storable(decided.question),
        "passages": json.dumps([[p.id, p.version] for p in quoted]),
        "knowledge": response.knowledge,
    }


def _topic(waiting: Sequence[Escalation]) -> str:
    """Return the id of the passage that is nearest to what a person decides; empty for none."""
    near = (o.candidates[0].id for o in waiting if o.candidates and o.probability >= NEAR)
    return next(near, "")


def _inserted(db: sql.Connection, row: sql.Insert) -> int:
    row_key = db.execute(row).inserted_primary_key
    return int(row_key[0]) if row_key else 0
