"""Screens a message and its questions: what is refused or escalated, whatever the post says.

It combines the verdicts of two sources: the rules of `bot.policy`, and the classifier of requests,
which was trained on labelled messages (`bot.answering.request_classifier`).
"""

from collections.abc import Sequence
from dataclasses import replace

from bot.answering import segmentation
from bot.answering.interpretation import InterpretedQuestion, is_probable_refusal
from bot.answering.request_classifier import (
    DOUBTFUL,
    LEARNED,
    PROBABLE,
    REMOVED,
    ClassifiedRequests,
    Label,
)
from bot.domain import Escalation, EscalationReason, Message, Priority, RefusalReason
from bot.policy import (
    Escalate,
    Refuse,
    SecretMention,
    Verdict,
    asks_if_genuine,
    classify_secret_mention,
    closes_nothing,
    demands_our_word,
    is_filter_report,
    only_thanks,
    screen,
    urgent,
    with_subject,
)
from bot.policy.quotes import shown_mail
from bot.text.clean import CleanText

MAX_CHARACTERS = 32_000  # of a message; a longer one goes to a person unread
# Reasons for which an asker who only asks whether a mail is genuine is not refused: passages on how
# to treat messages answer that.
SPARED = frozenset({RefusalReason.VOUCHING, RefusalReason.IMPERSONATION, RefusalReason.REQUEST})


def hold_unread(message: Message, cleaned: CleanText) -> Escalation | None:
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


def screen_message(message: Message, cleaned: CleanText, history: Sequence[str]) -> Verdict | None:
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


def is_only_thanks(
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


def find_urgent(
    message_verdict: Verdict | None, requests: ClassifiedRequests | None
) -> Escalate | None:
    """Return the urgent escalation that replaces all other outcomes; None where there is none.

    That of a rule counts unless the classifier of requests denies it; that of the classifier counts
    where no rule hits the message.
    """
    if isinstance(message_verdict, Escalate) and message_verdict.priority is not Priority.NORMAL:
        return None if requests and requests.denies(message_verdict) else message_verdict
    return requests.urgent if requests and message_verdict is None else None


def screen_questions(
    interpreted: Sequence[InterpretedQuestion],
    message: Message,
    cleaned: CleanText,
    *,
    message_verdict: Verdict | None,
    history: Sequence[str],
    own: str,
    requests: ClassifiedRequests | None,
) -> list[Verdict | None]:
    """Return the verdict on each question.

    Where no rule hits any question, the last question gets the verdict `message_verdict` on the
    whole message. The classifier of requests overrules a rule that it denies, and decides where no
    rule hits. It cannot deny a rule that hits boilerplate, which it has not read.
    """
    text = with_subject(message.subject, cleaned.whole)
    rule_verdicts = [
        message_verdict if r.view == text else screen(r.view, history=history) for r in interpreted
    ]
    verdicts = rule_verdicts
    if requests:
        verdicts = [_weigh(v, r, requests) for r, v in zip(interpreted, rule_verdicts, strict=True)]
    if message_verdict and not any(rule_verdicts):
        hidden = bool(cleaned.removed) and not screen(with_subject(message.subject, cleaned.own))
        verdicts[-1] = (
            message_verdict
            if hidden or not requests
            else _weigh(message_verdict, interpreted[-1], requests)
        )
    return [_spare(v, own) for v in verdicts]


def _weigh(
    rule_verdict: Verdict | None, interpreted: InterpretedQuestion, requests: ClassifiedRequests
) -> Verdict | None:
    """Return the combined verdict of the rules and the classifier on a question.

    A doubtful question is refused where a request is PROBABLE and the words name a secret.
    """
    verdict = requests.weigh(rule_verdict, interpreted.question)
    if verdict != DOUBTFUL:
        return verdict
    # "Are you sure?" alone is no ground for doubt: its meaning is that of its context.
    vague = bool(interpreted.question.context)
    if rule_verdict:  # somebody who pastes a secret and asks whether it is safe gets an answer
        return None if vague and REMOVED in interpreted.view else DOUBTFUL
    names_secret = classify_secret_mention(interpreted.view) is SecretMention.SECRET
    if names_secret and requests.highest(Label.REFUSE) >= PROBABLE:
        return Refuse(reason=RefusalReason.SECRET, rule=LEARNED)
    # Where the classifier of intents agrees, the question is refused later, without a person.
    return None if vague or is_probable_refusal(interpreted) else DOUBTFUL


def _spare(verdict: Verdict | None, own: str) -> Verdict | None:
    """Return the verdict, or None where it refuses somebody who only asks if a mail is genuine."""
    if not isinstance(verdict, Refuse) or verdict.reason not in SPARED:
        return verdict
    return None if asks_if_genuine(own) and not demands_our_word(own) else verdict
