"""Twenty odd clients of the ports; half of them kept apart. The next honest client is served."""

import smtplib
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest

from bot.channels.mail.local import Folder, LocalSmtpServer
from bot.channels.mail.smtp_bounds import IntakeBounds
from bot.infra.http_server import HttpPort, HttpResponse, status_page
from tests.support.halves import APART, SEEN, halves
from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

RAW = b"From: ana@example.org\r\nSubject: x\r\n\r\nWere keys exposed?\r\n"
BEGIN = b"HELO x.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<d@x.example>\r\nDATA\r\n"
SECOND = b"MAIL FROM:<eve@x.example>\r\nRCPT TO:<d@x.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
HOST = b" HTTP/1.1\r\nHost: x\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)
HTTP, SMTP, KEEP, HALF, RESET = "http", "smtp", "keep", "half", "reset"
# The port, what the client says, and what it does then.
Client: TypeAlias = "tuple[str, bytes, str]"
CLIENTS: list[Client] = [
    (HTTP, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), KEEP),
    (HTTP, b"POST /page" + HOST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", KEEP),
    (HTTP, b"POST /page" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", KEEP),
    (HTTP, b"POST /page" + HOST + b"Content-Length: +3\r\n\r\nabc", KEEP),
    (HTTP, b"POST /page" + HOST + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\nabc", KEEP),
    (HTTP, "POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: \u0663\r\n\r\nabc".encode(), HALF),
    (HTTP, b"GET /healthz\0" + HOST + b"\r\n", KEEP),
    (HTTP, b"GET http://evil.example/..%2f..%2fetc/passwd%0d%0aX: y" + HOST + b"\r\n", KEEP),
    (HTTP, b"CONNECT evil.example:443" + HOST + b"\r\n" + HELLO, KEEP),
    (HTTP, b"GET /healthz" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n", RESET),
    (HTTP, (b"GET /healthz" + HOST + b"\r\n") * 5_000, RESET),
    (HTTP, b"POST /page" + HOST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", HALF),
    (SMTP, b"HELO x.example\r\n" + b"NOOP\r\n" * 5_000, KEEP),
    (SMTP, BEGIN + b"Subject: first\r\n\r\nx\n.\n" + SECOND, HALF),
    (SMTP, BEGIN + b"Subject: first\r\n\r\nx\r\n.\r" + SECOND, HALF),
    (SMTP, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + BEGIN, KEEP),
    (SMTP, HELLO + b"\r\n", RESET),
    (SMTP, b"EHLO x\r\nSTARTTLS\r\n" + HELLO + b"AUTH PLAIN " + b"A" * 60_000 + b"\r\n", KEEP),
    (SMTP, b"HELO x\r\nMAIL FROM:<" + b"a" * 1_000_000, HALF),
    (SMTP, BEGIN + b"X: " + b"\0" * 1_000_000, RESET),
]  # fmt: skip
KIND = halves(CLIENTS)


@pytest.fixture
def http() -> Iterator[HttpPort]:
    made = HttpPort(0)
    made.get("/healthz", lambda: status_page([]))
    made.post("/page", lambda _headers, body: HttpResponse(body=body))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[LocalSmtpServer]:
    bounds = IntakeBounds(command_seconds=1.0)
    made = LocalSmtpServer(Folder(tmp_path / "new"), free_port(), bounds=bounds, min_free_bytes=0)
    made.start()
    yield made
    made.stop()


def talk(port: int, said: bytes, then: str) -> bytes:
    """Say all this and read until the port hangs up, or reset the connection; what the port said."""
    told = b""
    with (
        suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", port), timeout=SAFETY_NET_SECONDS) as line,
    ):
        if then == RESET:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sendall(said)
        if then == HALF:
            line.shutdown(socket.SHUT_WR)
        while then != RESET and (chunk := line.recv(65_536)):
            told += chunk
    return told


def serves_page(http: HttpPort) -> bool:
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    return talk(http.port, asked, KEEP).endswith(b'{"status": "ok"}')


def stores_mail(intake: LocalSmtpServer) -> bool:
    with smtplib.SMTP("127.0.0.1", intake.port) as server:
        server.sendmail("ana@example.org", ["desk@desk.example"], RAW)
    *_, last = intake.folder.waiting()
    return last.read_bytes().endswith(RAW)


@pytest.mark.parametrize("half", [SEEN, APART])
def test_an_odd_client_breaks_nothing_for_the_next(
    http: HttpPort, intake: LocalSmtpServer, caplog: pytest.LogCaptureFixture, half: str
) -> None:
    wrong = []
    for port, said, then in KIND[half]:
        told = talk(http.port if port == HTTP else intake.port, said, then)
        senders = [path.read_bytes().partition(b"\r\n")[0] for path in intake.folder.waiting()]
        served = serves_page(http) and stores_mail(intake)
        if not served or told.startswith(b"HTTP/1.1 5") or b"eve@" in b"".join(senders):
            wrong.append((port, said[:80], then, told[:80]))
    assert wrong == []
    wait_until(lambda: intake.gate.count_open() == 0)
    assert intake.gate.unstored_bytes == 0
    assert not [record for record in caplog.records if record.exc_info]
