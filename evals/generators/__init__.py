"""Generates test messages from seeds."""
