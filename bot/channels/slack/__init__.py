"""Slack: staff see what waits, decide it, and ask; and what must never go out, does not."""

from bot.channels.slack.channel import ACK_SECONDS, Access, Model, Pace, Slack

__all__ = [
    "ACK_SECONDS",
    "Access",
    "Model",
    "Pace",
    "Slack",
]
