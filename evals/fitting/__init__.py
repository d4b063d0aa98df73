"""Learns from labelled messages, and measures it on authors left out."""
