"""What the commands of the terminal do; `bot.cli` parses their arguments and prints."""
