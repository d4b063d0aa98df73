"""Shows the desk in a browser to one person on this machine, where no Slack is used."""

from bot.channels.web.pages import WebDesk

__all__ = ["WebDesk"]
