"""Ranks cases by priority and proof of the sender, and makes the keys by which like ones are found.

The lowest rank comes first in the queue.
"""

import hashlib
import unicodedata

import re2

from bot.domain import Priority
from bot.text.unicode import MARKS, reading_table, without_invisible

MAX_URGENCY = max(priority.urgency for priority in Priority)
LOWEST_RANK = 2 * MAX_URGENCY + 1
NO_WORD = re2.compile(r"[^\pL\pM\pN]+")  # `\W` of RE2 knows only ASCII letters


def rank_of(priority: Priority, *, proven: bool) -> int:
    """Return the rank of a case; of two with one priority the proven one comes first."""
    return 2 * (MAX_URGENCY - priority.urgency) + (not proven)


def is_proven_rank(rank: int) -> bool:
    """Return whether a rank is that of a proven sender."""
    return rank % 2 == 0


def alike_key(text: str) -> str:
    """Return a short hash that is equal for texts with the same words, and for equal addresses.

    Lookalike letters count as the letters that they imitate; accents, case, punctuation and
    invisible characters are ignored.
    """
    shown = unicodedata.normalize("NFKD", without_invisible(text)).translate(reading_table())
    words = NO_WORD.sub(" ", "".join(c for c in shown if c not in MARKS).lower()).strip()
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]
