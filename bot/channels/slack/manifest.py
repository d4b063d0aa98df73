"""The app's manifest: what Slack is told that the desk needs; a test compares it with the code."""

import json
from functools import cache
from typing import Any

from bot.resources import read_text


@cache
def manifest() -> dict[str, Any]:
    """bot/data/slack_manifest.json, to paste into Slack's page for a new app."""
    text = read_text("slack_manifest.json")
    return dict(json.loads(text))


def bot_scopes() -> list[str]:
    """What the bot may do."""
    return list(manifest()["oauth_config"]["scopes"]["bot"])
