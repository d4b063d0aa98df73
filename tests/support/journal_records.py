"""Makes the messages, decisions and replies that tests of the journal store."""

from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Outcome,
    Priority,
    Response,
)
from bot.journal import ReceivedMessage, Reply


def mail(
    key: str = "k1", *, thread: str = "t1", sender: str = "ana@example.org", text: str = "Hi"
) -> ReceivedMessage:
    return ReceivedMessage(
        channel="email", thread_key=thread, key=key, raw_ref=f"raw-{key}", verdict="answer", rule="R18",
        sender=sender, headers={"message_id": f"<{key}@x>", "references": f"<{thread}@x>"}, text=text,
    )  # fmt: skip


def answered() -> Response:
    answer = Answer(
        question="q", reason=AnswerReason.PUBLISHED, probability=0.9, passages=(), candidates=()
    )
    return response(answer)


def waiting(priority: Priority = Priority.NORMAL) -> Response:
    return response(
        Escalation(
            question="q",
            reason=EscalationReason.UNSURE,
            priority=priority,
            probability=0.2,
            candidates=(),
        )
    )


def response(*outcomes: Outcome) -> Response:
    return Response(outcomes=outcomes, language="en", knowledge="k")


def reply(name: str = "1") -> Reply:
    return Reply(recipient="ana@example.org", message_id=f"<r.{name}@desk>", body=b"body \x00\xff")
