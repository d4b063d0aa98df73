"""Takes a change of the post to its corrections, through the steps that people decide.

A person chooses the kind of the change; the desk finds the batch of corrections; a person approves
it, and its mails go into the outbox. Looking through what was sent takes long, so it is done in the
background and its result kept until something changes. What a crash interrupts is in the journal,
and the next step finishes it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.corpus.changes import ChangeKind, PassageChange
from bot.journal import Journal
from bot.journal.correction_batches import CorrectionBatch
from bot.staff.outdated_answers import HoldReason, OutdatedAnswer, Recall


class RecallStep(StrEnum):
    """The points of sending a batch at which a test may kill the process."""

    APPROVED = "approved"
    FOUND = "found"
    STORED = "stored"


def _ignore(_step: RecallStep) -> None:
    """Do nothing at a step, outside of tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallBatch:
    """The conversations that were told what no longer holds, without those corrected already."""

    entries: tuple[OutdatedAnswer, ...]

    @property
    def key(self) -> str:
        """Return the digest of the list, by which a batch is known."""
        return hashlib.sha256(json.dumps(sorted(self.listed.items())).encode()).hexdigest()[:16]

    @property
    def listed(self) -> dict[int, str]:
        """Return the digest of each entry by the id of its conversation."""
        return {entry.conversation_id: entry.digest for entry in self.entries}

    @property
    def ready(self) -> tuple[OutdatedAnswer, ...]:
        """Return the entries that get a correction."""
        return tuple(entry for entry in self.entries if entry.held is None)

    @property
    def noted(self) -> int:
        """Return how many open cases get a note instead."""
        return self.held[HoldReason.OPEN_CASE]

    @property
    def held(self) -> Counter[HoldReason]:
        """Return how many entries get no correction, by the reason."""
        return Counter(entry.held for entry in self.entries if entry.held)


class RecallBatches:
    """The corrections of one desk, from the change to the outbox.

    `new_recall` returns a Recall with the knowledge and the kinds of changes as they are now.
    """

    def __init__(
        self, new_recall: Callable[[], Recall], journal: Journal, *, per_minute: int
    ) -> None:
        self._new_recall = new_recall
        self.journal = journal
        self.per_minute = per_minute
        self.on_step: Callable[[RecallStep], None] = _ignore
        self.batch: RecallBatch | None = None  # as it was found last; None before that

    def list_changes(self) -> tuple[Sequence[PassageChange], Sequence[PassageChange]]:
        """Return every change since the desk first ran, and those that a person has to class."""
        recall = self._new_recall()
        return recall.changes, recall.undecided

    def decide_kind(self, change: PassageChange, kind: ChangeKind, *, actor: str) -> None:
        """Store what a person says that a change means for those who were told its old text."""
        self.journal.corrections.decide_kind(change.key, kind, actor=actor)

    def find_batch(self) -> tuple[RecallBatch, tuple[str, ...]]:
        """Look through all that was sent; return the batch, and the keys of those it replaces."""
        entries = self._new_recall().find()
        self.batch = RecallBatch(entries=tuple(e for e in entries if e.held is not HoldReason.DONE))
        replaced = self.journal.correction_batches.offer(self.batch.key, self.batch.listed)
        return self.batch, replaced

    def approve(self, key: str, *, actor: str) -> bool:
        """Record that a person approved a batch; return False where it is not on offer any more."""
        return self.journal.correction_batches.approve(key, actor=actor)

    def send_approved(self) -> list[CorrectionBatch]:
        """Put what was approved into the outbox; return the batches as they are now.

        Only what was listed goes out, and only if it still holds: whoever opted out, bounced or got
        a case since the list was made is left out.
        """
        return [self._send(each) for each in self.journal.correction_batches.list_approved()]

    def _send(self, batch: CorrectionBatch) -> CorrectionBatch:
        if not self.journal.corrections.has_room(self.per_minute):
            return batch  # the outbox holds hours of corrections already; later
        self.on_step(RecallStep.APPROVED)
        recall = self._new_recall()
        as_listed = [e for e in recall.find() if batch.listed.get(e.conversation_id) == e.digest]
        self.on_step(RecallStep.FOUND)
        recall.send(as_listed, actor=batch.actor, per_minute=self.per_minute, batch=batch.key)
        self.on_step(RecallStep.STORED)
        return self.journal.correction_batches.read(batch.key) or batch
