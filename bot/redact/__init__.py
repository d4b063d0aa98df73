"""Finds and masks secrets and identity numbers, before anything is stored, logged or sent on."""

from bot.redact.redactor import KIND_NAMES, redact

__all__ = [
    "KIND_NAMES",
    "redact",
]
