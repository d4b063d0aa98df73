"""Conversations that were told what the post said earlier, and what looks for them."""

from dataclasses import replace

from bot.app import App
from bot.channels.mail.compose import Composer
from bot.corpus.changes import ChangeKind
from bot.domain import Answer, AnswerReason, Passage, Response
from bot.journal import Journal, Reply
from bot.staff.outdated_answers import Recall
from tests.support.desk_messages import received

RESETS = "faq-need-reset-password-rotate-api"
OLD_TEXT = "Please reset every password."
COMPOSE = Composer("incident@desk.example").reply


def told(journal: Journal, passage: Passage, name: str, *, state: str = "sent") -> int:
    """A conversation that was answered with `passage`."""
    message = journal.receive(received("Do I have to reset?", name, sender=f"{name}@example.org"))
    assert message is not None
    answer = Answer(
        question="Do I have to reset?", reason=AnswerReason.PUBLISHED, probability=0.9,
        passages=(passage,), candidates=(passage,),
    )  # fmt: skip
    journal.decide(
        message, Response(outcomes=(answer,), language="en", knowledge="old"), draft="",
        reply=Reply(recipient=f"{name}@example.org", message_id=f"<r.{name}@d>", body=b"Subject: x\n\nx"),
    )  # fmt: skip
    (mail,) = [m for m in journal.mail_outbox.list_due() if m.recipient.startswith(f"{name}@")]
    assert journal.mail_outbox.claim(mail.id, "w")
    assert journal.mail_outbox.mark_sent(mail.id)
    if state == "bounced":
        assert journal.mail_outbox.record_bounce(mail.header)
    return journal.list_conversations([message])[0]


def earlier(app: App, text: str = OLD_TEXT) -> Passage:
    """The passage on resets as it was."""
    return replace(app.knowledge.passages[RESETS], text=text, version="earlier")


def recall_of(app: App, journal: Journal, kind: ChangeKind | None = None) -> Recall:
    """What looks through a journal; a `kind` is what a person calls the change."""
    return Recall(
        knowledge=app.knowledge, journal=journal, responder=app.responder, outbound=app.outbound,
        compose=COMPOSE, decided={RESETS: kind} if kind else {},
    )  # fmt: skip
