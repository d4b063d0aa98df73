"""The closed-set check that every automatic text passes, last, at the only send function."""

from bot.outbound.check import CANARY, Check, LeakDetector, Outbound, text_of

__all__ = [
    "CANARY",
    "Check",
    "LeakDetector",
    "Outbound",
    "text_of",
]
