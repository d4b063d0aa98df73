"""Reads Message-IDs: which mails a mail refers to, and which ids a reply may carry in its headers.

The two need different parsing. A lookup must find an id in every form that a mail program may have
given it. An id that is sent must be valid by RFC 5322, since a strict reader refuses anything else.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import re2

from bot.channels.mail.decode import decode_encoded_words
from bot.domain import Redaction
from bot.redact import redact

# A line has at most 998 characters (RFC 5322), of which two or three are not the id's.
MAX_ID_CHARACTERS = 995
# Ids that are kept from the beginning and from the end of the headers.
MAX_IDS_PER_END = 500
BRACKETED = re2.compile(r"<([^<>]*)>")
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_\x60{|}~-]+"
DOT_ATOM = rf"{ATOM}(?:\.{ATOM})*"
VALID_ID = re2.compile(rf"<{DOT_ATOM}@(?:{DOT_ATOM}|\[[!-Z^-~]*\])>")
# What stands in the place of an id that holds a secret; no such domain exists (RFC 2606).
MASKED_START, MASKED_DOMAIN = "<masked.", "masked.invalid"
SURROUNDING_MARKS = "<>()\"',;"
# Message-IDs in a References header: its first and its latest ones, so that it stays short.
MAX_REFERENCES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MailIds:
    """The ids that a mail names, each that holds a secret replaced by a hash of it."""

    message_id: str  # its own; empty where it has none
    thread: str  # the first id that it answers; empty where it answers no mail
    named: tuple[str, ...]  # all that it answers
    # What a reply may name, as the values of headers: no id that held a secret.
    reply_message_id: str
    reply_references: str


def read_mail_ids(
    message_id: str, references: Sequence[str], in_reply_to: Sequence[str], key: bytes
) -> MailIds:
    """Return the ids of a mail from the values of its headers.

    Its thread is named by the first id in References, else in In-Reply-To, in whatever order these
    headers stand. `key` is that of the installation.
    """

    @cache  # a mail names few ids, some of them several times
    def mask(ids: tuple[str, ...]) -> tuple[str, ...]:
        return mask_ids(ids, key)

    headers = (*references, *in_reply_to)
    answered = mask(find_message_ids(references) or find_message_ids(in_reply_to))
    return MailIds(
        message_id=next(iter(mask(find_message_ids([message_id])[:1])), ""),
        thread=next(iter(answered), ""),
        named=mask(find_message_ids(headers)),
        reply_message_id=_without_secrets(mask((read_message_id(message_id),))),
        reply_references=_without_secrets(mask(find_valid_ids(headers))),
    )


def thread_headers(message_id: str, references: str) -> tuple[str, str]:
    """Return the values of In-Reply-To and References for a reply; empty where there is none.

    The arguments are stored headers of the mail that is answered. Ids that RFC 5322 does not allow
    are left out. The references end with that mail; of more than MAX_REFERENCES, the first and the
    latest are kept.
    """
    parent = _valid_ids(message_id)[:1]
    earlier = (each for each in _valid_ids(references) if each not in parent)
    named = list(dict.fromkeys(earlier)) + parent
    if len(named) > MAX_REFERENCES:
        named = [named[0], *named[1 - MAX_REFERENCES :]]
    return "".join(parent), " ".join(named)


def find_message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that some headers name, each once, in brackets and without white space.

    Ids in brackets come first, in their order: a word with an @ beside them may be an address.
    """
    text = _joined_values(values)
    names = ["".join(each.split()) for each in BRACKETED.findall(text)]
    loose = (word.strip(SURROUNDING_MARKS) for word in _words(BRACKETED.sub(" ", text)))
    names += [word for word in loose if "@" in word]
    ids = list(
        dict.fromkeys(f"<{each}>" for each in names if each and len(each) < MAX_ID_CHARACTERS)
    )
    return tuple(
        ids if len(ids) <= 2 * MAX_IDS_PER_END else ids[:MAX_IDS_PER_END] + ids[-MAX_IDS_PER_END:]
    )


def find_valid_ids(values: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of some headers that may be sent as they are; bare ids get brackets.

    An id with white space inside is left out; no part of it is taken for an id.
    """
    text = _joined_values(values)
    candidates = [f"<{each.strip()}>" for each in BRACKETED.findall(text)]
    if "<" not in text and ">" not in text:
        candidates = [f"<{word}>" for word in _words(text)]
    return tuple(dict.fromkeys(each for each in candidates if is_valid_id(each)))


def read_message_id(value: str) -> str:
    """Return the one id of a Message-ID header if it may be sent; else an empty text."""
    text = _joined_values([value])
    ids = find_valid_ids([text])
    alone = "<" in text or len(text.split()) == 1
    return ids[0] if ids and alone else ""


def is_valid_id(message_id: str) -> bool:
    """Is this a msg-id by RFC 5322 that fits into a line and looks like no encoded word?"""
    return (
        len(message_id) <= MAX_ID_CHARACTERS
        and "=?" not in message_id
        and bool(VALID_ID.fullmatch(message_id))
    )


def mask_ids(ids: Sequence[str], key: bytes) -> tuple[str, ...]:
    """Return the ids with each that holds a secret replaced by a hash of it.

    The same id gives the same hash, so that mails that name it are still found. `key` is that of
    the installation.
    """
    text = "\n".join(ids)
    spans = redact(text).spans if text else ()
    masked, position = [], 0
    for each in ids:
        end = position + len(each)
        holds = any(span.start < end and position < span.end for span in spans)
        masked.append(_hashed(each, key) if holds else each)
        position = end + 1
    return tuple(masked)


@lru_cache(maxsize=4)
def redact_address(address: str) -> Redaction:
    """Return the redacted address of a sender; cached, as each mail asks for it several times."""
    return redact(address)


def mask_secret_in_address(address: str, key: bytes) -> str:
    """Return the address, or a keyed hash of it where it holds a secret, to tell senders apart."""
    return _hashed(address, key) if redact_address(address).spans else address


def _without_secrets(masked_ids: Sequence[str]) -> str:
    """Return the ids that a reply may name, separated by spaces; those that held a secret are left
    out.
    """
    return " ".join(each for each in masked_ids if not each.startswith(MASKED_START))


def _valid_ids(header: str) -> list[str]:
    return [each for each in header.split() if is_valid_id(each)]


def _hashed(message_id: str, key: bytes) -> str:
    digest = hmac.new(key, message_id.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return f"{MASKED_START}{digest.hexdigest()[:32]}@{MASKED_DOMAIN}>"


def _joined_values(values: Iterable[str]) -> str:
    """Return the values as one text, with RFC 2047 encoded words, &lt; and &gt; decoded."""
    text = " ".join(values)
    if "=?" in text:
        text = decode_encoded_words(text)
    return text.replace("&lt;", "<").replace("&gt;", ">")


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()
