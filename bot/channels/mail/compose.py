"""A reply text -> the bytes of a mail that threads, starts no loop and quotes nobody."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any

import re2
from typing_extensions import override

from bot.channels.mail.envelope import envelope_address, needs_utf8
from bot.channels.mail.ids import is_legal
from bot.errors import InputError
from bot.journal import ReceivedMessage, Reply

MAX_REFERENCES = 20
ID_HEADERS = frozenset({"message-id", "in-reply-to", "references"})
CRLF = "\r\n"
WIDTH = 78  # a longer header line is folded where it can be
WORD_BYTES = 39  # of an encoded word, so that a line of it stays below 76 characters


class StrictHeaders(EmailPolicy):
    """The SMTP policy, but for headers that the standard policies write wrongly.

    They turn a Message-ID that does not fit into a line into RFC 2047 encoded words, in which no
    mail program finds the thread; and of a long subject they make words that are too long or lose
    a space between two of them.
    """

    @override
    def fold(self, name: str, value: Any) -> str:
        return _folded(name, str(value)) or str(super().fold(name, value))

    @override
    def fold_binary(self, name: str, value: Any) -> bytes:
        folded = _folded(name, str(value)).encode("ascii")
        return folded or bytes(super().fold_binary(name, value))


POLICY = StrictHeaders(linesep=CRLF)


class Composer:
    """Writes the desk's replies, from one address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def reply(
        self, stored: ReceivedMessage, text: str, *, subject: str, turn: str, automatic: bool
    ) -> Reply:
        """The reply to a stored message; the same Message-ID whenever it is made again.

        `subject` is the desk's own. The asker's takes its place where the message carries one that
        may go back to them.
        """
        message_id = self._message_id(f"{turn}:{stored.key}")
        recipient = _address(stored.sender)
        # An address in UTF-8 goes only to servers that offer SMTPUTF8, so its header may be UTF-8.
        mail = EmailMessage(policy=POLICY.clone(utf8=needs_utf8(recipient)))
        mail["From"] = self.address
        mail["To"] = recipient
        mail["Subject"] = stored.headers.get("reply_subject") or subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = message_id
        parent = _ids(stored.headers.get("message_id", ""))[:1]
        if parent:
            mail["In-Reply-To"] = parent[0]
        if named := _references(_ids(stored.headers.get("references", "")), parent):
            mail["References"] = " ".join(named)
        if automatic:
            mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(text, cte="quoted-printable")
        return Reply(recipient=stored.sender, message_id=message_id, body=mail.as_bytes())

    def _message_id(self, seed: str) -> str:
        digest = hmac.new(self.address.encode(), seed.encode(), hashlib.sha256).hexdigest()[:32]
        return f"<r.{digest}@{self.address.rpartition('@')[2]}>"


def own_ids(raw: bytes, address: str) -> list[str]:
    """Every Message-ID in `raw` that a desk at this address could have made."""
    domain = re2.escape(address.rpartition("@")[2].encode())
    found = re2.findall(rb"<r\.[0-9a-f]{32}@" + domain + rb">", raw)
    return [header.decode() for header in dict.fromkeys(found)]


def _address(sender: str) -> str:
    address = parseaddr(sender)[1]
    if "@" not in address or any(c.isspace() or not c.isprintable() for c in address):
        raise InputError(f"{sender!r} is no address that a reply can go to")
    return envelope_address(address)


def _ids(header: str) -> list[str]:
    """The ids of a stored header; what is none by RFC 5322 does not go out."""
    return [each for each in header.split() if is_legal(each)]


def _references(earlier: list[str], parent: list[str]) -> list[str]:
    """The thread up to the mail that is answered: its first mail, and the latest ones."""
    named = list(dict.fromkeys(each for each in earlier if each not in parent)) + parent
    return named if len(named) <= MAX_REFERENCES else [named[0], *named[1 - MAX_REFERENCES :]]


def _encoded_words(value: str) -> Iterator[str]:
    """RFC 2047 words of whole characters, cut where no space stands: readers lose one there."""
    chunk = ""
    for char in value:
        if len((chunk + char).encode("utf-8")) <= WORD_BYTES:
            chunk += char
            continue
        end = len(chunk)
        while end > 1 and " " in (chunk[end - 1], (chunk + char)[end]):
            end -= 1
        yield _encoded_word(chunk[:end].encode("utf-8"))
        chunk = chunk[end:] + char
    if chunk:
        yield _encoded_word(chunk.encode("utf-8"))


def _encoded_word(chunk: bytes) -> str:
    return f"=?utf-8?b?{b64encode(chunk).decode('ascii')}?="


def _folded(name: str, value: str) -> str:
    """A header of ids or the subject, with its line ends; nothing for another header."""
    if name.lower() == "subject":
        if not value.isascii():
            return f"{name}: {f'{CRLF} '.join(_encoded_words(value))}{CRLF}"
        words = Header(value, "us-ascii", maxlinelen=WIDTH - 3, header_name=name)
        return f"{name}: {words.encode(linesep=CRLF)}{CRLF}"
    if name.lower() not in ID_HEADERS:
        return ""
    ids = value.split()
    line = f"{name}: {' '.join(ids)}"
    return (line if len(line) <= WIDTH else f"{CRLF} ".join([f"{name}:", *ids])) + CRLF
