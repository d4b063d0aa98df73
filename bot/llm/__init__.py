"""Asks a language model: what it is asked, what it may cost, and how far its answer counts."""
