"""Parts by themselves: what Slack may answer, what the outbox does with it, who leads."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.channels.slack.client import AwayError, BrokenError, BusyError, Client
from bot.channels.slack.event_store import EventStore
from bot.channels.slack.events import IncomingEvent, decode_metadata
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.permissions import ChannelPermissions, StaffPermissions
from bot.errors import DeliveryError, RefusedError
from bot.journal import CaseAction, CaseChange, Journal, Stage
from bot.journal.slack_records import NewSlackEvent, SlackPost
from tests.servers.slack_side import ALICE, GUEST, TRIAGE, Fault, SlackSide
from tests.support.interleaving import after_call
from tests.support.journal_records import mail
from tests.support.waiting import wait_until


@pytest.fixture
def client(side: SlackSide) -> Client:
    return Client(side.bot_token, base_url=side.base_url)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/j.sqlite3")
    yield made
    made.close()


@pytest.fixture
def sender(journal: Journal, client: Client) -> OutboxWorker:
    return OutboxWorker(
        journal,
        client,
        ChannelPermissions(client, 600),
        post_interval=0.0,
        repair_seconds=0.0,
        backoff=(0.0,),
        max_attempts=3,
        posts_per_minute=3,
    )


def put(journal: Journal, key: str = "k", channel: str = TRIAGE, **more: Any) -> None:
    told = {"method": "chat.postMessage", "payload": {"text": key}} | more
    assert journal.slack.enqueue(key, channel=channel, **told)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("auth.test", 429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"}), BusyError),
        (Fault("auth.test", 429, {"ok": False, "error": "x"}, {"Retry-After": "soon"}), BusyError),
        (Fault("auth.test", 500), AwayError), (Fault("auth.test", 502, {}), AwayError),
        (Fault("auth.test", 200, {"ok": False, "error": "internal_error"}), AwayError),
        (Fault("auth.test", 200, {"ok": False, "error": "token_expired"}), BrokenError),
        (Fault("auth.test", 200, {"ok": False, "error": "invalid_blocks"}), RefusedError),
    ],
)  # fmt: skip
def test_each_answer_has_its_error(
    side: SlackSide, client: Client, fault: Fault, error: type[DeliveryError]
) -> None:
    side.faults.append(fault)
    with pytest.raises(error):
        client.call("auth.test", {})
    side.faults.append(replace(fault, method="users.info"))
    with pytest.raises(error):
        client.call_with_form("users.info", {"user": ALICE})


def test_slack_that_is_not_there() -> None:
    away = Client("x", base_url="http://127.0.0.1:9/api/")
    with pytest.raises(AwayError):
        away.call("auth.test", {})
    with pytest.raises(AwayError):
        away.call_with_form("users.info", {"user": ALICE})
    with pytest.raises(AwayError):
        away.respond("http://127.0.0.1:9/response", {})


def test_an_answer_goes_to_slack_alone(side: SlackSide, client: Client) -> None:
    for url in (
        "https://evil.example/x",
        "http://127.0.0.1:1/x",
        "file:///etc/passwd",
        "http://hooks.slack.com/x",
    ):
        with pytest.raises(RefusedError, match="no address of Slack"):
            client.respond(url, {})
    with pytest.raises(RefusedError, match="no address"):
        Client("x").respond(f"http://127.0.0.1:{side.port}/response", {})
    for status, error in ((429, BusyError), (503, AwayError), (404, RefusedError)):
        side.response_status = status
        with pytest.raises(error):
            client.respond(f"http://127.0.0.1:{side.port}/response", {"text": "x"})


def test_a_refused_post_is_buried_and_the_next_goes_out(
    journal: Journal, side: SlackSide, sender: OutboxWorker
) -> None:
    side.faults.append(Fault("chat.postMessage", body={"ok": False, "error": "msg_too_long"}))
    put(journal, "a")
    put(journal, "b")
    assert not journal.slack.enqueue("b", channel="C", method="x", payload={})
    assert [sender.drain() for _ in range(3)] == [0, 1, 0]
    assert journal.slack.count_by_state() == {"dead": 1, "sent": 1}


def test_a_post_that_never_goes_is_given_up(
    journal: Journal, side: SlackSide, sender: OutboxWorker
) -> None:
    side.down = True
    put(journal)
    for _ in range(6):
        sender._next_post_at.clear()
        sender.drain()
    assert journal.slack.count_by_state() == {"dead": 1}


def test_a_loop_blows_a_fuse_and_an_update_does_not(
    journal: Journal, side: SlackSide, sender: OutboxWorker
) -> None:
    for number in range(5):
        put(journal, f"a{number}", case_id=1)
    put(journal, "other", case_id=2)
    while sender.drain():
        pass
    assert len(side.called("chat.postMessage")) == 4
    assert journal.slack.count_by_state() == {"ready": 2, "sent": 4}
    assert sender.drain() == 0


def test_a_fuse_cools_down(journal: Journal, client: Client) -> None:
    now = [0.0]
    sender = OutboxWorker(
        journal,
        client,
        ChannelPermissions(client, 600),
        post_interval=0.0,
        posts_per_minute=1,
        tick=lambda: now[0],
    )
    put(journal, "a")
    put(journal, "b")
    assert [sender.drain(), sender.drain()] == [1, 0]
    now[0] = 61.0
    assert sender.drain() == 1


def test_an_update_whose_card_never_came_is_the_card(
    journal: Journal, side: SlackSide, sender: OutboxWorker
) -> None:
    journal.receive(mail())
    journal.mark_failed(1, "Boom")
    draw = {"text": "a", "blocks": []}
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn=draw, stamp="1")
    side.faults.append(Fault("chat.postMessage", body={"ok": False, "error": "invalid_blocks"}))
    assert sender.drain() == 0
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn=draw | {"text": "b"}, stamp="2")
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn=draw | {"text": "c"}, stamp="3")
    assert sender.drain() == 1
    assert [c["text"] for c in side.cards()] == ["c"]
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn=draw | {"text": "d"}, stamp="4")
    assert sender.drain() == 1
    assert [c["text"] for c in side.cards()] == ["d"]
    assert side.problems == []


def test_what_was_being_posted_goes_out_again(journal: Journal, sender: OutboxWorker) -> None:
    put(journal)
    (post,) = journal.slack.list_due()
    assert journal.slack.claim(post)
    assert not journal.slack.claim(post)
    assert sender.drain() == 0
    journal.slack.requeue_in_flight()
    assert sender.drain() == 1


def test_content_that_changed_after_a_post_was_listed_is_what_goes_out(
    journal: Journal, side: SlackSide, sender: OutboxWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Posts are listed once and made one after the other, while others redraw cards."""
    journal.receive(mail())
    journal.mark_failed(1, "Boom")
    journal.slack.redraw("answer:7", channel=TRIAGE, drawn={"text": "old answer", "blocks": []})
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn={"text": "old", "blocks": []}, stamp="1")
    list_due = journal.slack.list_due

    def list_and_redraw() -> list[SlackPost]:
        posts = list_due()
        new = {"text": "new answer", "blocks": []}
        assert journal.slack.redraw("answer:7", channel=TRIAGE, drawn=new)
        drawn = {"text": "new", "blocks": []}
        journal.slack.enqueue_card(1, channel=TRIAGE, drawn=drawn, stamp="2")
        return posts

    monkeypatch.setattr(journal.slack, "list_due", list_and_redraw)
    sender.drain()
    assert sorted(card["text"] for card in side.cards()) == ["new", "new answer"]
    assert journal.slack.count_by_state() == {"sent": 2}


def test_an_event_is_tried_three_times(journal: Journal) -> None:
    assert journal.slack.store_events([NewSlackEvent(key="k", lane="act", payload={})]) == 1
    (event,) = journal.slack.list_waiting("act")
    assert [journal.slack.count_attempt(event.id) for _ in range(3)] == [True, True, False]
    assert journal.slack.list_waiting("act") == []
    assert journal.slack.count_by_state() == {"event failed": 1}
    assert journal.slack.count_failed_events(60) == 1
    clock = journal.slack._clock
    journal.slack._clock = lambda: clock() + timedelta(seconds=61)
    assert journal.slack.count_failed_events(60) == 0, "it does not stand there for ever"


def test_an_event_that_no_database_can_hold_keeps_none_beside_it_from_being_stored(
    journal: Journal,
) -> None:
    odd = NewSlackEvent(key="k \ud800 \0", lane="act", payload={"a": "\ud800"}, place="\udfff")
    fine = NewSlackEvent(key="k", lane="act", payload={})
    assert journal.slack.store_events([odd, fine]) == 2
    assert journal.slack.store_events([odd, fine]) == 0
    assert [each.payload for each in journal.slack.list_waiting("act")] == [{"a": "\ud800"}, {}]


def test_old_things_are_forgotten_and_waiting_ones_are_not(journal: Journal) -> None:
    journal.slack.store_events([NewSlackEvent(key=k, lane="act", payload={}) for k in "ab"])
    put(journal, "p")
    (posted,) = journal.slack.list_due()
    journal.slack.mark_handled(1)
    journal.slack.claim(posted)
    journal.slack.mark_sent(posted, "1.1")
    journal.retention.delete_slack(1)
    assert journal.slack.count_by_state() == {"event done": 1, "event new": 1, "sent": 1}
    clock = journal.retention._clock
    journal.retention._clock = lambda: clock() + timedelta(days=2)
    journal.retention.delete_slack(1)
    assert journal.slack.count_by_state() == {"event new": 1}


def test_many_that_hand_in_at_once_are_all_stored(journal: Journal) -> None:
    inbox = EventStore(journal.slack)
    with ThreadPoolExecutor(20) as pool:
        for n in range(100):
            pool.submit(
                inbox.store,
                IncomingEvent(key=f"k{n % 60}", lane="act", payload={}, place=f"p{n % 50}"),
            )
    assert len(journal.slack.list_waiting("act", 200)) == 50


def test_fifty_at_once_wait_for_a_few_commits(journal: Journal) -> None:
    """A commit waits for the disk: who comes while it does shares the next one."""
    inbox, real, commits = EventStore(journal.slack), journal.slack.store_events, []

    def store_slowly(events: Sequence[NewSlackEvent]) -> int:
        commits.append(len(events))
        if len(commits) == 1:  # the disk is slow: all the others come meanwhile
            wait_until(lambda: len(inbox._waiting) == 50 - len(events))
        return real(events)

    journal.slack.store_events = store_slowly  # type: ignore[method-assign]
    with ThreadPoolExecutor(50) as pool:
        for n in range(50):
            pool.submit(inbox.store, IncomingEvent(key=f"k{n}", lane="act", payload={}))
    assert sum(commits) == 50
    assert len(commits) == 2, commits


def test_each_of_a_batch_hears_that_it_was_not_stored(journal: Journal) -> None:
    inbox = EventStore(journal.slack)
    journal.slack.store_events = lambda _fresh: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            inbox.store(IncomingEvent(key="k", lane="act", payload={}))


def test_one_event_taken_by_two_processes_is_one(database_url: str) -> None:
    one, other = Journal(database_url), Journal(database_url)
    with ThreadPoolExecutor(16) as pool:
        fresh = [
            NewSlackEvent(key=f"k{n}", lane="act", payload={}, place=f"p{n}") for n in range(5)
        ]
        taken = pool.map(lambda n: (one, other)[n % 2].slack.store_events(fresh), range(32))
        assert sum(taken) == 5
    one.close()
    other.close()


def test_one_process_leads_and_the_next_takes_over(postgres: str) -> None:
    from tests.servers.postgres import database

    with database(postgres, "leading") as url:
        one, other = Journal(url), Journal(url)
        assert one.slack.leader.is_leader()
        assert one.slack.leader.is_leader()
        assert not other.slack.leader.is_leader()
        one.slack.leader.resign()
        assert other.slack.leader.is_leader()
        other.slack.leader._held.detach()  # type: ignore[union-attr]
        other.slack.leader._held.connection.close()  # type: ignore[union-attr]
        assert other.slack.leader.is_leader(), "its connection broke, and nobody else was there"
        other.slack.leader.resign()
        one.close()
        other.close()


def test_on_sqlite_there_is_one_process(journal: Journal) -> None:
    assert journal.slack.leader.is_leader()
    journal.slack.leader.resign()


def test_who_may_is_asked_again_after_a_while(side: SlackSide, client: Client) -> None:
    now = [0.0]
    staff = StaffPermissions(
        client, frozenset({ALICE, GUEST}), 60, team="T0DESK", tick=lambda: now[0]
    )
    assert staff.objection(ALICE, "T0DESK") == ""
    assert "guests" in staff.objection(GUEST, "T0DESK")
    assert "another workspace" in staff.objection(ALICE, "T0OTHER")
    assert "another workspace" in staff.objection(ALICE, "T0DESK", "T0OTHER")
    assert "staff list" in staff.objection(None, "T0DESK")
    assert "another workspace" in staff.objection(ALICE, None)
    side.users[ALICE]["deleted"] = True
    assert staff.objection(ALICE, "T0DESK") == ""
    now[0] = 61
    assert "closed" in staff.objection(ALICE, "T0DESK")
    side.users[ALICE] = {"id": ALICE, "team_id": "T0OTHER"}
    now[0] = 122
    assert "another workspace" in staff.objection(ALICE, "T0DESK")


def test_where_it_may_speak(side: SlackSide, client: Client) -> None:
    places = ChannelPermissions(client, 60)
    side.channels["D1"] = {"id": "D1", "is_private": True, "is_im": True}
    assert places.objection("D1") == ""
    assert "invited" in places.objection("C0NOWHERE")
    side.faults.append(Fault("conversations.info", 500))
    with pytest.raises(AwayError):
        places.objection(TRIAGE)


@pytest.mark.parametrize("memory", ["", "{", "[]", None])
def test_a_window_that_remembers_nothing(memory: str | None) -> None:
    assert decode_metadata({"private_metadata": memory}) == {}


def test_steps_of_a_case_that_came_too_late(journal: Journal) -> None:
    journal.receive(mail())
    journal.mark_failed(1, "Boom")
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner="slack:A")
    assert journal.cases.change(1, actor="slack:A", change=change, owner="")
    assert not journal.cases.change(1, actor="slack:B", change=change, owner="")
    assert not journal.cases.change(9, actor="slack:B", change=change, owner="")
    assert not journal.cases.reopen(1, actor="slack:A")
    assert not journal.cases.reopen(9, actor="slack:A")
    assert journal.cases.read(9) is None
    now = journal.cases.read(1)
    assert now
    for actor, version in (("slack:B", now.version), ("slack:A", "0.0")):
        assert not journal.cases.store_decision(
            1, actor=actor, action=CaseAction.RESOLVED, reply=None, version=version
        )
    assert journal.cases.store_decision(
        1, actor="slack:A", action=CaseAction.RESOLVED, reply=None, version=now.version
    )
    assert not journal.cases.store_decision(
        1, actor="slack:A", action=CaseAction.RESOLVED, reply=None
    )
    assert not journal.cases.change(1, actor="slack:A", change=change, owner="slack:A")
    assert journal.cases.reopen(1, actor="slack:B")
    again = journal.cases.read(1)
    assert again
    assert (again.owner, again.stage, again.decision) == ("slack:B", Stage.CLAIMED, None)


def test_two_claims_in_the_journal_make_one_owner(database_url: str) -> None:
    journal = Journal(database_url)
    journal.receive(mail())
    journal.mark_failed(1, "Boom")
    gate = threading.Barrier(8)

    def claim(number: int) -> bool:
        gate.wait()
        change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner=f"slack:{number}")
        return journal.cases.change(1, actor=f"slack:{number}", change=change, owner="")

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(claim, range(8)))
    assert sum(won) == 1
    now = journal.cases.read(1)
    assert now
    assert now.owner == f"slack:{won.index(True)}"
    journal.close()


def test_a_channel_that_is_shared_while_slack_answers_is_asked_about_again(
    client: Client, side: SlackSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ChannelPermissions(client, 60)

    def share() -> None:
        side.channels[TRIAGE]["is_ext_shared"] = True
        places.forget()

    after_call(monkeypatch, client, "call_with_form", share)
    assert "shared" in places.objection(TRIAGE)
