"""Defines the verdicts of the rules: a message is refused, or a person decides."""

from dataclasses import dataclass

from bot.domain import EscalationReason, Priority, RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The reply would have to contain what must never be in it."""

    reason: RefusalReason
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """A person decides."""

    reason: EscalationReason
    priority: Priority
    rule: str


Verdict = Refuse | Escalate
