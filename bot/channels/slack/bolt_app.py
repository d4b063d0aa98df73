"""One Bolt app: it commits what comes in and acknowledges it; all work is done behind that.

Socket Mode is the default, HTTP the second entry to the same app. Neither has to work for the desk
to start, nor for mail to be answered.
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
from bot.channels.slack.event_store import Inbox
from bot.channels.slack.events import parse_delivery
from bot.channels.slack.handlers.modal_submissions import ModalHandler, error_response
from bot.channels.slack.signatures import UnsignedRequests
from bot.infra.http_server import HttpResponse
from bot.journal import Journal

log = logging.getLogger(__name__)
WINDOWS = "view_submission"
ASIDE = frozenset({"url_verification", "ssl_check"})  # Bolt answers these by itself
PING = 3.0  # seconds; a line without an answer for four of them is dead
LOOKING = "Looking it up …"


class SlackGateway:
    """Verifies, commits, acknowledges."""

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
        self.inbox = Inbox(journal.slack)
        self.modal_handler = modal_handler
        self.on_stored = on_stored
        self.last_received = 0.0  # when something last came, on the monotonic clock
        self.bolt = Bolt(
            name="incident-desk",
            client=client.web,
            signing_secret=secret or secrets.token_hex(16),
            token_verification_enabled=False,
            before_authorize=self._receive,
        )

    def handle_http(self, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        """What Slack posts to /slack/events."""
        request = BoltRequest(body=body.decode("utf-8", "replace"), headers=dict(headers))
        answer = self.bolt.dispatch(request)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self.unsigned_requests.add(headers, body)
        kind = answer.first_headers().get("content-type", "text/plain")
        return HttpResponse(body=(answer.body or "").encode(), kind=kind, status=answer.status)

    def _receive(self, body: dict[str, Any], next: Callable[[], None]) -> BoltResponse | None:  # noqa: A002 - Bolt's name
        """The only middleware: after the signature, before everything else. An error is a 500."""
        self.last_received = time.monotonic()
        if body.get("type") in ASIDE or "ssl_check" in body:
            next()
            return None
        if body.get("type") == WINDOWS:
            return _ack(self._submit_modal(body))
        found = parse_delivery(body)
        if found is None:
            return _ack({})
        self.inbox.store(found)
        self.on_stored()
        asks = found.payload["kind"] == "command" and found.payload["verb"] == "ask"
        return _ack({"response_type": "ephemeral", "text": LOOKING} if asks else {})

    def _submit_modal(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.modal_handler.handle(body)
        except Exception as error:
            number = secrets.token_hex(3)
            log.exception(
                "a window broke", extra={"event_id": number, "fault": type(error).__name__}
            )
            return error_response(number)


class Socket:
    """The connection of Socket Mode: opened again whenever it is gone."""

    def __init__(self, gateway: SlackGateway, token: str, base_url: str) -> None:
        web = Web(token=token, base_url=base_url, timeout=SECONDS)
        self.handler = SocketModeHandler(
            gateway.bolt, token, web_client=web, concurrency=20, ping_interval=PING
        )
        self.handler.client.logger = logging.getLogger("slack_sdk.socket")
        self.trouble = "not connected yet"

    def keep_open(self) -> bool:
        """Connected? If not, try; a failure is kept in words."""
        client = self.handler.client
        session = client.current_session
        # A line that was cut looks open to the SDK for five more pings.
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
        """Is there a line?"""
        return bool(self.handler.client.is_connected())

    def close(self) -> None:
        """Hang up."""
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
