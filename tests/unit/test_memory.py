"""Free memory goes back to the system."""

import ctypes
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.infra.memory import release_free_memory

CHUNK, CHUNKS = 50_000, 2_000  # bytes, and how many of them: below what glibc maps by itself


def resident() -> int:
    """Return the memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back")
def test_what_another_thread_has_freed_goes_back() -> None:
    allocate, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
    allocate.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

    def fill() -> list[int]:
        chunks = [allocate(CHUNK) for _ in range(CHUNKS)]
        for each in chunks:
            ctypes.memset(each, 1, CHUNK)
        return chunks

    with ThreadPoolExecutor(1) as other:
        chunks = other.submit(fill).result()
        full = resident()
        # The last one stays, so that the heap cannot simply shrink from its end.
        list(other.map(free, chunks[:-1]))
        assert release_free_memory()
        assert full - resident() > CHUNK * CHUNKS // 2
        free(chunks[-1])
