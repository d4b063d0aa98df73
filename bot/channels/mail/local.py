"""Runs the local mailbox: Maildirs, and an SMTP server that stores a mail before it answers 250.

`mail/new` holds what was accepted and not yet taken; `mail/Processed`, `Held`, `Dropped` and
`Failed` keep the raw mails; `mail/sent` holds the replies. A raw mail never leaves these folders,
which are closed to other accounts of the machine.
"""

import asyncio
import errno
import hashlib
import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from email.parser import BytesHeaderParser
from itertools import islice
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from typing_extensions import override

from bot.channels.mail.smtp_bounds import BoundedSmtp, ConnectionGate, IntakeBounds
from bot.errors import DeliveryError, MissingError
from bot.files import close_folder, private_opener
from bot.infra.supervision import OutageLog
from bot.ports import KeptMail, Mail, MailFolder

# Free bytes below which no mail is accepted: room for the journal to write what was accepted.
MIN_FREE_BYTES = 32 * 1024 * 1024
ACCEPTED = "250 stored"
NOT_STORED = "452 4.3.1 not stored, try again later"
BROKEN = "451 4.3.0 not possible now, try again later"
TOO_MANY_RECIPIENTS = "452 4.5.3 too many recipients, send the rest in another mail"
# What can fail, as the log names it, and what `/readyz` and `doctor` say of it.
STORING = "storing a mail of the intake"
ANSWERING = "answering a client of the intake"
DISMISSING = "serving every client of the intake"
WORDS = {
    STORING: "mails cannot be stored, their senders are asked to come again; check the disk",
    ANSWERING: "clients cannot be answered; the log names the error, `ulimit -n` the open files",
    DISMISSING: "clients are too many or too slow, and some were sent away within the last minute",
}
LOOPBACK = "127.0.0.1"


class Folder:
    """A Maildir: a file is written under tmp, synced, and then renamed into place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.serial = 0
        for name in ("tmp", "new", "cur"):
            close_folder(path / name)

    def add(self, raw: bytes, name: str = "") -> Path:
        """Store `raw` so that it survives a crash, and return its path.

        A mail that is stored again under the same name replaces the first in `new`.
        """
        self.serial += 1
        unique = f"{os.times().elapsed:.6f}.{os.getpid()}_{self.serial}.{os.urandom(4).hex()}"
        part = self.path / "tmp" / unique
        try:
            with open(part, "wb", opener=private_opener) as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            return self._rename(part, self.path / "new" / (name or unique))
        except OSError:
            part.unlink(missing_ok=True)  # half a mail would only fill a full disk
            raise

    def has(self, name: str) -> bool:
        """Was a mail stored under this name, whether it was read since or not?"""
        read = (self.path / "cur").glob(f"{name}*")
        return (self.path / "new" / name).exists() or any(read)

    def waiting(self) -> Iterator[Path]:
        """Yield the files in new, oldest first."""
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
        self.backlog = 0  # mails that the last search found and that were not yielded yet
        self._arrived = threading.Event()
        for position in MailFolder:
            Folder(root / position)

    def waiting(self) -> Iterator[Mail]:
        """Yield the mails that are not settled, oldest first."""
        paths = list(self.new.waiting())
        for given, path in enumerate(paths, 1):
            self.backlog = len(paths) - given
            with suppress(FileNotFoundError):  # another worker was faster
                yield Mail(ref=path.name, raw=path.read_bytes())

    def settle(self, ref: str, position: MailFolder) -> None:
        """Move a mail to its folder.

        The move is not synced: a mail that is back after a crash is recognized by its key.
        """
        target = self.root / position / "cur" / f"{ref}:2,S"
        with suppress(FileNotFoundError):
            (self.new.path / "new" / ref).rename(target)

    def find(self, names: Sequence[str], holds: Callable[[bytes], bool]) -> Iterator[KeptMail]:
        """Yield the mails, replies among them, of which `holds` is true; see MailArchive."""
        del names  # every mail is read, and needs no search beforehand
        for path in sorted(self.root.rglob("*")):
            with suppress(FileNotFoundError):  # moved or deleted meanwhile
                if path.is_file() and holds(raw := path.read_bytes()):
                    ref = path.relative_to(self.root)
                    yield KeptMail(
                        ref=str(ref), folder=ref.parts[0], raw=raw, waiting=ref.parts[0] == "new"
                    )

    def delete(self, ref: str) -> None:
        """Delete a mail that `find` gave."""
        (self.root / ref).unlink(missing_ok=True)

    def list_settled(self, since: datetime) -> Iterator[KeptMail]:
        """Yield the mails in the folders of settled ones; see MailArchive."""
        for position in MailFolder:
            for path in sorted((self.root / position).glob("*/*")):
                with suppress(FileNotFoundError):
                    if path.is_file() and path.stat().st_mtime >= since.timestamp():
                        ref = str(path.relative_to(self.root))
                        raw = path.read_bytes()
                        yield KeptMail(ref=ref, folder=position.value, raw=raw, waiting=False)

    def put_back(self, ref: str) -> None:
        """Move a settled mail to where mails wait."""
        source = self.root / ref
        with suppress(FileNotFoundError):
            source.rename(self.new.path / "new" / source.name.partition(":")[0])

    def delete_older(self, folders: Sequence[str], before: datetime, limit: int) -> int:
        """Delete mails that were stored before a moment; see MailArchive."""
        old = (
            path
            for folder in folders
            for path in (self.root / folder).glob("*/*")
            if path.is_file() and _is_older(path, before)
        )
        deleted = 0
        for path in islice(old, limit):
            path.unlink(missing_ok=True)
            deleted += 1
        return deleted

    def wait(self, seconds: float) -> None:
        """Return when a mail was accepted, at the latest after `seconds`."""
        self._arrived.wait(seconds)
        self._arrived.clear()

    def wake(self) -> None:
        """End a wait."""
        self._arrived.set()


class BoundedController(Controller):
    """Serves BoundedSmtp in the controller's thread."""

    def __init__(self, handler: object, gate: ConnectionGate, *, port: int) -> None:
        loop = asyncio.new_event_loop()
        super().__init__(handler, hostname=LOOPBACK, port=port, loop=loop, ready_timeout=10.0)
        self._gate = gate

    @override
    def factory(self) -> SMTP:
        """Return the server of one conversation."""
        return BoundedSmtp(self.handler, self._gate, self.hostname)


class LocalSmtpServer:
    """The SMTP server on loopback, which stores each mail and then answers 250.

    Where it cannot store a mail, it asks the client to try again later; `list_faults` and one line
    a minute in the log say what is wrong.
    """

    def __init__(
        self,
        folder: Folder,
        port: int,
        stored: Callable[[], None] = lambda: None,
        *,
        bounds: IntakeBounds | None = None,
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        self.folder = folder
        self.port = port
        self.stored = stored
        self.outages = OutageLog()
        self.gate = ConnectionGate(bounds or IntakeBounds(), self._record_dismissal)
        self.min_free_bytes = min_free_bytes
        self._controller: BoundedController | None = None

    def start(self) -> None:
        """Begin to accept mails; MissingError when the port is taken."""
        # The library logs a line for each odd command of each client; what matters is logged here.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        controller = BoundedController(self, self.gate, port=self.port)
        controller.loop.set_exception_handler(self._record_loop_error)
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
        """Stop accepting mails; what was accepted is stored."""
        controller, self._controller = self._controller, None
        if controller and controller.loop.is_closed():
            return  # its thread has ended by itself
        if controller:
            controller.stop()

    def is_running(self) -> bool:
        """Return whether the server listens."""
        return self._controller is not None and self._controller.loop.is_running()

    def answers(self, seconds: float) -> bool:
        """Return whether the thread of the server does something within `seconds`."""
        if self._controller is None:
            return False
        reached = threading.Event()
        with suppress(RuntimeError):  # the loop has ended
            self._controller.loop.call_soon_threadsafe(reached.set)
        return reached.wait(seconds if self.is_running() else 0)

    def list_faults(self) -> list[str]:
        """Return what keeps clients from being served now."""
        if not self.gate.dismisses():
            self.outages.record_success(DISMISSING)
        return [f"intake: {WORDS[name]}" for name in self.outages.list_failing()]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Takes a recipient and returns the SMTP answer."""
        if len(envelope.rcpt_tos) >= self.gate.bounds.recipients:
            return TOO_MANY_RECIPIENTS
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: BoundedSmtp, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Stores the envelope with the raw mail, as a delivering server does, and returns the SMTP
        answer.
        """
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        head = [f"Return-Path: <{envelope.mail_from or ''}>"]
        head += [f"Delivered-To: {recipient}" for recipient in envelope.rcpt_tos]
        lines = "".join(f"{' '.join(line.split())}\r\n" for line in head)
        try:
            self._check_space()
            self.folder.add(lines.encode("utf-8", "replace") + raw)
        except OSError as error:  # the sender's server keeps it and tries again
            self.outages.record_failure(STORING, error, expected=True)
            return NOT_STORED
        finally:
            server.forget_bytes()
        self.outages.record_success(STORING)
        self.stored()
        return ACCEPTED

    async def handle_exception(self, error: Exception) -> str:
        """Returns the SMTP answer to a client whose command broke the server."""
        self.outages.record_failure(ANSWERING, error)
        return BROKEN

    def _check_space(self) -> None:
        """Raise OSError before the disk is so full that the journal could not be written."""
        if shutil.disk_usage(self.folder.path).free < self.min_free_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _record_dismissal(self) -> None:
        self.outages.record_failure(DISMISSING, ConnectionRefusedError(), expected=True)

    def _record_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Record an error of the loop, such as too many open files; asyncio would log each one."""
        error = context.get("exception")
        if not isinstance(error, ConnectionError):  # a client has left, which is no fault
            self.outages.record_failure(
                ANSWERING, error or RuntimeError(), expected=isinstance(error, OSError)
            )


def _check_free(port: int) -> None:
    """Raise OSError when another process listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
        probe.bind((LOOPBACK, port))


class MaildirOut:
    """Delivers a reply locally, in place of SMTP, by storing it once under its Message-ID."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def send(self, mail: bytes, *, recipient: str) -> None:
        """Store a reply; DeliveryError when it cannot be stored."""
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


def _is_older(path: Path, before: datetime) -> bool:
    """Was a file stored before a moment? One that is gone was not."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < before.timestamp()
    return False


def _file_name(header: str) -> str:
    return f"reply.{hashlib.sha256(header.encode()).hexdigest()[:32]}" if header else ""
