"""A subject and its text -> one text for the guard.

An asker may put the demand, or the cry for help, into the subject and nothing into the text.
"""

import re

PASSED_ON = re.compile(
    r"^(?:\[[^\]\n]{1,20}\] ?)?"
    r"(?:fwd?|wg|tr|rv|enc|i|doorst|vb|vs|pd|ilt|转发|轉寄|転送|전달) ?[:：]",
    re.IGNORECASE,
)
ENDED = tuple(".?!？！。؟।")


def headed(subject: str, text: str) -> str:
    """`text` under its subject, a sentence of its own; a quote where others wrote it."""
    bare = " ".join(subject.split())
    if not bare:
        return text
    if PASSED_ON.match(bare):
        return f"> {bare}\n{text}"
    return f"{bare}{'' if bare.endswith(ENDED) else '.'}\n{text}"
