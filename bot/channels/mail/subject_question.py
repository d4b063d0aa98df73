"""Recognizes a question that stands in the subject of a mail alone."""

from functools import cache

import re2

from bot.answering import segmentation
from bot.channels.mail.visible_reply import phrases_of, without_signature
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
# The least words, or letters of a script without spaces, of a subject that is a sentence.
MIN_SENTENCE_WORDS, MIN_SENTENCE_LETTERS = 4, 8
# Lines, and words of a line, of a greeting and signature without a signature mark.
MAX_CARD_LINES, MAX_CARD_WORDS = 8, 7
SENTENCE_ENDS = ("?", "？", "؟", "!", "！", "。", "...", "…")
# Stands for the subject when the text below is looked at.
PROBE_QUESTION = "What is it about?"


def subject_as_text(subject: str) -> str:
    """Returns the subject as a text of its own; empty where it only names what the mail is about.

    An answer's subject repeats an earlier one, and a forwarded mail's is another person's. One that
    gives a secret away and asks nothing is left for a person.
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
    own_text = clean_message(PICTURE.sub(" ", without_signature(text)).strip()).own
    words = " ".join(own_text.casefold().split()).strip(" .!()[]-–—:")
    if not any(c.isalnum() for c in words) or words in _pointers():
        return True
    return segmentation.whole(f"{PROBE_QUESTION}\n{own_text}") == PROBE_QUESTION or _is_card(
        own_text
    )


def _is_card(text: str) -> bool:
    """Is it a greeting and a signature without its mark: a few short lines without a sentence?"""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    short = all(
        len(line.split()) <= MAX_CARD_WORDS and not line.endswith(SENTENCE_ENDS) for line in lines
    )
    return short and len(lines) <= MAX_CARD_LINES and any(map(CONTACT_LINE.search, lines))


@cache
def _pointers() -> frozenset[str]:
    return phrases_of("pointers")
