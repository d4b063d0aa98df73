"""Find and mask secrets and identity numbers, before anything is stored, logged or sent on."""

from bot.redact.redactor import WORDS, redact

__all__ = [
    "WORDS",
    "redact",
]
