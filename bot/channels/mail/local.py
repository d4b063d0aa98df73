"""The local mailbox: an SMTP intake that stores before it says 250, and Maildirs for servers.

`mail/new` is what was accepted and not yet taken; `mail/taken` keeps the raw mails; `mail/sent`
holds the replies. A raw mail never leaves these folders.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from bot.errors import DeliveryError, MissingError

MAX_BYTES = 10 * 1024 * 1024
ACCEPTED = "250 stored"
LOOPBACK = "127.0.0.1"


class Folder:
    """A Maildir-like folder: a file is written under tmp, synced, and then renamed into place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.serial = 0
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(parents=True, exist_ok=True)

    def add(self, raw: bytes) -> Path:
        """Store `raw`; when this returns it survives a crash."""
        self.serial += 1
        name = f"{os.times().elapsed:.6f}.{os.getpid()}_{self.serial}.{os.urandom(4).hex()}"
        part = self.path / "tmp" / name
        with part.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        return self._rename(part, self.path / "new" / name)

    def waiting(self) -> Iterator[Path]:
        """Files in new, oldest first."""
        yield from sorted(
            (self.path / "new").iterdir(), key=lambda p: (p.stat().st_mtime_ns, p.name)
        )

    def settle(self, path: Path) -> Path:
        """Move a mail from new to cur: it has been taken."""
        return self._rename(path, self.path / "cur" / f"{path.name}:2,S")

    def _rename(self, source: Path, target: Path) -> Path:
        source.rename(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return target


class Intake:
    """The SMTP server on loopback: stores each mail, then says 250."""

    def __init__(self, folder: Folder, port: int) -> None:
        self.folder = folder
        self.port = port
        self._controller: Controller | None = None

    def start(self) -> None:
        """Begin to accept; MissingError when the port is taken."""
        controller = Controller(
            self, hostname=LOOPBACK, port=self.port, data_size_limit=MAX_BYTES, ready_timeout=10.0
        )
        try:
            controller.start()
        except OSError as error:
            controller.loop.close()
            raise MissingError(
                f"port {self.port} on {LOOPBACK} is taken; stop what uses it or set "
                f"DESK_SMTP_PORT ({error.strerror})"
            ) from None
        self._controller = controller

    def stop(self) -> None:
        """Stop accepting; what was accepted is stored."""
        if self._controller:
            self._controller.stop()
        self._controller = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the envelope with the raw mail, as a delivering server does."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        head = [f"Return-Path: <{envelope.mail_from or ''}>"]
        head += [f"Delivered-To: {recipient}" for recipient in envelope.rcpt_tos]
        lines = "".join(f"{' '.join(line.split())}\r\n" for line in head)
        self.folder.add(lines.encode("utf-8", "replace") + raw)
        return ACCEPTED


class MaildirOut:
    """Hands a reply over by storing it; the local twin of SMTP."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def send(self, mail: bytes, *, recipient: str) -> None:
        """DeliveryError when it cannot be stored."""
        try:
            self.folder.add(b"Delivered-To: " + recipient.encode() + b"\r\n" + mail)
        except OSError as error:
            raise DeliveryError(f"the reply could not be stored: {error.strerror}") from None
