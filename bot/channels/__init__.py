"""Holds the ways in which people reach the desk; channels do not know each other."""
