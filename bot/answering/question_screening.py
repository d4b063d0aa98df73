"""Screens the questions of a message: which are refused or escalated, and which ask nothing.

It combines the verdicts of two sources: the rules of `bot.policy`, and the classifier of requests,
which was trained on labelled messages (`bot.answering.request_classifier`). Where neither hits, the
classifier of intents may still take a question for a request that is to be refused.
"""

from collections.abc import Sequence

from bot.answering import segmentation
from bot.answering.interpretation import InterpretedQuestion, ScreenedQuestion
from bot.answering.prepared_message import PreparedMessage
from bot.answering.request_classifier import (
    DOUBTED,
    DOUBTFUL,
    LEARNED,
    PROBABLE,
    REMOVED,
    SURELY_NONE,
    ClassifiedRequests,
    Label,
)
from bot.corpus.questions import Act
from bot.domain import Priority, RefusalReason
from bot.policy import (
    Escalate,
    Refuse,
    SecretMention,
    Verdict,
    asks_if_genuine,
    classify_secret_mention,
    demands_our_word,
    screen,
    tells_who_they_are,
    with_subject,
)

# Reasons for which an asker who only asks whether a mail is genuine is not refused: passages on how
# to treat messages answer that.
SPARED = frozenset({RefusalReason.VOUCHING, RefusalReason.IMPERSONATION, RefusalReason.REQUEST})
# Probability of Act.REFUSE from which on a question is refused that no rule of the policy hits.
REFUSAL_CERTAINTY = {
    SecretMention.SECRET: 0.3,
    SecretMention.NOTHING: 0.6,
    SecretMention.FACTS: 1.0,
}


def find_urgent(
    message_verdict: Verdict | None, requests: ClassifiedRequests | None
) -> Escalate | None:
    """Return the urgent escalation that replaces all other outcomes; None where there is none.

    That of a rule counts unless the classifier of requests denies it; that of the classifier counts
    where no rule escalates the message. A crisis outranks a request that is to be refused.
    """
    if isinstance(message_verdict, Escalate) and message_verdict.priority is not Priority.NORMAL:
        return None if requests and requests.denies(message_verdict) else message_verdict
    return requests.urgent if requests and not isinstance(message_verdict, Escalate) else None


def screen_questions(
    interpreted: Sequence[InterpretedQuestion],
    prepared: PreparedMessage,
    *,
    message_verdict: Verdict | None,
    own: str,
    requests: ClassifiedRequests | None,
) -> list[ScreenedQuestion]:
    """Return the questions that need an outcome, each with the verdict on it.

    What asks nothing and has no verdict is left out. `own` is the asker's text without the quotes.

    Where no rule hits any question, the last question gets the verdict `message_verdict` on the
    whole message. The classifier of requests overrules a rule that it denies, and decides where no
    rule hits. It cannot deny a rule that hits boilerplate, which it has not read.
    """
    message, cleaned = prepared.message, prepared.cleaned
    history = [*prepared.turns, message.subject] if message.subject else prepared.turns
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
    spared = [_spare(v, own) for v in verdicts]
    return _without_announcements(_without_chatter(interpreted, spared))


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


def is_probable_refusal(interpreted: InterpretedQuestion) -> bool:
    """Return whether the classifier takes a question that no rule hits for a request to refuse.

    The classifier of requests must not contradict it: `request` must reach SURELY_NONE, and DOUBTED
    where the text names no secret, because a case number, a phone number or a request for a call
    is to be read by a person. Without that classifier only a text that mentions secrets is refused.
    """
    judged = interpreted.judgement
    if judged.label != Act.REFUSE or interpreted.shown or _only_introduces(interpreted.view):
        return False
    mention = classify_secret_mention(interpreted.view)
    if judged.certainty < REFUSAL_CERTAINTY[mention]:
        return False
    if interpreted.request is None:
        return mention is not SecretMention.NOTHING
    return interpreted.request >= (DOUBTED if mention is SecretMention.NOTHING else SURELY_NONE)


def _only_introduces(view: str) -> bool:
    """Return whether the text tells who the writer is, and asks nothing by its form."""
    return tells_who_they_are(view) and not segmentation.asks(view)


def _without_chatter(
    interpreted: Sequence[InterpretedQuestion], verdicts: Sequence[Verdict | None]
) -> list[ScreenedQuestion]:
    """Return the questions with their verdicts, without chatter (`Act.CHATTER`) with no verdict.

    When nothing else is left, the first question stays.
    """
    pairs = list(zip(interpreted, verdicts, strict=True))
    real = [(r, v) for r, v in pairs if v or r.judgement.label != Act.CHATTER]
    return real or pairs[:1]


def _without_announcements(screened: Sequence[ScreenedQuestion]) -> list[ScreenedQuestion]:
    """Return the questions without those that only announce the next one.

    "I want to know about my key." is dropped where the next question has it as context and finds
    the same best passage with a higher probability.
    """
    following = [*screened[1:], None]
    return [
        (r, v)
        for (r, v), then in zip(screened, following, strict=True)
        if v or not then or not _announces(r, then[0])
    ]


def _announces(interpreted: InterpretedQuestion, then: InterpretedQuestion) -> bool:
    own, following = interpreted.judgement, then.judgement
    return (
        then.question.context.endswith(interpreted.question.text)
        and segmentation.announces(interpreted.question.text)
        and own.passages[:1] == following.passages[:1]
        and own.probability < following.probability
    )
