"""The only module that calls Slack: eight methods of the Web API, and nothing else (Socket
Mode opens its line with a ninth, under the app token).

Every failure becomes one of four errors, so that a caller knows whether to wait, to repair the
set-up, or to give up.
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

METHODS = frozenset({
    "auth.test", "chat.postEphemeral", "chat.postMessage", "chat.update", "conversations.info",
    "users.info", "views.open", "views.publish",
})  # fmt: skip
LINE = "apps.connections.open"
BASE = "https://slack.com/api/"
HOOKS = "hooks.slack.com"
# The set-up is wrong: nothing goes out until somebody repairs it, and then everything does.
BROKEN = frozenset({
    "account_inactive", "channel_not_found", "invalid_auth", "is_archived", "missing_scope",
    "not_authed", "not_in_channel", "restricted_action", "team_access_not_granted",
    "token_expired", "token_revoked",
})  # fmt: skip
BUSY = frozenset({
    "fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org",
})  # fmt: skip
SECONDS = 10


class Web(WebClient):
    """The SDK's client; of the hundreds of methods that it knows, these alone leave it."""

    @override
    def api_call(self, api_method: str, **arguments: Any) -> SlackResponse:
        """One call; RefusedError for a method that is not ours."""
        if api_method not in METHODS | {LINE}:
            raise RefusedError(f"{api_method} is none of the methods that the desk may call")
        return super().api_call(api_method, **arguments)


class BusyError(DeliveryError):
    """Slack asked to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__("Slack asks to wait")
        self.seconds = seconds


class AwayError(DeliveryError):
    """Slack does not answer, or is ill."""


class BrokenError(DeliveryError):
    """Token, scope or channel: a person must repair the set-up."""


class Client:
    """One workspace, one bot."""

    def __init__(self, token: str, *, base_url: str = BASE, seconds: int = SECONDS) -> None:
        self.base_url = base_url
        self.web = Web(token=token, base_url=base_url, timeout=seconds, retry_handlers=[])
        for name in ("slack_bolt", "slack_sdk"):
            logging.getLogger(name).setLevel(logging.WARNING)  # they quote what they are sent

    def call(self, method: str, arguments: Mapping[str, Any]) -> SlackResponse:
        """One call; RefusedError when it will never be taken."""
        try:
            return self.web.api_call(method, json=dict(arguments))
        except SlackApiError as error:
            raise _named(error) from None
        except (SlackClientError, OSError, ValueError) as error:
            raise AwayError(f"Slack does not answer ({type(error).__name__})") from None

    def call_with_form(self, method: str, arguments: Mapping[str, Any]) -> SlackResponse:
        """The same for methods that read, whose arguments are a form."""
        try:
            return self.web.api_call(method, params=dict(arguments))
        except SlackApiError as error:
            raise _named(error) from None
        except (SlackClientError, OSError, ValueError) as error:
            raise AwayError(f"Slack does not answer ({type(error).__name__})") from None

    def respond(self, url: str, body: Mapping[str, Any]) -> None:
        """Answer a command or a shortcut where it was given."""
        if not self._ours(url):
            raise RefusedError("that is no address of Slack's to answer to")
        request = urllib.request.Request(  # noqa: S310 - the host was looked at
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

    def _ours(self, url: str) -> bool:
        there, here = urlsplit(url), urlsplit(self.base_url)
        if (there.scheme, there.hostname) == ("https", HOOKS):
            return True
        return self.base_url != BASE and there[:2] == here[:2]


def _named(error: SlackApiError) -> DeliveryError:
    response = error.response
    status = getattr(response, "status_code", 0)
    code = response.get("error", "") if hasattr(response, "get") else ""
    if status == 429 or code in ("ratelimited", "rate_limited", "message_limit_exceeded"):
        return BusyError(_seconds(response.headers))
    if code in BROKEN:
        return BrokenError(f"Slack says {code}")
    if status >= 500 or code in BUSY:
        return AwayError(f"Slack is ill ({code or status})")
    return RefusedError(f"Slack says {code or status}")


def _seconds(headers: Any) -> float:
    found = headers.get("Retry-After") or headers.get("retry-after") or 1
    try:
        return max(0.0, float(found[0] if isinstance(found, list) else found))
    except ValueError:
        return 1.0
