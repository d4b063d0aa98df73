"""Finds secrets by their format: one detector for each kind."""
