"""A question that stands in the subject of a mail alone."""

from functools import cache

import re2

from bot import segments
from bot.channels.mail.visible import phrases_of, without_signature
from bot.policy.subject import PASSED_ON

# "(EOM)": there is no text below; also in the short forms of other countries.
ENDS_HERE = re2.compile(
    r"(?i)\s*(?:[(\[<{|/–—-]+\s*(?:eom|e\.o\.m\.|n/?t|no text|k\.?w\.?t\.?|o\.?t\.?|end of message)"
    r"\s*[)\]>}|/–—-]*|[\s.,;!?]eom\.?)\s*$"
)
ANSWERED = re2.compile(
    r"(?i)^\s*(?:re|aw|antw|sv|vs|odp|ynt|ha|r|rif|ref|回复|答复|回覆|返信|답장)\s?(?:\[\d+\]|\(\d+\))?\s?[:：]"
)
LABELS = re2.compile(r"^\s*(?:\[[^\]\n]{1,30}\]\s*)+")
PROBE = "What is it about?"  # stands for the subject when the text below is looked at


def asked_in(subject: str) -> str:
    """The subject as a text, when it asks something of its own; empty otherwise.

    An answer's subject repeats an earlier one, and a forwarded mail's is another person's.
    """
    bare = ENDS_HERE.sub("", LABELS.sub("", " ".join(subject.split()))).strip()
    if not bare or ANSWERED.match(bare) or PASSED_ON.match(bare):
        return ""
    return bare if segments.asks(bare) else ""


def is_marked_empty(subject: str) -> bool:
    """Does the subject itself say that nothing stands below it?"""
    return bool(ENDS_HERE.search(subject))


def adds_nothing(text: str) -> bool:
    """Is `text` only a greeting, a close, a signature, or words that point to the subject?"""
    left = without_signature(text).strip()
    words = " ".join(left.casefold().split()).strip(" .!()[]-–—:")
    if not any(c.isalnum() for c in words) or words in _pointers():
        return True
    return segments.whole(f"{PROBE}\n{left}") == PROBE


@cache
def _pointers() -> frozenset[str]:
    return phrases_of("pointers")
