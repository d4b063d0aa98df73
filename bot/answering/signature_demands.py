"""Screens the signature of a mail, which is not read as a question, for demands and emergencies.

Whatever stands below two dashes is taken for a signature, so an attacker can put a demand there.
Honest signatures mention passwords, security and new addresses too, without asking the desk for
anything; so only some rules and labels of the policy are applied here.
"""

from bot.answering.request_classifier import DOUBTFUL, PLACE, Label, RequestClassifier
from bot.domain import Priority, RefusalReason
from bot.policy import (
    Escalate,
    Refuse,
    SecretMention,
    Verdict,
    classify_secret_mention,
    screen_signature,
)
from bot.text.boilerplate import is_device_line, weigh_sentence
from bot.text.clean import clean_message

# Only rules that refuse for these reasons apply. Honest signatures and footers tell their readers
# what to do, which other rules take for requests: "Please update your address book", "send a mail
# to this address".
DEMANDS = frozenset({RefusalReason.SECRET, RefusalReason.DESK_INTERNALS})
# A sentence in ASCII letters with fewer words is never taken for a demand: it only names something.
LEAST_WORDS = 5
# Probability of INJECTION from which on a sentence counts as an instruction to the desk. "To
# unsubscribe, send a mail to this address" resembles one a little and stays below it.
ORDERED = 0.5


def find_signature_demand(text: str, requests: RequestClassifier | None = None) -> Verdict | None:
    """Return the verdict on a signature, or None when it holds nothing that must be stopped.

    Looked for are demands for a secret, instructions to the desk and cries for help. Secrets in
    `text` are masked. What only the classifier `requests` finds is escalated, never refused;
    without a classifier the rules decide alone.
    """
    if not text.strip():
        return None
    whole = clean_message(text).whole
    if (rule := screen_signature(whole, DEMANDS)) or requests is None:
        return rule
    classified = requests.classify(whole)
    orders = classified.probabilities[:, PLACE[Label.INJECTION]]
    judged = zip(classified.sentences, classified.verdicts, orders, strict=True)
    verdicts = [
        verdict for sentence, verdict, order in judged if _is_meant(sentence, verdict, order)
    ]
    escalation = next((verdict for verdict in verdicts if isinstance(verdict, Escalate)), None)
    return escalation or (DOUBTFUL if verdicts else None)


def _is_meant(sentence: str, verdict: Verdict | None, order: float) -> bool:
    """Return whether a verdict of the classifier on a sentence of a signature counts.

    A demand or a cry for help counts only where the writer speaks of himself: "I need my password",
    not "Never share your password". Lines that only name something, such as a device or the
    fingerprint of a key, never count, although the classifier takes some of them for demands.
    `order` is the probability of an instruction to the desk; with a link it is that of a footer.
    """
    if is_device_line(sentence) or (sentence.isascii() and len(sentence.split()) < LEAST_WORDS):
        return False
    match verdict:
        case Refuse(reason=RefusalReason.DESK_INTERNALS):
            return order >= ORDERED and "://" not in sentence
        case Refuse(reason=RefusalReason.SECRET):
            named = classify_secret_mention(sentence) is not SecretMention.NOTHING
            return named and weigh_sentence(sentence).is_personal
        case Escalate(priority=Priority.PAGE):
            return weigh_sentence(sentence).is_personal
        case _:
            return False
