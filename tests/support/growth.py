"""How the work for an input grows with its size, measured without regard to the machine's speed.

The CPU time of this thread for an input is compared with that for one four times as large, in the
same run: a slow machine, a tracer or other work slows both. Work in proportion to the size takes
four times as long, quadratic work sixteen times, and everything worse is worse.
"""

import time
from collections.abc import Callable

TIMES = 4
MOST = 9.0  # between 4 (in proportion) and 16 (quadratic), with room for caches and noise
ROUNDS = 8


def assert_in_proportion(prepare: Callable[[int], Callable[[], object]], size: int) -> None:
    """AssertionError when the work for `size` is out of proportion to that for a quarter of it.

    `prepare(size)` makes the input, which is not measured, and returns the work on it. Noise only
    ever adds time, so the least of several rounds counts, and the first good comparison is enough.
    """
    small, large = prepare(size // TIMES), prepare(size)
    small()  # what is loaded once is loaded now
    least_small = least_large = float("inf")
    for _ in range(ROUNDS):
        least_small = min(least_small, cpu_seconds(small))
        least_large = min(least_large, cpu_seconds(large))
        if least_large <= MOST * least_small:
            return
    raise AssertionError(
        f"{TIMES} times the input took {least_large / least_small:.1f} times the CPU time"
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    """The CPU time of this thread for `work`, only to be compared with another of the same run."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def repeated(unit: str, size: int) -> str:
    """`unit` again and again, about `size` characters."""
    return unit * (size // len(unit))
