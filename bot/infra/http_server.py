"""Serves health, readiness, metrics and the entry of a channel over HTTP on loopback."""

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
MAX_BODY = 1024 * 1024  # bytes of a request; a larger one is refused
TIMEOUT_SECONDS = 10.0  # how long a client may leave its request unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer: its body, content type and status."""

    body: bytes
    kind: str = JSON
    status: int = HTTPStatus.OK


GetHandler = Callable[[], HttpResponse]
PostHandler = Callable[[Mapping[str, str], bytes], HttpResponse]


class HttpPort:
    """A small server of fixed paths; port 0 means any that is free, which `start` fills in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.get_handlers: dict[str, GetHandler] = {}
        self.post_handlers: dict[str, PostHandler] = {}
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def get(self, path: str, handler: GetHandler) -> None:
        """Answer GET requests for `path` by `handler`."""
        self.get_handlers[path] = handler

    def post(self, path: str, handler: PostHandler) -> None:
        """Answer POST requests for `path` by `handler`, which gets headers in lower case."""
        self.post_handlers[path] = handler

    def start(self) -> None:
        """Start to answer in a thread; MissingError when the port is taken."""
        try:
            self._server = _Server((LOOPBACK, self.port), _request_handler(self))
        except OSError as error:
            raise MissingError(
                f"port {self.port} on {LOOPBACK} is taken; stop what uses it or set "
                f"DESK_HTTP_PORT ({error.strerror})"
            ) from None
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer and release the port."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None


def status_page(faults: list[str], remarks: Sequence[str] = ()) -> HttpResponse:
    """Return 200 without faults, else 503 and the faults; remarks do not change the status."""
    if faults:
        body = json.dumps({"status": "not ready", "faults": faults}).encode()
        return HttpResponse(body=body, status=HTTPStatus.SERVICE_UNAVAILABLE)
    status = {"status": "ok"} | ({"remarks": list(remarks)} if remarks else {})
    return HttpResponse(body=json.dumps(status).encode())


def _request_handler(port: HttpPort) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers the requests of one port."""

    class RequestHandler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS
        server_version = "incident-desk"
        sys_version = ""

        def do_GET(self) -> None:
            handler = port.get_handlers.get(self.path.partition("?")[0])
            self._answer(_respond(handler) if handler else _not_found())

        def do_POST(self) -> None:
            handler = port.post_handlers.get(self.path.partition("?")[0])
            length = self.headers.get("Content-Length", "")
            if handler is None:
                self._answer(_not_found())
            elif not length.isdecimal() or int(length) > MAX_BODY:
                self._answer(_refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(length))
                self._answer(_respond(lambda: handler(headers, body)))

        def _answer(self, response: HttpResponse) -> None:
            self.close_connection = True
            self.send_response(response.status)
            self.send_header("Content-Type", response.kind)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: who asks for what is not of interest."""

    return RequestHandler


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # Slack delivers many events at once

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: a client closed its connection."""


def _respond(handler: GetHandler) -> HttpResponse:
    """Return what the handler answers, or a 500 and one line in the log when it fails."""
    try:
        return handler()
    except Exception as error:
        log.exception("a page failed", extra={"fault": type(error).__name__})
        return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


def _not_found() -> HttpResponse:
    return _refusal(HTTPStatus.NOT_FOUND)


def _refusal(status: HTTPStatus) -> HttpResponse:
    return HttpResponse(body=json.dumps({"error": status.phrase}).encode(), status=status)
