"""Joins a subject and its text into one text for the rules.

The demand, or the cry for help, may stand in the subject alone.
"""

import re

from bot.policy.disguises import fold
from bot.policy.short_words import short_words
from bot.text.incident_names import is_incident_name

PASSED_ON = re.compile(
    r"^(?:\[[^\]\n]{1,20}\] ?)?"
    r"(?:fwd?|wg|tr|rv|enc|i|doorst|vb|vs|pd|ilt|转发|轉寄|転送|전달) ?[:：]",
    re.IGNORECASE,
)
REPLIED = re.compile(
    r"^(?:\[[^\]\n]{1,20}\] ?)?(?:re|aw|antw|antwort|sv|vs|odp|rif|res|resp|ynt|ref|atb|vá|"
    r"回复|回覆|答复|答覆|返信|회신|답장|رد|отв)(?:\[\d+\])? ?[:：]",
    re.IGNORECASE,
)
MARKS = " \t\"'“”„«»()[]*_.,;:!。！،-–—#"
ENDED = tuple(".?!？！。؟।")


def closes_nothing(subject: str) -> bool:
    """Return whether the subject says something of its own, so that a mail is more than thanks.

    The subject of a reply is that of the mail it answers; any other may be the question itself.
    """
    if REPLIED.match(subject):
        return False
    stripped = (word.strip(MARKS) for word in fold(subject).split())
    words = (word for word in stripped if not is_incident_name(word))
    return not short_words("plain_subject").issuperset(filter(None, words))


def with_subject(subject: str, text: str) -> str:
    """Return `text` below its subject as a sentence; that of a forwarded mail as a quoted line."""
    bare = " ".join(subject.split())
    if not bare:
        return text
    if PASSED_ON.match(bare):
        return f"> {bare}\n{text}"
    return f"{bare}{'' if bare.endswith(ENDED) else '.'}\n{text}"
