"""Runs the desk: the intake of mail, and the maintenance that goes on beside it."""
