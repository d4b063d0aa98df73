"""Checks every automatic text, just before it is sent, against a closed set of approved units."""

from bot.outbound.check import CANARY, CheckResult, LeakDetector, Outbound, text_of

__all__ = [
    "CANARY",
    "CheckResult",
    "LeakDetector",
    "Outbound",
    "text_of",
]
