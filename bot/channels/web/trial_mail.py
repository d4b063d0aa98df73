"""Composes the mail that a person writes in the browser to try the desk, like a received one."""

from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid

from bot.text.printable import printable

NOBODY = "you@example.org"  # where no address was written


def compose_trial_mail(sender: str, subject: str, text: str, *, recipient: str) -> bytes:
    """Return the bytes of a mail as a delivering server stores it."""
    address = _address(sender)
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = address, recipient
    mail["Subject"] = printable(" ".join(subject.split()))
    mail["Message-ID"] = make_msgid(domain="example.org")
    mail.set_content(text)
    return f"Return-Path: <{address}>\r\n".encode() + mail.as_bytes()


def _address(sender: str) -> str:
    mail = EmailMessage(policy=SMTP)
    try:
        mail["From"] = " ".join(sender.split())
    except (HeaderParseError, ValueError, IndexError):  # the last one by "x@", of the parser itself
        return NOBODY
    header = mail["From"]
    if header.defects or len(header.addresses) != 1:
        return NOBODY
    address = str(header.addresses[0].addr_spec)
    return address if address.isascii() and "@" in address else NOBODY
