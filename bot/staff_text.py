"""What a person should look at once more before their own words go to a user.

Nothing is forbidden here: staff write freely and are answerable for it. Each warning names what it
saw, and asking a second time is up to the caller.
"""

from collections.abc import Iterator

import re2

from bot.corpus import Knowledge
from bot.corpus.carried import domains
from bot.domain import SecretKind
from bot.policy.views import fold
from bot.redact import redact

MAX_CHARACTERS = 10_000
SECRETS = r"(?:passwords?|passcodes?|pins?|api keys?|secret keys?|keys?|tokens?|(?:verification|sign-in|login|recovery|security|one-time) codes?|codes?|seed phrases?|kennw[oö]rt\w*|passw[oö]rt\w*|mots? de passe|contrasenas?|senhas?|password)"
GIVING = r"(?:send|give|tell|share|provide|reply with|enter|type|confirm|mail|e-?mail|text|forward|paste|read (?:me|us)|schicken|senden|nennen|envoye[zr]|envie[ns]?|inviare|invii)"
DEMAND = re2.compile(
    rf"\b{GIVING}\b[^.!?\n]{{0,60}}\b{SECRETS}\b|\b{SECRETS}\b[^.!?\n]{{0,20}}\bto (?:us|me)\b"
)
NEVER = re2.compile(
    rf"\b(?:never|do not|don.?t|not|nobody|no one|nie|niemals|jamais|nunca|mai)\b[^.!?\n]{{0,40}}\b{GIVING}\b"
)
MEMBER = re2.compile(
    r"\b(?:you|your (?:account|data|organi[sz]ation|company)|they|she|he) (?:are|is|was|were) "
    r"(?:not |indeed |definitely |also )?(?:affected|impacted|included|in (?:it|the (?:data|list|dataset)))\b"
)
SENTENCE = re2.compile(r"[^.!?\n]+[.!?\n]*")


def warnings(text: str, knowledge: Knowledge) -> tuple[str, ...]:
    """One line for each thing to look at; empty for a text without a remark."""
    return tuple(_found(text, knowledge))


def _found(text: str, knowledge: Knowledge) -> Iterator[str]:
    if not text.strip():
        yield "the text is empty"
        return
    if len(text) > MAX_CHARACTERS:
        yield f"the text is longer than {MAX_CHARACTERS} characters"
        text = text[:MAX_CHARACTERS]
    for kind in dict.fromkeys(span.kind for span in redact(text).spans):
        yield f"it holds what looks like {_article(kind)}"
    sentences = SENTENCE.findall(fold(text))
    if any(DEMAND.search(s) and not NEVER.search(s) for s in sentences):
        yield "it seems to ask for a password, key or code: we never do that"
    if any(MEMBER.search(s) for s in sentences):
        yield "it seems to say whether somebody is in the data: the desk never confirms or denies that"
    for domain in sorted(domains(text) - knowledge.notes.domains):
        yield f"it names {domain}, which is not on the list of our addresses"


def _article(kind: SecretKind) -> str:
    name = kind.value.replace("_", " ")
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
