"""Bounds the connections of the HTTP port: how many there are, and how long each may last.

A client that sends its request slowly, or does not read its answer, holds a place only until
somebody else needs it. So thousands of such clients keep no honest request from being answered.
"""

import asyncio
import ipaddress
import logging
import time
from typing import Any

import h11
from typing_extensions import override
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.infra.throttle import Throttle

log = logging.getLogger(__name__)
MAX_CONNECTIONS = 256  # in all; Slack opens one for each of many events at once
MAX_CONNECTIONS_PER_ADDRESS = 64  # not of loopback, where a proxy may forward everybody
REQUEST_SECONDS = 30.0  # from the first byte of a connection to the last byte of its answer
# The library logs every malformed request, so that one client could fill the log.
SILENT = logging.getLogger("bot.silent")
SILENT.disabled = True
RECEIVING = (h11.IDLE, h11.SEND_BODY)  # the client has sent nothing or a part of its request


class ConnectionConfig(Config):
    """The configuration of the server, with the count of the connections that it cut off."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, http=BoundedConnection, **options)
        self.cut_off = Throttle()


class BoundedConnection(H11Protocol):
    """One connection: it carries one request and has a deadline for all of it.

    When there are too many, the one that has waited for its client for longest is cut off. That is
    the new connection where all others are being answered.
    """

    def __init__(self, config: Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self.logger = SILENT
        self.opened_at = time.monotonic()
        self.address = ""
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.cut_off)
        others = [each for each in self.connections if isinstance(each, BoundedConnection)]
        same = [each for each in others if each.address == self.address]
        if len(same) > MAX_CONNECTIONS_PER_ADDRESS and not _is_loopback(self.address):
            _longest_waiting(same).cut_off()
        elif len(others) > MAX_CONNECTIONS:
            _longest_waiting(others).cut_off()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)

    @property
    def waits_for_client(self) -> bool:
        """Return whether the client is to send more of its request, or to read its answer."""
        reads = self.transport.is_closing() or self.flow.write_paused
        return reads or self.conn.their_state in RECEIVING

    def cut_off(self) -> None:
        """End the connection at once, whatever it is doing."""
        self.connections.discard(self)  # the transport reports its end only later
        self.transport.abort()
        assert isinstance(self.config, ConnectionConfig)  # noqa: S101 - it has made this object
        if count := self.config.cut_off.count():
            log.warning("connections to the HTTP port were cut off", extra={"count": count})

    @override
    def shutdown(self) -> None:
        """End a connection that waits for its client; let any other have its answer."""
        if self.waits_for_client:
            self.transport.abort()
            return
        super().shutdown()


def _longest_waiting(connections: list[BoundedConnection]) -> BoundedConnection:
    """Return the connection to cut off: the oldest that waits for its client, else the newest."""
    waiting = [each for each in connections if each.waits_for_client]
    if waiting:
        return min(waiting, key=lambda each: each.opened_at)
    return max(connections, key=lambda each: each.opened_at)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
