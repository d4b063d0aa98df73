"""Two thousand slow clients of each kind neither end the intake nor keep a patient sender out."""

import logging
import resource
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bot.channels.mail.local import DISMISSING, WORDS, Folder, LocalSmtpServer
from bot.channels.mail.smtp_bounds import MAX_MAIL_BYTES, IntakeBounds
from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

CLIENTS = 2_000
OPEN_FILES = 6_000  # for the clients of the test, which are in the same process
BOUNDS = IntakeBounds(connections=150, connections_of_address=100, command_seconds=1.0)
RAW = b"From: ana@example.org\r\nSubject: x\r\n\r\nWere keys exposed?\r\n"
HELO = b"HELO x.example\r\n"
DATA = HELO + b"MAIL FROM:<a@x.example>\r\nRCPT TO:<d@x.example>\r\nDATA\r\n"


def wait(_client: socket.socket) -> None:
    """Say nothing at all."""


def greet(client: socket.socket) -> None:
    client.sendall(HELO)


def drip(client: socket.socket) -> None:
    """Begin a mail; `dripping` adds a byte to it again and again."""
    client.sendall(DATA)


def close_half(client: socket.socket) -> None:
    client.sendall(HELO)
    client.shutdown(socket.SHUT_WR)


SLOW_KINDS = [wait, greet, drip, close_half]


@pytest.fixture
def _many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        pytest.skip(f"this account may open only {hard} files, the clients alone need more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, OPEN_FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def serving(tmp_path: Path, bounds: IntakeBounds = BOUNDS) -> LocalSmtpServer:
    made = LocalSmtpServer(Folder(tmp_path / "new"), free_port(), bounds=bounds, min_free_bytes=0)
    made.start()
    return made


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[LocalSmtpServer]:
    made = serving(tmp_path)
    yield made
    made.stop()


def connect(intake: LocalSmtpServer, number: int = 1) -> socket.socket:
    """Connect from one of many addresses of this machine."""
    return socket.create_connection(
        ("127.0.0.1", intake.port),
        timeout=SAFETY_NET_SECONDS,
        source_address=(f"127.0.1.{number % 200 + 1}", 0),
    )


def is_dismissed(client: socket.socket) -> bool:
    """Has the server closed this connection, whatever it said before?"""
    client.settimeout(0)
    try:
        while client.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def dripping(clients: list[socket.socket]) -> None:
    """Send another byte of each mail that has not ended."""
    for client in clients:
        with suppress(OSError):
            client.send(b"x")


def is_stored(intake: LocalSmtpServer) -> bool:
    """Does a sender who comes again and again get its mail stored?"""
    with suppress(smtplib.SMTPException, OSError), smtplib.SMTP("127.0.0.1", intake.port) as server:
        server.sendmail("ana@example.org", ["desk@desk.example"], RAW)
        return True
    return False


def come(
    intake: LocalSmtpServer, be_slow: Callable[[socket.socket], None]
) -> tuple[list[socket.socket], int]:
    """Connect all slow clients; return those that were let in and how many were turned away."""
    admitted: list[socket.socket] = []
    for number in range(CLIENTS):
        client = connect(intake, number)
        answer = client.recv(100)
        if answer.startswith(b"220"):
            with suppress(OSError):
                be_slow(client)
            admitted.append(client)
        else:
            assert answer.startswith(b"421") or not answer
            client.close()
        assert intake.gate.count_open() <= BOUNDS.connections
    return admitted, CLIENTS - len(admitted)


def wait_until_dismissed(clients: list[socket.socket], meanwhile: Callable[[], None]) -> None:
    def all_are_dismissed() -> bool:
        meanwhile()
        clients[:] = [client for client in clients if not is_dismissed(client)]
        return not clients

    wait_until(all_are_dismissed, lambda: f"{len(clients)} are still served")


@pytest.mark.usefixtures("_many_open_files")
@pytest.mark.parametrize("be_slow", SLOW_KINDS)
def test_slow_clients_are_dismissed_and_a_patient_sender_is_served(
    intake: LocalSmtpServer,
    be_slow: Callable[[socket.socket], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    threads = threading.active_count()
    admitted, turned_away = come(intake, be_slow)
    assert turned_away or be_slow is close_half  # whose connections end at once
    assert threading.active_count() == threads
    slow = admitted[:]
    wait_until_dismissed(slow, lambda: dripping(slow) if be_slow is drip else None)
    wait_until(lambda: intake.gate.count_open() == 0)
    for client in admitted:
        client.close()
    wait_until(lambda: is_stored(intake))
    wait_until(lambda: intake.gate.unstored_bytes == 0)
    assert next(intake.folder.waiting()).read_bytes().endswith(RAW)
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) <= 2, [record.getMessage() for record in said]


def test_an_address_cannot_take_all_connections(intake: LocalSmtpServer) -> None:
    clients = [connect(intake) for _ in range(BOUNDS.connections_of_address + 1)]
    greetings = [client.recv(3) for client in clients]
    assert greetings.count(b"421") == 1
    assert intake.list_faults() == [f"intake: {WORDS[DISMISSING]}"]
    assert is_stored(intake)
    for client in clients:
        client.close()


@pytest.mark.parametrize("of_one", [True, False])
def test_bytes_that_end_no_mail_are_bounded(tmp_path: Path, *, of_one: bool) -> None:
    """A text without any line end is kept nowhere, whether one client sends it or many do."""
    most = 300_000
    bounds = IntakeBounds(**{"bytes_of_connection" if of_one else "bytes_in_all": most})
    intake = serving(tmp_path, bounds)
    try:
        clients = [connect(intake, number) for number in range(1 if of_one else 4)]
        answers = []
        for client in clients:
            client.recv(100)
            with suppress(OSError):
                client.sendall(DATA + b"x" * (most + 1 if of_one else most // 3))
        for client in clients:
            client.settimeout(SAFETY_NET_SECONDS if of_one else 1)
            with suppress(OSError):
                while answer := client.recv(1000):
                    answers.append(answer)
        assert intake.gate.unstored_bytes <= most
        assert (b"552" if of_one else b"421 4.3.1") in b"".join(answers)
        for client in clients:
            client.close()
        assert is_stored(intake)
    finally:
        intake.stop()


def test_recipients_and_commands_are_bounded(tmp_path: Path) -> None:
    intake = serving(tmp_path, IntakeBounds(recipients=3, commands=5))
    try:
        with smtplib.SMTP("127.0.0.1", intake.port) as server:
            people = [f"d{n}@desk.example" for n in range(4)]
            refused = server.sendmail("ana@example.org", people, RAW)
            assert {address: code for address, (code, _) in refused.items()} == {people[3]: 452}
            codes = [server.noop()[0] for _ in range(6)]
            assert codes == [250] * 5 + [421]
    finally:
        intake.stop()


def test_the_largest_mail_is_within_the_bounds() -> None:
    bounds = IntakeBounds()
    assert bounds.bytes_of_connection > MAX_MAIL_BYTES
    assert bounds.bytes_in_all > bounds.bytes_of_connection
