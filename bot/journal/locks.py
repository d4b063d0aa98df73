"""Defines the PostgreSQL advisory locks of the desk and contains the only SQL on them.

An advisory lock is a number that the server gives to one holder at a time; what it protects is
agreed upon by those who take it. Two purposes with one number would wait for each other without
an error, so each purpose has a member of `AdvisoryLock` and no other module names a number.
"""

from enum import IntEnum, unique

import sqlalchemy as sql


@unique
class AdvisoryLock(IntEnum):
    """The number of each lock. A released number keeps its meaning: an older process of a
    deployment under way still takes it for the same purpose.
    """

    MIGRATION = 7_301_442
    SLACK_LEADER = 7_301_443  # held for the life of a process
    REPLY_CAPS = 7_301_444
    CORRECTIONS = 7_301_445
    LEDGER = 7_301_447
    KEY_MARK = 7_301_448
    CLUSTERS = 7_301_449


def lock_until_commit(db: sql.Connection, lock: AdvisoryLock) -> None:
    """Wait until nobody else holds `lock`, then hold it until this transaction ends.

    On SQLite there is nothing to do: a writing transaction excludes every other one.
    """
    if db.dialect.name == "postgresql":
        db.execute(sql.select(sql.func.pg_advisory_xact_lock(int(lock))))


def try_lock_for_session(db: sql.Connection, lock: AdvisoryLock) -> bool:
    """Take `lock` for as long as this connection to PostgreSQL lives; False when another has it."""
    return bool(db.execute(sql.select(sql.func.pg_try_advisory_lock(int(lock)))).scalar())
