"""What goes out: in the order of each case, at Slack's pace, once; and what Slack refused."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.channels.slack.card_sync import CardSync
from bot.channels.slack.client import Client
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.permissions import ChannelPermissions
from bot.channels.slack.views.cards import Cards
from bot.commands.case_review import queue_lines
from bot.journal import Journal
from bot.journal.tables import escalation
from bot.staff.staff_texts import QuietHours, read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.servers.slack_side import ALICE, BOB, TRIAGE, Fault, SlackSide
from tests.support.fakes import Time
from tests.support.journal_records import mail
from tests.support.slack_outbox import card, opened

BUSY = {"ok": False, "error": "ratelimited"}


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(tmp_path: Path, clock: Time) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/j.sqlite3", clock=clock)
    yield made
    made.close()


@pytest.fixture
def sender(journal: Journal, side: SlackSide, clock: Time) -> OutboxWorker:
    client = Client(side.bot_token, base_url=side.base_url)

    def tick() -> float:
        return clock.now.timestamp()

    return OutboxWorker(
        journal, client, ChannelPermissions(client, 600), post_interval=1.0, backoff=(1.0, 5.0), posts_per_minute=100,
        tick=tick, oncall=(BOB,),
    )  # fmt: skip


def child(journal: Journal, case: int, text: str, of: int = 0) -> None:
    journal.slack.enqueue(
        text, channel=TRIAGE, method="chat.postMessage", case_id=case,
        payload={"text": text, "thread_of": of or case},
    )  # fmt: skip


def pass_(sender: OutboxWorker, clock: Time, seconds: int) -> None:
    for _ in range(seconds):
        sender.drain()
        clock.forward(1)


def texts(side: SlackSide) -> list[str]:
    return [call["text"] for call in side.called("chat.postMessage")]


def test_a_reply_waits_for_its_card_whatever_slack_answers(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    side.faults.extend(Fault("chat.postMessage", status) for status in (500, 502, 503))
    opened(journal)
    child(journal, 1, "first")
    child(journal, 1, "second")
    pass_(sender, clock, 30)
    assert texts(side) == ["card 1", "first", "second"]
    (parent,) = side.cards()
    assert [m["text"] for m in side.thread(parent["ts"])] == ["first", "second"]


def test_a_card_that_was_refused_is_drawn_before_what_belongs_into_its_thread(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    side.faults.append(Fault("chat.postMessage", body={"ok": False, "error": "invalid_blocks"}))
    opened(journal)
    child(journal, 1, "first")
    pass_(sender, clock, 5)
    assert side.cards() == []
    assert journal.slack.count_by_state() == {"dead": 1, "ready": 1, "sent": 1}
    card(journal, 1, "mended")
    child(journal, 1, "second")
    pass_(sender, clock, 5)
    assert [m["text"] for m in side.cards()] == ["mended"]
    (parent,) = side.cards()
    assert [m["text"] for m in side.thread(parent["ts"])] == ["first", "second"]
    assert "dead" not in journal.slack.count_by_state(), "the newer drawing stands for it"


def test_the_card_of_a_second_case_waits_for_the_first(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    side.faults.extend(Fault("chat.postMessage", 500) for _ in range(2))
    opened(journal)
    message_id = journal.receive(mail("k2", thread="t1"))
    assert message_id
    journal.mark_failed(message_id, "Boom")
    card(journal, 2, "follows", thread_of=1)
    pass_(sender, clock, 15)
    (parent,) = side.cards()
    assert parent["text"] == "card 1"
    assert [m["text"] for m in side.thread(parent["ts"])] == ["follows"]


def test_retry_after_is_honoured_and_nothing_overtakes(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    """429, 5xx and a cut in between, three cases at once: each once, each case in its order."""
    began: list[float] = []
    real = side.api

    def timed(method: str, token: str, args: dict[str, Any]) -> Any:
        if method == "chat.postMessage":
            began.append(clock.now.timestamp())
        return real(method, token, args)

    opened(journal, 3)
    for case in (1, 2, 3):
        for number in range(3):
            child(journal, case, f"{case}.{number}")
    side.api = timed  # type: ignore[method-assign]
    side.faults.append(Fault("chat.postMessage", 429, BUSY, {"Retry-After": "30"}))
    at = clock.now.timestamp()
    pass_(sender, clock, 30)
    asked = [moment - at for moment in began]
    assert asked == [0.0], "nobody asks before the thirty seconds are over"
    side.faults.extend(Fault("chat.postMessage", status) for status in (500, 503, 504))
    pass_(sender, clock, 120)
    told = texts(side)
    assert sorted(told) == sorted(
        [f"card {c}" for c in (1, 2, 3)] + [f"{c}.{n}" for c in (1, 2, 3) for n in range(3)]
    )
    for case in (1, 2, 3):
        mine = [text for text in told if text.startswith(f"{case}.") or text == f"card {case}"]
        assert mine == [f"card {case}", f"{case}.0", f"{case}.1", f"{case}.2"]
    taken = [call for call in side.calls if call.method == "chat.postMessage"]
    assert len(taken) == 12 + 4
    assert min(b - a for a, b in pairwise(began)) >= 1.0, "a channel gets one post a second"


def test_a_post_that_slack_has_already_is_not_there_twice(
    journal: Journal, side: SlackSide, sender: OutboxWorker
) -> None:
    """The process died between Slack's answer and the commit."""
    opened(journal)
    (post,) = journal.slack.list_due()
    assert journal.slack.claim(post)
    sender._call(post)
    journal.slack.requeue_in_flight()
    assert sender.drain() == 1
    assert len(side.cards()) == 1
    placed = journal.slack.read_card(1)
    assert placed
    assert placed.ts == side.cards()[0]["ts"]


def test_a_post_whose_first_copy_was_deleted_goes_out(
    journal: Journal, side: SlackSide, sender: OutboxWorker
) -> None:
    gone = {"ok": False, "error": "duplicate_message_not_found"}
    side.faults.append(Fault("chat.postMessage", body=gone))
    opened(journal)
    assert sender.drain() == 1
    assert len(side.cards()) == 1


def test_a_dead_letter_is_seen_told_once_tried_again_and_gone(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    refused = Fault("chat.postMessage", body={"ok": False, "error": "invalid_blocks"})
    side.faults.append(refused)
    opened(journal)
    sender.drain()
    (dead,) = journal.slack.list_failed()
    assert (dead.case_id, dead.fault) == (1, "Slack says invalid_blocks")
    says = "post 1 of case 1 did not reach Slack: Slack says invalid_blocks"
    assert any(says in line for line in queue_lines(journal, read_staff_texts(KNOWLEDGE)))
    pass_(sender, clock, 2)
    side.faults.append(refused)
    assert journal.slack.requeue_failed() == 1
    pass_(sender, clock, 3)
    assert len(journal.slack.list_failed()) == 1
    (told,) = [m for m in side.messages.values() if m["channel"] == BOB]
    assert "A post about case 1 was not taken" in told["text"]
    assert journal.slack.requeue_failed() == 1
    pass_(sender, clock, 2)
    assert [m["text"] for m in side.cards()] == ["card 1"]
    assert journal.slack.list_failed() == []
    assert not any(
        "did not reach Slack" in line for line in queue_lines(journal, read_staff_texts(KNOWLEDGE))
    )


def test_an_alert_waits_for_the_morning(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    morning = clock.now + timedelta(hours=1)
    sender.quiet_until = lambda: morning
    refused = {"ok": False, "error": "invalid_blocks"}
    side.faults.append(Fault("chat.postMessage", body=refused))
    opened(journal)
    pass_(sender, clock, 5)
    assert texts(side) == []
    clock.forward(3600)
    pass_(sender, clock, 2)
    assert len(texts(side)) == 1


def test_a_trouble_of_what_nobody_wants_any_more_is_over(
    journal: Journal, side: SlackSide, sender: OutboxWorker
) -> None:
    side.channels[TRIAGE]["is_private"] = False
    journal.slack.enqueue("remind:1", channel=TRIAGE, method="chat.postMessage", payload={})
    sender.drain()
    assert "does not speak in" in sender.trouble
    journal.slack.withdraw("remind:1", TRIAGE)
    sender.drain()
    assert sender.trouble == ""


def test_people_hear_once_a_day_that_the_channel_takes_no_card(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    side.channels[TRIAGE]["is_member"] = False
    opened(journal)
    pass_(sender, clock, 100)
    (told,) = texts(side)
    assert "No card can be posted" in told
    assert "the desk was not invited" in told
    side.channels[TRIAGE]["is_member"] = True
    pass_(sender, clock, 40)
    assert texts(side)[1:] == ["card 1"]


def ill(side: SlackSide, rng: random.Random) -> None:
    """Busy, ill, or it takes a post and nobody hears so."""
    real = side.api

    def api(method: str, token: str, args: dict[str, Any]) -> Any:
        how = rng.choice(["fine", "fine", "busy", "ill", "unheard"])
        if how == "busy" and method.startswith("chat."):
            return 429, BUSY, {"Retry-After": str(rng.randint(1, 9))}
        if how == "ill":
            return 503, {}, {}
        answer = real(method, token, args)
        return (500, {}, {}) if how == "unheard" else answer

    side.api = api  # type: ignore[method-assign]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_slack_answers_each_post_lies_there_once_and_in_order(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time, seed: int
) -> None:
    """And whenever the process dies."""
    rng, real = random.Random(seed), side.api
    ill(side, rng)
    opened(journal, 3)
    told: dict[int, list[str]] = {1: [], 2: [], 3: []}
    for number in range(24):
        case = rng.choice((1, 2, 3))
        if rng.random() < 0.3:
            card(journal, case, f"drawn {number}")
        else:
            told[case].append(f"{case}: {number}")
            child(journal, case, told[case][-1])
        pass_(sender, clock, rng.randint(0, 3))
        if rng.random() < 0.2 and (due := journal.slack.list_due()):
            journal.slack.claim(due[0])
            journal.slack.requeue_in_flight()
    side.api = real  # type: ignore[method-assign]
    pass_(sender, clock, 90)
    assert journal.slack.count_by_state() == {"sent": journal.slack.count_by_state()["sent"]}
    assert len(side.cards()) == 3
    lying = {str(m["thread_ts"]) for m in side.messages.values() if "thread_ts" in m}
    found = [[m["text"] for m in side.thread(ts)] for ts in sorted(lying)]
    assert sorted(found) == sorted(each for each in told.values() if each)


def test_an_alert_that_is_refused_alerts_nobody(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    refused = {"ok": False, "error": "user_not_found"}
    side.faults.extend(Fault("chat.postMessage", body=refused) for _ in range(5))
    journal.slack.enqueue("k", channel=ALICE, method="chat.postMessage", payload={"text": "x"})
    pass_(sender, clock, 5)
    assert [post.key for post in journal.slack.list_failed()] == ["k", f"dead:1:{BOB}"]


def test_an_answer_that_came_too_late_for_its_command_is_told_to_the_person(
    journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    side.response_status = 404
    url = f"http://127.0.0.1:{side.port}/response"
    body = {"url": url, "text": "The answer", "blocks": [], "response_type": "ephemeral"}
    journal.slack.enqueue("k", channel=ALICE, method="respond", payload=body)
    pass_(sender, clock, 3)
    (said,) = side.messages.values()
    assert (said["channel"], said["text"]) == (ALICE, "The answer")
    assert "response_type" not in said
    assert journal.slack.list_failed() == []


def test_reminders_wait_for_the_morning_and_hold_up_nothing(
    app: App, journal: Journal, side: SlackSide, sender: OutboxWorker, clock: Time
) -> None:
    words = read_staff_texts(KNOWLEDGE)
    quiet = QuietHours.model_validate({"from": "08:00", "to": "11:00", "zone": "UTC"})
    words = words.model_copy(update={"quiet": quiet})
    cards = Cards(app.knowledge, words, lambda _language: 0.7)
    sync = CardSync(journal, cards, words, channel=TRIAGE, oncall=(BOB,))
    opened(journal)
    for reminded in (1, 2):
        with journal.engine.begin() as db:
            db.execute(escalation.update().values(reminders=reminded))
        sync.sync()
        pass_(sender, clock, 10)
    journal.slack.enqueue("now", channel=BOB, method="chat.postMessage", payload={"text": "now"})
    pass_(sender, clock, 2)

    def told() -> list[str]:
        return [m["text"] for m in side.messages.values() if m["channel"] == BOB]

    assert told() == ["now"]
    clock.forward(2 * 3600)
    pass_(sender, clock, 3)
    assert len(told()) == 2, "one for the night, however many there were"


def test_when_the_quiet_ends() -> None:
    night = QuietHours.model_validate({"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"})
    late = datetime(2026, 1, 5, 22, 30, tzinfo=UTC)
    assert night.ends_at(late) == datetime(2026, 1, 6, 6, tzinfo=UTC)
    assert night.ends_at(datetime(2026, 1, 6, 2, tzinfo=UTC)) == datetime(2026, 1, 6, 6, tzinfo=UTC)
    assert night.ends_at(datetime(2026, 1, 6, 12, tzinfo=UTC)) is None
