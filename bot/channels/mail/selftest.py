"""Checks a real mailbox for `doctor`: it can be read and moved, and our own copies come back."""

import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid

from bot.channels.mail.imap import ImapMailbox
from bot.channels.mail.smtp import SmtpOut
from bot.errors import DeskError

# Seconds that our own copy may take to come back.
MAX_COPY_SECONDS = 20.0
# Share of the quota from which doctor warns, so that there is time left to act.
MAX_QUOTA_SHARE = 0.9
# Seconds between two looks for the copy.
PAUSE_SECONDS = 0.5


def selftest(
    mailbox: ImapMailbox, out: SmtpOut, *, authserv_id: str, seconds: float = MAX_COPY_SECONDS
) -> Iterator[tuple[str, bool, str]]:
    """Yield the name, whether it passed and an explanation for each check.

    A fault of the mailbox or of SMTP is yielded as a failed check and ends the checks, since those
    after it depend on it. `seconds` is how long our own copy is waited for.
    """
    try:
        moves = mailbox.can_move()
        yield "mailbox", True, "can be read" + ("" if moves else "; no MOVE, copies and deletes")
        if (share := mailbox.share_used()) is not None:
            yield "quota", *_describe_quota(share)
        yield "authserv", *_check_authserv_id(mailbox, authserv_id)
    except DeskError as error:
        yield "mailbox", False, str(error)
        return
    try:
        header = _send_own_mail(out)
    except DeskError as error:
        yield "smtp", False, str(error)
        return
    yield "smtp", True, "takes mail"
    until = time.monotonic() + seconds
    while not (arrived := mailbox.has(header)) and time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
    yield (
        "receipt", arrived,
        "our own copy comes back under its Message-ID" if arrived else
        f"no copy within {seconds:.0f} s: the mailbox is full, or the server changes the "
        f"Message-ID or does not deliver to {out.receipts}; sends of unknown fate then wait for a "
        "person",
    )  # fmt: skip


def _describe_quota(share: float) -> tuple[bool, str]:
    """Say how full the mailbox is: the server sends mails to a full one back to their senders."""
    good = share < MAX_QUOTA_SHARE
    says = f"{share:.0%} of the mailbox is used"
    remedy = "; raise its quota, or move old mails out of Processed and Dropped"
    return good, says if good else says + remedy


def _check_authserv_id(mailbox: ImapMailbox, wanted: str) -> tuple[bool, str]:
    names = mailbox.authserv_ids()
    if not wanted:
        carried = (
            f"mails here carry {', '.join(sorted(names))}" if names else "no mail here carries one"
        )
        return True, f"no server is set whose results are believed; {carried}"
    if wanted.lower() in names:
        return True, f"{wanted} marks the mails"
    return (
        False,
        f"DESK_AUTHSERV_ID: no recent mail carries {wanted}, only {sorted(names) or 'none'}",
    )


def _send_own_mail(out: SmtpOut) -> str:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = out.address, out.receipts
    mail["Subject"], mail["Date"] = "Incident Desk: check", format_datetime(localtime())
    mail["Auto-Submitted"] = "auto-generated"
    mail["Message-ID"] = make_msgid(domain=out.address.rpartition("@")[2])
    mail.set_content("This mail checks that the desk's own copies come back.\n")
    out.send(mail.as_bytes(), recipient=out.receipts)
    return str(mail["Message-ID"])
