"""The subject of a mail -> the subject of the reply to it.

Mail programs put a reply into its thread by References and, some of them, by the subject as well:
it must be the same but for one `Re:`. What a subject may carry beside words does not go back.
"""

import unicodedata
from functools import cache

import re2

from bot.resources import read_yaml

RE = "Re: "
LONGEST = 120  # characters; a header of a few lines, and enough for every ticket tag
ROUNDS = 40  # of taking out: one for each sign of a reply, and what is taken out joins its sides
LINK = re2.compile(
    r"(?i)\b[a-z][a-z0-9+.\-]{0,20}[:：]//\S*|\b(?:mailto|tel|sms|data|javascript)[:：]\S+|\bwww\.\S+"
)
ADDRESS = re2.compile(r"[^\s@＠<>()\[\]\"',;:]+[@＠][^\s@＠<>()\[\]\"',;:]+")
HOST = re2.compile(
    r"(?:[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{M}]{2,}(?:[/:?#]\S*)?"
)
NUMERIC_HOST = re2.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?:[/:]\S*)?")
ENCODED = re2.compile(r"=\?|\?=|[<>]")
TAKEN_OUT = (LINK, ADDRESS, NUMERIC_HOST, HOST, ENCODED)
TAG = re2.compile(r"\[[^\[\]]{1,60}\]")
TAGS = re2.compile(r"^\s*(?:\[[^\[\]]{1,60}\]\s*)+")
JOINERS = "\u200c\u200d"  # without them some scripts and emoji are spelt wrong
UNDECODED = "\ufffd"


def reply_subject(subject: str) -> str:
    """`Re: ` and the words of `subject`, on one line of at most 120 characters.

    Without any other sign of a reply or a forwarded mail, link, address, control or bidirectional
    character. Empty where no letter and no digit is left, or where the subject could not be
    decoded. A subject that this function made is left as it is.
    """
    if UNDECODED in subject:
        return ""
    bare = subject[: 10 * LONGEST]
    for _ in range(ROUNDS):
        before, bare = bare, _unprefixed(_taken_out(_readable(bare)))
        if bare == before:
            break
    else:
        return ""
    if not any(char.isalnum() for char in bare):
        return ""
    return RE + _cut(bare, LONGEST - len(RE))


def _readable(text: str) -> str:
    """One line, without characters that are seen as nothing or turn the direction of writing."""
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


def _taken_out(text: str) -> str:
    for pattern in TAKEN_OUT:
        text = pattern.sub(" ", text)
    return " ".join(text.split())


def _unprefixed(text: str) -> str:
    """Without the sign of a reply or a forwarded mail at the beginning; tags before it are kept."""
    tags = TAGS.match(text)
    rest = text[tags.end() :] if tags else text
    prefix = _prefix().match(rest)
    if prefix is None:
        return text
    rest = rest[prefix.end() :]
    kept = dict.fromkeys(TAG.findall(tags.group())) if tags else {}
    return " ".join([*(tag for tag in kept if tag not in rest), rest]).strip()


def _cut(text: str, most: int) -> str:
    """At most `most` characters; a longer text ends at a word where one ends near there."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > most - 30 else cut).rstrip() + "…"


@cache
def _prefix() -> "re2._Regexp[str]":
    rows = read_yaml("subjects.yaml")["prefixes"]
    words = {word for row in rows for word in row["words"]}
    words |= {_wide(word) for word in words if word.isascii()}
    either = "|".join(re2.escape(word) for word in sorted(words, key=len, reverse=True))
    count = r"(?:\s?[\[(（]\s?\d{1,4}\s?[\])）]|[\^*]\d{1,4})?"
    return re2.compile(rf"(?i)^\s*(?:{either})\.?{count}\s*[:：︰﹕]\s*")


def _wide(word: str) -> str:
    """The same in the full-width letters of East Asian mail programs."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)
