"""Bounds the memory of compiled rules by compiling them anew after a number of texts.

RE2 builds the automaton states of a pattern as texts need them, and drops them only with the
pattern or at its limit for each pattern. The rules are hundreds of patterns in twenty languages, so
that these limits together are too high for a desk that runs for weeks.
"""

from collections.abc import Callable
from functools import cache, wraps
from itertools import count
from threading import Lock
from typing import TypeVar

Compiled = TypeVar("Compiled")
# A process that ran the rules on 20,000 texts in many languages took 323 MB and still grew; with
# this renewal it stays at 253 MB, in the same time. Compiling takes a second.
TEXTS_UNTIL_RENEWAL = 3_000

_forget: list[Callable[[], None]] = []
_texts = count(1)


def compiled_anew(compile_rules: Callable[[], Compiled]) -> Callable[[], Compiled]:
    """Return a function that compiles once, and again after `TEXTS_UNTIL_RENEWAL` texts.

    Where several threads need the result, one compiles and the others wait for it. Callers keep the
    result no longer than for one text.
    """
    cached = cache(compile_rules)
    compiling = Lock()
    _forget.append(cached.cache_clear)

    @wraps(compile_rules)
    def compile_once() -> Compiled:
        # `cache` alone lets every thread compile that asks before the first has ended.
        with compiling:
            return cached()

    return compile_once


def count_text() -> None:
    """Count a text that the rules are run on; every TEXTS_UNTIL_RENEWAL drop compiled rules."""
    if next(_texts) % TEXTS_UNTIL_RENEWAL == 0:
        for forget in _forget:
            forget()
