"""Commits what comes in before it is acknowledged: those that come together share one commit.

A commit waits for the disk. Fifty at once, one after the other, would keep the last waiting for too
long; together they wait once.
"""

import threading
from dataclasses import dataclass

from bot.channels.slack.events import Incoming
from bot.journal.slack_events import SlackStore
from bot.journal.slack_records import NewSlackEvent


@dataclass(slots=True)
class _Ticket:
    event: Incoming
    done: bool = False
    error: Exception | None = None


class Inbox:
    """Many threads hand in, whoever is first commits for all who wait."""

    def __init__(self, book: SlackStore) -> None:
        self.book = book
        self._waiting: list[_Ticket] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def take(self, event: Incoming) -> None:
        """Returns when it is stored; raises what kept it from being stored."""
        ticket = _Ticket(event)
        with self._list:
            self._waiting.append(ticket)
        with self._turn:
            if not ticket.done:
                self._commit()
        if ticket.error:
            raise ticket.error

    def busy(self) -> bool:
        """Does somebody wait for an ack?"""
        return self._turn.locked()

    def _commit(self) -> None:
        with self._list:
            batch, self._waiting = self._waiting, []
        rows = [
            NewSlackEvent(key=e.key, lane=e.lane, payload=e.payload, place=e.place)
            for e in (ticket.event for ticket in batch)
        ]
        try:
            self.book.store_events(rows)
        except Exception as error:  # noqa: BLE001 - each of them hears of it
            for ticket in batch:
                ticket.error = error
        for ticket in batch:
            ticket.done = True
