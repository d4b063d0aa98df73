"""Learns from labelled messages, and measures what was learned on authors left out."""
