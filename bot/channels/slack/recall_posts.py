"""Posts cards about changes of the published post, and about batches of corrections that follow.

Its work runs in a thread of its own, because looking through what was sent takes long. A click only
stores what a person decided, and the next call of `work` draws what follows from it.
"""

import threading
from dataclasses import replace

from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.views import recall_views as views
from bot.channels.slack.views.cards import RenderedMessage, mention
from bot.corpus.changes import ChangeKind, PassageChange
from bot.journal import Journal
from bot.journal.clock import stamp
from bot.journal.records import BatchState
from bot.staff.recall_batches import RecallBatch, RecallBatches

LOOKING = "The desk looks through what was sent. The list comes into <#{channel}> in a moment."
GONE = "This change is no longer one: the post has been edited again."
TAKEN = "{who} has approved this list already."
REPLACED = "This list is no longer the newest one. Nothing was sent; look at the newest card."


class RecallPosts:
    """The cards of changes and of batches in one channel."""

    def __init__(self, journal: Journal, batches: RecallBatches, *, channel: str) -> None:
        self.journal = journal
        self.batches = batches
        self.channel = channel
        self.stale = True  # something may have changed since `work` last looked for changes
        self._changes: dict[str, PassageChange] = {}
        self._undrawn: dict[str, RenderedMessage] = {}  # by key: not stored, as it was being posted
        self._turn = threading.Lock()  # held while changes are read or classed, and drawn
        self._classed = 0  # how many changes people have classed
        self._told_of = 0  # of those, how many the last list told of
        self._began = False

    def work(self) -> None:
        """Send approved batches, ask staff about changes, and offer a new batch."""
        if not self._began:
            self._draw_last()
            self._began = True
        for sent in self.batches.send_approved():
            self.stale = self.stale or sent.state is BatchState.STORED
            drawn = views.render_batch_state(sent, self.batches.per_minute)
            self._draw(_batch_key(sent.key), drawn)
        with self._turn:
            for key, drawn in list(self._undrawn.items()):
                self._draw(key, drawn)
        if not self.stale:
            return
        self.stale = False
        try:
            self._look()
        except BaseException:
            self.stale = True
            raise

    def decide(self, kind: str, change_id: str, *, actor: str) -> str:
        """Store the kind that a person chose for a change; return what they are told, or empty."""
        with self._turn:  # so that `work` does not draw an older state afterwards
            change = self._find(change_id)
            if change is None or ChangeKind(kind) not in views.kinds_of(change):
                return GONE
            decided = replace(change, kind=ChangeKind(kind))
            self.batches.decide_kind(decided, decided.kind, actor=actor)
            self._draw(_change_key(change_id), views.render_change(decided, actor))
            self._classed += 1
        self.stale = True
        return ""

    def approve(self, key: str, *, actor: str) -> str:
        """Store that a batch was approved; return what the person is told, empty for nothing."""
        if self.batches.approve(key, actor=actor):
            return ""
        found = self.journal.correction_batches.read(key)
        if found is None or found.state in (BatchState.REPLACED, BatchState.OFFERED):
            return REPLACED
        return "" if found.actor == actor else TAKEN.format(who=mention(found.actor))

    def look_again(self) -> str:
        """Have `work` make the list again; return what the person is told."""
        self.stale = True
        return LOOKING.format(channel=self.channel)

    def read_batch(self) -> RecallBatch | None:
        """Return the batch that was found last; None while none has been found yet."""
        return self.batches.batch

    def _look(self) -> None:
        with self._turn:
            classed = self._classed
            changes, undecided = self.batches.list_changes()
            self._changes = {views.change_id(each): each for each in changes}
            for each in undecided:
                self._draw(_change_key(views.change_id(each)), views.render_change(each))
        if undecided or not changes:
            return
        batch, replaced = self.batches.find_batch()
        for key in replaced:
            self._draw_state(key)
        if batch.entries:
            self._draw(_batch_key(batch.key), views.render_batch(batch, self.batches.per_minute))
        elif classed > self._told_of:
            self._draw(_batch_key(f"none:{stamp(self.journal.clock())}"), views.render_nobody())
        self._told_of = classed

    def _find(self, change_id: str) -> PassageChange | None:
        """Return a change by the id on its buttons, also after a restart; None if it is gone."""
        if change_id not in self._changes:
            changes, _ = self.batches.list_changes()
            self._changes = {views.change_id(each): each for each in changes}
        return self._changes.get(change_id)

    def _draw_last(self) -> None:
        """Draw the card of the batch that was sent last again, in case a crash prevented it."""
        if key := self.journal.correction_batches.find_last(BatchState.STORED):
            self._draw_state(key)

    def _draw_state(self, key: str) -> None:
        batch = self.journal.correction_batches.read(key)
        if batch and self.journal.slack.contains(_batch_key(key)):
            self._draw(_batch_key(key), views.render_batch_state(batch, self.batches.per_minute))

    def _draw(self, key: str, drawn: RenderedMessage) -> None:
        """Store the new content of a message; if it is just being posted, keep it for `work`."""
        stored = self.journal.slack.redraw(
            key, channel=self.channel, drawn=message_arguments(drawn)
        )
        if stored:
            self._undrawn.pop(key, None)
        else:
            self._undrawn[key] = drawn


def _change_key(change_id: str) -> str:
    return f"change:{change_id}"


def _batch_key(key: str) -> str:
    return f"recall:{key}"
