"""Names the points in the handling of a message at which a test may kill the process."""

from enum import StrEnum


class Checkpoint(StrEnum):
    """The points in the handling of a message at which a test may kill the process."""

    FETCHED = "fetched"
    READ = "read"
    STORING = "storing"
    STORED = "stored"
    SETTLED = "settled"
    STARTED = "started"
    RESPONDED = "responded"
    DECIDED = "decided"
    CLAIMING = "claiming"
    CLAIMED = "claimed"
    DELIVERED = "delivered"
    SENT = "sent"
    DRAINED = "drained"


def ignore_checkpoint(_checkpoint: Checkpoint) -> None:
    """Do nothing at a checkpoint, outside of tests."""
