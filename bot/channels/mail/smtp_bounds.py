"""Bounds what clients of the local SMTP port can take: connections, time, bytes and commands.

Whoever opens many connections, sends slowly, never reads or never ends is dismissed; the others are
served meanwhile. A client that gets a 4xx answer keeps its mail and comes again.
"""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP
from typing_extensions import override

# Bytes of a mail that is accepted; the parser reads no larger one.
MAX_MAIL_BYTES = 10 * 1024 * 1024
TOO_MANY = b"421 4.7.0 too many connections, try again later\r\n"
TOO_LATE = b"421 4.4.2 this takes too long, try again later\r\n"
TOO_MUCH_AT_ONCE = b"421 4.3.1 too much mail at once, try again later\r\n"
TOO_MUCH = b"552 5.3.4 too much mail data\r\n"
RECENT_SECONDS = 60.0  # how long a dismissed client is mentioned in the health of the intake
# At most this share of the files that the process may open is connections of the intake; the rest
# is for the database, the mails and the other ports.
SHARE_OF_OPEN_FILES = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeBounds:
    """What the clients of the intake may take; the defaults suit one incident's mailbox.

    Postfix opens 20 connections to one destination by default, and hardly any server more than 100.
    """

    connections: int = 200  # at once, of all addresses
    connections_of_address: int = 100
    command_seconds: float = 60.0  # from a command to the next, and for the text of one mail
    session_seconds: float = 600.0  # for a whole connection
    commands: int = 1000  # of each kind in one connection
    recipients: int = 100  # of one mail (RFC 5321, section 4.5.3.1.8: no fewer)
    bytes_of_connection: int = 2 * MAX_MAIL_BYTES  # received, and not yet stored or refused
    bytes_in_all: int = 256 * 1024 * 1024  # the same, of all connections

    @property
    def open_connections(self) -> int:
        """Return how many connections may be open with the open files that the process has."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(1, min(self.connections, int(files * SHARE_OF_OPEN_FILES)))


class ConnectionGate:
    """Counts what all connections of one intake take; only the thread of its loop changes it.

    `on_dismissal` is called for each client that is dismissed.
    """

    def __init__(
        self,
        bounds: IntakeBounds,
        on_dismissal: Callable[[], None] = lambda: None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bounds = bounds
        self.on_dismissal = on_dismissal
        self.unstored_bytes = 0
        self._tick = tick
        self._open = Counter[str]()
        self._all = 0  # of all addresses; other threads may read it
        self._dismissed_at: float | None = None

    def enter(self, address: str) -> bool:
        """Count a new connection of `address`; return False when there are too many."""
        bounds = self.bounds
        full = self._all >= bounds.open_connections
        if full or self._open[address] >= bounds.connections_of_address:
            return False
        self._open[address] += 1
        self._all += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection that has ended."""
        self._all -= 1
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def dismiss(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Send `answer` and close the connection, at once where the client does not read."""
        self._dismissed_at = self._tick()
        self.on_dismissal()
        transport.write(answer)
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def dismisses(self) -> bool:
        """Return whether a client was dismissed within the last minute."""
        at = self._dismissed_at
        return at is not None and self._tick() - at < RECENT_SECONDS

    def count_open(self) -> int:
        """Return how many connections are open."""
        return self._all


class BoundedSmtp(SMTP):
    """An SMTP server of one connection within the bounds of its gate.

    It takes lines of any length, as real servers do: only the size of a mail is limited.
    """

    line_length_limit = MAX_MAIL_BYTES

    def __init__(self, handler: object, gate: ConnectionGate, hostname: str) -> None:
        bounds = gate.bounds
        super().__init__(
            handler, hostname=hostname, enable_SMTPUTF8=True, data_size_limit=MAX_MAIL_BYTES,
            timeout=bounds.command_seconds, command_call_limit=bounds.commands,
        )  # fmt: skip
        self.gate = gate
        self._line: asyncio.Transport | None = None  # None until the gate let it in
        self._address = ""
        self._unstored_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a socket's is one
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        if not self.gate.enter(self._address):
            self.gate.dismiss(transport, TOO_MANY)
            return
        self._line = transport
        self._deadline = self.loop.call_later(
            self.gate.bounds.session_seconds, self._dismiss, TOO_LATE
        )
        super().connection_made(transport)

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if self._line is None:
            return
        self._line = None
        if self._deadline:
            self._deadline.cancel()
        self.gate.leave(self._address)
        self.forget_bytes()
        super().connection_lost(error)

    @override
    def data_received(self, data: bytes) -> None:
        """Take bytes of the client, unless these are too many."""
        self._unstored_bytes += len(data)
        self.gate.unstored_bytes += len(data)
        if self._unstored_bytes > self.gate.bounds.bytes_of_connection:
            self._dismiss(TOO_MUCH)
        elif self.gate.unstored_bytes > self.gate.bounds.bytes_in_all:
            self._dismiss(TOO_MUCH_AT_ONCE)
        else:
            super().data_received(data)

    @override
    def eof_received(self) -> bool:
        """End the connection: a client that has closed its half sends no further mail."""
        if self._line:
            super().eof_received()
        return False

    def forget_bytes(self) -> None:
        """Count no longer what was received, because it was stored or refused."""
        self.gate.unstored_bytes -= self._unstored_bytes
        self._unstored_bytes = 0

    @override
    def _timeout_cb(self) -> None:
        """Dismiss a client whose next command, or the end of its mail, does not come."""
        self._dismiss(TOO_LATE)

    def _dismiss(self, answer: bytes) -> None:
        if self._line and not self._line.is_closing():
            self.gate.dismiss(self._line, answer)
        elif self._line:
            self._line.abort()  # it was closed and the client has not read what was left
