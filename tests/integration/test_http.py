"""The HTTP port, asked over its socket."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from bot.errors import MissingError
from bot.infra.http_server import MAX_BODY, HttpPort, HttpResponse, status_page
from tests.support.waiting import SAFETY_NET_SECONDS


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
        assert b"413" in line.recv(100)


def test_a_taken_port_names_its_setting(port: HttpPort) -> None:
    with pytest.raises(MissingError, match="DESK_HTTP_PORT"):
        HttpPort(port.port).start()


def test_stopping_twice_is_harmless() -> None:
    made = HttpPort(0)
    made.stop()
    made.start()
    made.stop()
    made.stop()
