"""The HTTP port, asked over its socket."""

import http.client
import json
import resource
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from bot.errors import MissingError
from bot.infra import http_connections, http_server
from bot.infra.http_connections import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS
from bot.infra.http_server import MAX_BODY, MAX_THREADS, HttpPort, HttpResponse, status_page
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until


@pytest.fixture
def port() -> Iterator[HttpPort]:
    made = HttpPort(0)
    made.get("/healthz", lambda: status_page([]))
    made.get("/readyz", lambda: status_page(["database"]))
    made.post(
        "/slack",
        lambda headers, body: HttpResponse(
            body=headers["x-name"].encode() + body, kind="text/plain"
        ),
    )
    made.start()
    yield made
    made.stop()


def ask(
    port: HttpPort,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, str, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", port.port, timeout=SAFETY_NET_SECONDS)
    try:
        line.request(method, path, body, headers or {})
        found = line.getresponse()
        return found.status, found.headers["Content-Type"], found.read()
    finally:
        line.close()


def test_good_and_bad_states(port: HttpPort) -> None:
    assert ask(port, "GET", "/healthz?x=1") == (200, "application/json", b'{"status": "ok"}')
    status, _, body = ask(port, "GET", "/readyz")
    assert (status, json.loads(body)["faults"]) == (503, ["database"])


def test_a_page_that_fails_is_a_500_and_one_line(
    port: HttpPort, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> HttpResponse:
        raise LookupError("secret")

    port.get("/broken", broken)
    assert ask(port, "GET", "/broken")[0] == 500
    assert [record.message for record in caplog.records] == ["a page failed"]
    assert "secret" not in "".join(capfd.readouterr())


def test_what_is_not_there(port: HttpPort) -> None:
    assert ask(port, "GET", "/etc/passwd")[0] == 404
    assert ask(port, "POST", "/healthz", b"x")[0] == 404


def test_a_mounted_channel_gets_headers_and_body(port: HttpPort) -> None:
    assert ask(port, "POST", "/slack", b"body", {"X-Name": "ana"})[2] == b"anabody"


@pytest.mark.parametrize("length", ["", "-1", "many", str(MAX_BODY + 1)])
def test_a_body_of_unknown_or_great_length_is_refused(port: HttpPort, length: str) -> None:
    with socket.create_connection(("127.0.0.1", port.port), timeout=SAFETY_NET_SECONDS) as line:
        said = f"Content-Length: {length}\r\n" if length else ""
        line.sendall(f"POST /slack HTTP/1.1\r\nHost: x\r\n{said}\r\n".encode())
        assert line.recv(100).split()[1] in (b"413", b"400")


def test_a_body_without_an_end_is_refused(port: HttpPort) -> None:
    head = b"POST /slack HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port.port), timeout=SAFETY_NET_SECONDS) as line:
        line.sendall(head)
        assert line.recv(100).split()[1] == b"413"


SLOW_CLIENTS = 2_000
IDLE, HALF_A_HEAD = b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
HALF_A_BODY = b"POST /slack HTTP/1.1\r\nHost: x\r\nX-Name: a\r\nContent-Length: 100\r\n\r\nx"
NEVER_READ = b"GET /great HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow this process the files that the slow clients and the port need; skip without them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = SLOW_CLIENTS + MAX_CONNECTIONS + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this account may open {hard} files, and the test needs {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.no_cover
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    "said", [IDLE, HALF_A_HEAD, HALF_A_BODY, NEVER_READ], ids=["idle", "head", "body", "unread"]
)
def test_thousands_of_slow_clients_keep_nobody_from_being_answered(
    port: HttpPort, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    port.get("/great", lambda: HttpResponse(body=bytes(MAX_BODY)))
    threads = threading.active_count()
    lines: list[socket.socket] = []
    try:
        for _ in range(SLOW_CLIENTS):
            lines.append(
                socket.create_connection(("127.0.0.1", port.port), timeout=SAFETY_NET_SECONDS)
            )
            lines[-1].sendall(said)
            if len(lines) % MAX_CONNECTIONS == 0:
                assert ask(port, "GET", "/healthz")[0] == 200
        assert port._server
        # At the moment of this look, one may be there for which another is being cut off.
        assert len(port._server.server_state.connections) <= MAX_CONNECTIONS + 1
        assert ask(port, "POST", "/slack", b"body", {"X-Name": "ana"})[2] == b"anabody"
        assert threading.active_count() <= threads + MAX_THREADS
        assert port.count_cut_off() > SLOW_CLIENTS / 2 or said == NEVER_READ
    finally:
        for line in lines:
            line.close()
    assert [record.message for record in caplog.records] == [
        "connections to the HTTP port were cut off"
    ]


def test_one_address_of_another_machine_gets_fewer_connections(
    port: HttpPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connections, "_is_loopback", lambda _address: False)
    with ExitStack() as lines:
        for _ in range(2 * MAX_CONNECTIONS_PER_ADDRESS):
            lines.enter_context(socket.create_connection(("127.0.0.1", port.port)))
        assert ask(port, "GET", "/healthz")[0] == 200
        assert port._server
        assert len(port._server.server_state.connections) <= MAX_CONNECTIONS_PER_ADDRESS + 1


@pytest.mark.parametrize("said", [IDLE, HALF_A_HEAD, HALF_A_BODY], ids=["idle", "head", "body"])
def test_a_request_that_is_never_complete_is_cut_off_at_its_deadline(
    port: HttpPort, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(http_connections, "REQUEST_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port.port), timeout=SAFETY_NET_SECONDS) as line:
        line.sendall(said)
        with suppress(ConnectionResetError):
            assert line.recv(100) == b""


def test_requests_are_answered_in_a_bounded_number_of_threads(port: HttpPort) -> None:
    free, working, most = threading.Event(), [0], [0]
    counting = threading.Lock()

    def slow() -> HttpResponse:
        with counting:
            working[0] += 1
            most[0] = max(most[0], working[0])
        free.wait(SAFETY_NET_SECONDS)
        with counting:
            working[0] -= 1
        return status_page([])

    port.get("/slow", slow)
    with ThreadPoolExecutor(3 * MAX_THREADS) as pool:
        asked = [pool.submit(ask, port, "GET", "/slow") for _ in range(3 * MAX_THREADS)]
        assert port._server
        tasks = port._server.server_state.tasks
        wait_until(lambda: len(tasks) == 3 * MAX_THREADS and working[0] >= MAX_THREADS)
        free.set()
        assert {each.result()[0] for each in asked} == {200}
    assert most[0] == MAX_THREADS


def test_stopping_does_not_wait_for_an_answer_that_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_server, "STOP_SECONDS", 0.2)
    free, asked = threading.Event(), threading.Event()

    def hangs() -> HttpResponse:
        asked.set()
        free.wait(SAFETY_NET_SECONDS)
        return status_page([])

    port = HttpPort(0)
    port.get("/hangs", hangs)
    port.start()
    with socket.create_connection(("127.0.0.1", port.port)) as line:
        line.sendall(b"GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n")
        assert asked.wait(SAFETY_NET_SECONDS)
        port.stop()
    again = HttpPort(port.port)
    again.start()
    again.stop()
    free.set()


def test_nonsense_is_refused_without_a_line_in_the_log(
    port: HttpPort, caplog: pytest.LogCaptureFixture
) -> None:
    for said in (
        b"\x16\x03\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
    ):
        with (
            socket.create_connection(("127.0.0.1", port.port), timeout=SAFETY_NET_SECONDS) as line,
            suppress(ConnectionError),
        ):
            line.sendall(said)
            assert line.recv(100).split()[1] == b"400"
    assert ask(port, "GET", "/healthz")[0] == 200
    assert not caplog.records


def test_a_page_that_fails_again_and_again_is_one_line(
    port: HttpPort, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> HttpResponse:
        raise LookupError

    port.get("/broken", broken)
    assert {ask(port, "GET", "/broken")[0] for _ in range(5)} == {500}
    assert len(caplog.records) == 1


def test_a_taken_port_names_its_setting(port: HttpPort) -> None:
    with pytest.raises(MissingError, match="DESK_HTTP_PORT"):
        HttpPort(port.port).start()


def test_stopping_twice_is_harmless() -> None:
    made = HttpPort(0)
    made.stop()
    made.start()
    made.stop()
    made.stop()
