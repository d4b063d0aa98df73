"""A reply text -> the bytes of a mail that threads, starts no loop and quotes nobody."""

import hashlib
import hmac
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

import re2

from bot.channels.mail.envelope import envelope_address, needs_utf8
from bot.errors import InputError
from bot.journal import Received, Reply
from bot.wording import SUBJECT

MAX_REFERENCES = 20


class Composer:
    """Writes the desk's replies, from one address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def reply(self, stored: Received, text: str, *, turn: str, automatic: bool) -> Reply:
        """The reply to a stored message; the same Message-ID whenever it is made again."""
        message_id = self._message_id(f"{turn}:{stored.key}")
        recipient = _address(stored.sender)
        body = self._bytes(
            stored, text, recipient=recipient, message_id=message_id, automatic=automatic
        )
        return Reply(recipient=recipient, message_id=message_id, body=body)

    def _bytes(
        self, stored: Received, text: str, *, recipient: str, message_id: str, automatic: bool
    ) -> bytes:
        # An address in UTF-8 goes only to servers that offer SMTPUTF8, so its header may be UTF-8.
        mail = EmailMessage(policy=SMTPUTF8 if needs_utf8(recipient) else SMTP)
        mail["From"] = self.address
        mail["To"] = recipient
        mail["Subject"] = SUBJECT
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = message_id
        if parent := _ids(stored.headers.get("message_id", ""))[:1]:
            earlier = _ids(stored.headers.get("references", ""))[-MAX_REFERENCES:]
            mail["In-Reply-To"] = parent[0]
            mail["References"] = " ".join(dict.fromkeys([*earlier, *parent]))
        if automatic:
            mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(text, cte="quoted-printable")
        return mail.as_bytes()

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
    """The message ids of a header; what is not shaped like one does not go out."""
    return [i for i in header.split() if i.startswith("<") and i.endswith(">") and i.isascii()]
