"""Names whom staff call about a case before anything is written to the user."""

from collections.abc import Mapping, Sequence

from bot.domain import EscalationReason, Priority
from bot.journal import Case

NOBODY = "nobody is named for this (DESK_CALL names a person or a group); ask the incident lead"


def list_people_to_call(
    case: Case, contacts: Mapping[EscalationReason, str], oncall: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return whom to call about a case by its reasons, each once.

    `contacts` are those of the settings, by reason: an id of Slack or plain words. Where none fits
    an urgent case, the people on call are returned.
    """
    named = dict.fromkeys(
        contacts[EscalationReason(reason)]
        for reason in case.reasons
        if reason in list(EscalationReason) and EscalationReason(reason) in contacts
    )
    return tuple(named) or (tuple(oncall) if case.priority == Priority.PAGE else ())


def describe_people(people: Sequence[str]) -> str:
    """Return the contacts in plain words, for a reader outside of Slack."""
    return ", ".join(people) or NOBODY
