"""Receives all requests from Slack through one Bolt app, which stores and then acknowledges them.

Handlers process a stored event later, in threads of their own. Socket Mode is the default
transport; requests over HTTP go to the same app. The desk starts and answers mail without either.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from slack_bolt import App as Bolt
from slack_bolt import BoltRequest, BoltResponse
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler

from bot.channels.slack.client import SECONDS, Client, Web
from bot.channels.slack.event_store import EventStore
from bot.channels.slack.events import MALFORMED, parse_delivery
from bot.channels.slack.handlers.modal_handler import ModalHandler, error_response
from bot.channels.slack.unsigned_requests import UnsignedRequests, drop_malformed
from bot.infra.http_server import HttpResponse
from bot.journal import Journal

log = logging.getLogger(__name__)
MODAL_SUBMISSION = "view_submission"
ANSWERED_BY_BOLT = frozenset({"url_verification", "ssl_check"})
PING_SECONDS = 3.0  # a connection without an answer to four pings counts as dead
LOOKING_UP = "Looking it up …"


class SlackGateway:
    """Verifies, stores and acknowledges what Slack sends; `on_stored` is called after a commit."""

    def __init__(
        self,
        journal: Journal,
        client: Client,
        modal_handler: ModalHandler,
        *,
        secret: str,
        on_stored: Callable[[], None],
    ) -> None:
        self.unsigned_requests = UnsignedRequests(journal, secret)
        self.event_store = EventStore(journal.slack)
        self.modal_handler = modal_handler
        self.on_stored = on_stored
        self.last_received = 0.0  # on the monotonic clock
        self.bolt = Bolt(
            name="incident-desk",
            client=client.web,
            signing_secret=secret or secrets.token_hex(16),
            token_verification_enabled=False,
            before_authorize=self._receive,
        )

    def handle_http(self, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        """Handle a request that Slack posts to /slack/events and return the answer to it.

        The names of the `headers` are in lower case.
        """
        valid_headers = drop_malformed(headers)
        try:  # Bolt reads the body before it looks at the signature
            request = BoltRequest(body=body.decode("utf-8", "replace"), headers=dict(valid_headers))
        except MALFORMED:
            status = HTTPStatus.BAD_REQUEST
            if not self.unsigned_requests.is_signed(valid_headers, body):
                self.unsigned_requests.add(valid_headers, body)
                status = HTTPStatus.UNAUTHORIZED
            return HttpResponse(body=b"", kind="text/plain", status=status)
        answer = self.bolt.dispatch(request)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self.unsigned_requests.add(valid_headers, body)
        kind = answer.first_headers().get("content-type", "text/plain")
        return HttpResponse(body=(answer.body or "").encode(), kind=kind, status=answer.status)

    def _receive(self, body: dict[str, Any], next: Callable[[], None]) -> BoltResponse | None:  # noqa: A002 - Bolt's name
        """Store or answer one request with a valid signature; Bolt answers an error with a 500."""
        self.last_received = time.monotonic()
        if body.get("type") in ANSWERED_BY_BOLT or "ssl_check" in body:
            next()
            return None
        if body.get("type") == MODAL_SUBMISSION:
            return _ack(self._submit_modal(body))
        event = parse_delivery(body)
        if event is None:
            return _ack({})
        self.event_store.store(event)
        self.on_stored()
        asks = event.payload["kind"] == "command" and event.payload["verb"] == "ask"
        return _ack({"response_type": "ephemeral", "text": LOOKING_UP} if asks else {})

    def _submit_modal(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.modal_handler.handle(body)
        except Exception as error:
            number = secrets.token_hex(3)
            log.exception(
                "a modal broke", extra={"event_id": number, "fault": type(error).__name__}
            )
            return error_response(number)


class Socket:
    """The connection of Socket Mode; `trouble` says in plain words why it is not open."""

    def __init__(self, gateway: SlackGateway, token: str, base_url: str) -> None:
        web = Web(token=token, base_url=base_url, timeout=SECONDS)
        self.handler = SocketModeHandler(
            gateway.bolt, token, web_client=web, concurrency=20, ping_interval=PING_SECONDS
        )
        self.handler.client.logger = logging.getLogger("slack_sdk.socket")
        self.trouble = "not connected yet"

    def keep_open(self) -> bool:
        """Return whether the connection is open, after trying to open it where it is not."""
        client = self.handler.client
        session = client.current_session
        # A connection that was cut looks open to the SDK for five more pings.
        if session and session.consecutive_check_state_error_count:
            session.disconnect()
        if client.is_connected():
            return True
        try:
            client.connect_to_new_endpoint()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self.trouble = _why(error)
            return False
        self.trouble = "" if client.is_connected() else "the line to Slack does not open"
        return not self.trouble

    def is_connected(self) -> bool:
        """Return whether the connection is open."""
        return bool(self.handler.client.is_connected())

    def close(self) -> None:
        """Close the connection."""
        self.handler.client.close()


def _why(error: Exception) -> str:
    response = getattr(error, "response", None)
    said = response.get("error", "") if response is not None else ""
    return f"Slack says {said}" if said else f"Slack does not answer ({type(error).__name__})"


def _ack(body: dict[str, Any]) -> BoltResponse:
    if not body:
        return BoltResponse(status=200, body="")
    return BoltResponse(
        status=200, body=json.dumps(body), headers={"content-type": "application/json"}
    )
