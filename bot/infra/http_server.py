"""Serves health, readiness, metrics, Slack's requests and the desk in a browser over HTTP.

One thread runs the server; handlers run in a bounded number of other threads.
"""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from bot.errors import MissingError
from bot.infra.http_connections import REQUEST_SECONDS, ConnectionConfig
from bot.infra.throttle import Throttle

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
JSON = "application/json"
MAX_BODY = 1024 * 1024  # bytes of a request; a larger one is refused
MAX_HEAD = 64 * 1024  # bytes of its headers: browsers send cookies of every local port along
MAX_THREADS = 16  # requests that are answered at the same time; others wait for their turn
# Connections that the system queues until the server accepts them, because Slack delivers many
# events at the same time. Three times as many open files are still far below the process limit.
BACKLOG = 128
STOP_SECONDS = 5  # how long stopping waits for answers that are under way
BODILESS = ("GET", "HEAD")


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

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        self.port = port
        self.host = host
        self._app = Starlette(exception_handlers={HTTPException: _refuse})
        self._app.router.redirect_slashes = False
        self._faults = Throttle()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def get(self, path: str, handler: GetHandler) -> None:
        """Answer GET requests for `path` by `handler`."""

        async def answer(_request: Request) -> Response:
            return await self._respond(handler)

        self._app.router.routes.append(Route(path, answer, methods=["GET"]))

    def post(self, path: str, handler: PostHandler) -> None:
        """Answer POST requests for `path` by `handler`, which gets headers in lower case."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            return await self._respond(lambda: handler(dict(request.headers), body))

        self._app.router.routes.append(Route(path, answer, methods=["POST"]))

    def mount(self, path: str, app: "ASGIApp") -> None:
        """Leave every request below `path` to another application."""
        self._app.router.routes.append(Mount(path, app))

    def start(self) -> None:
        """Start to answer in a thread; MissingError when the port is taken."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise MissingError(
                f"port {self.port} on {self.host} cannot be opened; stop what uses it or set "
                f"DESK_HTTP_PORT ({error.strerror})"
            ) from None
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(
            ConnectionConfig(
                self._answer, interface="asgi3", loop="asyncio", ws="none", lifespan="off",
                log_config=None, access_log=False, server_header=False, proxy_headers=False,
                headers=[("connection", "close")], backlog=BACKLOG,
                timeout_graceful_shutdown=STOP_SECONDS, h11_max_incomplete_event_size=MAX_HEAD,
            )
        )  # fmt: skip
        self._thread = threading.Thread(
            target=self._serve, args=(self._server, listener), name="http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer and release the port; an answer that never ends is not waited for."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(2 * STOP_SECONDS)
        self._server = self._thread = None

    def count_cut_off(self) -> float:
        """Return how many connections were cut off since the start."""
        config = self._server.config if self._server else None
        return config.cut_off.total if isinstance(config, ConnectionConfig) else 0

    def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(self._record_fault)
            runner.run(_serve_in_threads(server, listener))

    async def _answer(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request: within the deadline, and without reading a body that is too long."""
        app: ASGIApp = self._app if _has_bounded_body(scope) else _TOO_LARGE
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await app(scope, receive, send)
        except ClientDisconnect:
            pass  # the client went away or was cut off before its request was complete
        except Exception as error:  # the library answers this request by a 500
            self._log_fault("a request broke", error)
            raise

    async def _respond(self, handler: GetHandler) -> Response:
        """Return what the handler answers, or a 500 and a line in the log when it fails."""
        try:
            answer = await run_in_threadpool(handler)
        except Exception as error:  # noqa: BLE001 - _log_fault logs it
            self._log_fault("a page failed", error)
            answer = _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _to_response(answer)

    def _record_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a fault of the server itself, such as too many open files; it tries again."""
        self._log_fault("the HTTP port has a fault", context.get("exception"))

    def _log_fault(self, event: str, error: BaseException | None) -> None:
        if count := self._faults.count():
            extra = {"fault": type(error).__name__, "count": count}
            log.error(event, extra=extra, exc_info=error)


def status_page(faults: list[str], remarks: Sequence[str] = ()) -> HttpResponse:
    """Return 200 without faults, else 503 and the faults; remarks do not change the status."""
    if faults:
        body = json.dumps({"status": "not ready", "faults": faults}).encode()
        return HttpResponse(body=body, status=HTTPStatus.SERVICE_UNAVAILABLE)
    status = {"status": "ok"} | ({"remarks": list(remarks)} if remarks else {})
    return HttpResponse(body=json.dumps(status).encode())


async def _serve_in_threads(server: uvicorn.Server, listener: socket.socket) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = MAX_THREADS
    await server.serve(sockets=[listener])


def _has_bounded_body(scope: "Scope") -> bool:
    """Return whether a request has no body, or one whose length it states and that is allowed."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0" if scope["method"] in BODILESS else b"")
    return b"transfer-encoding" not in headers and length.isdigit() and int(length) <= MAX_BODY


def _refuse(_request: Request, error: Exception) -> Response:
    """Answer an unknown path, or a path that has no such method, by a 404 without details."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    there = error.status_code != HTTPStatus.METHOD_NOT_ALLOWED
    return _to_response(_refusal(HTTPStatus(error.status_code if there else HTTPStatus.NOT_FOUND)))


def _to_response(answer: HttpResponse) -> Response:
    return Response(answer.body, answer.status, media_type=answer.kind)


def _refusal(status: HTTPStatus) -> HttpResponse:
    return HttpResponse(body=json.dumps({"error": status.phrase}).encode(), status=status)


_TOO_LARGE = _to_response(_refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
