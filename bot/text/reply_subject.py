"""Derives the subject of a reply from the subject of the mail.

Some mail programs put a reply into its thread by the subject as well as by References, so that it
must be the same but for one `Re:`. Links, addresses and control characters are not sent back.
"""

import unicodedata
from functools import cache

import re2

from bot.resources import read_yaml

REPLY_PREFIX = "Re: "
# Enough for every ticket tag, in a header of a few lines.
MAX_SUBJECT_CHARACTERS = 120
# Each round removes one prefix such as `Re:`; what is left may form a new link or prefix.
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
# Invisible characters without which some scripts and emoji are misspelt.
JOINERS = "\u200c\u200d"
UNDECODED = "\ufffd"


def reply_subject(subject: str) -> str:
    """Return `Re: ` and the words of `subject`, on one line of at most MAX_SUBJECT_CHARACTERS.

    Other prefixes of replies and forwarded mails, links, addresses, control and bidirectional
    characters are removed. The result is empty where no letter and no digit is left, or where the
    subject could not be decoded. The function is idempotent.
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
    """Return `text` as one line, without control, invisible and bidirectional characters."""
    kept = [char for index, char in enumerate(text) if _is_readable(text, index)]
    return " ".join("".join(kept).split())


def _is_readable(text: str, position: int) -> bool:
    char = text[position]
    if char.isspace():
        return True
    if char in JOINERS:  # between two characters of a script that needs it
        beside = text[max(position - 1, 0) : position] + text[position + 1 : position + 2]
        return len(beside) == 2 and all(ord(each) > 0x2FF and not each.isspace() for each in beside)
    return unicodedata.category(char)[0] != "C"


def _without_links(text: str) -> str:
    for pattern in REMOVED_PATTERNS:
        text = pattern.sub(" ", text)
    return " ".join(text.split())


def _without_prefix(text: str) -> str:
    """Return the text without a leading `Re:` or the like; tags such as [ID 1] before it stay."""
    tags = TAGS.match(text)
    rest = text[tags.end() :] if tags else text
    prefix = _prefix_pattern().match(rest)
    if prefix is None:
        return text
    rest = rest[prefix.end() :]
    kept = dict.fromkeys(TAG.findall(tags.group())) if tags else {}
    return " ".join([*(tag for tag in kept if tag not in rest), rest]).strip()


def _cut(text: str, limit: int) -> str:
    """Return at most `limit` characters; a longer text is cut between words where that is near."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit - 30 else cut).rstrip() + "…"


@cache
def _prefix_pattern() -> "re2._Regexp[str]":
    rows = read_yaml("subjects.yaml")["prefixes"]
    words = {word for row in rows for word in row["words"]}
    words |= {_to_full_width(word) for word in words if word.isascii()}
    either = "|".join(re2.escape(word) for word in sorted(words, key=len, reverse=True))
    count = r"(?:\s?[\[(（]\s?\d{1,4}\s?[\])）]|[\^*]\d{1,4})?"
    return re2.compile(rf"(?i)^\s*(?:{either})\.?{count}\s*[:：︰﹕]\s*")


def _to_full_width(word: str) -> str:
    """Return the word in the full-width letters of East Asian mail programs."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)
