"""Defines the verdicts of the rules: a message is refused, or escalated to a person."""

from dataclasses import dataclass

from bot.domain import EscalationReason, Priority, RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The verdict on a request that is refused: its answer would hold what must never be sent."""

    reason: RefusalReason
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """The verdict that a person decides, with what priority."""

    reason: EscalationReason
    priority: Priority
    rule: str


Verdict = Refuse | Escalate
