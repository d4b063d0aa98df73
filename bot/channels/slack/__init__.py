"""Shows staff open cases in Slack, where they decide them and ask questions."""

from bot.channels.slack.channel import ACK_SECONDS, Slack
from bot.channels.slack.configuration import SlackAccess, SlackIntervals, SuggestionModel

__all__ = [
    "ACK_SECONDS",
    "Slack",
    "SlackAccess",
    "SlackIntervals",
    "SuggestionModel",
]
