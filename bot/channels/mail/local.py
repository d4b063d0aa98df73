"""Runs the local mailbox: an SMTP server that stores before it says 250, and Maildirs.

`mail/new` holds what was accepted and not yet taken; `mail/Processed`, `Held`, `Dropped` and
`Failed` keep the raw mails; `mail/sent` holds the replies. A raw mail never leaves these folders,
which are closed to other accounts of the machine.
"""

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from email.parser import BytesHeaderParser
from itertools import islice
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from typing_extensions import override

from bot.errors import DeliveryError, MissingError
from bot.files import close_folder, private_opener
from bot.ports import KeptMail, Mail, MailFolder

log = logging.getLogger(__name__)
# Bytes of a mail that is accepted; the parser reads no larger one.
MAX_MAIL_BYTES = 10 * 1024 * 1024
ACCEPTED = "250 stored"
NOT_STORED = "452 4.3.1 not stored, try again later"
LOOPBACK = "127.0.0.1"


class Folder:
    """A Maildir: a file is written under tmp, synced, and then renamed into place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.serial = 0
        for name in ("tmp", "new", "cur"):
            close_folder(path / name)

    def add(self, raw: bytes, name: str = "") -> Path:
        """Stores `raw` and returns its path; it then survives a crash.

        The same name is stored once.
        """
        self.serial += 1
        unique = f"{os.times().elapsed:.6f}.{os.getpid()}_{self.serial}.{os.urandom(4).hex()}"
        part = self.path / "tmp" / unique
        with open(part, "wb", opener=private_opener) as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        return self._rename(part, self.path / "new" / (name or unique))

    def has(self, name: str) -> bool:
        """Was a mail stored under this name, whether it was read since or not?"""
        read = (self.path / "cur").glob(f"{name}*")
        return (self.path / "new" / name).exists() or any(read)

    def waiting(self) -> Iterator[Path]:
        """Yields the files in new, oldest first."""
        entries = os.scandir(self.path / "new")
        with entries:
            ages = sorted((_modified_at(entry), entry.path) for entry in entries)
        yield from (Path(path) for _, path in ages)

    def _rename(self, source: Path, target: Path) -> Path:
        source.rename(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return target


class LocalMailbox:
    """The folders under mail/ as a mailbox: new holds what waits."""

    def __init__(self, root: Path) -> None:
        self.new = Folder(root / "new")
        self.root = root
        self._arrived = threading.Event()
        for place in MailFolder:
            Folder(root / place)

    def waiting(self) -> Iterator[Mail]:
        """Yields the mails that are not settled, oldest first."""
        for path in self.new.waiting():
            with suppress(FileNotFoundError):  # another worker was faster
                yield Mail(ref=path.name, raw=path.read_bytes())

    def settle(self, ref: str, place: MailFolder) -> None:
        """Moves a mail to its folder.

        The move is not synced: a mail that comes back is known by its key.
        """
        target = self.root / place / "cur" / f"{ref}:2,S"
        with suppress(FileNotFoundError):
            (self.new.path / "new" / ref).rename(target)

    def find(self, names: Sequence[str], holds: Callable[[bytes], bool]) -> Iterator[KeptMail]:
        """Yields the mails, replies among them, of which `holds` is true; see MailArchive."""
        del names  # every mail is read, and needs no search beforehand
        for path in sorted(self.root.rglob("*")):
            with suppress(FileNotFoundError):  # moved or deleted meanwhile
                if path.is_file() and holds(raw := path.read_bytes()):
                    ref = path.relative_to(self.root)
                    yield KeptMail(
                        ref=str(ref), folder=ref.parts[0], raw=raw, waiting=ref.parts[0] == "new"
                    )

    def delete(self, ref: str) -> None:
        """Deletes a mail that `find` gave."""
        (self.root / ref).unlink(missing_ok=True)

    def list_settled(self, since: datetime) -> Iterator[KeptMail]:
        """Yields the mails in the folders of settled ones; see MailArchive."""
        for place in MailFolder:
            for path in sorted((self.root / place).glob("*/*")):
                with suppress(FileNotFoundError):
                    if path.is_file() and path.stat().st_mtime >= since.timestamp():
                        ref = str(path.relative_to(self.root))
                        raw = path.read_bytes()
                        yield KeptMail(ref=ref, folder=place.value, raw=raw, waiting=False)

    def put_back(self, ref: str) -> None:
        """Moves a settled mail to where mails wait."""
        source = self.root / ref
        with suppress(FileNotFoundError):
            source.rename(self.new.path / "new" / source.name.partition(":")[0])

    def delete_older(self, folders: Sequence[str], before: datetime, limit: int) -> int:
        """Deletes mails that were stored before a moment; see MailArchive."""
        old = (
            path
            for folder in folders
            for path in (self.root / folder).glob("*/*")
            if path.is_file() and path.stat().st_mtime < before.timestamp()
        )
        deleted = 0
        for path in islice(old, limit):
            path.unlink(missing_ok=True)
            deleted += 1
        return deleted

    def wait(self, seconds: float) -> None:
        """Returns when a mail was accepted, at the latest after `seconds`."""
        self._arrived.wait(seconds)
        self._arrived.clear()

    def wake(self) -> None:
        """Ends a wait."""
        self._arrived.set()


class LongLines(SMTP):
    """An SMTP server for lines of any length: real servers take them, and only a mail's size is
    limited.
    """

    line_length_limit = MAX_MAIL_BYTES


class StoringController(Controller):
    """Serves LongLines in the controller's thread."""

    @override
    def factory(self) -> SMTP:
        """Returns the server of one conversation."""
        return LongLines(self.handler, **self.SMTP_kwargs)


class LocalSmtpServer:
    """The SMTP server on loopback: it stores each mail, then says 250."""

    def __init__(
        self, folder: Folder, port: int, stored: Callable[[], None] = lambda: None
    ) -> None:
        self.folder = folder
        self.port = port
        self.stored = stored
        self._controller: Controller | None = None

    def start(self) -> None:
        """Begins to accept mails; MissingError when the port is taken."""
        controller = StoringController(
            self,
            hostname=LOOPBACK,
            port=self.port,
            data_size_limit=MAX_MAIL_BYTES,
            ready_timeout=10.0,
        )
        try:
            _check_free(self.port)  # the controller would name a taken port after its timeout only
            controller.start()
        except OSError as error:
            controller.loop.close()
            raise MissingError(
                f"port {self.port} on {LOOPBACK} is taken; stop what uses it or set "
                f"DESK_SMTP_PORT ({error.strerror})"
            ) from None
        self._controller = controller

    def stop(self) -> None:
        """Stops accepting mails; what was accepted is stored."""
        if self._controller:
            self._controller.stop()
        self._controller = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Stores the envelope with the raw mail, as a delivering server does, and returns the SMTP
        answer.
        """
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        head = [f"Return-Path: <{envelope.mail_from or ''}>"]
        head += [f"Delivered-To: {recipient}" for recipient in envelope.rcpt_tos]
        lines = "".join(f"{' '.join(line.split())}\r\n" for line in head)
        try:
            self.folder.add(lines.encode("utf-8", "replace") + raw)
        except OSError:  # the sender's server keeps it and tries again
            log.exception("a mail could not be stored")
            return NOT_STORED
        self.stored()
        return ACCEPTED


def _check_free(port: int) -> None:
    """Raises OSError when another process listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
        probe.bind((LOOPBACK, port))


class MaildirOut:
    """Hands a reply over by storing it under its Message-ID, so once; the local twin of SMTP."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def send(self, mail: bytes, *, recipient: str) -> None:
        """Stores a reply; DeliveryError when it cannot be stored."""
        try:
            header = BytesHeaderParser().parsebytes(mail)["Message-ID"] or ""
            self.folder.add(
                b"Delivered-To: " + recipient.encode() + b"\r\n" + mail, _file_name(header)
            )
        except OSError as error:
            raise DeliveryError(f"the reply could not be stored: {error.strerror}") from None

    def was_sent(self, header: str) -> bool | None:
        """Was the reply with this Message-ID stored?"""
        return self.folder.has(_file_name(header))


def _modified_at(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _file_name(header: str) -> str:
    return f"reply.{hashlib.sha256(header.encode()).hexdigest()[:32]}" if header else ""
