"""Implements the commands of the terminal; `bot.cli` parses their arguments and prints."""
