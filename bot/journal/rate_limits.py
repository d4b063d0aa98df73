"""Counts automatic answers per sender, text, thread and domain, to enforce the caps.

Counting happens in the transaction that stores the answer, under a lock, so that no two processes
exceed a cap together.
"""

import hashlib
import hmac
from collections.abc import Sequence

import sqlalchemy as sql

from bot.corpus.limits import Cap, Scope
from bot.journal.clock import Clock, latest_plausible_stamp, stamp, stamp_after
from bot.journal.locks import AdvisoryLock, lock_until_commit
from bot.journal.tables import sender_count
from bot.text.domains import fold_address, registrable_domain

# Counts older than this are deleted, except those of threads. It bounds the window of every other
# cap; the longest of the shipped limits.yaml is a day.
KEEP_SECONDS = 7 * 86_400

# Built once, as it runs several times for each reply.
_COUNT = sql.select(sql.func.count()).select_from(sender_count).where(
    sender_count.c.scope == sql.bindparam("scope"),
    sender_count.c.who == sql.bindparam("key"),
    sender_count.c.at > sql.bindparam("begin"),
    sender_count.c.at < sql.bindparam("end"),
)  # fmt: skip


def find_exceeded_cap(
    db: sql.Connection, caps: Sequence[Cap], who: dict[Scope, str], clock: Clock
) -> Scope | None:
    """Return the scope of the first cap that one more answer would exceed.

    When there is none, count the answer under every key of `who` and return None.
    """
    lock_counts(db)
    for cap in caps:
        if _count_answers(db, cap, who[cap.scope], clock) >= cap.most:
            return cap.scope
    rows = [{"scope": scope, "who": key, "at": stamp(clock())} for scope, key in who.items()]
    db.execute(sender_count.insert(), rows)
    return None


def lock_counts(db: sql.Connection) -> None:
    """Keep others from counting answers until this transaction ends.

    Whoever locks a case too does it afterwards, so that no two wait for each other.
    """
    lock_until_commit(db, AdvisoryLock.REPLY_CAPS)


class CountHasher:
    """Makes the keys that answers are counted under: hashes with a key, never an address.

    Without the key of the installation nobody can tell from a hash whose it is, not even by trying
    all the addresses of a list.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def count_keys(self, *, sender: str, thread: str, text: str) -> dict[Scope, str]:
        """Return the key that an answer counts under for each scope.

        All addresses of one mailbox count as one sender, and all domains of one owner as one.
        """
        address = fold_address(sender)
        words = " ".join(text.lower().split())
        return {
            Scope.DOMAIN: self._hash(registrable_domain(address.rpartition("@")[2])),
            Scope.SENDER: self.sender_key(sender),
            Scope.TEXT: self._hash(f"{address}\n{words}"),
            Scope.THREAD: self.thread_key(thread),
            Scope.ALL: "all",
        }

    def sender_key(self, sender: str) -> str:
        """Return the key of a person; all addresses of one mailbox are one person."""
        return self._hash(fold_address(sender))

    def thread_key(self, thread: str) -> str:
        """Return the key under which the answers in a thread are counted."""
        return self._hash(thread)

    def _hash(self, text: str) -> str:
        raw = text.encode("utf-8", "replace")
        return hmac.new(self._key, raw, hashlib.sha256).hexdigest()[:32]


def is_used_up(
    db: sql.Connection, caps: Sequence[Cap], who: tuple[Scope, str], clock: Clock
) -> bool:
    """Return whether one more answer would exceed a cap on this scope and key; counts nothing."""
    scope, key = who
    mine = (cap for cap in caps if cap.scope is scope)
    return any(_count_answers(db, cap, key, clock) >= cap.most for cap in mine)


def _count_answers(db: sql.Connection, cap: Cap, key: str, clock: Clock) -> int:
    """Return the number of answers under a key within the window of a cap."""
    window = {"begin": stamp_after(clock, -cap.seconds), "end": latest_plausible_stamp(clock, 0)}
    return int(db.execute(_COUNT, {"scope": cap.scope, "key": key, **window}).scalar_one())


def delete_old_counts(db: sql.Connection, clock: Clock) -> None:
    """Delete the counts that no cap looks at any more."""
    old = sender_count.c.at < stamp_after(clock, -KEEP_SECONDS)
    db.execute(sender_count.delete().where(old, sender_count.c.scope != Scope.THREAD))
