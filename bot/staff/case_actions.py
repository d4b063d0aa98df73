"""Does what a person decides about a case, and says what speaks against it.

Slack, the browser and the terminal share it, so that each of them holds people to the same rules.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.desk import Desk
from bot.domain import NEAR, EscalationReason
from bot.journal import Case, CaseAction, CaseChange, OutboxState, Reopened, Stage
from bot.redact import redact
from bot.staff.staff_remarks import MAX_CHARACTERS, find_remarks

if TYPE_CHECKING:
    from bot.journal.cases import EnqueueJob

EMPTY_TEXT = "Write something, or cancel and close the case without a mail."
TOO_LONG = "This is {count} characters; a reply may have {most}."
TAKE_IT_OUT = (
    "This holds what looks like a real {kind}. Take it out: it is not stored and not sent."
)
DETAILS = (
    "Hello,\n\nThank you for your message. So that we can answer it, please tell us a little more: "
    "what happened, when, and what you would like to know.\n\nPlease do not send passwords, codes "
    "or keys; we never ask for them.\n"
)
OPTED_OUT = "opted out"  # the event in the audit of the message whose sender opted out
TAKEN_BACK = "Its mail had not left and was taken back: nobody got it."  # of a reopened case
HOLD_SECONDS = 10.0  # that a person's mail waits before it leaves, so that it can be taken back
BROWSER_ACTOR = "browser"  # the name in the journal of whoever uses the desk in a browser
SLACK_ACTOR = "slack"  # how an actor in Slack begins, before a colon and the id
TERMINAL_ACTOR = "terminal"  # how the name of whoever works at the terminal begins, before a colon


class ReplyKind(StrEnum):
    """What a person sends: the draft as it stands, their own text, or a request for details."""

    APPROVE = "approve"
    EDIT = "edit"
    DETAILS = "details"
    ALL = "all"  # to everybody who asks the same, each in a mail of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseActions:
    """The actions of people on the cases of one desk.

    `enqueue_job` puts the job that delivers a decision into the transaction that stores it; without
    it nothing is enqueued. A decided mail waits `hold_seconds`, so that it can be taken back. An
    `actor` is a person's name in the journal. A `version` is that of the case as the person saw it:
    each action fails, and returns False, where the case has changed since.
    """

    desk: Desk
    enqueue_job: "EnqueueJob | None"
    hold_seconds: float = 0.0

    def list_remarks(self, text: str) -> tuple[str, ...]:
        """Return what a person should look at once more before this text goes to a user."""
        return find_remarks(text, self.desk.knowledge)

    def send(
        self, case: Case, kind: ReplyKind, *, actor: str, text: str, version: str,
        clusters: Sequence[int] = (), any_language: bool = False,
    ) -> bool:  # fmt: skip
        """Store a person's mail; InputError or BlockedError says why it cannot go.

        A mail to all who ask the same may go to further `clusters` of cases too, and a person's own
        words in `any_language` also to those who write in another one than this case.
        """
        if kind is ReplyKind.DETAILS:
            return self.desk.request_details(
                case.id, actor=actor, text=text, version=version, enqueue_job=self.enqueue_job,
                hold_seconds=self.hold_seconds,
            )  # fmt: skip
        to_all = kind is ReplyKind.ALL
        as_it_stands = to_all and case.can_approve and text.split() == case.draft.split()
        approved = kind is ReplyKind.APPROVE or as_it_stands
        return self.decide(
            case, CaseAction.APPROVED if approved else CaseAction.EDITED, actor=actor,
            text=case.draft if as_it_stands else text, version=version, share=to_all,
            share_with=clusters, any_language=any_language,
        )  # fmt: skip

    def decide(
        self, case: Case, action: CaseAction, *, actor: str, version: str, text: str = "",
        share: bool = False, share_with: Sequence[int] = (), any_language: bool = False,
    ) -> bool:  # fmt: skip
        """Store a decision; without a text it closes the case and nobody gets a mail.

        With `share` all cases that ask the same get the answer too.
        """
        return self.desk.resolve(
            case.id, actor=actor, action=action, text=text, version=version,
            enqueue_job=self.enqueue_job, hold_seconds=self.hold_seconds, share=share,
            share_with=share_with, any_language=any_language,
        )  # fmt: skip

    def claim(self, case: Case, *, actor: str) -> bool:
        """Give a case that nobody has to this person."""
        change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner=actor)
        return self.desk.journal.cases.change(case.id, actor=actor, change=change, owner="")

    def opt_out(self, case: Case, *, actor: str) -> bool:
        """Note that the sender wants no mail that they did not ask for; False if noted before."""
        journal = self.desk.journal
        if not journal.opt_outs.add(case.sender, actor=actor):
            return False
        journal.slack.append_audit(actor, OPTED_OUT, case.message_id)
        return True

    def undo(self, case: Case, *, actor: str, version: str) -> bool:
        """Take back this person's mail; False where it has left, or is another person's."""
        return self.desk.journal.cases.undo(case.id, actor=actor, version=version)

    def reopen(self, case: Case, *, actor: str, version: str) -> Reopened | None:
        """Open a decided case again, for this person; a mail that has not left is taken back."""
        return self.desk.journal.cases.reopen(case.id, actor=actor, version=version)


def object_to_text(text: str, empty: str = EMPTY_TEXT) -> str:
    """Return why a person's text cannot go out as it is; empty for no reason.

    `empty` is what is said of a text without a word.
    """
    if not text.strip():
        return empty
    if len(text) > MAX_CHARACTERS:
        return TOO_LONG.format(count=len(text), most=MAX_CHARACTERS)
    kinds = [span.kind.words for span in redact(text).spans if span.certain]
    return TAKE_IT_OUT.format(kind=kinds[0]) if kinds else ""


def digest_remarks(remarks: Sequence[str]) -> str:
    """Return a short digest of the remarks that a person was shown; empty for none.

    The form sends it back with the person's confirmation, which counts only for the remarks that
    they were shown.
    """
    return hashlib.sha256("|".join(remarks).encode()).hexdigest()[:16] if remarks else ""


def draft_probability(case: Case) -> float | None:
    """Return the lowest probability that a part of the draft answers; None if it has no part."""
    open_ = [
        q.probability
        for q in case.questions
        if q.kind == "escalation" and q.passages and q.probability >= NEAR
    ]
    return min(open_, default=None)


def is_approve_first(case: Case, green_from: float) -> bool:
    """Return whether approving the draft is the first choice.

    It is if the desk was only unsure and the probability of the draft is at least `green_from`.
    """
    if case.reason != EscalationReason.UNSURE or case.stage is Stage.WAITING:
        return False
    chance = draft_probability(case)
    return case.can_approve and chance is not None and chance >= green_from


def may_act(case: Case, actor: str) -> bool:
    """Return whether this person may decide the case: it is open and nobody else has it."""
    return case.open and case.owner in ("", actor)


def can_undo(case: Case) -> bool:
    """Return whether a person's mail in this case waits, so that it can still be taken back."""
    sends = not case.open or case.stage is Stage.WAITING
    return sends and case.delivery is not None and case.delivery.state is OutboxState.READY


def has_sent(case: Case, actor: str) -> bool:
    """Return whether this very person has decided the case by a mail already."""
    return bool(case.decision and case.decision.actor == actor and case.decision.action.sends)
