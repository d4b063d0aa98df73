"""The evaluations themselves."""
