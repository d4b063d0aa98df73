"""How a test waits for what another thread or process does.

A test waits for a condition, never for a number of seconds that an idle machine needs. The safety
nets below only end a test that would hang for ever; they are so generous that the slowest machine,
busy with other work, stays far below them.
"""

import time
from collections.abc import Callable

SAFETY_NET_SECONDS = 300.0
EVERY_SECONDS = 0.02


def wait_until(holds: Callable[[], object], says: Callable[[], object] = str) -> None:
    """Return as soon as `holds()` is true; AssertionError with `says()` when the net is reached."""
    end = time.monotonic() + SAFETY_NET_SECONDS
    while not holds():
        assert time.monotonic() < end, says() or "it did not happen within the safety net"
        time.sleep(EVERY_SECONDS)
