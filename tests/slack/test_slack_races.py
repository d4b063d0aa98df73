"""Many at once, and Slack ill: one handling, one owner, one mail; nothing lost, order kept."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.app import App
from bot.journal import Stage
from tests.servers.slack_side import ALICE, BOB, TRIAGE, Fault, SlackSide
from tests.support.desk_messages import received
from tests.support.slack_stand import QUOTED, UNSURE, Stand, filled, standing


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


def answers(side: SlackSide) -> list[str]:
    """The asks that were answered, by the place of their answer."""
    updates = [a for a in side.called("chat.update") if "feedback" in json.dumps(a["blocks"])]
    posts = [
        a for a in side.called("chat.postMessage") if "feedback" in json.dumps(a.get("blocks"))
    ]
    return [str(a.get("ts") or a["channel"]) for a in [*updates, *posts]]


def test_fifty_deliveries_of_one_event_are_one_answer(stand: Stand) -> None:
    ts = stand.side.new_ts()
    with ThreadPoolExecutor(50) as pool:
        sent = [pool.submit(stand.side.dm, ALICE, QUOTED, ts, "Ev1") for _ in range(50)]
        assert {each.result()[0] for each in sent} == {200}
    stand.until(lambda: answers(stand.side))
    stand.slack.run_once()
    assert len(answers(stand.side)) == 1


def test_a_mention_that_comes_twice_under_two_ids_is_one_answer(stand: Stand) -> None:
    ts = stand.side.new_ts()
    event = {"channel": TRIAGE, "user": ALICE, "text": f"<@U0BOT> {QUOTED}", "ts": ts}
    stand.side.event(event | {"type": "app_mention"}, "Ev1")
    stand.side.event(event | {"type": "message", "channel_type": "im"}, "Ev2")
    stand.until(lambda: answers(stand.side))
    stand.slack.run_once()
    assert len(answers(stand.side)) == 1


def test_two_who_claim_at_once_make_one_owner(stand: Stand) -> None:
    case = stand.case()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda user: stand.side.click(user, "claim", f"{case}:"), (ALICE, BOB)))
    stand.until(lambda: stand.side.responses)
    owner = stand.read(case).owner.removeprefix("slack:")
    assert owner in (ALICE, BOB)
    (told,) = stand.side.responses
    assert told["text"] == f"Case {case} is already taken by <@{owner}>."


def test_a_double_submit_is_one_mail(stand: Stand) -> None:
    case = stand.case()
    check = stand.side.submit(ALICE, stand.window(ALICE, "edit", case), filled("Once."))["view"]
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda _: json.dumps(stand.side.submit(ALICE, check, {})), range(8)))
    assert sum("on its way" in end for end in ends) == 1
    assert sum("already" in end for end in ends) == 7
    stand.desk.deliver()
    assert [body.strip() for body in stand.mails()[1:]] == ["Once."]


def test_two_who_send_at_once_are_one_mail(stand: Stand) -> None:
    case = stand.held()
    check = stand.side.submit(ALICE, stand.window(ALICE, "edit", case), filled("From Alice."))[
        "view"
    ]
    with ThreadPoolExecutor(2) as pool:
        pool.submit(stand.side.click, BOB, "approve", stand.value(case))
        end = pool.submit(stand.side.submit, ALICE, check, {}).result()
    stand.until(lambda: stand.read(case).stage is Stage.DECIDED)
    stand.slack.run_once()
    stand.desk.deliver()
    assert len(stand.out.sent) == 1
    assert ("on its way" in json.dumps(end)) == ("From Alice." in stand.mails()[0])


def test_the_same_click_delivered_twice_is_one(stand: Stand) -> None:
    case = stand.held()
    value = stand.value(case)  # once: what is delivered again is the same to the letter
    for _ in range(3):
        stand.side.click(ALICE, "approve", value, stamp="77.7")
    stand.until(lambda: stand.read(case).stage is Stage.DECIDED)
    stand.desk.deliver()
    assert len(stand.out.sent) == 1
    assert stand.side.responses == []


def test_a_slack_that_is_ill_loses_nothing_and_keeps_the_order(stand: Stand) -> None:
    busy = Fault(
        "chat.postMessage", 429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"}
    )
    ill = [Fault("chat.postMessage", 500), Fault("chat.update", 503), Fault("chat.postMessage")]
    stand.side.faults.extend([busy, *ill])
    cases = [stand.case(f"{UNSURE} {n}", f"k{n}", sender=f"u{n}@example.org") for n in range(4)]
    for case in cases:
        stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: json.dumps(stand.side.cards()).count("*Taken*") == 4)
    heads = [card["blocks"][0]["text"]["text"] for card in stand.side.cards()]
    assert sorted(heads) == heads
    assert len(heads) == 4
    assert stand.desk.journal.slack.count_by_state().get("dead") is None


def test_slack_away_at_the_start_and_back_later(app: App, tmp_path: Path, side: SlackSide) -> None:
    side.down = True
    with standing(app, tmp_path, side, "socket", wait=False) as stand:
        case = stand.case()
        stand.until(lambda: not stand.slack.list_health()[0].good)
        assert "Slack" in stand.slack.list_health()[0].says
        assert len(stand.out.sent) == 1, "mail goes on"
        time.sleep(0.3)
        side.down = False
        stand.until(stand.side.cards)
        stand.until(lambda: side.lines)
        side.click(ALICE, "claim", f"{case}:")
        stand.until(lambda: stand.shows("*Taken*"))
        stand.until(lambda: stand.slack.list_health()[0].good)
        side.lines[-1].close()
        stand.until(lambda: len(side.lines) == 2)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("token_revoked", "token_revoked"),
        ("not_in_channel", "not_in_channel"),
        ("is_archived", "is_archived"),
    ],
)
def test_a_wrong_set_up_waits_for_repair_and_is_said(stand: Stand, error: str, says: str) -> None:
    stand.side.faults.extend(
        Fault("chat.postMessage", body={"ok": False, "error": error}) for _ in range(3)
    )
    stand.case()
    stand.until(lambda: says in stand.slack.list_health()[0].says)
    assert len(stand.out.sent) == 1
    stand.until(stand.side.cards)
    stand.until(lambda: stand.slack.list_health()[0].good)


@pytest.mark.parametrize(
    "wrong", [{"is_private": False}, {"is_ext_shared": True}, {"is_member": False}]
)
def test_no_card_in_a_channel_that_others_can_read(
    app: App, tmp_path: Path, side: SlackSide, wrong: dict[str, bool]
) -> None:
    side.channels[TRIAGE] |= wrong
    with standing(app, tmp_path, side, "http") as stand:
        stand.case(received(UNSURE).text)
        stand.until(lambda: "does not speak in" in stand.slack.list_health()[0].says)
        # The owner may be told of it at any time, in private.
        assert not [key for key in side.messages if key[0] == TRIAGE]
        side.channels[TRIAGE] |= {"is_private": True, "is_ext_shared": False, "is_member": True}
        stand.until(stand.side.cards)
