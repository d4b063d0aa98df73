"""Staff see one card for all who ask the same, and answer them together."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from bot.app import App
from bot.channels.slack.card_sync import CardSync
from bot.channels.slack.client import Client
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.permissions import ChannelPermissions
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.modals import render_other_askers
from bot.journal import CaseAction
from bot.staff.shared_answers import AnswerSharing
from bot.staff.staff_texts import read_staff_texts
from evals.bench_mail import twin
from evals.bench_surge import Surge, draw_mails, run_surge
from tests.conftest import KNOWLEDGE
from tests.servers.slack_side import ALICE, BOB, TRIAGE, SlackSide
from tests.support.slack_stand import Stand, filled, standing
from tests.support.waiting import SAFETY_NET_SECONDS

ANSWERED = (
    "Were API keys exposed?", "Was OpenAI itself hacked?", "Do I have to reset my password?",
    "Was my chat history in it?", "Was my payment information exposed?",
)  # fmt: skip
POLICE = "Did you call the police?"


class WatchedSurge(Surge):
    """A surge whose cards are posted to Slack, as fast as they come."""

    def __init__(self, app: App, side: SlackSide) -> None:
        super().__init__(app)
        cards = Cards(app.knowledge, read_staff_texts(KNOWLEDGE), lambda _language: 0.7)
        client = Client(side.bot_token, base_url=side.base_url)
        self.seconds = 0.0
        self.sync = CardSync(app.journal, cards, cards.texts, channel=TRIAGE, oncall=(BOB,))
        self.worker = OutboxWorker(
            app.journal,
            client,
            ChannelPermissions(client, SAFETY_NET_SECONDS),
            tick=self.later,
            oncall=(BOB,),
        )

    def later(self) -> float:
        """A clock on which no post has to wait for its turn."""
        self.seconds += 60
        return self.seconds

    @override
    def look(self) -> None:
        super().look()
        self.sync.sync()
        self.worker.drain()


def test_a_surge_is_answered_by_few_and_nobody_twice(
    app: App, side: SlackSide, tmp_path: Path
) -> None:
    surge = WatchedSurge(twin(app, tmp_path / "surge"), side)
    result = run_surge(surge, draw_mails(ANSWERED, count=100, seed=3))
    surge.journal.close()
    assert len(side.cards()) == len(result.cards) >= result.approvals
    assert result.waiting >= 45
    assert result.approvals < result.waiting
    assert result.together >= 0.95 * result.waiting
    assert result.doubled == 0
    assert result.settled + result.wrong >= result.waiting - 1
    assert result.wrong <= 0.05 * result.waiting


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


def test_one_window_answers_all_who_ask_the_same(stand: Stand) -> None:
    first = stand.case(POLICE)
    for number in range(2, 5):
        stand.case(f"Hi, {POLICE.lower()}", f"k{number}", sender=f"p{number}@example.org")
    other = stand.case("Which hacker group was it?", "k9", sender="p9@example.org")
    stand.until(lambda: stand.shows("3 more people ask the same"))
    window = stand.window(ALICE, "all", first)
    assert "did you call the police" in str(window["blocks"])
    assert render_other_askers(["q"], [], {"de": 2})[-1]["label"]["text"].endswith(": German 2")
    everybody = {"any_language": {"tick": {"selected_options": [{"value": "yes"}]}}}
    check = stand.side.submit(ALICE, window, filled("We say nothing about it yet.") | everybody)[
        "view"
    ]
    assert "and 3 more people" in str(check["blocks"])
    done = stand.side.submit(ALICE, check, {})
    assert "on its way" in str(done)
    sharing = AnswerSharing(stand.desk)
    sharing.share_waiting()
    stand.desk.deliver()
    told = [mail for mail in stand.mails() if "We say nothing about it yet." in mail]
    assert len(told) == 4
    assert stand.read(other).open
    shared = stand.desk.journal.clusters.find_answer(first)
    assert shared
    assert shared.language == "", "it goes to those too who write in another language"
    case = stand.read(first + 1)
    assert case.decision
    assert (case.decision.action, case.decision.actor) == (CaseAction.SHARED, f"slack:{ALICE}")
