"""Reads the incident mailbox over IMAP; its folder holds the mails that the journal does not have.

SEARCH lists the mails to read, and IDLE only tells when to look. A mail is read with PEEK, stored
in the journal by the caller, and then moved, so that a crash at any point leaves it in the folder
or in the journal, never in neither. Each fault ends the connection, and the next pass opens a new
one.
"""

import logging
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from bot.errors import DeliveryError, InputError, SettingsError
from bot.ports import KeptMail, Mail, MailFolder
from bot.settings import MailboxAccess

log = logging.getLogger(__name__)
# A connection that a firewall dropped shows no error in IDLE, so IDLE is ended after this time and
# the connection is probed.
IDLE_SECONDS = 240.0
# A larger mail is not read whole: only its beginning is, which is held for a person.
MAX_MAIL_BYTES = 25 * 1024 * 1024
# RFC 5530 codes of a refused login that say nothing about the password.
TEMPORARY_LOGIN_CODES = (
    "UNAVAILABLE",
    "INUSE",
    "LIMIT",
    "SERVERBUG",
)  # RFC 5530: the password may be right
# The latest mails of a folder in which the name of our receiving server is looked for.
MAX_RECENT_MAILS = 20
AUTHENTICATION_HEADERS = "BODY.PEEK[HEADER.FIELDS (AUTHENTICATION-RESULTS)]"
# Bytes read of a mail that is too large: enough to see who wrote it and to hold it.
MAX_CUT_BYTES = 64 * 1024


class MailboxError(DeliveryError):
    """The mailbox cannot be read now; the next pass tries again."""


class ImapMailbox:
    """The mailbox of one worker: one connection, made again whenever it fails."""

    def __init__(self, access: MailboxAccess) -> None:
        self.access = access
        self.backlog = 0  # mails that the last search found and that were not yielded yet
        self._client: IMAPClient | None = None
        self._validity = 0
        self._waker, self._signal = os.pipe()
        os.set_blocking(self._waker, False)

    def waiting(self) -> Iterator[Mail]:
        """Yield the mails in the folder, oldest first; MailboxError when it cannot be read."""
        with _mailbox_faults(self):
            client = self._connected()
            client.noop()  # a selected folder shows what is new only after a command
            uids = sorted(client.search(["UNDELETED"]))
        for given, uid in enumerate(uids, 1):
            self.backlog = len(uids) - given
            with _mailbox_faults(self):
                size, raw = self._read(uid)
            if raw is not None:
                ref = f"{self.access.folder}/{self._validity}/{uid}"
                yield Mail(ref=ref, raw=raw, is_cut=size > MAX_MAIL_BYTES)

    def settle(self, ref: str, position: MailFolder) -> None:
        """Move a mail to its folder; do nothing if it was moved before."""
        validity, uid = _parse_reference(ref)
        with _mailbox_faults(self):
            client = self._connected()
            if validity != self._validity:
                return  # the folder was recreated: the mail is listed again and known by its key
            self._move(client, uid, position.value)

    def wait(self, seconds: float) -> None:
        """Wait in IDLE until something happens, at the latest for `seconds`."""
        try:
            with _mailbox_faults(self):
                self._idle(min(seconds, IDLE_SECONDS))
        except MailboxError:
            return  # the next pass reports it and connects again

    def wake(self) -> None:
        """End a wait, from another thread or a signal."""
        os.write(self._signal, b"x")

    def close(self) -> None:
        """Log out and hang up; the connection may be gone."""
        client, self._client = self._client, None
        if client:
            with suppress(Exception):
                client.logout()

    def drop(self) -> None:
        """Hang up a connection that failed, without logging out."""
        client, self._client = self._client, None
        if client:
            with suppress(Exception):
                client.shutdown()

    def can_move(self) -> bool:
        """Does the server move mails atomically?"""
        with _mailbox_faults(self):
            return bool(self._connected().has_capability("MOVE"))

    def share_used(self) -> float | None:
        """Return the share of the mailbox's quota that is used; None where the server names none.

        Of several limits (RFC 9208), the one that is nearest to being reached counts.
        """
        with _mailbox_faults(self):
            client = self._connected()
            if not client.has_capability("QUOTA"):
                return None
            try:
                _, quotas = client.get_quota_root(self.access.folder)
            except (IMAPClientError, IndexError):
                return None
            return max((q.usage / q.limit for q in quotas if q.limit), default=None)

    def has(self, message_id: str) -> bool:
        """Is a mail with this Message-ID in any folder of the desk?"""
        with _mailbox_faults(self):
            client = self._connected()
            try:
                return any(self._folder_holds(client, name, message_id) for name in self._folders())
            finally:
                self._select(client)

    def authserv_ids(self) -> set[str]:
        """Return the names of the servers whose authentication results stand in the recent
        mails.
        """
        servers: set[str] = set()
        with _mailbox_faults(self):
            client = self._connected()
            try:
                for name in (self.access.folder, MailFolder.PROCESSED.value):
                    client.select_folder(name, readonly=True)
                    uids = sorted(client.search())[-MAX_RECENT_MAILS:]
                    for answer in (
                        client.fetch(uids, [AUTHENTICATION_HEADERS]) if uids else {}
                    ).values():
                        servers |= _authserv_ids(answer)
            finally:
                self._select(client)
        return servers

    def find(self, names: Sequence[str], holds: Callable[[bytes], bool]) -> Iterator[KeptMail]:
        """Yield the mails that the server finds by one of `names`, if `holds` is true for them."""
        for folder in self._folders():
            kept = self._kept(folder, [["TEXT", name] for name in names])
            yield from (mail for mail in kept if holds(mail.raw))

    def list_settled(self, since: datetime) -> Iterator[KeptMail]:
        """Yield the mails in the folders of settled ones that came that day or later."""
        for position in MailFolder:
            yield from self._kept(position.value, [["SINCE", since.date()]])

    def put_back(self, ref: str) -> None:
        """Move a settled mail to the folder that is read."""
        folder, uid = ref.rsplit("/", 2)[0], _parse_reference(ref)[1]
        with _mailbox_faults(self):
            client = self._connected()
            client.select_folder(folder)
            self._move(client, uid, self.access.folder)
            self._select(client)

    def delete(self, ref: str) -> None:
        """Delete a mail that `find` gave."""
        folder, _, _ = ref.rsplit("/", 2)
        validity, uid = _parse_reference(ref)
        with _mailbox_faults(self):
            client = self._connected()
            if int(client.select_folder(folder)[b"UIDVALIDITY"]) == validity:
                _expunge(client, [uid])
            self._select(client)

    def delete_older(self, folders: Sequence[str], before: datetime, limit: int) -> int:
        """Delete at most `limit` mails that came to these folders before the day of `before`.

        Return how many were deleted.
        """
        deleted = 0
        with _mailbox_faults(self):
            client = self._connected()
            for folder in folders:
                if folder in self._folders():
                    client.select_folder(folder)
                    uids = sorted(client.search(["BEFORE", before.date()]))[: limit - deleted]
                    deleted += len(uids)
                    _expunge(client, uids)
            self._select(client)
        return deleted

    def _kept(self, folder: str, searches: Sequence[Sequence[object]]) -> Iterator[KeptMail]:
        """Yield the mails of a folder that one of the searches finds; each is read alone."""
        with _mailbox_faults(self):
            client = self._connected()
            validity = int(client.select_folder(folder, readonly=True)[b"UIDVALIDITY"])
            found = {uid for each in searches for uid in client.search(each, "UTF-8")}
            self._select(client)
        for uid in sorted(found):
            with _mailbox_faults(self):
                client = self._connected()
                client.select_folder(folder, readonly=True)
                _, raw = self._read(uid)
                self._select(client)
            if raw is not None:
                yield KeptMail(
                    ref=f"{folder}/{validity}/{uid}", folder=folder, raw=raw,
                    waiting=folder == self.access.folder,
                )  # fmt: skip

    def _folders(self) -> tuple[str, ...]:
        return (self.access.folder, *(position.value for position in MailFolder))

    def _folder_holds(self, client: IMAPClient, folder: str, message_id: str) -> bool:
        client.select_folder(folder, readonly=True)
        return bool(client.search(["HEADER", "Message-ID", message_id]))

    def _connected(self) -> IMAPClient:
        if self._client is None:
            self._client = _login(self.access)
            _make_folders(self._client)
            self._select(self._client)
        return self._client

    def _select(self, client: IMAPClient) -> None:
        try:
            chosen = client.select_folder(self.access.folder)
        except IMAPClientError as error:
            if "not writable" in str(error):
                raise MailboxError(f"the folder {self.access.folder} is read-only") from None
            raise SettingsError(
                f"DESK_IMAP_FOLDER: {self.access.folder!r} cannot be opened ({error})"
            ) from None
        self._validity = int(chosen[b"UIDVALIDITY"])

    def _read(self, uid: int) -> tuple[int, bytes | None]:
        """Return the size of the mail and its bytes as they are stored on the server.

        Of a mail that is too large only the beginning is returned; None for one that is gone.
        """
        client = self._connected()
        size = client.fetch([uid], ["RFC822.SIZE"]).get(uid, {}).get(b"RFC822.SIZE")
        if size is None:
            return 0, None
        item = "BODY.PEEK[]" if size <= MAX_MAIL_BYTES else f"BODY.PEEK[]<0.{MAX_CUT_BYTES}>"
        answer = client.fetch([uid], [item]).get(uid, {})
        bodies = [v for k, v in answer.items() if k.startswith(b"BODY[]")]
        return size, bytes(bodies[0]) if bodies and bodies[0] is not None else None

    def _move(self, client: IMAPClient, uid: int, folder: str) -> None:
        if client.has_capability("MOVE"):
            try:
                client.move([uid], folder)
            except IMAPClientError:
                # Another worker was faster, which is no fault; its move shows after a command.
                client.noop()
                if client.search([["UID", str(uid)]]):
                    raise
            return
        if not client.search([["UID", str(uid)]]):
            return
        # A crash after the copy leaves the mail here too: its key is known, and it is moved again.
        client.copy([uid], folder)
        _expunge(client, [uid])

    def _idle(self, seconds: float) -> None:
        client = self._connected()
        if not client.has_capability("IDLE"):
            self._sleep(None, seconds)
            client.noop()
            return
        client.idle()
        try:
            self._sleep(client.socket(), seconds)
        finally:
            client.idle_done()  # a dead connection fails here, within the socket's timeout

    def _sleep(self, line: socket.socket | None, seconds: float) -> None:
        watched = [self._waker] if line is None else [self._waker, line.fileno()]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._waker in ready:
            with suppress(BlockingIOError):
                os.read(self._waker, 64)


class _mailbox_faults:  # noqa: N801 - used as a function
    """Turns what the library and the connection may raise into MailboxError, and hangs up."""

    def __init__(self, mailbox: ImapMailbox) -> None:
        self.mailbox = mailbox

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, SettingsError | MailboxError):
            if error is not None:
                self.mailbox.drop()
            return
        if isinstance(error, (OSError, IMAPClientError, ValueError, AssertionError, KeyError)):
            self.mailbox.drop()
            message = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise MailboxError(f"the mailbox does not answer as it should: {message}") from None


def _expunge(client: IMAPClient, uids: Sequence[int]) -> None:
    """Delete mails of the selected folder for good."""
    if not uids:
        return
    client.delete_messages(uids)
    client.uid_expunge(uids) if client.has_capability("UIDPLUS") else client.expunge()


def _login(access: MailboxAccess) -> IMAPClient:
    """Connect and log in; SettingsError names the variable that is wrong."""
    try:
        client = IMAPClient(
            access.host, port=access.port, ssl=access.tls, timeout=access.timeout,
            ssl_context=_context(access) if access.tls else None,
        )  # fmt: skip
    except ssl.SSLCertVerificationError as error:
        raise SettingsError(
            f"DESK_IMAP_HOST: the certificate of {access.host} is not valid "
            f"({error.verify_message}); a private authority goes into DESK_IMAP_CA"
        ) from None
    except ssl.SSLError as error:
        raise SettingsError(
            f"DESK_IMAP_PORT: {access.host}:{access.port} speaks no TLS ({error.reason})"
        ) from None
    except TimeoutError:
        raise MailboxError(f"{access.host}:{access.port} does not answer") from None
    except OSError as error:
        raise MailboxError(
            f"no connection to {access.host}:{access.port} ({error.strerror or error}); "
            "check DESK_IMAP_HOST and DESK_IMAP_PORT"
        ) from None
    try:
        client.login(access.user, access.password)
    except LoginError as error:
        with suppress(Exception):
            client.shutdown()
        if any(mark in str(error) for mark in TEMPORARY_LOGIN_CODES):
            raise MailboxError(f"{access.host} takes no login now") from None
        raise SettingsError(
            f"DESK_IMAP_USER, DESK_IMAP_PASSWORD: {access.host} refuses the login of {access.user}"
        ) from None
    return client


def _context(access: MailboxAccess) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if access.certificates:
        try:
            context.load_verify_locations(access.certificates)
        except OSError as error:
            raise SettingsError(f"DESK_IMAP_CA: {access.certificates}: {error.strerror}") from None
    return context


def _make_folders(client: IMAPClient) -> None:
    for position in MailFolder:
        if not client.folder_exists(position.value):
            with suppress(IMAPClientError):  # another worker was faster
                client.create_folder(position.value)
                client.subscribe_folder(position.value)


def _authserv_ids(answer: dict[bytes, object]) -> set[str]:
    """Return the names before the first semicolon of each Authentication-Results header."""
    heads = [v for v in answer.values() if isinstance(v, bytes)]
    values = [h.partition(b":")[2].split(b";")[0] for h in heads if b":" in h]
    return {v.decode("ascii", "replace").strip().lower() for v in values if v.strip()}


def _parse_reference(ref: str) -> tuple[int, int]:
    try:
        _, validity, uid = ref.rsplit("/", 2)
        return int(validity), int(uid)
    except ValueError:
        raise InputError(f"{ref!r} is no place in an IMAP mailbox") from None
