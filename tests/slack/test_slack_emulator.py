"""The same way against an emulator that somebody else wrote, under strict scopes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.channels.slack.client import METHODS, OPEN_SOCKET_METHOD
from tests.servers.slack_emulator import Emulator, emulator, missing
from tests.servers.slack_side import BOT_SCOPES, SlackSide
from tests.support.ports import free_port
from tests.support.slack_stand import QUOTED, filled, standing


@pytest.fixture
def slack(side: SlackSide) -> Iterator[Emulator]:
    if why := missing():
        pytest.skip(why)
    with emulator(free_port(), side.bot_token, BOT_SCOPES) as made:
        channels = made.call("conversations.list", types="private_channel")["channels"]
        side.triage = next(c["id"] for c in channels if c["name"] == "triage")
        made.call("conversations.invite", channel=side.triage, users="U0BOT")
        side.team = made.call("auth.test", side.bot_token)["team_id"]
        side.channels[side.triage] = {
            "id": side.triage,
            "is_private": True,
            "is_member": True,
            "is_ext_shared": False,
        }
        side.upstream = made.url
        yield made


def alice(slack: Emulator) -> str:
    return str(next(m["id"] for m in slack.call("users.list")["members"] if m["name"] == "alice"))


def history(slack: Emulator, side: SlackSide) -> list[dict[str, Any]]:
    return list(slack.call("conversations.history", channel=side.triage)["messages"])


@pytest.mark.parametrize("mode", ["http", "socket"])
def test_the_way_of_a_case_on_the_emulator(
    app: App, tmp_path: Path, side: SlackSide, slack: Emulator, mode: str
) -> None:
    user = alice(slack)
    with standing(app, tmp_path, side, mode, staff=frozenset({user})) as stand:
        case = stand.case()
        stand.until(lambda: "Nobody has it" in json.dumps(history(slack, side)))
        side.click(user, "claim", f"{case}:")
        stand.until(lambda: f"by <@{user}>" in json.dumps(history(slack, side)))
        check = side.submit(user, stand.window(user, "edit", case), filled("No law firm."))["view"]
        assert "on its way" in json.dumps(side.submit(user, check, {}))
        stand.desk.deliver()
        stand.until(lambda: "handed over to the mail server" in json.dumps(history(slack, side)))
        side.mention(user, QUOTED)
        stand.until(lambda: any("answer for you" in m["text"] for m in replies(slack, side)))
        side.event({"type": "app_home_opened", "user": user, "tab": "home"})
        stand.until(lambda: any(c.method == "views.publish" for c in side.calls))
        side.click("U000000001", "claim", f"{case}:")
        side.event(
            {
                "type": "app_mention",
                "channel": side.triage,
                "user": "U000000001",
                "text": "x",
                "ts": "7.7",
            }
        )
        stand.until(lambda: any(c.method == "chat.postEphemeral" for c in side.calls))
    assert all(call.answer.get("ok") for call in side.calls), [
        c for c in side.calls if not c.answer.get("ok")
    ]
    used = {call.method for call in side.calls}
    assert used == METHODS | ({OPEN_SOCKET_METHOD} if mode == "socket" else set())


def replies(slack: Emulator, side: SlackSide) -> list[dict[str, Any]]:
    """What stands under the asker's words, whose time the emulator does not know."""
    posts = [
        c.answer["ts"] for c in side.calls if c.method == "chat.postMessage" and c.answer.get("ok")
    ]
    found = [
        slack.call("conversations.replies", channel=side.triage, ts=ts).get("messages", [])
        for ts in posts
    ]
    return [message for each in [*found, history(slack, side)] for message in each]


def test_what_the_desk_never_needs_is_forbidden_there(side: SlackSide, slack: Emulator) -> None:
    for method in ("conversations.history", "files.list", "conversations.create", "reactions.add"):
        answer = slack.call(method, side.bot_token, channel=side.triage, name="x")
        assert answer["error"] == "missing_scope", method
