"""Whoever floods the desk does not flood its people, and an urgent case is heard all the same."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.channels.slack.card_sync import CardSync
from bot.channels.slack.client import Client
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.permissions import ChannelPermissions
from bot.channels.slack.views.cards import Cards
from bot.corpus.limits import shipped_limits
from bot.domain import Escalation, EscalationReason, Priority, SenderProof
from bot.journal import CaseAction, CaseChange, Journal, Stage
from bot.staff.staff_texts import QuietHours, StaffTexts, read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.servers.slack_side import BOB, TRIAGE, SlackSide
from tests.support.fakes import Time
from tests.support.journal_records import mail, response
from tests.support.waiting import SAFETY_NET_SECONDS

FLOOD = shipped_limits().flood
ALL_DAY = {"from": "00:00", "to": "23:59", "zone": "UTC"}


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(tmp_path: Path, clock: Time) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/j.sqlite3", limits=shipped_limits(), clock=clock)
    yield made
    made.close()


@pytest.fixture
def staff_texts() -> StaffTexts:
    return read_staff_texts(KNOWLEDGE)


class Channel:
    """What staff get of a journal, posted at Slack's pace by a clock that the test moves."""

    def __init__(self, journal: Journal, side: SlackSide, clock: Time, cards: Cards) -> None:
        client = Client(side.bot_token, base_url=side.base_url)
        self.journal, self.side, self.clock = journal, side, clock
        self.sync = CardSync(journal, cards, cards.texts, channel=TRIAGE, oncall=(BOB,))
        self.worker = OutboxWorker(
            journal, client, ChannelPermissions(client, SAFETY_NET_SECONDS),
            tick=lambda: clock().timestamp(), oncall=(BOB,),
        )  # fmt: skip

    def work(self, seconds: int) -> None:
        for _ in range(seconds):
            self.sync.sync()
            self.worker.drain()
            self.clock.forward(1)

    def messages_to(self, channel: str) -> list[dict[str, Any]]:
        return [m for m in self.side.messages.values() if m["channel"] == channel]


@pytest.fixture
def channel(
    app: App, journal: Journal, side: SlackSide, clock: Time, staff_texts: StaffTexts
) -> Channel:
    return Channel(journal, side, clock, Cards(app.knowledge, staff_texts, lambda _language: 0.7))


def escalate(
    journal: Journal, number: int, *, priority: Priority = Priority.NORMAL, proof: SenderProof = SenderProof.PROVEN,
    reason: EscalationReason = EscalationReason.TAKEOVER, **more: str,
) -> int:  # fmt: skip
    """Store a mail in a thread of its own with its case, and return the number of the case."""
    stored = journal.receive(replace(mail(f"k{number}", thread=f"t{number}", **more), proof=proof))
    assert stored
    outcome = Escalation(
        question="q", reason=reason, priority=priority, probability=0.1, candidates=()
    )
    journal.decide(stored, response(outcome), draft="", reply=None)
    return max(journal.cases.list_open_ids())


def test_many_urgent_mails_of_one_sender_are_a_few_pages_and_one_summary(
    journal: Journal, channel: Channel
) -> None:
    for number in range(1, 26):
        text = f"The attacker is logged in right now, {number}"
        escalate(journal, number, priority=Priority.PAGE, text=text)
    channel.work(FLOOD.summary_seconds + 60)
    *pages, summary = channel.messages_to(BOB)
    assert len(pages) == FLOOD.pages_of_sender
    assert "23 more urgent cases" in str(summary["blocks"])
    cards = channel.side.cards()
    assert len(cards) == FLOOD.fold_after
    assert "20 more cases like this" in str(cards[0]["blocks"])
    assert journal.cases.count_open() == 25


def test_a_page_is_one_line_with_the_button_that_acknowledges_it(
    journal: Journal, channel: Channel
) -> None:
    case = escalate(journal, 1, priority=Priority.PAGE)
    channel.work(3)
    (page,) = channel.messages_to(BOB)
    (block,) = page["blocks"]
    assert "\n" not in block["text"]["text"]
    button = block["accessory"]
    assert (button["action_id"], button["value"]) == ("claim", f"{case}:")


def test_one_text_of_many_senders_folds_into_one_card(journal: Journal, channel: Channel) -> None:
    for number in range(1, 21):
        escalate(journal, number, sender=f"s{number}@x{number}.example", text="Buy now!  ")
    channel.work(60)
    assert len(channel.side.cards()) == FLOOD.fold_after
    assert channel.side.cards()[0]["text"].startswith("Case 1,")


def test_senders_of_one_domain_page_only_so_often(journal: Journal, channel: Channel) -> None:
    for number in range(1, 16):
        escalate(
            journal, number, priority=Priority.PAGE, text=f"Hacked {number}",
            sender=f"s{number}@x.example",
        )  # fmt: skip
    escalate(journal, 99, priority=Priority.PAGE, text="Mine too", sender="ana@y.example")
    channel.work(30)
    assert len(channel.messages_to(BOB)) == FLOOD.pages_of_domain + 1


def test_what_comes_after_a_summary_is_summed_up_again(journal: Journal, channel: Channel) -> None:
    """The second comes within minutes, also where the first has gone; both count since the hour."""

    def hear(*numbers: int) -> None:
        for number in numbers:
            escalate(
                journal, number, priority=Priority.PAGE, text=f"Hacked {number}",
                sender=f"s{number}@x.example",
            )  # fmt: skip

    hear(*range(1, FLOOD.pages_of_domain + 3))
    channel.work(FLOOD.summary_seconds + 5)
    hear(50, 51)
    channel.work(5)
    hear(52)
    channel.work(FLOOD.summary_again_seconds + FLOOD.summary_seconds)
    told = [str(each["text"]) for each in channel.messages_to(BOB)[FLOOD.pages_of_domain :]]
    assert told == ["2 more urgent cases", "5 more urgent cases"]
    channel.work(FLOOD.summary_again_seconds)
    assert len(channel.messages_to(BOB)) == FLOOD.pages_of_domain + 2, "nothing new, nothing said"


def test_no_flood_silences_a_danger_to_somebody_else(journal: Journal, channel: Channel) -> None:
    """Forged mails use up nothing of what proven senders have, nor two domains what others have."""
    for number in range(1, 41):
        place, proof = number % 2, SenderProof.UNPROVEN if number > 20 else SenderProof.PROVEN
        escalate(
            journal, number, priority=Priority.PAGE, text=f"Hacked {number}", proof=proof,
            sender=f"s{number}@a{number}.{'x.example' if place else 'y.example'}",
        )  # fmt: skip
    channel.work(90)
    paged = len(channel.messages_to(BOB)) - 1
    assert paged == 2 * FLOOD.pages_in_all
    for place, proof in enumerate((SenderProof.PROVEN, SenderProof.UNPROVEN)):
        for domain in ("z.example", "b.example", "b.example"):
            escalate(
                journal, 100 + journal.cases.count_open(), priority=Priority.PAGE, proof=proof,
                sender=f"p{journal.cases.count_open()}@{place}{domain}",
                text=f"I want to die {domain}{proof}", reason=EscalationReason.DANGER,
            )  # fmt: skip
    channel.work(FLOOD.summary_again_seconds)
    heard = channel.messages_to(BOB)[paged + 1 :]
    assert len([each for each in heard if "Look in" in str(each["blocks"])]) == 4
    assert "In 2 of them somebody may be in danger." in str(heard[-1]["blocks"])


@pytest.mark.no_cover
def test_a_takeover_is_posted_next_however_many_mails_wait(
    journal: Journal, channel: Channel
) -> None:
    for number in range(1, 1001):
        escalate(journal, number, sender=f"s{number}@x{number}.example", text=f"Spam {number}")
    channel.work(10)  # all of it is drawn, and a few are posted
    before = len(channel.side.cards())
    assert before < 15
    case = escalate(
        journal, 2000, priority=Priority.PAGE, sender="ana@example.org", text="I am locked out"
    )
    channel.work(3)
    told = [m["text"] for m in channel.messages_to(TRIAGE)[before : before + 3]]
    assert any(text.startswith(f"Case {case},") for text in told), told
    assert len(channel.messages_to(BOB)) == 1


def test_no_post_waits_for_ever(journal: Journal, channel: Channel, clock: Time) -> None:
    """Urgent cases that come all the time do not keep the others back."""
    escalate(journal, 1, text="normal")
    channel.sync.sync()
    clock.forward(3600)
    for number in range(2, 12):
        sender = f"s{number}@x{number}.example"
        escalate(journal, number, priority=Priority.PAGE, text=f"now {number}", sender=sender)
    channel.work(1)
    assert channel.messages_to(TRIAGE)[0]["text"].startswith("Case 1,")


def test_the_queue_ranks_by_priority_and_proof(journal: Journal) -> None:
    kinds = [
        (Priority.NORMAL, SenderProof.PROVEN), (Priority.HIGH, SenderProof.UNPROVEN),
        (Priority.HIGH, SenderProof.PROVEN), (Priority.PAGE, SenderProof.FAILED),
        (Priority.PAGE, SenderProof.PROVEN),
    ]  # fmt: skip
    for number, (priority, proof) in enumerate(kinds, 1):
        sender = f"s{number}@x.example"
        escalate(journal, number, priority=priority, proof=proof, sender=sender, text=f"t{number}")
    assert journal.cases.list_open_ids() == [5, 4, 3, 2, 1]
    assert journal.cases.list_open_ids(limit=2) == [5, 4]
    assert [case.id for case in journal.cases.list_open()] == [5, 4, 3, 2, 1]


def test_a_forger_hides_no_case_of_the_person_whose_name_it_is(
    journal: Journal, channel: Channel
) -> None:
    for number in range(1, 31):
        escalate(journal, number, proof=SenderProof.FAILED, text=f"Please write to me, {number}")
    real = escalate(journal, 99, text="I am locked out")
    channel.work(60)
    assert any(card["text"].startswith(f"Case {real},") for card in channel.side.cards())


def test_a_closed_card_hands_its_place_to_the_next_case(journal: Journal, channel: Channel) -> None:
    for number in range(1, 11):
        escalate(journal, number, text=f"mail {number}")
    channel.work(30)
    posted = len(channel.side.cards())
    assert journal.cases.store_decision(
        1, actor="terminal", action=CaseAction.DISMISSED, reply=None
    )
    channel.work(30)
    assert len(channel.side.cards()) == posted + 1
    newest = channel.side.cards()[-1]
    assert newest["text"].startswith("Case 6,")
    assert "4 more cases like this" in str(newest["blocks"])
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner=f"slack:{BOB}")
    assert journal.cases.change(8, actor=f"slack:{BOB}", change=change, owner="")
    channel.work(30)
    assert len(channel.side.cards()) == posted + 2, "a case that somebody has is shown by itself"


@pytest.mark.parametrize(
    ("priority", "proof", "reason", "wakes"),
    [
        (Priority.PAGE, SenderProof.PROVEN, EscalationReason.TAKEOVER, True),
        (Priority.PAGE, SenderProof.UNPROVEN, EscalationReason.TAKEOVER, False),
        (Priority.PAGE, SenderProof.UNPROVEN, EscalationReason.DANGER, True),
    ],
)
def test_in_quiet_hours_only_what_is_proven_or_danger_wakes(
    app: App, journal: Journal, side: SlackSide, clock: Time, staff_texts: StaffTexts,
    priority: Priority, proof: SenderProof, reason: EscalationReason, *, wakes: bool,
) -> None:  # fmt: skip
    quiet = QuietHours.model_validate(ALL_DAY)
    texts = staff_texts.model_copy(update={"quiet": quiet})
    night = Channel(journal, side, clock, Cards(app.knowledge, texts, lambda _language: 0.7))
    escalate(journal, 1, priority=priority, proof=proof, reason=reason)
    night.work(5)
    assert bool(night.messages_to(BOB)) is wakes
    assert len(side.cards()) == 1, "the card is there for whoever looks"
    clock.now += timedelta(hours=15)
    night.work(3)
    assert len(night.messages_to(BOB)) == 1
