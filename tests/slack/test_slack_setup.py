"""Settings, manifest, doctor: what must be right before staff can rely on it."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.app import App
from bot.channels.slack import Slack
from bot.channels.slack.client import METHODS, OPEN_SOCKET_METHOD, Client
from bot.channels.slack.events import ACCESS_LOST, CHANNEL_CHANGED, parse_delivery
from bot.channels.slack.health import check_signatures
from bot.channels.slack.setup_checks import bot_scopes, read_manifest
from bot.channels.slack.unsigned_requests import WRONG_SECRET_MINUTES, SignatureFlaw
from bot.errors import RefusedError, SettingsError
from bot.settings import Settings
from tests.servers.slack_side import ALICE, BOT_SCOPES, EVE, GUEST, SCOPES, TRIAGE, Fault, SlackSide
from tests.support.slack_stand import QUOTED, Stand, standing
from tests.support.waiting import SAFETY_NET_SECONDS

ROOT = Path(__file__).parents[2]
NEEDED = {
    "app_mention": "app_mentions:read", "message.im": "im:history",
    "app_home_opened": "", "app_uninstalled": "", "tokens_revoked": "",
    **dict.fromkeys(CHANNEL_CHANGED, "groups:read"),
}  # fmt: skip


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


def event(kind: str) -> dict[str, object]:
    name, _, where = kind.partition(".")
    told = {
        "type": name,
        "channel_type": where or "im",
        "user": ALICE,
        "channel": "D1",
        "ts": "1.1",
        "text": "x",
    }
    return {"type": "event_callback", "event_id": "Ev1", "team_id": "T1", "event": told}


def test_the_manifest_asks_for_what_the_code_uses_and_no_more() -> None:
    """Each event is one that the code keeps, each scope is one that a call or an event needs."""
    told = read_manifest()
    events = told["settings"]["event_subscriptions"]["bot_events"]
    assert set(events) == set(NEEDED)
    assert all(parse_delivery(event(kind)) for kind in events)
    assert set(events) >= ACCESS_LOST | CHANNEL_CHANGED
    used = {SCOPES[method] for method in METHODS} | {NEEDED[kind] for kind in events} | {"commands"}
    assert set(bot_scopes()) == used - {""} == set(BOT_SCOPES)
    assert [c["command"] for c in told["features"]["slash_commands"]] == ["/incident"]
    assert told["settings"]["socket_mode_enabled"]
    assert not told["settings"]["token_rotation_enabled"]


def test_no_other_method_leaves_the_desk(side: SlackSide) -> None:
    """Whatever the SDK could call: it has one client, and that refuses all but nine."""
    folder = ROOT / "bot" / "channels" / "slack"
    makers = {p.name for p in folder.glob("*.py") if "WebClient" in p.read_text()}
    assert makers == {"client.py"}
    web = Client(side.bot_token, base_url=side.base_url).web
    for call in (web.conversations_history, web.conversations_members):
        with pytest.raises(RefusedError, match="none of the methods"):
            call(channel=TRIAGE)
    with pytest.raises(RefusedError, match="none of the methods"):
        web.files_list()
    assert side.calls == []
    assert len(METHODS | {OPEN_SOCKET_METHOD}) == 9


def test_no_token_no_slack(settings: Settings) -> None:
    assert App(settings).slack is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"slack_channel": "#triage"}, "DESK_SLACK_CHANNEL"), ({"slack_staff": ""}, "DESK_SLACK_STAFF"),
        ({"slack_staff": "alice"}, "member id"), ({"slack_oncall": "bob"}, "DESK_SLACK_ONCALL"),
        ({"slack_app_token": SecretStr("")}, "DESK_SLACK_APP_TOKEN"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_right_is_named(
    settings: Settings, changed: dict[str, object], says: str
) -> None:
    good = {
        "slack_bot_token": SecretStr("xoxb-1"), "slack_app_token": SecretStr("xapp-1"),
        "slack_channel": TRIAGE, "slack_staff": f"{ALICE}, {EVE}",
    }  # fmt: skip
    with pytest.raises(SettingsError, match=says):
        App(settings.model_copy(update=good | changed)).slack  # noqa: B018 - it is built
    assert settings.model_copy(update=good).slack_people("slack_staff") == (ALICE, EVE)


def test_slack_is_built_from_settings_and_serve_survives_without_it(
    app: App, settings: Settings
) -> None:
    told = {
        "slack_bot_token": SecretStr("xoxb-1"), "slack_signing_secret": SecretStr("s"),
        "slack_channel": TRIAGE, "slack_staff": ALICE,
    }  # fmt: skip
    mine = App(settings.model_copy(update=told), responder=app.responder)
    assert isinstance(mine.slack, Slack)
    assert "xoxb" not in repr(mine.slack.access)
    mine.journal.close()


def lines(slack: Slack) -> dict[str, tuple[bool, str]]:
    return {line.name: (line.good, line.says) for line in slack.check_setup()}


def test_doctor_finds_nothing_wrong(app: App, tmp_path: Path, side: SlackSide) -> None:
    with standing(app, tmp_path, side, "socket") as stand:
        side.users.pop(GUEST)
        side.users[GUEST] = {"id": GUEST, "team_id": "T0DESK"}
        found = lines(stand.slack)
        assert all(good for good, _ in found.values()), found
        assert found["slack channel"][1] == f"{TRIAGE} is private and the desk is in it"
        assert found["slack scopes"][1] == "6 as wanted"
        assert set(found) == {
            "slack token", "slack scopes", "slack clock", "slack line", "slack signed",
            "slack channel", "slack staff", "slack posts",
        }  # fmt: skip


def test_doctor_names_each_thing_that_is_wrong(app: App, tmp_path: Path, side: SlackSide) -> None:
    with standing(app, tmp_path, side, "http") as stand:
        side.scopes.remove("users:read")
        side.scopes.append("files:read")
        side.channels[TRIAGE]["is_private"] = False
        stand.slack.channel_permissions.forget()
        side.post("{}", "application/json", secret="wrong")
        side.post("{}", "application/json", secret="wrong")
        found = lines(stand.slack)
        assert "missing: users:read" in found["slack scopes"][1]
        assert "public" in found["slack channel"][1]
        assert "DESK_SLACK_SIGNING_SECRET" in found["slack signed"][1]
        assert "missing_scope" in found["slack staff"][1]
        side.scopes.append("users:read")
        assert "not needed: files:read" in lines(stand.slack)["slack scopes"][1]
        side.channels[TRIAGE]["is_private"] = True

        def channel_is_ill() -> bool:
            # The running desk may ask first and take the fault: then it is asked once more.
            side.faults.append(Fault("conversations.info", 503))
            stand.slack.channel_permissions.forget()
            return "ill" in lines(stand.slack)["slack channel"][1]

        stand.until(channel_is_ill)
        assert "guests" in lines(stand.slack)["slack staff"][1]
        side.faults.append(Fault("auth.test", body={"ok": False, "error": "token_revoked"}))
        found = lines(stand.slack)
        assert found["slack token"] == (
            False,
            "Slack says token_revoked; set DESK_SLACK_BOT_TOKEN to the bot token of the app's install page",
        )
        assert set(found) == {"slack token", "slack signed", "slack posts"}
        assert stand.desk.journal.count_recent("slack: request refused: key", 60) == 1


def test_doctor_without_an_app_token_that_fits(app: App, tmp_path: Path, side: SlackSide) -> None:
    with standing(app, tmp_path, side, "socket") as stand:
        side.app_token = "xapp-other"
        assert "connections:write" in lines(stand.slack)["slack line"][1]
        side.faults.append(
            Fault(
                "auth.test",
                body={"ok": True, "team_id": "T0DESK"},
                headers={"Date": "Wed, 01 Jan 2020 00:00:00 GMT"},
            )
        )
        assert "set the clock" in lines(stand.slack)["slack clock"][1]


@pytest.mark.parametrize(
    ("secret", "age", "flaw", "says"),
    [
        ("wrong", 0, SignatureFlaw.KEY, "DESK_SLACK_SIGNING_SECRET is not the app's"),
        ("", 302, SignatureFlaw.CLOCK, "set the clock"), ("", -400, SignatureFlaw.CLOCK, "set the clock"),
        ("wrong", 302, SignatureFlaw.STRANGER, "a stranger knocks"),
    ],
)  # fmt: skip
def test_what_slack_did_not_sign_is_refused_counted_and_named(
    stand: Stand, secret: str, age: float, flaw: SignatureFlaw, says: str
) -> None:
    body = json.dumps(event("app_mention"))
    for _ in range(2):
        at = time.time() - age
        assert stand.side.post(body, "application/json", secret=secret, at=at)[0] == 401
    assert stand.desk.journal.count_rows()["slack_event"] == 0
    assert stand.slack.gateway.unsigned_requests.counts == {flaw: 2}
    assert stand.desk.journal.count_recent(f"slack: request refused: {flaw}", 60) == 1
    line = check_signatures(stand.slack)
    assert says in line.says
    assert line.good == (flaw is not SignatureFlaw.CLOCK), "anybody can sign with another key"
    stand.case()
    assert len(stand.out.sent) == 1, "mail goes on"
    stand.until(stand.side.cards)


def test_a_secret_that_keeps_failing_is_wrong_until_a_request_is_rightly_signed(
    stand: Stand,
) -> None:
    note = f"slack: request refused: {SignatureFlaw.KEY}"
    for _ in range(WRONG_SECRET_MINUTES):
        assert check_signatures(stand.slack).good
        stand.desk.journal.append_audit(note)
    assert not check_signatures(stand.slack).good
    stand.side.event({"type": "app_home_opened", "user": ALICE, "tab": "home"})
    stand.until(lambda: check_signatures(stand.slack).good)


def test_a_request_without_a_signature_is_a_strangers(stand: Stand) -> None:
    page = stand.slack.http_adapter({"content-type": "application/json"}, b"{}")
    assert page.status == 401
    assert stand.slack.gateway.unsigned_requests.counts == {SignatureFlaw.STRANGER: 1}


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [
        ("nan", "v0=" + 64 * "0"), ("inf", "v0=" + 64 * "0"), (400 * "9", "v0=" + 64 * "0"),
        (5_000 * "9", "v0=" + 64 * "0"), ("-1", "v0=" + 64 * "0"), ("1e9", "v0=" + 64 * "0"),
        ("²", "v0=" + 64 * "0"), ("١٢٣٤٥", "v0=" + 64 * "0"), ("NOW", "v0=ü"), ("NOW", ""),
        ("NOW", "v0=" + 64 * "é"), ("NOW", "v1=" + 64 * "0"), ("", ""), ("NOW", "v0=" + 400 * "0"),
    ],
)  # fmt: skip
def test_a_malformed_signature_is_refused_and_counted_like_none(
    stand: Stand, timestamp: str, signature: str
) -> None:
    headers = {
        "content-type": "application/json",
        "x-slack-request-timestamp": timestamp.replace("NOW", str(int(time.time()))),
        "x-slack-signature": signature,
    }
    assert stand.slack.http_adapter(headers, b"{}").status == 401
    assert stand.slack.gateway.unsigned_requests.counts == {SignatureFlaw.STRANGER: 1}
    assert check_signatures(stand.slack).good


def test_a_clock_that_is_wrong_is_said_without_any_request(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    told = {"ok": True, "team_id": "T0DESK"}
    date = {"Date": "Wed, 01 Jan 2020 00:00:00 GMT"}
    side.faults.append(Fault("auth.test", body=told, headers=date))
    with standing(app, tmp_path, side, "http") as stand:
        stand.until(lambda: any(line.name == "slack clock" for line in stand.slack.list_health()))


def test_slacks_challenge_is_answered(stand: Stand) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc"})
    status, text = stand.side.post(body, "application/json")
    assert (status, json.loads(text)["challenge"]) == (200, "abc")


def test_a_database_that_is_gone_makes_slack_try_again(stand: Stand) -> None:
    taken = stand.slack.gateway.event_store.events.store_events
    stand.slack.gateway.event_store.events.store_events = lambda _fresh: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    assert stand.side.dm(ALICE, QUOTED, "5.5", "Ev9")[0] == 500
    stand.slack.gateway.event_store.events.store_events = taken  # type: ignore[method-assign]
    assert stand.side.dm(ALICE, QUOTED, "5.5", "Ev9")[0] == 200
    stand.until(lambda: "The post answers this" in json.dumps([c.args for c in stand.side.calls]))


@pytest.mark.parametrize("kind", sorted(ACCESS_LOST))
def test_an_app_that_was_removed_is_said(stand: Stand, kind: str) -> None:
    stand.side.event({"type": kind})
    stand.until(lambda: kind in stand.slack.list_health()[0].says)


def test_a_removal_that_overtakes_the_check_of_the_token_stands(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    real, asked, told = side.api, threading.Event(), threading.Event()

    def slow(called: str, token: str, args: dict[str, Any]) -> Any:
        answer = real(called, token, args)
        if called == "auth.test":
            asked.set()
            told.wait(SAFETY_NET_SECONDS)
        return answer

    side.api = slow  # type: ignore[method-assign,assignment]
    with standing(app, tmp_path, side, "http") as stand:
        assert asked.wait(SAFETY_NET_SECONDS)
        side.event({"type": "app_uninstalled"})
        stand.until(lambda: "app_uninstalled" in stand.slack.list_health()[0].says)
        told.set()
        stand.until(lambda: stand.slack.staff_permissions.team)
        assert "app_uninstalled" in stand.slack.list_health()[0].says


def test_everything_else_is_acknowledged(stand: Stand) -> None:
    assert stand.side.interact({"type": "view_closed", "view": {}}) == {}
    assert stand.side.interact({"type": "block_suggestion"}) == {}
    assert stand.side.submit(ALICE, {"type": "modal", "callback_id": "unknown"}, {}) == {}
    stand.side.click(ALICE, "nonsense", "1:1")
    stand.side.click(ALICE, "feedback", "wrong:x")
    stand.side.click(ALICE, "claim", "x")
    stand.until(lambda: len(stand.side.responses) == 2)
