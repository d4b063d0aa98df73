"""Gives memory that is free back to the system.

The C library keeps what one thread has freed for the next request of the same thread. A desk with
twenty threads, which read mails of any size, thus seems to grow for hours although nothing is held.
"""

import ctypes


def release_free_memory() -> bool:
    """Return free memory to the system; return whether any was, False where it cannot be done.

    It takes some milliseconds. Only glibc offers it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return bool(trim and trim(0))
