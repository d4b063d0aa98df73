"""Reads the manifest of the Slack app: scopes, events and commands that the desk needs."""

import json
from functools import cache
from typing import Any

from bot.resources import read_text


@cache
def manifest() -> dict[str, Any]:
    """Return bot/data/slack_manifest.json, which an owner gives to Slack to create the app."""
    text = read_text("slack_manifest.json")
    return dict(json.loads(text))


def bot_scopes() -> list[str]:
    """Return the names of the scopes that the bot needs."""
    return list(manifest()["oauth_config"]["scopes"]["bot"])
