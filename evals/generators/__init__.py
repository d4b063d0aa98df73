"""Seeded makers of test messages."""
