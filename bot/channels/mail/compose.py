"""Composes the mail of a reply: it stays in its thread, starts no mail loop and quotes nobody.

It has a plain text part and, for programs that show it, an HTML part with the same words.
"""

from base64 import b64encode
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Any

from typing_extensions import override

from bot.channels.mail.envelope import needs_utf8, recipient_address
from bot.channels.mail.marks import MARK_HEADER, make_mark, make_message_id
from bot.channels.mail.message_ids import thread_headers
from bot.journal import ReceivedMessage, Reply
from bot.outbound.letter import html_of, object_to_html

ID_HEADERS = frozenset({"message-id", "in-reply-to", "references"})
CRLF = "\r\n"
# Characters of a header line; a longer one is folded where it can be (RFC 5322, section 2.1.1).
MAX_LINE_WIDTH = 78
# Bytes of UTF-8 in one encoded word, so that its line stays below 76 characters (RFC 2047).
MAX_ENCODED_WORD_BYTES = 39


class StrictHeaders(EmailPolicy):
    """The standard library's SMTP policy, except for headers that it writes wrongly.

    It turns a Message-ID that does not fit into a line into RFC 2047 encoded words, in which no
    mail program finds the thread. It encodes a long subject into words that are too long, or that
    lose a space between two of them.
    """

    @override
    def fold(self, name: str, value: Any) -> str:
        """Return a header folded into lines, as text."""
        return _fold_header(name, str(value)) or str(super().fold(name, value))

    @override
    def fold_binary(self, name: str, value: Any) -> bytes:
        """Return a header folded into lines, as bytes."""
        folded = _fold_header(name, str(value)).encode("ascii")
        return folded or bytes(super().fold_binary(name, value))


POLICY = StrictHeaders(linesep=CRLF)


class Composer:
    """Composes the replies of the desk, all from one address.

    `links` are those that can be clicked in a mail; any other stands there as text. `key` is that
    of the installation: nobody else can make ids and marks of ours.
    """

    def __init__(self, address: str, *, links: Collection[str] = (), key: bytes = b"") -> None:
        self.address = address
        self.links = links
        self.key = key or address.encode()

    def reply(
        self,
        stored: ReceivedMessage,
        text: str,
        *,
        subject: str,
        turn: str,
        automatic: bool,
        language: str = "en",
    ) -> Reply:
        """Return the reply to a stored message; composed again, it has the same Message-ID.

        `subject` is the desk's own. The asker's takes its place where the message carries one that
        may go back to them. `turn` tells several replies to one message apart. InputError is raised
        when the sender is no address that a reply can go to.
        """
        domain = self.address.rpartition("@")[2]
        message_id = make_message_id(self.key, f"{turn}:{stored.key}", domain)
        mark = make_mark(self.key, message_id)
        recipient = recipient_address(stored.sender)
        answered, references = thread_headers(
            stored.headers.get("message_id", ""), stored.headers.get("references", "")
        )
        # An address in UTF-8 goes only to servers that offer SMTPUTF8, so its header may be UTF-8.
        mail = EmailMessage(policy=POLICY.clone(utf8=needs_utf8(recipient)))
        mail["From"] = self.address
        mail["To"] = recipient
        mail["Subject"] = stored.headers.get("reply_subject") or subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = message_id
        if answered:
            mail["In-Reply-To"] = answered
        if references:
            mail["References"] = references
        if automatic:
            mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
        mail[MARK_HEADER] = mark
        mail.set_content(text, cte="quoted-printable")
        written = html_of(text, language=language, links=self.links, footnote=automatic)
        # A text that HTML cannot repeat word for word is sent as plain text only.
        if not object_to_html(written, text, self.links):
            _add_html(mail, written, boundary=message_id[3:35])
        return Reply(recipient=stored.sender, message_id=message_id, body=mail.as_bytes())


def _add_html(mail: EmailMessage, written: str, *, boundary: str) -> None:
    mail.add_alternative(written, subtype="html", cte="quoted-printable")
    mail.set_boundary(boundary)
    for part in mail.iter_parts():
        del part["MIME-Version"]  # it belongs above the whole mail


def _encoded_words(value: str) -> Iterator[str]:
    """Yield RFC 2047 encoded words of whole characters.

    None is cut beside a space, because mail programs lose a space there.
    """
    chunk = ""
    for char in value:
        if len((chunk + char).encode("utf-8")) <= MAX_ENCODED_WORD_BYTES:
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


def _fold_header(name: str, value: str) -> str:
    """Return a header of ids or a subject with its line ends; empty for any other header."""
    if name.lower() == "subject":
        if not value.isascii():
            return f"{name}: {f'{CRLF} '.join(_encoded_words(value))}{CRLF}"
        words = Header(value, "us-ascii", maxlinelen=MAX_LINE_WIDTH - 3, header_name=name)
        return f"{name}: {words.encode(linesep=CRLF)}{CRLF}"
    if name.lower() not in ID_HEADERS:
        return ""
    ids = value.split()
    line = f"{name}: {' '.join(ids)}"
    return (line if len(line) <= MAX_LINE_WIDTH else f"{CRLF} ".join([f"{name}:", *ids])) + CRLF
