"""Commits events before they are acknowledged; events that come together share one commit.

A commit waits for the disk. If each of fifty events had its own commit, the last would be
acknowledged later than Slack allows.
"""

import threading
from dataclasses import dataclass

from bot.channels.slack.events import IncomingEvent
from bot.journal.slack_events import SlackStore
from bot.journal.slack_records import NewSlackEvent


@dataclass(slots=True)
class _Ticket:
    event: IncomingEvent
    done: bool = False
    error: Exception | None = None


class EventStore:
    """Stores events for many threads; the first thread commits the events of all that wait."""

    def __init__(self, events: SlackStore) -> None:
        self.events = events
        self._waiting: list[_Ticket] = []
        self._list_lock = threading.Lock()
        self._commit_lock = threading.Lock()

    def store(self, event: IncomingEvent) -> None:
        """Return once the event is stored; raise what kept it from being stored."""
        ticket = _Ticket(event)
        with self._list_lock:
            self._waiting.append(ticket)
        with self._commit_lock:
            if not ticket.done:
                self._commit()
        if ticket.error:
            raise ticket.error

    def is_committing(self) -> bool:
        """Return whether a thread is committing events that wait for an acknowledgement."""
        return self._commit_lock.locked()

    def _commit(self) -> None:
        with self._list_lock:
            batch, self._waiting = self._waiting, []
        rows = [
            NewSlackEvent(key=e.key, lane=e.lane, payload=e.payload, place=e.place)
            for e in (ticket.event for ticket in batch)
        ]
        try:
            self.events.store_events(rows)
        except Exception as error:  # noqa: BLE001 - raised to each waiting thread
            for ticket in batch:
                ticket.error = error
        for ticket in batch:
            ticket.done = True
