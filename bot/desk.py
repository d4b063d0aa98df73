"""Acts on what the responder decided: store, then send, once.

`take` stores a message before it counts as taken; `work` decides what is stored; `deliver` hands
over what is decided. Each can be repeated after a crash at any point.
"""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

from bot.answering.reply import compose_reply, subject_of
from bot.answering.responder import Responder
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Channel,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Priority,
    Response,
    Role,
    SecretKind,
    Span,
    Turn,
)
from bot.errors import (
    BlockedError,
    DeliveryError,
    InputError,
    MissingError,
    RefusedError,
    UncertainError,
)
from bot.journal import (
    CaseAction,
    Decision,
    EnqueueJob,
    Journal,
    OutgoingMail,
    ReceivedMessage,
    Reply,
    StoredDecision,
)
from bot.limits import Scope
from bot.outbound import Outbound, text_of
from bot.ports import MailOut
from bot.text.language import detect

log = logging.getLogger(__name__)
HOLD = "hold"
RETRY_SECONDS = 60
BREAKS = 3  # hand-overs of one mail that may end in an error which nobody foresaw
DIED = "the process died while handing it over"
SAMPLES = frozenset({AnswerReason.PHISHING_SAMPLE, EscalationReason.PHISHING_SAMPLE})
PAGE_AGAIN_SECONDS = 3600
STALE_DRAFT = "this draft is not what the desk may send now; write the answer in your own words"
NOT_OURS = "the stored reply is not what the desk may send; it was stopped"


class Checkpoint(StrEnum):
    """The points on a message's way at which the process may die; the kill test stops at each."""

    FETCHED = "fetched"
    READ = "read"
    STORING = "storing"
    STORED = "stored"
    SETTLED = "settled"
    STARTED = "started"
    RESPONDED = "responded"
    DECIDED = "decided"
    CLAIMING = "claiming"
    CLAIMED = "claimed"
    DELIVERED = "delivered"
    SENT = "sent"
    DRAINED = "drained"


def _on(_step: Checkpoint) -> None:
    return


def _cannot_tell(_header: str) -> bool | None:
    return None


class Compose(Protocol):
    """Makes the bytes of a reply; the channel's, so that the desk knows no mail format."""

    def __call__(
        self, stored: ReceivedMessage, text: str, *, subject: str, turn: str, automatic: bool
    ) -> Reply: ...


class Desk:
    """One mailbox, one journal, one way out."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        responder: Responder,
        journal: Journal,
        outbound: Outbound,
        compose: Compose,
        out: MailOut,
        was_sent: Callable[[str], bool | None] = _cannot_tell,
    ) -> None:
        self.knowledge = knowledge
        self.responder = responder
        self.journal = journal
        self.outbound = outbound
        self.compose = compose
        self.out = out
        self.was_sent = was_sent
        self.worker = f"terminal-{os.getpid()}"
        self.on_checkpoint: Callable[[Checkpoint], None] = _on
        self._in_hand: list[int] = []  # ids of the sends that a thread of this process works on

    def store_message(
        self, received: ReceivedMessage, enqueue_job: EnqueueJob | None = None
    ) -> int | None:
        """Store a masked message with its job; None for a duplicate."""
        return self.journal.receive(received, enqueue_job)

    def decide_message(self, message_id: int) -> StoredDecision:
        """Decide one stored message and commit outcomes, reply and escalation together."""
        stored = self.journal.read_message(message_id)
        response = self.responder.respond(self._to_message(message_id, stored))
        draft = self._compose_draft(response)
        self.on_checkpoint(Checkpoint.RESPONDED)
        owned = self.journal.cases.has_claimed_case(message_id) or self._is_silenced(
            message_id, response
        )
        if stored.verdict == HOLD or owned:
            held = _for_its_owner(response) if owned else _all_held(response, Priority.NORMAL)
            if stored.verdict == HOLD and not held.outcomes:
                held = _all_held(_read_by_person(response, stored.text), Priority.NORMAL)
            return self.journal.decide(message_id, held, draft=draft, reply=None)
        said = _unannounced(response, self.journal.cases.announced_priority(message_id))
        reply = self._compose_automatic(stored, said) if said.outcomes else None

        def capped(scope: Scope) -> Decision:
            return Decision(response=_all_held(response, self._priority_of_cap(scope)))

        decided = self.journal.decide(message_id, response, draft=draft, reply=reply, capped=capped)
        for kind in dict.fromkeys(span.kind for span in response.redactions):
            log.warning("a secret was pasted", extra={"message_id": message_id, "kind": kind.value})
        if any(o.reason in SAMPLES for o in response.outcomes):
            log.warning("a suspicious mail was sent in", extra={"message_id": message_id})
        if decided.cap:
            log.warning("a cap holds a reply", extra={"message_id": message_id, "cap": decided.cap})
        return decided

    def deliver(self, conversation_id: int | None = None) -> int:
        """Hand over everything that is due; returns how many went out.

        An error in one hand-over stops no other. MissingError when the journal does not answer.
        """
        due = self.journal.mail_outbox.list_due(conversation_id=conversation_id)
        return sum(self._deliver_safely(send) for send in due)

    def settle_interrupted(self, left: Iterable[OutgoingMail]) -> None:
        """Mails whose hand-over ended without a result: look each up, and never send blindly."""
        for send in left:
            found = self._was_sent(send)
            if found:
                self.journal.mail_outbox.mark_sent(send.id)
            elif found is None:
                self.journal.mail_outbox.mark_unknown(send.id, DIED)
                log.error("a send is uncertain", extra={"outbox_id": send.id})
            elif send.attempts > len(self._retry_waits):
                self.journal.mail_outbox.mark_failed(send.id, DIED)
            else:
                self.journal.mail_outbox.retry_later(send.id, "never handed over", seconds=0)

    def recheck_unknown(self, send: OutgoingMail, fault: str) -> bool:
        """Look once more for a mail of unknown fate; True when only a person can find out."""
        found = self._was_sent(send)
        if found:
            self.journal.mail_outbox.mark_sent(send.id)
        elif found is None:
            return self.journal.mail_outbox.mark_unresolved(send.id, fault)
        else:
            self._retry_later(send, fault)
        return False

    def list_abandoned(self, seconds: float) -> list[OutgoingMail]:
        """Mails that this process claimed more than `seconds` ago and that no thread works on.

        The journal was away when their result was to be stored; `settle` finds out what it was.
        """
        in_hand = set(self._in_hand)
        found = self.journal.mail_outbox.list_claimed_by([self.worker], seconds=seconds)
        return [send for send in found if send.id not in in_hand.union(self._in_hand)]

    def resolve(
        self,
        escalation_id: int,
        *,
        actor: str,
        action: CaseAction,
        text: str,
        enqueue_job: EnqueueJob | None = None,
        version: str = "",
    ) -> bool:
        """A person's decision; `text` is what goes to the user, empty to close without a mail.

        BlockedError for an approved draft that the desk itself would not send (any more).
        """
        waiting = next((w for w in self.journal.cases.list_open() if w.id == escalation_id), None)
        if waiting is None:
            raise InputError(f"{escalation_id} is no open case; `incident-desk queue` lists them")
        reply = None
        if text:
            stored = self.journal.read_message(waiting.message_id)
            turn = "person" + (f":{waiting.round}" if waiting.round else "")
            if action is CaseAction.APPROVED and not self.outbound.check(text).allowed:
                raise BlockedError(STALE_DRAFT)
            reply = self._compose_personal(stored, text, turn=turn)
        return self.journal.cases.resolve(
            escalation_id,
            actor=actor,
            action=action,
            reply=reply,
            enqueue_job=enqueue_job,
            version=version,
        )

    def request_details(
        self,
        case_id: int,
        *,
        actor: str,
        text: str,
        version: str,
        enqueue_job: EnqueueJob | None = None,
    ) -> bool:
        """A person's mail that asks for details; the case stays open."""
        case = self.journal.cases.read(case_id)
        if case is None:
            raise InputError(f"there is no case {case_id}")
        stored = self.journal.read_message(case.message_id)
        reply = self._compose_personal(stored, text, turn=f"details:{version}")
        return self.journal.cases.request_details(
            case_id, actor=actor, reply=reply, version=version, enqueue_job=enqueue_job
        )

    def _deliver_safely(self, send: OutgoingMail) -> bool:
        """Hand one mail over; whatever is raised on the way becomes a state that somebody sees."""
        self._in_hand.append(send.id)
        try:
            return self._deliver_mail(send)
        except MissingError:
            raise  # the journal is away: the upkeep settles the mail when it is back
        except Exception as error:
            log.exception(
                "a hand-over broke", extra={"outbox_id": send.id, "fault": type(error).__name__}
            )
            self._settle_broken(send, f"the hand-over broke ({type(error).__name__})")
            return False
        finally:
            self._in_hand.remove(send.id)

    def _settle_broken(self, send: OutgoingMail, fault: str) -> None:
        """Nobody foresaw this error, so the mail may have been taken or not: look it up."""
        found = self._was_sent(send)
        if found:
            self.journal.mail_outbox.mark_sent(send.id)
        elif found is None:
            self.journal.mail_outbox.mark_unknown(send.id, fault)
        else:
            self._retry_later(send, fault, tries=BREAKS)

    def _was_sent(self, send: OutgoingMail) -> bool | None:
        """Was it taken? None when nobody can tell, also because the look-up itself broke."""
        try:
            return self.was_sent(send.header)
        except Exception as error:
            log.exception(
                "a send could not be looked up",
                extra={"outbox_id": send.id, "fault": type(error).__name__},
            )
            return None

    def _deliver_mail(self, send: OutgoingMail) -> bool:
        self.on_checkpoint(Checkpoint.CLAIMING)
        if not self.journal.mail_outbox.claim(send.id, self.worker):
            return False
        self.on_checkpoint(Checkpoint.CLAIMED)
        # Once more, on the very bytes: the journal may have been changed since they were stored.
        try:
            allowed = self.outbound.check_mail(send.body, automatic=send.automatic).allowed
        except Exception as error:
            log.exception("a check broke", extra={"outbox_id": send.id})
            self._retry_later(
                send, f"the outbound check broke ({type(error).__name__})", tries=BREAKS
            )
            return False
        if not allowed:
            self.journal.mail_outbox.mark_failed(send.id, NOT_OURS)
            log.error("a stored reply was stopped", extra={"outbox_id": send.id})
            return False
        try:
            self.out.send(send.body, recipient=send.recipient)
        except UncertainError as error:
            self.journal.mail_outbox.mark_unknown(send.id, str(error))
        except RefusedError as error:
            self.journal.mail_outbox.mark_failed(send.id, str(error))
        except DeliveryError as error:
            self._retry_later(send, str(error))
        else:
            self.on_checkpoint(Checkpoint.DELIVERED)
            self.journal.mail_outbox.mark_sent(send.id)
            self.on_checkpoint(Checkpoint.SENT)
            return True
        log.warning("not delivered", extra={"outbox_id": send.id, "attempts": send.attempts + 1})
        return False

    def _retry_later(self, send: OutgoingMail, fault: str, *, tries: int | None = None) -> None:
        """Not taken: try again later, at most `tries` times, then a person gets the case."""
        waits = self._retry_waits[:tries]
        if send.attempts >= len(waits):
            self.journal.mail_outbox.mark_failed(send.id, fault)
            return
        self.journal.mail_outbox.retry_later(send.id, fault, seconds=waits[send.attempts])

    @property
    def _retry_waits(self) -> tuple[int, ...]:
        """Seconds before each further try to hand a mail over."""
        return self.journal.limits.retry_seconds if self.journal.limits else (RETRY_SECONDS,)

    def _priority_of_cap(self, scope: Scope) -> Priority:
        """The cap on everything pages, once an hour; one sender's pages nobody."""
        if scope is not Scope.ALL:
            return Priority.NORMAL
        paged = self.journal.count_recent(f"cap:{scope}", PAGE_AGAIN_SECONDS)
        return Priority.NORMAL if paged else Priority.PAGE

    def _compose_automatic(self, stored: ReceivedMessage, response: Response) -> Reply:
        text = compose_reply(response, self.knowledge)
        check = self.outbound.check(text)
        if not check.allowed:
            raise BlockedError(f"an automatic reply was stopped: {check.why}")
        subject = subject_of(response.language, self.knowledge)
        return self.compose(stored, text, subject=subject, turn="desk", automatic=True)

    def _compose_personal(self, stored: ReceivedMessage, text: str, *, turn: str) -> Reply:
        subject = subject_of(detect(stored.text), self.knowledge)
        return self.compose(stored, text, subject=subject, turn=turn, automatic=False)

    def _to_message(self, message_id: int, stored: ReceivedMessage) -> Message:
        earlier = (
            *(Turn(role=Role.USER, text=t) for t in self.journal.read_history(message_id)),
            *(
                Turn(role=Role.DESK, text=text_of(m))
                for m in self.journal.read_sent_mails(message_id)
            ),
        )
        spans = tuple(
            Span(**{**span, "kind": SecretKind(span["kind"])}) for span in stored.redactions
        )
        return Message(
            text=stored.text, channel=Channel(stored.channel), history=earlier, redactions=spans,
            subject=stored.headers.get("subject", ""), shown=stored.headers.get("shown", ""),
        )  # fmt: skip

    def _is_silenced(self, message_id: int, response: Response) -> bool:
        """Was a person asked for earlier in the conversation? Then nothing is sent by itself."""
        return response.silenced or self.journal.cases.has_asked_for_person(message_id)

    def _compose_draft(self, response: Response) -> str:
        """What a person may approve: the desk's reply with the candidates of its open questions."""
        drafted = tuple(
            Answer(
                question=o.question,
                reason=AnswerReason.PUBLISHED,
                probability=o.probability,
                passages=self.responder.complete(o.candidates[:2]),
                candidates=o.candidates,
            )
            if isinstance(o, Escalation) and o.candidates
            else o
            for o in response.outcomes
            if o.reason is not EscalationReason.ASKED_AGAIN  # they have that text already
        )
        if not drafted:
            return ""
        text = compose_reply(replace(response, outcomes=drafted, silenced=False), self.knowledge)
        return text if self.outbound.check(text).allowed else ""


def _read_by_person(response: Response, text: str) -> Response:
    """A mail that a rule holds is seen by a person, also where it asks nothing."""
    asked = Escalation(
        question=text, reason=EscalationReason.NO_QUESTION, priority=Priority.NORMAL,
        probability=0.0, candidates=(),
    )  # fmt: skip
    return replace(response, outcomes=(asked,))


def _unannounced(response: Response, announced: Priority | None) -> Response:
    """What a reply has to say beside what the asker knows: that their case is with a person.

    They are told again only when this mail is urgent and the case was not.
    """
    page = any(isinstance(o, Escalation) and o.priority is Priority.PAGE for o in response.outcomes)
    if announced is None or (page and announced is not Priority.PAGE):
        return response
    rest = tuple(o for o in response.outcomes if not isinstance(o, Escalation))
    return replace(response, outcomes=rest)


def _all_held(response: Response, priority: Priority) -> Response:
    """A mail that a rule holds is decided by a person, whatever the desk would have said."""
    return replace(response, outcomes=tuple(_held(o, priority) for o in response.outcomes))


def _for_its_owner(response: Response) -> Response:
    """Nothing goes out by itself; what is urgent stays so."""
    outcomes = (
        o if isinstance(o, Escalation) else _held(o, Priority.NORMAL) for o in response.outcomes
    )
    return replace(response, outcomes=tuple(outcomes))


def _held(outcome: Outcome, priority: Priority) -> Escalation:
    return Escalation(
        question=outcome.question,
        reason=EscalationReason.HELD,
        priority=priority,
        probability=outcome.probability,
        candidates=outcome.candidates,
    )
