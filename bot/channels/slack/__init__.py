"""The Slack channel: staff see open cases, decide them and ask questions there."""

from bot.channels.slack.access import SlackAccess, SlackIntervals, SuggestionModel
from bot.channels.slack.channel import ACK_SECONDS, Slack

__all__ = [
    "ACK_SECONDS",
    "Slack",
    "SlackAccess",
    "SlackIntervals",
    "SuggestionModel",
]
