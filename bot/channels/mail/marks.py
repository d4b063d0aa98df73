"""Makes and finds the Message-IDs of the desk's own mails, and the mark that each mail carries.

A Message-ID becomes known to everybody who gets a mail of the thread, since replies name it. The
mark stands in a header of its own, which no reply repeats. A mail that carries a mark is therefore
our own copy, or comes from somebody who received our mail itself, such as a mail server that
returns its headers. Both are made with the key of the installation, so that nobody else can make
them.
"""

import hashlib
import hmac

import re2

MARK_HEADER = "X-Incident-Desk"
OWN_ID = re2.compile(rb"<r\.[0-9a-f]{32}@[^<>\s@]{1,255}>")
MARK = re2.compile(rb"(?i)X-Incident-Desk:\s+([0-9a-f]{32})\b")
# The most ids, and the most marks, that are read from one mail. A delivery report returns one mail
# of ours, a digest of reports some more.
MAX_FOUND = 100


def make_message_id(key: bytes, seed: str, domain: str) -> str:
    """Return the Message-ID for a mail; the same seed gives the same one."""
    return f"<r.{_digest(key, f'id:{seed}')}@{domain}>"


def make_mark(key: bytes, message_id: str) -> str:
    """Return the mark of the mail with this Message-ID."""
    return _digest(key, f"mark:{message_id}")


def find_own_ids(raw: bytes) -> tuple[str, ...]:
    """Return the Message-IDs of the desk's form that stand anywhere in a mail."""
    return tuple(dict.fromkeys(each.decode() for each in OWN_ID.findall(raw)[:MAX_FOUND]))


def find_marks(raw: bytes) -> frozenset[str]:
    """Return the marks that stand anywhere in a mail, in its headers or in returned ones."""
    return frozenset(each.decode().lower() for each in MARK.findall(raw)[:MAX_FOUND])


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:32]
