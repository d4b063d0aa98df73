"""An error that nobody foresaw, in what goes to Slack: retried, or seen; it stops nothing else."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.web import SlackResponse
from typing_extensions import override

from bot.app import App
from bot.channels.slack.card_sync import CardError, CardSync
from bot.channels.slack.client import Client
from bot.channels.slack.outbox_worker import MAX_BROKEN_ATTEMPTS, OutboxWorker
from bot.channels.slack.permissions import ChannelPermissions
from bot.channels.slack.views.cards import Cards, RenderedMessage
from bot.commands.case_review import queue_lines
from bot.journal import Case, Journal
from bot.journal.slack_records import SlackEvent, SlackPost
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.servers.slack_side import ALICE, TRIAGE, SlackSide
from tests.support.fakes import Time
from tests.support.journal_records import mail
from tests.support.slack_outbox import opened
from tests.support.slack_stand import standing


class Breaking(Client):
    """Breaks at what holds a certain text."""

    text = "card 1"

    @override
    def call(self, method: str, arguments: Mapping[str, Any]) -> SlackResponse:
        if self.text and self.text in str(arguments):
            raise RuntimeError("x")
        return super().call(method, arguments)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(tmp_path: Path, clock: Time) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/j.sqlite3", clock=clock)
    yield made
    made.close()


def sending(journal: Journal, client: Client, clock: Time) -> OutboxWorker:
    def tick() -> float:
        return clock.now.timestamp()

    return OutboxWorker(
        journal, client, ChannelPermissions(client, 600), post_interval=0, backoff=(1.0,), posts_per_minute=100,
        tick=tick,
    )  # fmt: skip


def test_a_post_that_breaks_is_retried_then_shown_and_stops_no_other(
    journal: Journal, side: SlackSide, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    client = Breaking(side.bot_token, base_url=side.base_url)
    sender = sending(journal, client, clock)
    opened(journal, 2)
    for _ in range(MAX_BROKEN_ATTEMPTS + 1):
        sender.drain()
        clock.forward(2)
    assert [card["text"] for card in side.cards()] == ["card 2"]
    assert journal.slack.count_by_state() == {"dead": 1, "sent": 1}
    assert "RuntimeError" in journal.slack.list_failed()[0].fault
    assert any(
        "did not reach Slack" in line for line in queue_lines(journal, read_staff_texts(KNOWLEDGE))
    )
    assert caplog.text.count("a post broke") == MAX_BROKEN_ATTEMPTS
    client.text = ""
    journal.slack.requeue_failed()  # each hour, and at each start
    sender.drain()
    assert journal.slack.count_by_state() == {"sent": 2}


def test_a_post_whose_result_could_not_be_stored_is_made_once_more_and_lies_there_once(
    journal: Journal, side: SlackSide, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = sending(journal, Client(side.bot_token, base_url=side.base_url), clock)
    opened(journal, 2)
    posted = journal.slack.mark_sent

    def breaks(post: SlackPost, ts: str) -> None:
        if post.case_id == 1:
            raise MemoryError
        posted(post, ts)

    with monkeypatch.context() as broken:
        broken.setattr(journal.slack, "mark_sent", breaks)
        with pytest.raises(MemoryError):
            sender.drain()
    assert journal.slack.count_by_state() == {"sending": 1, "sent": 1}
    clock.forward(2)
    sender.drain()
    assert journal.slack.count_by_state() == {"sent": 2}
    assert [card["text"] for card in side.cards()] == ["card 1", "card 2"]


def test_a_card_that_cannot_be_drawn_keeps_no_other_from_being_drawn(
    app: App, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    words = read_staff_texts(KNOWLEDGE)

    class Fragile(Cards):
        broken = True

        @override
        def render(self, case: Case) -> RenderedMessage:
            if self.broken and case.id == 1:
                raise RecursionError
            return super().render(case)

    cards = Fragile(app.knowledge, words, lambda _language: 0.7)
    sync = CardSync(journal, cards, words, channel=TRIAGE, oncall=())
    opened_without_cards(journal, 3)
    for _ in range(3):
        with pytest.raises(CardError, match="case 1 cannot be drawn"):
            sync.sync()
    assert set(journal.slack.read_cards()) == {2, 3}
    assert caplog.text.count("a card cannot be drawn") == 1
    cards.broken = False
    assert sync.sync() == 1
    assert set(journal.slack.read_cards()) == {1, 2, 3}


def opened_without_cards(journal: Journal, cases: int) -> None:
    for number in range(1, cases + 1):
        message_id = journal.receive(mail(f"k{number}", thread=f"t{number}"))
        assert message_id
        journal.mark_failed(message_id, "Boom")


def test_an_event_that_breaks_and_cannot_be_counted_does_not_end_its_thread(
    app: App, side: SlackSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standing(app, tmp_path, side, "http") as stand:
        acts = stand.slack.button_handler

        def breaks(event: SlackEvent) -> None:
            raise UnicodeDecodeError("utf-8", b"", 0, 1, str(event.id))

        def missing(_event_id: int) -> bool:
            raise RuntimeError("x")

        case = stand.case()
        stand.until(side.cards)
        with monkeypatch.context() as broken:
            broken.setattr(acts, "handle", breaks)
            broken.setattr(stand.slack.journal.slack, "count_attempt", missing)
            side.click(ALICE, "claim", f"{case}:")
            stand.until(lambda: "breaks (RuntimeError)" in " ".join(stand.slack.list_faults()))
        stand.until(lambda: stand.read(case).owner)
        stand.until(lambda: not stand.slack.list_faults())
        assert stand.slack.supervisor.list_faults() == []
