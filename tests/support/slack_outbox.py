"""Cases with a card that waits to be posted, in the journal alone."""

from typing import Any

from bot.journal import Journal
from tests.servers.slack_side import TRIAGE
from tests.support.journal_records import mail


def opened(journal: Journal, cases: int = 1) -> None:
    """Open so many cases, numbered from 1, each with a card."""
    for number in range(1, cases + 1):
        message_id = journal.receive(mail(f"k{number}", thread=f"t{number}"))
        assert message_id
        journal.mark_failed(message_id, "Boom")
        card(journal, number, f"card {number}")


def card(journal: Journal, case: int, text: str, **more: Any) -> None:
    """Have the card of a case posted, or changed to this text."""
    drawn = {"text": text, "blocks": []} | more
    journal.slack.enqueue_card(case, channel=TRIAGE, drawn=drawn, stamp=text)
