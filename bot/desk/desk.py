"""Stores messages, decides them with the responder and delivers the replies, each once.

`store_message` stores a message before its mail is moved away, `decide_message` decides a stored
message and `deliver` sends what is decided. Each can be repeated after a crash at any point.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from bot.answering.evidence import QUOTED
from bot.answering.reply import compose_reply, subject_of
from bot.answering.responder import Responder
from bot.answering.reuse import ReusedDecisions
from bot.answering.staff_signature import sign_draft, without_staff_signature
from bot.corpus import Knowledge
from bot.corpus.limits import Scope
from bot.desk.checkpoints import Checkpoint, ignore_checkpoint
from bot.desk.delivery import Delivery, cannot_tell
from bot.desk.held_outcomes import (
    drop_announced,
    escalate_text,
    hold_all,
    hold_answers,
    keep_escalations,
)
from bot.domain import (
    NEAR,
    Answer,
    AnswerReason,
    Channel,
    Escalation,
    EscalationReason,
    Message,
    Priority,
    Response,
    Role,
    SecretKind,
    Span,
    Turn,
)
from bot.errors import BlockedError, InputError
from bot.journal import (
    Case,
    CaseAction,
    Decision,
    EnqueueJob,
    Journal,
    OpenQuestion,
    ReceivedMessage,
    Reply,
    SharedAnswer,
    StoredDecision,
)
from bot.outbound import Outbound, text_of
from bot.ports import MailOut
from bot.text.language import detect

log = logging.getLogger(__name__)
HOLD = "hold"
SAMPLES = frozenset({AnswerReason.PHISHING_SAMPLE, EscalationReason.PHISHING_SAMPLE})
# Reasons by which the user already has the text that the desk would quote.
TOLD_BEFORE = frozenset({EscalationReason.ASKED_AGAIN, EscalationReason.DID_NOT_HELP})
PAGE_AGAIN_SECONDS = 3600  # between two pages about the cap on all answers
CALL_FIRST = (
    "case {case} is not answered by a draft: call whoever decides about it, and then write the "
    "answer in your own words"
)
STALE_DRAFT = "this draft is not what the desk may send now; write the answer in your own words"


class Compose(Protocol):
    """Composes the bytes of a reply; the channel implements it, so the desk knows no mail format.

    `turn` tells several replies to one message apart in their Message-IDs.
    """

    def __call__(
        self,
        stored: ReceivedMessage,
        text: str,
        *,
        subject: str,
        turn: str,
        automatic: bool,
        language: str = "en",
    ) -> Reply: ...


class Desk:
    """Handles the messages of one mailbox.

    `was_sent` returns whether the mail with a Message-ID was sent, None when nobody can tell.
    """

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        responder: Responder,
        journal: Journal,
        outbound: Outbound,
        compose: Compose,
        out: MailOut,
        was_sent: Callable[[str], bool | None] = cannot_tell,
    ) -> None:
        self.knowledge = knowledge
        self.responder = responder
        self.decisions = ReusedDecisions()
        self.journal = journal
        self.outbound = outbound
        self.compose = compose
        self.on_checkpoint: Callable[[Checkpoint], None] = ignore_checkpoint
        self.delivery = Delivery(
            journal, outbound, out, was_sent=was_sent, on_checkpoint=self._reach_checkpoint
        )

    def _reach_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.on_checkpoint(checkpoint)

    def store_message(
        self, received: ReceivedMessage, enqueue_job: EnqueueJob | None = None
    ) -> int | None:
        """Store a masked message together with its job and return its id; None for a duplicate."""
        return self.journal.receive(received, enqueue_job)

    def decide_message(self, message_id: int) -> StoredDecision:
        """Decide a stored message and commit outcomes, reply and escalation together."""
        stored = self.journal.read_message(message_id)
        message = self._to_message(message_id, stored)
        response = self._without_second_sending(
            self.decisions.respond(message, self.responder), message
        )
        draft = self._compose_draft(response)
        self.on_checkpoint(Checkpoint.RESPONDED)
        # Nothing is sent automatically where a person has the case or was asked for earlier.
        for_person = (
            self.journal.cases.has_claimed_case(message_id)
            or response.silenced
            or self.journal.cases.has_asked_for_person(message_id)
        )
        if stored.verdict == HOLD or for_person:
            held = hold_answers(response) if for_person else hold_all(response, Priority.NORMAL)
            if stored.verdict == HOLD and not held.outcomes:
                held = hold_all(escalate_text(response, stored.text), Priority.NORMAL)
            return self.journal.decide(message_id, held, draft=draft, reply=None)
        to_say = drop_announced(response, self.journal.cases.announced_priority(message_id))
        reply = partial(self._compose_automatic, stored, to_say) if to_say.outcomes else None
        open_draft = self._compose_draft(keep_escalations(response)) if reply else draft
        if_claimed = Decision(response=hold_answers(response), draft=draft)
        lone = self._find_lone_question(stored, message, response)

        def decide_capped(scope: Scope) -> Decision:
            held = hold_all(response, self._priority_of_cap(scope))
            return Decision(response=held, draft=draft)

        decided = self.journal.decide(
            message_id, response, draft=open_draft, reply=reply, capped=decide_capped,
            if_claimed=if_claimed, question=lone,
        )  # fmt: skip
        for kind in dict.fromkeys(span.kind for span in response.redactions):
            log.warning("a secret was pasted", extra={"message_id": message_id, "kind": kind.value})
        if any(o.reason in SAMPLES for o in response.outcomes):
            log.warning("a suspicious mail was sent in", extra={"message_id": message_id})
        if decided.cap:
            log.warning("a cap holds a reply", extra={"message_id": message_id, "cap": decided.cap})
        return decided

    def _without_second_sending(self, response: Response, message: Message) -> Response:
        """Return the response, held for a person where its reply was sent before word for word."""
        text = compose_reply(response, self.knowledge).split()
        sent = (turn.text.split() for turn in message.history if turn.role is Role.DESK)
        if not text or text not in sent:
            return response
        return hold_all(response, Priority.NORMAL, EscalationReason.ASKED_AGAIN)

    def deliver(self, conversation_id: int | None = None) -> int:
        """Deliver every mail that is due, and return how many the server accepted.

        An error in one delivery stops no other. MissingError when the journal does not answer.
        """
        return self.delivery.deliver(conversation_id)

    def resolve(
        self,
        case_id: int,
        *,
        actor: str,
        action: CaseAction,
        text: str,
        enqueue_job: EnqueueJob | None = None,
        version: str = "",
        hold_seconds: float = 0,
        share: bool = False,
        share_with: Sequence[int] = (),
        any_language: bool = False,
    ) -> bool:
        """Store a person's decision on a case.

        Returns False when somebody else decided it first, or when the case no longer has the
        `version` that is given. `text` is what goes to the user, empty to close the case without a
        mail. The mail does not leave within `hold_seconds`, so that it can be taken back. With
        `share` all cases that ask the same get the answer too, each in a mail of its own, and so do
        those of the clusters in `share_with`. With `any_language` a person's own words also go to
        those who write in another language. InputError for a case that is not open, BlockedError
        for an approved draft that the desk itself would not send any more, or whose case needs a
        call.
        """
        case = self.journal.cases.read(case_id)
        if case is None or not case.open:
            raise InputError(f"{case_id} is no open case; `incident-desk queue` lists them")
        if action is CaseAction.APPROVED and case.needs_call:
            raise BlockedError(CALL_FIRST.format(case=case_id))
        reply = None
        if text and action is CaseAction.APPROVED:
            self._check_draft(text)
        if text:
            stored = self.journal.read_message(case.message_id)
            turn = "person" + (f":{case.round}" if case.round else "")
            reply = self.compose_personal(stored, text, turn=turn)
        shared = None
        if share and text:
            shared = self._shared_answer(case, action, actor, text, share_with)
            shared = replace(shared, language="") if any_language else shared
        return self.journal.cases.store_decision(
            case_id,
            actor=actor,
            action=action,
            reply=reply,
            enqueue_job=enqueue_job,
            version=version,
            hold_seconds=hold_seconds,
            shared=shared,
        )

    def request_details(
        self,
        case_id: int,
        *,
        actor: str,
        text: str,
        version: str,
        enqueue_job: EnqueueJob | None = None,
        hold_seconds: float = 0,
    ) -> bool:
        """Store a person's mail that asks the user for details; the case stays open.

        The mail does not leave within `hold_seconds`, so that it can be taken back. Returns False
        when the case has changed; InputError when there is no such case.
        """
        case = self.journal.cases.read(case_id)
        if case is None:
            raise InputError(f"there is no case {case_id}")
        stored = self.journal.read_message(case.message_id)
        reply = self.compose_personal(stored, text, turn=f"details:{version}")
        return self.journal.cases.request_details(
            case_id, actor=actor, reply=reply, version=version, enqueue_job=enqueue_job,
            hold_seconds=hold_seconds,
        )  # fmt: skip

    def _priority_of_cap(self, scope: Scope) -> Priority:
        """Return the priority of a case that a cap opens: only the cap on all answers pages.

        It pages once an hour.
        """
        if scope is not Scope.ALL:
            return Priority.NORMAL
        paged = self.journal.count_recent(f"cap:{scope}", PAGE_AGAIN_SECONDS)
        return Priority.NORMAL if paged else Priority.PAGE

    def _compose_automatic(
        self, stored: ReceivedMessage, response: Response, case_number: int
    ) -> Reply:
        """Return the automatic reply; BlockedError when the outbound check stops it."""
        text = compose_reply(response, self.knowledge, case_number)
        check = self.outbound.check(text, case_number=case_number)
        if not check.allowed:
            raise BlockedError(f"an automatic reply was stopped: {check.why}")
        language = response.language
        return self.compose(
            stored,
            text,
            subject=subject_of(language, self.knowledge),
            turn="desk",
            automatic=True,
            language=language,
        )

    def compose_personal(self, stored: ReceivedMessage, text: str, *, turn: str) -> Reply:
        """Return the mail of a person in answer to a stored message."""
        subject = subject_of(detect(stored.text), self.knowledge)
        return self.compose(
            stored, text, subject=subject, turn=turn, automatic=False, language=detect(text)
        )

    def _to_message(self, message_id: int, stored: ReceivedMessage) -> Message:
        """Return a stored message with its history, as the responder reads it."""
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
            signature=stored.headers.get("signature", ""),
        )  # fmt: skip

    def _find_lone_question(
        self, stored: ReceivedMessage, message: Message, response: Response
    ) -> OpenQuestion | None:
        """Return the question by which the case is grouped with others that ask the same.

        None when there is no such question, the mail has attachments, or no vector can be made.
        """
        is_open = any(isinstance(outcome, Escalation) for outcome in response.outcomes)
        if stored.headers.get("attachments") or not is_open:
            return None
        lone = self.responder.find_lone_question(message, response)
        # The vector is made by this machine's own encoder, which the contact reader uses too.
        if lone is None or self.responder.finder.contact_classifier is None:
            return None
        vector = np.asarray(self.responder.finder.contact_classifier.vector(lone.text), np.float32)
        return OpenQuestion(vector=vector, is_alone=lone.is_alone, words=lone.words)

    def _check_draft(self, draft: str) -> None:
        """Raise BlockedError for a draft that the desk itself would not send any more."""
        if not self.outbound.check(without_staff_signature(draft)).allowed:
            raise BlockedError(STALE_DRAFT)

    def _shared_answer(
        self, case: Case, action: CaseAction, actor: str, text: str, clusters: Sequence[int]
    ) -> SharedAnswer:
        """Return a person's answer as it is shared with the case's own cluster and `clusters`.

        An approved draft is shared by its passages, a person's own words by their text.
        """
        passages: tuple[str, ...] = ()
        if action is CaseAction.APPROVED:
            asked = next(q for q in case.questions if q.kind == "escalation")
            passages = asked.passages[:QUOTED]
        return SharedAnswer(
            text="" if passages else text, language="" if passages else case.language,
            passages=passages, actor=actor, case_id=case.id, knowledge=self.knowledge.version,
            clusters=tuple(clusters),
        )  # fmt: skip

    def draft_with(self, case: Case, passages: Sequence[str]) -> str:
        """Return a draft that answers a case with these passages; empty where it may not be sent.

        A passage that may not be quoted is replaced by what is quoted in its place.
        """
        known = self.knowledge.passages
        quoted = self.responder.finder.complete([known[name] for name in passages if name in known])
        answer = Answer(
            question=case.text, reason=AnswerReason.PUBLISHED, probability=0.0, passages=quoted,
            candidates=quoted,
        )  # fmt: skip
        response = Response(
            outcomes=(answer,) if quoted else (), language=case.language or "en",
            knowledge=self.knowledge.version,
        )  # fmt: skip
        return self._compose_draft(response) if quoted else ""

    def _compose_draft(self, response: Response) -> str:
        """Return the draft that a person may approve; it answers open questions by candidates.

        It is signed as a person's answer, and empty where no passage is near to any question or the
        outbound check does not allow it.
        """
        drafted = tuple(
            Answer(
                question=o.question,
                reason=AnswerReason.PUBLISHED,
                probability=o.probability,
                passages=self.responder.finder.complete(o.candidates[:QUOTED]),
                candidates=o.candidates,
            )
            if isinstance(o, Escalation) and o.candidates and o.probability >= NEAR
            else o
            for o in response.outcomes
            if o.reason not in TOLD_BEFORE
        )
        if all(isinstance(o, Escalation) for o in drafted):
            return ""
        whole = replace(response, outcomes=drafted, silenced=False, clarification="")
        text = compose_reply(whole, self.knowledge)
        if not self.outbound.check(text).allowed:
            return ""
        templates = self.knowledge.templates
        footers = templates.get(response.language, templates["en"]).footers
        return sign_draft(text, footers.values(), response.language)
