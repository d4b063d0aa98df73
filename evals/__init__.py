"""Measures the desk's quality: cases, verdicts, bounds, gates; it all runs without a key."""
