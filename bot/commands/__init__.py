"""Holds the commands of the terminal: `*_commands` parse and print, the others do the work."""
