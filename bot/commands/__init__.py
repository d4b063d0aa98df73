"""Holds the commands of the terminal: `*_commands` parse and print, the other modules do the work."""
