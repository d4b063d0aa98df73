"""The desk in a browser, for one person on this machine, where no Slack workspace is used."""

from bot.channels.web.pages import WebDesk

__all__ = ["WebDesk"]
