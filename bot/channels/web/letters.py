"""Prepares mails of users and of the desk for the pages, as a mail program shows them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import SMTP

from markupsafe import Markup

from bot.domain import SenderProof
from bot.journal import Case, ReceivedMessage
from bot.journal.mail_list import ListedMail
from bot.journal.slack_records import FollowUpMessage
from bot.journal.transcript import TranscriptEntry
from bot.outbound.letter import html_of
from bot.text.printable import printable

STYLED_TAG = re.compile(r'<(\w+) style="[^"]*">')


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as a mail program shows it."""

    sender: str
    recipient: str
    subject: str
    at: str
    text: str
    signature: str = ""  # where it holds a demand
    shown: str = ""  # what others wrote and the sender passes on
    attached: str = ""
    proof: SenderProof = SenderProof.UNKNOWN  # whether the sender is who the mail says
    title: str = ""  # who wrote it, for a mail of ours
    note: str = ""  # whether it arrived, for a mail of ours
    lost: bool = False


def as_letter(text: str) -> Markup:
    """Return a text of ours as a mail program shows it: headings, quotes and lists.

    Its HTML is made from the plain text, with every word escaped, and has the tags of the HTML part
    of our mails without their styles, as the page has its own.
    """
    page = html_of(printable(text), language="en", links=())
    body = page.partition("<body")[2].partition(">")[2].rpartition("</body>")[0]
    return Markup(STYLED_TAG.sub(r"<\1>", body))  # noqa: S704 - html_of has escaped the text


def letter_of(body: bytes, at: str) -> Letter:
    """Return a mail of ours as a mail program shows it."""
    mail = message_from_bytes(body, policy=SMTP)
    part = mail.get_body(("plain",))
    headers = {name: str(mail[name] or "") for name in ("From", "To", "Subject")}
    return Letter(
        sender=headers["From"], recipient=headers["To"], subject=headers["Subject"], at=at,
        text=str(part.get_content()) if part else "",
    )  # fmt: skip


def list_letters(
    case: Case,
    first: ReceivedMessage,
    entries: Sequence[TranscriptEntry],
    others: Sequence[FollowUpMessage],
) -> Iterator[tuple[str, Letter]]:
    """Yield the letters of both sides in a case, in order, each with `they` or `we`.

    `first` is the message of the case, which is shown with its subject and attachments; `others`
    are later mails of other people that joined the case.
    """
    for entry in entries:
        if entry.mail:
            yield "we", letter_of(entry.mail, entry.at)
            continue
        headers = first.headers if entry.text == first.text else {}
        letter = their_letter(entry, entry.at, headers)
        yield "they", replace(letter, sender=case.sender)
    for each in others:
        yield "they", their_letter(each, "", {})


def their_letter(
    mail: ListedMail | TranscriptEntry | FollowUpMessage, at: str, headers: Mapping[str, str]
) -> Letter:
    """Return a mail that came in, masked as it is stored, with what is known of its sender."""
    sender = "" if isinstance(mail, TranscriptEntry) else mail.sender
    return Letter(
        sender=sender, recipient="", subject=headers.get("subject", ""), at=at, text=mail.text,
        signature=headers.get("signature", ""),
        shown=headers.get("shown", ""), attached=headers.get("attachments", ""), proof=mail.proof,
    )  # fmt: skip
