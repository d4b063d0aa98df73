"""Reads Message-IDs: which mails a mail refers to, and which ids a reply may carry in its headers.

The two need different parsing. A lookup must find an id in every form that a mail program may have
given it. An id that is sent must be valid by RFC 5322, since a strict reader refuses anything else.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from functools import lru_cache

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


def is_masked(message_id: str) -> bool:
    """Does a hash stand in the place of this id?"""
    return message_id.startswith(MASKED_START)


def _hashed(message_id: str, key: bytes) -> str:
    digest = hmac.new(key, message_id.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return f"{MASKED_START}{digest.hexdigest()[:32]}@{MASKED_DOMAIN}>"


def first_id_of_thread(references: Sequence[str], replied: Sequence[str]) -> str:
    """Return the id of a thread's first mail: from References, else In-Reply-To, else empty."""
    return next(iter((*references, *replied)), "")


def _joined_values(values: Iterable[str]) -> str:
    """Return the values as one text, with RFC 2047 encoded words, &lt; and &gt; decoded."""
    text = " ".join(values)
    if "=?" in text:
        text = decode_encoded_words(text)
    return text.replace("&lt;", "<").replace("&gt;", ">")


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()
