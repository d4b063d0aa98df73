"""Recognizes a question that is asked only in the subject of a mail."""

from functools import cache

import re2

from bot.answering import segmentation
from bot.channels.mail.visible_reply import phrases_of, text_above_signature
from bot.policy.subject import PASSED_ON
from bot.redact import redact
from bot.text.clean import clean_message

# "(EOM)" says that there is no text below; also in the short forms of other countries.
NO_TEXT_MARK = re2.compile(
    r"(?i)\s*(?:[(\[<{|/–—-]+\s*(?:eom|e\.o\.m\.|n/?t|no text|k\.?w\.?t\.?|o\.?t\.?|end of message)"
    r"\s*[)\]>}|/–—-]*|[\s.,;!?]eom\.?)\s*$"
)
REPLY_PREFIX = re2.compile(
    r"(?i)^\s*(?:re|aw|antw|sv|vs|odp|ynt|ha|r|rif|ref|回复|答复|回覆|返信|답장)\s?(?:\[\d+\]|\(\d+\))?\s?[:：]"
)
LABELS = re2.compile(r"^\s*(?:\[[^\]\n]{1,30}\]\s*)+")
# A line with a telephone number, a link or an address, as it stands under a name.
CONTACT_LINE = re2.compile(
    r"(?:\+|\b00)\d[\d ()/.-]{6,}|\b\d{2,5}[ /-]\d[\d -]{4,}|https?://|www\.|\S@\S+\.\pL"
)
PICTURE = re2.compile(r"(?i)\[(?:cid:|image|inline|img|bild|logo)[^\]\n]{0,200}\]|\x{fffc}")
FIRST_WIDE_LETTER = "\u2e80"
# A subject counts as a sentence from so many words, or letters of a script without spaces, on.
MIN_SENTENCE_WORDS, MIN_SENTENCE_LETTERS = 4, 8
# The most lines, and words in a line, of a text that may be only a greeting and a signature.
MAX_CARD_LINES, MAX_CARD_WORDS = 8, 7
SENTENCE_ENDS = ("?", "？", "؟", "!", "！", "。", "...", "…")
# Put in the place of the subject to see whether the text below it adds anything.
PROBE_QUESTION = "What is it about?"


def subject_as_text(subject: str) -> str:
    """Return the subject if it is a question or a sentence; empty where it only names a topic.

    The subject of a reply or a forwarded mail gives an empty text, since it repeats an earlier one
    or is another person's. So does one that holds a secret and asks nothing: it is left for a
    person.
    """
    bare = NO_TEXT_MARK.sub("", LABELS.sub("", " ".join(subject.split()))).strip()
    if not bare or REPLY_PREFIX.match(bare) or PASSED_ON.match(bare):
        return ""
    wide = sum(c >= FIRST_WIDE_LETTER for c in bare)
    is_sentence = len(bare.split()) >= MIN_SENTENCE_WORDS or wide >= MIN_SENTENCE_LETTERS
    return bare if segmentation.asks(bare) or (is_sentence and not redact(bare).spans) else ""


def asks_alone(subject: str) -> bool:
    """Does the subject ask something that can be answered without any text below it?"""
    return segmentation.asks(subject_as_text(subject))


def is_marked_empty(subject: str) -> bool:
    """Does the subject itself say that nothing stands below it?"""
    return bool(NO_TEXT_MARK.search(subject))


def is_empty_beside_subject(text: str) -> bool:
    """Is `text` only a greeting, a close, a signature, or words that point to the subject?"""
    own_text = clean_message(PICTURE.sub(" ", text_above_signature(text)).strip()).own
    words = " ".join(own_text.casefold().split()).strip(" .!()[]-–—:")
    if not any(c.isalnum() for c in words) or words in _pointers():
        return True
    return segmentation.whole(f"{PROBE_QUESTION}\n{own_text}") == PROBE_QUESTION or _is_card(
        own_text
    )


def _is_card(text: str) -> bool:
    """Is the text only a greeting and a signature without a signature mark?

    It is when it consists of a few short lines, none of them a sentence and one a contact line.
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    short = all(
        len(line.split()) <= MAX_CARD_WORDS and not line.endswith(SENTENCE_ENDS) for line in lines
    )
    return short and len(lines) <= MAX_CARD_LINES and any(map(CONTACT_LINE.search, lines))


@cache
def _pointers() -> frozenset[str]:
    return phrases_of("pointers")
