"""Derives the subject of a reply from the subject of the mail.

Mail programs put a reply into its thread by References and, some of them, by the subject as well:
it must be the same but for one `Re:`. What a subject may carry beside words does not go back.
"""

import unicodedata
from functools import cache

import re2

from bot.resources import read_yaml

REPLY_PREFIX = "Re: "
# A header of a few lines, and enough for every ticket tag.
MAX_SUBJECT_CHARACTERS = 120
# Rounds of taking out: one for each sign of a reply, and what is taken out joins its sides.
MAX_ROUNDS = 40
LINK = re2.compile(
    r"(?i)\b[a-z][a-z0-9+.\-]{0,20}[:：]//\S*|\b(?:mailto|tel|sms|data|javascript)[:：]\S+|\bwww\.\S+"
)
ADDRESS = re2.compile(r"[^\s@＠<>()\[\]\"',;:]+[@＠][^\s@＠<>()\[\]\"',;:]+")
HOST = re2.compile(
    r"(?:[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{M}]{2,}(?:[/:?#]\S*)?"
)
NUMERIC_HOST = re2.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?:[/:]\S*)?")
ENCODED = re2.compile(r"=\?|\?=|[<>]")
REMOVED_PATTERNS = (LINK, ADDRESS, NUMERIC_HOST, HOST, ENCODED)
TAG = re2.compile(r"\[[^\[\]]{1,60}\]")
TAGS = re2.compile(r"^\s*(?:\[[^\[\]]{1,60}\]\s*)+")
# Without these some scripts and emoji are spelt wrong.
JOINERS = "\u200c\u200d"
UNDECODED = "\ufffd"


def reply_subject(subject: str) -> str:
    """Returns `Re: ` and the words of `subject`, on one line of at most MAX_SUBJECT_CHARACTERS.

    It has no other sign of a reply or a forwarded mail, no link, address, control or bidirectional
    character. The result is empty where no letter and no digit is left, or where the subject could
    not be decoded. A subject that this function returned is left as it is.
    """
    if UNDECODED in subject:
        return ""
    bare = subject[: 10 * MAX_SUBJECT_CHARACTERS]
    for _ in range(MAX_ROUNDS):
        before, bare = bare, _without_prefix(_without_links(_without_unreadable(bare)))
        if bare == before:
            break
    else:
        return ""
    if not any(char.isalnum() for char in bare):
        return ""
    return REPLY_PREFIX + _cut(bare, MAX_SUBJECT_CHARACTERS - len(REPLY_PREFIX))


def _without_unreadable(text: str) -> str:
    """Returns one line, without what shows nothing or turns the direction of writing."""
    kept = [char for place, char in enumerate(text) if _is_readable(text, place)]
    return " ".join("".join(kept).split())


def _is_readable(text: str, place: int) -> bool:
    char = text[place]
    if char.isspace():
        return True
    if char in JOINERS:  # between two characters of a script that needs it
        beside = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
        return len(beside) == 2 and all(ord(each) > 0x2FF and not each.isspace() for each in beside)
    return unicodedata.category(char)[0] != "C"


def _without_links(text: str) -> str:
    for pattern in REMOVED_PATTERNS:
        text = pattern.sub(" ", text)
    return " ".join(text.split())


def _without_prefix(text: str) -> str:
    """Returns the text without the sign of a reply at its beginning; tags before it are kept."""
    tags = TAGS.match(text)
    rest = text[tags.end() :] if tags else text
    prefix = _prefix_pattern().match(rest)
    if prefix is None:
        return text
    rest = rest[prefix.end() :]
    kept = dict.fromkeys(TAG.findall(tags.group())) if tags else {}
    return " ".join([*(tag for tag in kept if tag not in rest), rest]).strip()


def _cut(text: str, most: int) -> str:
    """Returns at most `most` characters; a longer text ends at a word where one ends near there."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > most - 30 else cut).rstrip() + "…"


@cache
def _prefix_pattern() -> "re2._Regexp[str]":
    rows = read_yaml("subjects.yaml")["prefixes"]
    words = {word for row in rows for word in row["words"]}
    words |= {_to_full_width(word) for word in words if word.isascii()}
    either = "|".join(re2.escape(word) for word in sorted(words, key=len, reverse=True))
    count = r"(?:\s?[\[(（]\s?\d{1,4}\s?[\])）]|[\^*]\d{1,4})?"
    return re2.compile(rf"(?i)^\s*(?:{either})\.?{count}\s*[:：︰﹕]\s*")


def _to_full_width(word: str) -> str:
    """Returns the word in the full-width letters of East Asian mail programs."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)
