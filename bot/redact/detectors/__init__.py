"""Finds secrets by their form: one detector for each kind."""
