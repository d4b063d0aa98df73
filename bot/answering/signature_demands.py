"""Finds what the policy stops in a text that is not read as a question: the signature of a mail.

Whatever stands below two dashes looks like a signature, so anybody may write a demand there.
Honest signatures speak of passwords, security and new addresses too, without asking the desk for
anything; so only some of what the policy knows counts here.
"""

from bot.answering.requests import DOUBTFUL, PLACE, Label, RequestReader
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

# What a rule must refuse for. Honest signatures and footers tell their readers what to do, which
# other rules take for requests: "Please update your address book", "send a mail to this address".
DEMANDS = frozenset({RefusalReason.SECRET, RefusalReason.DESK_INTERNALS})
# Words of a sentence that is learned to be a demand; fewer, in Latin letters, only name something.
LEAST_WORDS = 5
# Probability from which on an order to the desk is meant as one: "To unsubscribe, send a mail to
# this address" resembles one a little.
ORDERED = 0.5


def find_signature_demand(text: str, requests: RequestReader | None = None) -> Verdict | None:
    """Return the verdict on a demand for a secret, an order to the desk or a cry for help.

    `text` is masked. What only `requests` finds goes to a person; without it the rules decide
    alone. None where there is nothing of the kind.
    """
    if not text.strip():
        return None
    whole = clean_message(text).whole
    if (rule := screen_signature(whole, DEMANDS)) or requests is None:
        return rule
    reading = requests.read(whole)
    orders = reading.probabilities[:, PLACE[Label.INJECTION]]
    said = zip(reading.sentences, reading.verdicts, orders, strict=True)
    found = [verdict for sentence, verdict, order in said if _is_meant(sentence, verdict, order)]
    calls = next((verdict for verdict in found if isinstance(verdict, Escalate)), None)
    return calls or (DOUBTFUL if found else None)


def _is_meant(sentence: str, verdict: Verdict | None, order: float) -> bool:
    """Is it an order to the desk, or a demand or cry for help of somebody who speaks of himself?

    "Never share your password" speaks of nobody; "I need my password" does. The reading also takes
    lines that only name something, such as a device or the print of a key, for demands. `order` is
    the probability of an order to the desk; a footer gives orders too, and leads to a page.
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
