"""Derives from a decided response what goes to a person and what the automatic reply still says."""

from dataclasses import replace

from bot.domain import Escalation, EscalationReason, Outcome, Priority, Response


def keep_escalations(response: Response) -> Response:
    """Return the response with its escalations alone, as the automatic reply says all else."""
    waiting = tuple(o for o in response.outcomes if isinstance(o, Escalation))
    return replace(response, outcomes=waiting, redactions=())


def escalate_text(response: Response, text: str) -> Response:
    """Return the response with a single escalation, which shows a person the `text` of a mail.

    It is for a mail that asks nothing and has no outcome of its own.
    """
    asked = Escalation(
        question=text, reason=EscalationReason.NO_QUESTION, priority=Priority.NORMAL,
        probability=0.0, candidates=(),
    )  # fmt: skip
    return replace(response, outcomes=(asked,))


def drop_announced(response: Response, announced: Priority | None) -> Response:
    """Return the response without the escalations that an earlier reply has announced.

    They are announced again only when this mail pages and the case did not.
    """
    page = any(isinstance(o, Escalation) and o.priority is Priority.PAGE for o in response.outcomes)
    if announced is None or (page and announced is not Priority.PAGE):
        return response
    rest = tuple(o for o in response.outcomes if not isinstance(o, Escalation))
    return replace(response, outcomes=rest)


def hold_all(
    response: Response, priority: Priority, reason: EscalationReason = EscalationReason.HELD
) -> Response:
    """Return the response with every outcome held for a person, at one priority.

    A danger to somebody stays as it is, because people are called for it whoever wrote the message.
    """
    outcomes = tuple(_held(o, priority, reason) for o in response.outcomes)
    return replace(response, outcomes=outcomes)


def hold_answers(response: Response) -> Response:
    """Return the response with every answer and refusal held; escalations stay as they are."""
    outcomes = (
        o if isinstance(o, Escalation) else _held(o, Priority.NORMAL) for o in response.outcomes
    )
    return replace(response, outcomes=tuple(outcomes))


def _held(
    outcome: Outcome, priority: Priority, reason: EscalationReason = EscalationReason.HELD
) -> Escalation:
    if isinstance(outcome, Escalation) and outcome.reason is EscalationReason.DANGER:
        return outcome
    return Escalation(
        question=outcome.question,
        reason=reason,
        priority=priority,
        probability=outcome.probability,
        candidates=outcome.candidates,
    )
