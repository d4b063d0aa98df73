"""Connects to models, vector stores and web pages: one vendor a file."""
