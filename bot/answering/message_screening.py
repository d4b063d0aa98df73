"""Screens a whole message before its questions are found: what decides it, whatever the post says.

It combines the verdicts of two sources: the rules of `bot.policy`, and the classifier of requests,
which was trained on labelled messages (`bot.answering.request_classifier`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.answering import segmentation
from bot.answering.message_questions import PREFIXED
from bot.answering.prepared_message import PreparedMessage
from bot.answering.request_classifier import ClassifiedRequests, RequestClassifier
from bot.domain import Escalation, EscalationReason, Message, Priority
from bot.policy import (
    Escalate,
    Refuse,
    Verdict,
    closes_nothing,
    is_filter_report,
    only_thanks,
    screen,
    urgent,
    with_subject,
)
from bot.policy.quotes import shown_mail
from bot.text.clean import CleanText

MAX_CHARACTERS = 32_000  # of a message; a longer one goes to a person unread


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedMessage:
    """What the rules and the classifier of requests say of a whole message.

    `outcomes` are those of a message whose questions need not be found: one escalation where it is
    not read or asks nothing, none where it only says thanks. They are None for any other message.
    """

    outcomes: tuple[Escalation, ...] | None = None
    verdict: Verdict | None = None  # of the rules
    requests: ClassifiedRequests | None = None  # None where they are not needed or cannot be had


def screen_message(
    prepared: PreparedMessage, classifier: RequestClassifier | None
) -> ScreenedMessage:
    """Return what the rules and the classifier of requests say of a message."""
    message, cleaned = prepared.message, prepared.cleaned
    if unread := _hold_unread(message, cleaned):
        return ScreenedMessage(outcomes=(unread,))
    verdict = _apply_rules(message, cleaned, prepared.turns)
    requests = classify_requests(prepared, classifier)
    outcomes: tuple[Escalation, ...] | None = None
    if verdict is None and _is_only_thanks(message, cleaned, requests):
        outcomes = ()
    elif not (cleaned.own or verdict or message.shown):
        no_question = EscalationReason.NO_QUESTION
        outcomes = (Escalation(question=cleaned.whole, reason=no_question),)
    return ScreenedMessage(outcomes=outcomes, verdict=verdict, requests=requests)


def classify_requests(
    prepared: PreparedMessage, classifier: RequestClassifier | None
) -> ClassifiedRequests | None:
    """Return what the classifier reads in each sentence; None when that is not needed, or where
    there is no classifier.

    The subject is read as a sentence unless it has a prefix such as `Re:`. A complaint about an
    answer is not read, because it is escalated for a reason of its own.
    """
    own, turns, subject = prepared.cleaned.own, prepared.turns, prepared.message.subject
    if not classifier or not own.strip() or prepared.did_not_help:
        return None
    subject = "" if PREFIXED.match(subject) else subject
    return classifier.classify(own, turns[-1] if turns else "", subject.strip())


def _hold_unread(message: Message, cleaned: CleanText) -> Escalation | None:
    """Return the escalation of a message whose questions are not read, or None for any other.

    A message is not read when it is empty, too long, or the report of a mail filter. For an urgent
    text, the escalation has the reason and priority of the rule that pages.
    """
    text = cleaned.whole
    if not text.strip() and not message.shown:
        return Escalation(question=text, reason=EscalationReason.NO_QUESTION)
    if len(text) > MAX_CHARACTERS:
        escalation = Escalation(question=text[:MAX_CHARACTERS], reason=EscalationReason.TOO_LONG)
    elif is_filter_report(text):
        escalation = Escalation(question=text, reason=EscalationReason.HELD)
    else:
        return None
    verdict = urgent(with_subject(message.subject, text))
    return (
        replace(escalation, reason=verdict.reason, priority=verdict.priority)
        if verdict
        else escalation
    )


def _apply_rules(message: Message, cleaned: CleanText, history: Sequence[str]) -> Verdict | None:
    """Return the verdict of the rules on the whole message, boilerplate included.

    A refusal or a page also counts in a sentence that was taken for boilerplate, so that no demand
    and no cry for help can be hidden in a disclaimer. Any other escalation does not: the legal
    words of a disclaimer are no case for a lawyer.
    """
    verdict = screen(with_subject(message.subject, cleaned.whole), history=history)
    if not cleaned.removed or not isinstance(verdict, Escalate):
        return verdict
    if verdict.priority is Priority.PAGE:
        return verdict
    return screen(with_subject(message.subject, cleaned.own), history=history)


def _is_only_thanks(
    message: Message, cleaned: CleanText, requests: ClassifiedRequests | None
) -> bool:
    """Return whether the message says nothing but thanks, by the rules or the classifier of
    requests.

    A message with a masked secret, an enclosed mail or a subject of its own always says more. The
    classifier does not decide above a quoted demand that is refused: "Yes, please do" repeats it.
    """
    own = cleaned.own
    if message.redactions or message.shown or closes_nothing(message.subject):
        return False
    if only_thanks(own):
        return True
    sentences = segmentation.spoken_sentences(own)
    # A bare "Best regards" was meant to say more. In other scripts words cannot be counted.
    more_than_a_close = any(len(s.split()) > segmentation.FEW or not s.isascii() for s in sentences)
    silent = more_than_a_close and bool(requests and requests.is_silent)
    return silent and not isinstance(screen(shown_mail(cleaned.whole)), Refuse)
