"""Screens a message and its questions: what is refused, or is a person's, whatever the post says.

Two sources speak: the rules of `bot.policy`, and the reader of requests, which learned from
labelled messages (`bot.answering.requests`). Here their verdicts are combined.
"""

from collections.abc import Sequence
from dataclasses import replace

from bot.answering import segmentation
from bot.answering.interpretation import InterpretedQuestion, is_probable_refusal
from bot.answering.requests import (
    DOUBTFUL,
    LEARNED,
    PROBABLE,
    REMOVED,
    Label,
    RequestReading,
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
# What a victim who only asks about a mail is not refused for: the post's rules answer them.
SPARED = frozenset({RefusalReason.VOUCHING, RefusalReason.IMPERSONATION, RefusalReason.REQUEST})


def hold_unread(message: Message, said: CleanText) -> Escalation | None:
    """Return the outcome of a message whose questions are not read, or None where they are.

    Not read is what is empty, too long, or a report of a mail filter.
    """
    text = said.whole
    if not text.strip() and not message.shown:
        return Escalation(question=text, reason=EscalationReason.NO_QUESTION)
    if len(text) > MAX_CHARACTERS:
        held = Escalation(question=text[:MAX_CHARACTERS], reason=EscalationReason.TOO_LONG)
    elif is_filter_report(text):
        held = Escalation(question=text, reason=EscalationReason.HELD)
    else:
        return None
    verdict = urgent(with_subject(message.subject, text))
    return replace(held, reason=verdict.reason, priority=verdict.priority) if verdict else held


def screen_message(message: Message, said: CleanText, history: Sequence[str]) -> Verdict | None:
    """Return what the rules say of the whole message, boilerplate included.

    In a sentence that was taken for boilerplate, a demand or a cry for help counts as anywhere
    else, so that neither can be hidden in a disclaimer. That a disclaimer speaks of the law is no
    matter for a lawyer.
    """
    verdict = screen(with_subject(message.subject, said.whole), history=history)
    if not said.removed or not isinstance(verdict, Escalate):
        return verdict
    if verdict.priority is Priority.PAGE:
        return verdict
    return screen(with_subject(message.subject, said.own), history=history)


def is_only_thanks(message: Message, said: CleanText, requests: RequestReading | None) -> bool:
    """Does the message say nothing but thanks? A masked secret, or another subject, is more.

    "Yes, please do" closes nothing above a text that it quotes: it says what that text asks.
    """
    own = said.own
    if message.redactions or message.shown or closes_nothing(message.subject):
        return False
    if only_thanks(own):
        return True
    spoken = segmentation.spoken_sentences(own)
    # "Best regards" alone was meant to be more; of other scripts words cannot be counted.
    more_than_a_close = any(len(s.split()) > segmentation.FEW or not s.isascii() for s in spoken)
    silent = more_than_a_close and bool(requests and requests.is_silent)
    return silent and not isinstance(screen(shown_mail(said.whole)), Refuse)


def find_urgent(whole: Verdict | None, requests: RequestReading | None) -> Escalate | None:
    """Return the verdict that calls a person, whatever else the message asks; None for none."""
    if isinstance(whole, Escalate) and whole.priority is not Priority.NORMAL:
        return None if requests and requests.denies(whole) else whole
    return requests.urgent if requests and whole is None else None


def screen_questions(
    readings: Sequence[InterpretedQuestion],
    message: Message,
    said: CleanText,
    *,
    whole: Verdict | None,
    history: Sequence[str],
    own: str,
    requests: RequestReading | None,
) -> list[Verdict | None]:
    """Return the verdict on each question; that on the whole message where no question has one.

    The reader of requests overrules a rule that it surely denies, and speaks where no rule does.
    What it has not read, because it was taken for boilerplate, it cannot deny.
    """
    text = with_subject(message.subject, said.whole)
    rules = [whole if r.view == text else screen(r.view, history=history) for r in readings]
    found = rules
    if requests:
        found = [_weigh(v, r, requests) for r, v in zip(readings, rules, strict=True)]
    if whole and not any(rules):
        hidden = bool(said.removed) and not screen(with_subject(message.subject, said.own))
        found[-1] = whole if hidden or not requests else _weigh(whole, readings[-1], requests)
    return [_spare(v, own) for v in found]


def _weigh(
    rule: Verdict | None, reading: InterpretedQuestion, requests: RequestReading
) -> Verdict | None:
    """Return the verdict of rules and reader together.

    What the reader doubts is a demand where it is probable and the words name a secret.
    """
    verdict = requests.weigh(rule, reading.question)
    if verdict != DOUBTFUL:
        return verdict
    # "Are you sure?" is too short to be doubted: what it points back to says what it asks.
    vague = bool(reading.question.context)
    if rule:  # who pastes a secret and asks whether it is safe is answered
        return None if vague and REMOVED in reading.view else DOUBTFUL
    names_one = classify_secret_mention(reading.view) is SecretMention.SECRET
    if names_one and requests.highest(Label.REFUSE) >= PROBABLE:
        return Refuse(reason=RefusalReason.SECRET, rule=LEARNED)
    # What the classifier of meanings takes for a request as well is refused without a person.
    return None if vague or is_probable_refusal(reading) else DOUBTFUL


def _spare(verdict: Verdict | None, own: str) -> Verdict | None:
    """Return the verdict, unless it refuses somebody who only asks whether a mail is genuine."""
    if not isinstance(verdict, Refuse) or verdict.reason not in SPARED:
        return verdict
    return None if asks_if_genuine(own) and not demands_our_word(own) else verdict
