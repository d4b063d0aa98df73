"""Calls Slack; no other module does. It may call eight methods of the Web API.

Socket Mode opens its connection with a ninth method under the app token. Every failure becomes one
of four errors, so that a caller knows whether to wait, to repair the set-up, or to give up.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse
from typing_extensions import override

from bot.errors import DeliveryError, RefusedError
from bot.infra.supervision import OutageLog

METHODS = frozenset({
    "auth.test", "chat.postEphemeral", "chat.postMessage", "chat.update", "conversations.info",
    "users.info", "views.open", "views.publish",
})  # fmt: skip
CALLING = "calling Slack"  # as the log names it
OPEN_SOCKET_METHOD = "apps.connections.open"
BASE = "https://slack.com/api/"
RESPONSE_HOST = "hooks.slack.com"
# Slack's error codes for a wrong set-up: everything waits until somebody repairs it.
BROKEN = frozenset({
    "account_inactive", "channel_not_found", "invalid_auth", "is_archived", "missing_scope",
    "not_authed", "not_in_channel", "restricted_action", "team_access_not_granted",
    "token_expired", "token_revoked",
})  # fmt: skip
# Slack's error codes for an outage on its side.
OUTAGE = frozenset({
    "fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org",
})  # fmt: skip
SECONDS = 10  # how long a call may take


class Web(WebClient):
    """The client of Slack's SDK, restricted to the methods that the desk needs."""

    @override
    def api_call(self, api_method: str, **arguments: Any) -> SlackResponse:
        """Call a method and return Slack's answer; RefusedError for a method outside the list."""
        if api_method not in METHODS | {OPEN_SOCKET_METHOD}:
            raise RefusedError(f"{api_method} is none of the methods that the desk may call")
        return super().api_call(api_method, **arguments)


class BusyError(DeliveryError):
    """Slack asked to wait for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__("Slack asks to wait")
        self.seconds = seconds


class AwayError(DeliveryError):
    """Slack does not answer, or reports an outage of its own."""


class BrokenError(DeliveryError):
    """Token, scope or channel are wrong: a person must repair the set-up."""


class Client:
    """Calls Slack for one bot in one workspace; each call may take `seconds`."""

    def __init__(self, token: str, *, base_url: str = BASE, seconds: int = SECONDS) -> None:
        self.base_url = base_url
        self._outages = OutageLog()
        self.web = Web(token=token, base_url=base_url, timeout=seconds, retry_handlers=[])
        for name in ("slack_bolt", "slack_sdk"):
            logging.getLogger(name).setLevel(logging.WARNING)  # their lines quote what they receive

    def call(self, method: str, arguments: Mapping[str, Any]) -> SlackResponse:
        """Call a method with a JSON body and return Slack's answer.

        BusyError, AwayError or BrokenError when it may succeed later, RefusedError when it never
        will.
        """
        return self._ask(method, json=dict(arguments))

    def call_with_form(self, method: str, arguments: Mapping[str, Any]) -> SlackResponse:
        """Call a method that only reads, with its arguments as a form; errors as for `call`."""
        return self._ask(method, params=dict(arguments))

    def _ask(self, method: str, **given: Any) -> SlackResponse:
        try:
            answer = self.web.api_call(method, **given)
        except SlackApiError as error:
            raise _translate(error) from None
        except (SlackClientError, OSError, ValueError) as error:
            self._outages.record_failure(CALLING, error, expected=True)
            raise AwayError(f"Slack does not answer ({type(error).__name__})") from None
        self._outages.record_success(CALLING)
        return answer

    def respond(self, url: str, body: Mapping[str, Any]) -> None:
        """Answer a command or a shortcut at the response URL that Slack gave for it.

        RefusedError for a URL that is not Slack's or an answer that comes too late.
        """
        if not self._is_slack(url):
            raise RefusedError("that is no address of Slack's to answer to")
        request = urllib.request.Request(  # noqa: S310 - the host was checked above
            url, json.dumps(dict(body)).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310 - the same
                return
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 429:
                    raise BusyError(_seconds(error.headers)) from None
                if error.code >= 500:
                    raise AwayError(f"Slack answers {error.code}") from None
                raise RefusedError(
                    f"Slack answers {error.code}: the time to answer is over"
                ) from None
        except OSError as error:
            raise AwayError(f"Slack does not answer ({type(error).__name__})") from None

    def _is_slack(self, url: str) -> bool:
        there, here = urlsplit(url), urlsplit(self.base_url)
        if (there.scheme, there.hostname) == ("https", RESPONSE_HOST):
            return True
        return self.base_url != BASE and there[:2] == here[:2]


def _translate(error: SlackApiError) -> DeliveryError:
    """Return the error of this module for an error answer of Slack."""
    response = error.response
    status = getattr(response, "status_code", 0)
    code = response.get("error", "") if hasattr(response, "get") else ""
    if status == 429 or code in ("ratelimited", "rate_limited", "message_limit_exceeded"):
        return BusyError(_seconds(response.headers))
    if code in BROKEN:
        return BrokenError(f"Slack says {code}")
    if status >= 500 or code in OUTAGE:
        return AwayError(f"Slack is ill ({code or status})")
    return RefusedError(f"Slack says {code or status}")


def _seconds(headers: Any) -> float:
    """Return how many seconds Slack asks to wait; 1 where it names no number."""
    retry_after = headers.get("Retry-After") or headers.get("retry-after") or 1
    try:
        return max(0.0, float(retry_after[0] if isinstance(retry_after, list) else retry_after))
    except ValueError:
        return 1.0
