"""Checks the set-up of Slack for `doctor`: names what is wrong and how to repair it."""

import json
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from slack_sdk.errors import SlackClientError

from bot.channels.slack.client import SECONDS, AwayError, Web
from bot.channels.slack.health import check_clock, check_posts, check_signatures, read_header
from bot.domain import HealthLine
from bot.errors import DeliveryError
from bot.resources import read_text

if TYPE_CHECKING:
    from bot.channels.slack import Slack

AWAY = "mails are answered meanwhile, and cards are posted when it is back"
NOT_ACCEPTED = "set DESK_SLACK_BOT_TOKEN to the bot token of the app's install page"


def check_setup(slack: "Slack") -> Iterator[HealthLine]:
    """Check token, scopes, clock, app token, signatures, channel, staff and posts in order."""
    try:
        answer = slack.client.call("auth.test", {})
    except DeliveryError as error:
        remedy = AWAY if isinstance(error, AwayError) else NOT_ACCEPTED
        yield HealthLine(name="slack token", good=False, says=f"{error}; {remedy}")
        yield check_signatures(slack)
        yield check_posts(slack)
        return
    slack.staff_permissions.team = str(answer["team_id"])
    yield HealthLine(name="slack token", good=True, says=f"workspace {answer.get('team', '')}")
    yield _scopes(read_header(answer, "x-oauth-scopes"))
    yield check_clock(answer)
    if slack.access.app_token:
        yield _line(slack)
    yield check_signatures(slack)
    yield _channel(slack)
    yield from _staff(slack)
    yield check_posts(slack)


@cache
def read_manifest() -> dict[str, Any]:
    """Return bot/data/slack_manifest.json, which an owner gives to Slack to create the app."""
    return dict(json.loads(read_text("slack_manifest.json")))


def bot_scopes() -> list[str]:
    """Return the names of the scopes that the bot needs."""
    return list(read_manifest()["oauth_config"]["scopes"]["bot"])


def _scopes(granted: str) -> HealthLine:
    has, wants = {s.strip() for s in granted.split(",") if s.strip()}, set(bot_scopes())
    if missing := sorted(wants - has):
        says = f"missing: {', '.join(missing)}; install the app again from its manifest"
        return HealthLine(name="slack scopes", good=False, says=says)
    more = sorted(has - wants)
    says = f"{len(wants)} as wanted" + (f"; not needed: {', '.join(more)}" if more else "")
    return HealthLine(name="slack scopes", good=True, says=says)


def _line(slack: "Slack") -> HealthLine:
    web = Web(base_url=slack.access.base_url, timeout=SECONDS)
    try:
        web.apps_connections_open(app_token=slack.access.app_token)
    except (SlackClientError, OSError) as error:
        response = getattr(error, "response", None)
        said = response.get("error", "") if response is not None else type(error).__name__
        return HealthLine(
            name="slack line", good=False,
            says=f"Slack says {said}; DESK_SLACK_APP_TOKEN needs connections:write",
        )  # fmt: skip
    return HealthLine(name="slack line", good=True, says="Socket Mode opens")


def _channel(slack: "Slack") -> HealthLine:
    name, channel = "slack channel", slack.access.channel
    try:
        why = slack.channel_permissions.objection(channel)
    except DeliveryError as error:
        return HealthLine(name=name, good=False, says=str(error))
    if why:
        says = f"{channel}: {why}; use a private channel of your own and /invite the app"
        return HealthLine(name=name, good=False, says=says)
    return HealthLine(name=name, good=True, says=f"{channel} is private and the desk is in it")


def _staff(slack: "Slack") -> Iterator[HealthLine]:
    wrong = []
    for user in sorted({*slack.access.staff, *slack.access.oncall}):
        try:
            why = slack.staff_permissions.objection(user, slack.staff_permissions.team)
        except DeliveryError as error:
            why = str(error)
        if why:
            wrong.append(f"{user}: {why}")
    says = "; ".join(wrong) or f"{len(slack.access.staff)} people may decide"
    yield HealthLine(name="slack staff", good=not wrong, says=says)
