"""Stores who wants no mail that they did not ask for, as hashes with the installation's key."""

import sqlalchemy as sql
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from bot.journal.clock import Clock, stamp
from bot.journal.corrections import lock_corrections
from bot.journal.engine import reading, writing
from bot.journal.rate_limits import CountHasher
from bot.journal.records import CORRECTION, OutboxState
from bot.journal.tables import correction, opt_out, outbox


class OptOuts:
    """The people who opted out; replies to what they ask still go out, corrections do not."""

    def __init__(self, engine: Engine, clock: Clock, hasher: CountHasher) -> None:
        self._engine = engine
        self._clock = clock
        self._hasher = hasher

    def add(self, address: str, *, actor: str) -> bool:
        """Store that this person opted out; return False where that is known already.

        Corrections to them that have not left yet are taken back.
        """
        row = {"person": self._hasher.sender_key(address), "actor": actor}
        try:
            with writing(self._engine) as db:
                lock_corrections(
                    db
                )  # who stores corrections now knows of it, or they are taken back
                db.execute(opt_out.insert().values(row | {"at": stamp(self._clock())}))
                self._take_back(db, row["person"])
        except IntegrityError:
            return False
        return True

    def remove(self, address: str) -> bool:
        """Forget that this person opted out; return False where they had not."""
        this = opt_out.c.person == self._hasher.sender_key(address)
        with writing(self._engine) as db:
            return bool(db.execute(opt_out.delete().where(this)).rowcount)

    def contains(self, address: str) -> bool:
        """Return whether this person opted out, under any address of the same mailbox."""
        query = sql.select(opt_out.c.person)
        this = opt_out.c.person == self._hasher.sender_key(address)
        with reading(self._engine) as db:
            return db.execute(query.where(this)).first() is not None

    def _take_back(self, db: sql.Connection, person: str) -> None:
        """Delete the corrections to a person that wait for their turn."""
        waiting = sql.select(outbox.c.id, outbox.c.recipient).where(
            outbox.c.dedupe_key.startswith(CORRECTION), outbox.c.state == OutboxState.READY
        )
        theirs = [
            row.id
            for row in db.execute(waiting)
            if self._hasher.sender_key(row.recipient) == person
        ]
        ready = outbox.c.state == OutboxState.READY  # one that is being sent now stays
        for each in theirs:
            if db.execute(outbox.delete().where(outbox.c.id == each, ready)).rowcount:
                db.execute(correction.delete().where(correction.c.outbox_id == each))
