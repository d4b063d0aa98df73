"""Decides which requests the desk in a browser answers: those of the person at this machine.

The link that the desk prints holds a token, which is exchanged for a cookie. Every form holds a
token of its own, so that no other page can send it. The header `Host` must name this machine, so
that a foreign host name that resolves to its address is refused (DNS rebinding).
"""

import hashlib
import hmac
import ipaddress
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from bot.channels.web.pages import WebDesk

MAX_SESSIONS = 64  # browsers that are signed in; the oldest is signed out for a new one
# What a proxy adds to a request that it passes on: then it does not come from this machine.
PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # With `no-referrer` a browser would send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
WRONG_HOST = "Open the desk by the address that it printed, on the machine on which it runs."
WRONG_ORIGIN = "This form was sent by another page. Nothing was done."
NO_SESSION = (
    "Open the link that the desk printed when it was started. A service keeps it in the file "
    "web-link of its home."
)


class Access:
    """The token of this run of the desk, and the sessions of browsers that exchanged it."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self._key = secrets.token_bytes(32)
        self._sessions: dict[str, None] = {}  # in the order in which they began

    def open_session(self, token: str) -> str:
        """Return a new session for the token of this run; empty for any other token."""
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return ""
        session = secrets.token_urlsafe(32)
        self._sessions[session] = None
        if len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def find_session(self, request: Request) -> str:
        """Return the session of a request; empty where it has none that is known."""
        session = request.cookies.get(cookie_name(request), "")
        return session if session in self._sessions else ""

    def form_token(self, session: str) -> str:
        """Return the token that every form of this session carries."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def has_sent_form(self, session: str, token: str) -> bool:
        """Return whether `token` is the one that every form of this session carries."""
        return hmac.compare_digest(token.encode(), self.form_token(session).encode())


class Gate:
    """Lets only requests of this machine through, and adds security headers to each answer."""

    def __init__(self, desk: "WebDesk") -> None:
        self.desk = desk

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on to the desk, or answer it with the reason why it is refused."""

        async def send_bound(sent: "Message") -> None:
            if sent["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                sent["headers"] = [*sent.get("headers", ()), *own]
            await send(sent)

        request = Request(scope)
        if why := object_to_origin(request):
            refusal = self.desk.render_notice(why, status=HTTPStatus.FORBIDDEN)
            await refusal(scope, receive, send_bound)
            return
        await self.desk.app(scope, receive, send_bound)


def address_with_port(address: str, port: int) -> str:
    """Return an IP address with a port as URLs and the header `Host` write it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def cookie_name(request: Request) -> str:
    """Return the name of our cookie, with the port, as the ports of a machine share cookies."""
    return f"desk_{request.scope['server'][1]}"


def object_to_origin(request: Request) -> str:
    """Return why a request does not come from a page of ours on this machine; empty if it does."""
    host, (own, port) = request.headers.get("host", "").lower(), request.scope["server"]
    if host not in (f"localhost:{port}", address_with_port(own, port)):
        return WRONG_HOST
    passed_on = any(name in request.headers for name in PROXY_HEADERS)
    if passed_on or not _is_loopback(request.client.host if request.client else ""):
        return WRONG_HOST
    if request.method in ("GET", "HEAD"):
        return ""
    origin = request.headers.get("origin", f"http://{host}")
    site = request.headers.get("sec-fetch-site", "same-origin")
    return "" if origin == f"http://{host}" and site == "same-origin" else WRONG_ORIGIN


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
