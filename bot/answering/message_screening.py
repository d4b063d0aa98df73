"""Screens a message and its questions: what is refused or escalated, whatever the post says.

It combines the verdicts of two sources: the rules of `bot.policy`, and the reader of requests, a
classifier that was trained on labelled messages (`bot.answering.requests`).
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
# Reasons for which an asker who only asks whether a mail is genuine is not refused: passages on how
# to treat messages answer that.
SPARED = frozenset({RefusalReason.VOUCHING, RefusalReason.IMPERSONATION, RefusalReason.REQUEST})


def hold_unread(message: Message, said: CleanText) -> Escalation | None:
    """Return the escalation of a message whose questions are not read, or None for any other.

    A message is not read when it is empty, too long, or the report of a mail filter. For an urgent
    text, the escalation has the reason and priority of the rule that pages.
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
    """Return the verdict of the rules on the whole message, boilerplate included.

    A refusal or a page also counts in a sentence that was taken for boilerplate, so that no demand
    and no cry for help can be hidden in a disclaimer. Any other escalation does not: the legal
    words of a disclaimer are no case for a lawyer.
    """
    verdict = screen(with_subject(message.subject, said.whole), history=history)
    if not said.removed or not isinstance(verdict, Escalate):
        return verdict
    if verdict.priority is Priority.PAGE:
        return verdict
    return screen(with_subject(message.subject, said.own), history=history)


def is_only_thanks(message: Message, said: CleanText, requests: RequestReading | None) -> bool:
    """Return whether the message says nothing but thanks, by the rules or the reader of requests.

    A message with a masked secret, an enclosed mail or a subject of its own always says more. The
    reader does not decide above a quoted demand that is refused: "Yes, please do" repeats it.
    """
    own = said.own
    if message.redactions or message.shown or closes_nothing(message.subject):
        return False
    if only_thanks(own):
        return True
    spoken = segmentation.spoken_sentences(own)
    # A bare "Best regards" was meant to say more. In other scripts words cannot be counted.
    more_than_a_close = any(len(s.split()) > segmentation.FEW or not s.isascii() for s in spoken)
    silent = more_than_a_close and bool(requests and requests.is_silent)
    return silent and not isinstance(screen(shown_mail(said.whole)), Refuse)


def find_urgent(whole: Verdict | None, requests: RequestReading | None) -> Escalate | None:
    """Return the urgent escalation that replaces all other outcomes; None where there is none.

    That of a rule counts unless the reader of requests denies it; that of the reader counts where
    no rule hits the message.
    """
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
    """Return the verdict on each question.

    Where no rule hits a question, the last one gets the verdict `whole` on the whole message. The
    reader of requests overrules a rule that it denies, and decides where no rule hits. It cannot
    deny a rule that hits boilerplate, which it has not read.
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
    """Return the combined verdict of the rules and the reader on a question.

    A doubtful question is refused where a request is PROBABLE and the words name a secret.
    """
    verdict = requests.weigh(rule, reading.question)
    if verdict != DOUBTFUL:
        return verdict
    # "Are you sure?" alone is no ground for doubt: its meaning is that of its context.
    vague = bool(reading.question.context)
    if rule:  # somebody who pastes a secret and asks whether it is safe gets an answer
        return None if vague and REMOVED in reading.view else DOUBTFUL
    names_one = classify_secret_mention(reading.view) is SecretMention.SECRET
    if names_one and requests.highest(Label.REFUSE) >= PROBABLE:
        return Refuse(reason=RefusalReason.SECRET, rule=LEARNED)
    # Where the classifier of intents agrees, the question is refused later, without a person.
    return None if vague or is_probable_refusal(reading) else DOUBTFUL


def _spare(verdict: Verdict | None, own: str) -> Verdict | None:
    """Return the verdict, or None where it refuses somebody who only asks if a mail is genuine."""
    if not isinstance(verdict, Refuse) or verdict.reason not in SPARED:
        return verdict
    return None if asks_if_genuine(own) and not demands_our_word(own) else verdict
