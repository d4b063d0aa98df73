"""The HTTP port on loopback: health, readiness, metrics, and what a channel mounts there."""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

from bot.errors import MissingError

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
JSON = "application/json"
MAX_BODY = 1024 * 1024
SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What is sent back."""

    body: bytes
    kind: str = JSON
    status: int = HTTPStatus.OK


GetHandler = Callable[[], HttpResponse]
PostHandler = Callable[[Mapping[str, str], bytes], HttpResponse]


class HttpPort:
    """A small server of fixed pages; `post` mounts a channel's entry."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.get_handlers: dict[str, GetHandler] = {}
        self.post_handlers: dict[str, PostHandler] = {}
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def get(self, path: str, page: GetHandler) -> None:
        """Serve `page` at `path`."""
        self.get_handlers[path] = page

    def post(self, path: str, page: PostHandler) -> None:
        """Hand what is posted to `path`, headers in lower case, to `page`."""
        self.post_handlers[path] = page

    def start(self) -> None:
        """Begin to answer; MissingError when the port is taken."""
        try:
            self._server = _Server((LOOPBACK, self.port), _asking(self))
        except OSError as error:
            raise MissingError(
                f"port {self.port} on {LOOPBACK} is taken; stop what uses it or set "
                f"DESK_HTTP_PORT ({error.strerror})"
            ) from None
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None


def status_page(faults: list[str], remarks: Sequence[str] = ()) -> HttpResponse:
    """200 without faults, else 503 and their names; remarks keep nobody from using it."""
    if faults:
        body = json.dumps({"status": "not ready", "faults": faults}).encode()
        return HttpResponse(body=body, status=HTTPStatus.SERVICE_UNAVAILABLE)
    told = {"status": "ok"} | ({"remarks": list(remarks)} if remarks else {})
    return HttpResponse(body=json.dumps(told).encode())


def _asking(port: HttpPort) -> type[BaseHTTPRequestHandler]:
    class Asking(BaseHTTPRequestHandler):
        timeout = SECONDS
        server_version = "incident-desk"
        sys_version = ""

        def do_GET(self) -> None:
            page = port.get_handlers.get(self.path.partition("?")[0])
            self._answer(_made(page) if page else _no_page())

        def do_POST(self) -> None:
            page = port.post_handlers.get(self.path.partition("?")[0])
            length = self.headers.get("Content-Length", "")
            if page is None:
                self._answer(_no_page())
            elif not length.isdecimal() or int(length) > MAX_BODY:
                self._answer(_refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(length))
                self._answer(_made(lambda: page(headers, body)))

        def _answer(self, page: HttpResponse) -> None:
            self.close_connection = True
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Nothing: who asks what is no event of the desk."""

    return Asking


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # Slack delivers many events at once

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody hung up: no event of the desk."""


def _made(page: GetHandler) -> HttpResponse:
    try:
        return page()
    except Exception as error:
        log.exception("a page failed", extra={"fault": type(error).__name__})
        return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


def _no_page() -> HttpResponse:
    return _refusal(HTTPStatus.NOT_FOUND)


def _refusal(status: HTTPStatus) -> HttpResponse:
    return HttpResponse(body=json.dumps({"error": status.phrase}).encode(), status=status)
