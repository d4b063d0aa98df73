"""Builds the mail transport, local or over IMAP and SMTP, and checks its settings."""

from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from bot.domain import HealthLine
from bot.errors import DeliveryError
from bot.settings import MailKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.channels.mail.imap import ImapMailbox
    from bot.channels.mail.local import Folder
    from bot.channels.mail.smtp import SmtpOut
    from bot.ports import MailArchive, MailOut
    from bot.settings import Settings

NO_AUTHENTICATION = "not authenticated (local mailbox); set DESK_AUTHSERV_ID for real mail"
NO_RECEIVER_SET = (
    "DESK_AUTHSERV_ID is not set, so nobody proves who sends a mail: every mail is held for a "
    "person. Set it to the name in the Authentication-Results headers of your mail server"
)
EVERYBODY_ACCEPTED = (
    "DESK_AUTHSERV_ID=none: nobody proves who sends a mail, and the owner accepts that replies can "
    "go to people whose address somebody else used"
)


class MailTransport:
    """The mailbox, relay and folders for mail that the settings choose."""

    def __init__(self, settings: "Settings") -> None:
        self.settings = settings

    def imap(self) -> "ImapMailbox":
        """Return the IMAP mailbox."""
        from bot.channels.mail.imap import ImapMailbox

        return ImapMailbox(self.settings.imap)

    def smtp(self) -> "SmtpOut":
        """Return the SMTP relay that delivers our mails."""
        from bot.channels.mail.smtp import SmtpOut

        return SmtpOut(self.settings.relay, address=self.settings.address)

    def folder(self, name: str) -> "Folder":
        """Return a Maildir of the local mailbox, such as `new` or `sent`."""
        from bot.channels.mail.local import Folder

        return Folder(self.settings.home / "mail" / name)

    def out(self) -> "tuple[MailOut, Callable[[str], bool | None]]":
        """Return where replies go, and the function that finds out whether one was sent."""
        if self.settings.mail is MailKind.IMAP:
            return self.smtp(), self.was_sent
        from bot.channels.mail.local import MaildirOut

        out = MaildirOut(self.folder("sent"))
        return out, out.was_sent

    def was_sent(self, header: str) -> bool | None:
        """Return True when our own copy is in the mailbox, else None: no copy proves nothing."""
        with closing(self.imap()) as mailbox, suppress(DeliveryError):
            return mailbox.has(header) or None
        return None

    @contextmanager
    def archives(self) -> "Iterator[list[MailArchive]]":
        """Yield the archives of raw mails: the local folders, and those of an IMAP mailbox."""
        from bot.channels.mail.local import LocalMailbox

        folder = self.settings.home / "mail"
        archives: list[MailArchive] = [LocalMailbox(folder)] if folder.exists() else []
        if self.settings.mail is MailKind.LOCAL:
            yield archives
            return
        with closing(self.imap()) as mailbox:
            yield [*archives, mailbox]

    def check(self) -> None:
        """Raise SettingsError for a setting of the IMAP mailbox or the relay that is wrong.

        A server that does not answer is no error.
        """
        if self.settings.mail is MailKind.LOCAL:
            return
        with closing(self.imap()) as mailbox, suppress(DeliveryError):
            mailbox.can_move()
        with suppress(DeliveryError):
            self.smtp().check()

    def selftest(self) -> "Iterator[tuple[str, bool, str]]":
        """Yield the results of a test of the IMAP mailbox, which sends a mail to the desk itself.

        A result is a name, whether it is good, and what to say of it.
        """
        from bot.channels.mail.selftest import selftest

        with closing(self.imap()) as mailbox:
            yield from selftest(mailbox, self.smtp(), authserv_id=self.settings.receiver)

    @property
    def sender_check(self) -> HealthLine:
        """Return who authenticates the senders of mails, as a line for `doctor`."""
        settings = self.settings
        finding = f"authentication results of {settings.receiver}"
        if settings.needs_receiver:
            finding = NO_RECEIVER_SET
        elif not settings.receiver:
            finding = EVERYBODY_ACCEPTED if settings.accepts_any_sender else NO_AUTHENTICATION
        return HealthLine(name="sender", good=not settings.needs_receiver, says=finding)
