"""Who may, from where, and into which channel: whatever nobody can tell is a no."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.channels.slack import ACK_SECONDS
from bot.channels.slack.client import AwayError, Client
from bot.channels.slack.events import CHANNEL_CHANGED, parse_delivery, team_of
from bot.channels.slack.permissions import IN_USE_SECONDS, ChannelPermissions, StaffPermissions
from tests.servers.slack_side import ALICE, TEAM, TRIAGE, Fault, SlackSide
from tests.support.slack_stand import QUOTED, UNSURE, Stand, filled, standing
from tests.support.waiting import SAFETY_NET_SECONDS

OTHER = "T0OTHER"


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


@pytest.fixture
def client(side: SlackSide) -> Client:
    return Client(side.bot_token, base_url=side.base_url)


def click(side: SlackSide, **other: Any) -> dict[str, Any]:
    """A claim of the first case."""
    return {
        "type": "block_actions", "team": {"id": TEAM}, "user": {"id": ALICE, "team_id": TEAM},
        "channel": {"id": TRIAGE}, "container": {"message_ts": "1.1"},
        "response_url": f"http://127.0.0.1:{side.port}/response", "trigger_id": side.trigger(),
        "actions": [{"action_id": "claim", "value": "1:", "action_ts": side.new_ts()}],
    } | other  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"team": {"id": OTHER}}, {"team": None}, {"team": {}}, {"user": {"id": ALICE, "team_id": OTHER}},
        {"is_enterprise_install": True}, {"is_enterprise_install": "true"},
    ],
)  # fmt: skip
def test_a_click_of_another_workspace_or_of_none_does_nothing(
    stand: Stand, other: dict[str, Any]
) -> None:
    case = stand.case()
    stand.side.interact(click(stand.side, **other))
    stand.until(lambda: stand.side.responses)
    assert "another workspace" in stand.side.responses[0]["text"]
    assert stand.read(case).owner == ""


def test_a_window_of_another_workspace_or_of_none_does_nothing(stand: Stand) -> None:
    case = stand.case()
    view = {**stand.window(ALICE, "edit", case), "state": {"values": filled("Words.")}}
    for team in ({"team": {"id": OTHER}}, {"team": None}, {"is_enterprise_install": True}):
        body = {"type": "view_submission", "team": {"id": TEAM}, "view": view} | team
        told = stand.side.interact(body | {"user": {"id": ALICE, "team_id": TEAM}})
        assert "another workspace" in json.dumps(told)
    body = {"type": "view_submission", "team": {"id": TEAM}, "view": view}
    told = stand.side.interact(body | {"user": {"id": ALICE, "team_id": OTHER}})
    assert "belongs to another workspace" in json.dumps(told)
    assert stand.read(case).open


@pytest.mark.parametrize("name", ["user_team", "source_team", "team"])
def test_a_writer_of_another_workspace_is_not_answered(stand: Stand, name: str) -> None:
    event = {
        "type": "message", "channel_type": "im", "channel": "DALICE", "user": ALICE,
        "text": QUOTED, "ts": "5.5", "team": TEAM,
    }  # fmt: skip
    stand.side.event(event | {name: OTHER})
    stand.until(lambda: stand.side.called("chat.postMessage"))
    assert "belongs to another workspace" in stand.side.called("chat.postMessage")[0]["text"]


def test_the_workspace_of_each_kind_of_body() -> None:
    wide = {"authorizations": [{"is_enterprise_install": True}], "team_id": TEAM}
    assert team_of(wide) is None
    assert team_of({"team_id": TEAM, "is_enterprise_install": "false"}) == TEAM
    assert team_of({"team": {"id": TEAM}, "enterprise": {"id": "E1"}}) == TEAM
    assert team_of({"team": None}) is None


def test_nobody_may_until_slack_has_said_which_workspace_is_ours(
    side: SlackSide, client: Client
) -> None:
    staff = StaffPermissions(client, frozenset({ALICE}), 60)
    side.down = True
    with pytest.raises(AwayError):
        staff.objection(ALICE, TEAM)
    side.down = False
    assert "another workspace" in staff.objection(ALICE, OTHER)
    assert staff.objection(ALICE, TEAM) == ""


@pytest.mark.parametrize(
    "account",
    [
        {"is_bot": True}, {"is_workflow_bot": True}, {"is_restricted": True}, {"is_ultra_restricted": True},
        {"is_stranger": True}, {"deleted": True}, {"team_id": OTHER}, {"team_id": None},
    ],
)  # fmt: skip
def test_no_guest_no_bot_no_stranger(
    side: SlackSide, client: Client, account: dict[str, Any]
) -> None:
    side.users[ALICE] = {k: v for k, v in (side.users[ALICE] | account).items() if v is not None}
    assert StaffPermissions(client, frozenset({ALICE}), 60, team=TEAM).objection(ALICE, TEAM)


def test_those_who_are_at_work_are_asked_about_before_they_are_back(
    side: SlackSide, client: Client
) -> None:
    now = [0.0]
    staff = StaffPermissions(client, frozenset({ALICE}), 60, team=TEAM, tick=lambda: now[0])
    staff.refresh()
    assert staff.objection(ALICE, TEAM) == ""
    now[0] = 31
    side.users[ALICE]["deleted"] = True
    staff.refresh()
    side.faults.append(Fault("users.info", 500))
    assert "closed" in staff.objection(ALICE, TEAM), "known without a call"
    side.faults.clear()
    now[0] += IN_USE_SECONDS + 1
    asked = len(side.calls)
    staff.refresh()
    assert len(side.calls) == asked, "they went home"


@pytest.mark.parametrize(
    "channel", [{"is_private": False}, {"is_ext_shared": True}, {"is_org_shared": True}]
)
def test_a_channel_where_others_read_along_is_refused_at_use(
    stand: Stand, channel: dict[str, bool]
) -> None:
    case = stand.case()
    shared = {"id": "C0SHARED", "is_private": True, "is_member": True, "is_ext_shared": False}
    stand.side.channels["C0SHARED"] = shared | channel
    stand.side.interact(click(stand.side, channel={"id": "C0SHARED"}))
    shortcut = click(stand.side, type="message_action", message={"text": QUOTED}, action_ts="9.9")
    stand.side.interact(shortcut | {"channel": {"id": "C0SHARED"}})
    stand.side.command(ALICE, "queue", channel="C0SHARED")
    stand.side.command(ALICE, f"ask {QUOTED}", channel="C0SHARED")
    stand.until(lambda: len(stand.side.responses) == 4)
    assert all("I do not speak in this channel" in r["text"] for r in stand.side.responses)
    assert all(r["response_type"] == "ephemeral" for r in stand.side.responses)
    assert stand.read(case).owner == ""


def test_a_channel_is_looked_at_again_before_each_card(side: SlackSide, client: Client) -> None:
    now = [0.0]
    places = ChannelPermissions(client, 5, tick=lambda: now[0])
    assert places.objection(TRIAGE) == ""
    side.channels[TRIAGE]["is_private"] = False
    now[0] = 6
    assert places.objection(TRIAGE, seconds=600) == ""
    assert "public" in places.objection(TRIAGE)
    side.channels[TRIAGE] |= {"is_private": True, "is_member": None}
    now[0] = 12
    assert "not invited" in places.objection(TRIAGE)


@pytest.mark.parametrize("kind", sorted(CHANNEL_CHANGED))
def test_what_slack_says_of_the_channel_counts_at_once(stand: Stand, kind: str) -> None:
    stand.case()
    stand.until(stand.side.cards)
    stand.slack.channel_permissions.seconds = 3600
    stand.side.channels[TRIAGE] |= {"is_ext_shared": True}
    stand.side.event({"type": kind, "channel": TRIAGE}, is_ext_shared_channel=True)
    stand.until(lambda: "does not speak in" in stand.slack.list_health()[0].says)
    stand.case(f"{UNSURE} Really?", "k2", sender="bea@example.org")
    stand.slack.run_once()
    assert len(stand.side.cards()) == 1
    assert len(stand.out.sent) == 2, "mail goes on"
    stand.side.channels[TRIAGE] |= {"is_ext_shared": False}
    stand.side.event({"type": kind, "channel": TRIAGE})
    stand.until(lambda: len(stand.side.cards()) == 2)
    stand.until(lambda: stand.slack.list_health()[0].good)


def test_what_comes_from_a_shared_channel_is_not_kept() -> None:
    event = {"type": "app_mention", "user": ALICE, "channel": TRIAGE, "ts": "1.1", "text": "x"}
    body = {"type": "event_callback", "event_id": "Ev1", "team_id": TEAM, "event": event}
    assert parse_delivery(body)
    assert parse_delivery(body | {"is_ext_shared_channel": True}) is None


def test_another_workspaces_removal_is_not_ours(stand: Stand) -> None:
    stand.until(lambda: stand.slack.staff_permissions.team)
    stand.side.event({"type": "app_uninstalled"}, team_id=OTHER)
    stand.slack.run_once()
    assert stand.slack.button_handler.lost_access == ""


@pytest.mark.parametrize(
    ("tokens", "ours"), [({"oauth": ["U1"], "bot": []}, False), ({"bot": ["U0BOT"]}, True), (None, True)]
)  # fmt: skip
def test_a_persons_revoked_token_is_not_the_desks(tokens: object, *, ours: bool) -> None:
    event = {"type": "tokens_revoked"} | ({"tokens": tokens} if tokens else {})
    body = {"type": "event_callback", "event_id": "Ev1", "team_id": TEAM, "event": event}
    assert bool(parse_delivery(body)) == ours


@contextmanager
def held_back(side: SlackSide, method: str) -> Iterator[threading.Event]:
    """Slack answers `method` only after the block; the event says that it was asked."""
    real, asked, over = side.api, threading.Event(), threading.Event()

    def api(called: str, token: str, args: dict[str, Any]) -> Any:
        if called == method:
            asked.set()
            over.wait(SAFETY_NET_SECONDS)
        return real(called, token, args)

    side.api = api  # type: ignore[method-assign,assignment]
    try:
        yield asked
    finally:
        over.set()


def test_the_ack_of_a_window_waits_for_no_word_on_who_is_at_work(stand: Stand) -> None:
    now, staff = [0.0], stand.slack.staff_permissions
    staff.tick = lambda: now[0]
    staff._known.clear()
    window = stand.window(ALICE, "edit", stand.case())
    with held_back(stand.side, "users.info") as asked:
        now[0] = 0.6 * staff.seconds  # it is time to ask again; what is known still counts
        stand.until(asked.is_set)
        check = stand.side.submit(ALICE, window, filled("My words."))["view"]
        assert "on its way" in json.dumps(stand.side.submit(ALICE, check, {}))


def test_a_slow_word_on_a_person_is_a_no_in_time_for_the_ack(stand: Stand) -> None:
    case = stand.case()
    check = stand.side.submit(ALICE, stand.window(ALICE, "edit", case), filled("My words."))["view"]
    assert ACK_SECONDS < 3, "Slack's own limit"
    with held_back(stand.side, "users.info"):
        stand.slack.staff_permissions._known.clear()
        told = json.dumps(stand.side.submit(ALICE, check, {}))
    assert "Nothing was sent" in told
    assert stand.read(case).open
