"""Acts on what the responder decided: store, then send, once.

`take` stores a message before it counts as taken; `work` decides what is stored; `deliver` hands
over what is decided. Each can be repeated after a crash at any point.
"""

import logging
from dataclasses import replace
from typing import Protocol

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
from bot.errors import BlockedError, DeliveryError, InputError
from bot.journal import Journal, OutboxState, Received, Reply
from bot.outbound import Outbound
from bot.ports import MailOut
from bot.responder import Responder
from bot.wording import word

log = logging.getLogger(__name__)
HOLD = "hold"


class Compose(Protocol):
    """Makes the bytes of a reply; the channel's, so that the desk knows no mail format."""

    def __call__(self, stored: Received, text: str, *, turn: str, automatic: bool) -> Reply: ...


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
    ) -> None:
        self.knowledge = knowledge
        self.responder = responder
        self.journal = journal
        self.outbound = outbound
        self.compose = compose
        self.out = out

    def take(self, received: Received) -> int | None:
        """Store a masked message; None for a duplicate."""
        return self.journal.receive(received)

    def work(self, message_id: int) -> Response:
        """Decide one stored message and commit outcomes, reply and escalation together."""
        stored = self.journal.message(message_id)
        response = self.responder.respond(self._message(message_id, stored))
        reply = None
        if stored.verdict == HOLD:
            response = replace(response, outcomes=tuple(_held(o) for o in response.outcomes))
        else:
            text = word(response, self.knowledge)
            reply = self._reply(stored, text, turn="desk", automatic=True)
        self.journal.decide(message_id, response, draft=self._draft(response), reply=reply)
        return response

    def deliver(self) -> int:
        """Hand over everything that is ready; returns how many went out."""
        sent = 0
        for row in self.journal.ready():
            self.journal.mark(row.id, OutboxState.SENDING)
            try:
                self.out.send(row.body, recipient=row.recipient)
            except DeliveryError as error:
                log.warning("outbox %s not delivered: %s", row.id, error)
                self.journal.mark(row.id, OutboxState.READY)
                continue
            self.journal.mark(row.id, OutboxState.SENT)
            sent += 1
        return sent

    def resolve(self, escalation_id: int, *, actor: str, action: str, text: str) -> bool:
        """A person's decision; `text` is what goes to the user, empty to close without a mail."""
        waiting = next((w for w in self.journal.queue() if w.id == escalation_id), None)
        if waiting is None:
            raise InputError(f"{escalation_id} is no open case; `incident-desk queue` lists them")
        reply = None
        if text:
            stored = self.journal.message(waiting.message_id)
            reply = self._reply(stored, text, turn="person", automatic=False)
        return self.journal.resolve(escalation_id, actor=actor, action=action, reply=reply)

    def _reply(self, stored: Received, text: str, *, turn: str, automatic: bool) -> Reply:
        if automatic:
            check = self.outbound.check(text)
            if not check.allowed:
                raise BlockedError(f"an automatic reply was stopped: {check.why}")
        return self.compose(stored, text, turn=turn, automatic=automatic)

    def _message(self, message_id: int, stored: Received) -> Message:
        earlier = tuple(Turn(role=Role.USER, text=t) for t in self.journal.history(message_id))
        spans = tuple(
            Span(**{**span, "kind": SecretKind(span["kind"])}) for span in stored.redactions
        )
        return Message(
            text=stored.text, channel=Channel(stored.channel), history=earlier, redactions=spans
        )

    def _draft(self, response: Response) -> str:
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
        )
        return word(replace(response, outcomes=drafted), self.knowledge)


def _held(outcome: Outcome) -> Escalation:
    """A mail that a rule holds is decided by a person, whatever the desk would have said."""
    return Escalation(
        question=outcome.question,
        reason=EscalationReason.HELD,
        priority=Priority.NORMAL,
        probability=outcome.probability,
        candidates=outcome.candidates,
    )
