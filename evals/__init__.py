"""Measures the desk's quality by cases, verdicts, bounds and gates; it needs no API key."""
