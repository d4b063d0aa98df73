"""Checks every automatic text last, at the only send function, against a closed set of units."""

from bot.outbound.check import CANARY, CheckResult, LeakDetector, Outbound, text_of

__all__ = [
    "CANARY",
    "CheckResult",
    "LeakDetector",
    "Outbound",
    "text_of",
]
