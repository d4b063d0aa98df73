"""`incident-desk doctor` on a workspace that is wrong in one way each; mail goes on."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from bot.app import App
from bot.channels.slack import SlackAccess
from bot.channels.slack.unsigned_requests import (
    SIGNATURE,
    TIMESTAMP,
    WRONG_SECRET_MINUTES,
    UnsignedRequests,
)
from bot.cli import main
from bot.serve.service import Service
from bot.settings import read_settings
from tests.servers.slack_side import ALICE, TRIAGE, Fault, SlackSide
from tests.support.ports import free_port
from tests.support.running_desk import page

Wrong = Callable[[SlackSide], None]


def public(side: SlackSide) -> None:
    side.channels[TRIAGE]["is_private"] = False


def left(side: SlackSide) -> None:
    side.channels[TRIAGE]["is_member"] = False


def revoked(side: SlackSide) -> None:
    told = {"ok": False, "error": "token_revoked"}
    side.faults.extend(Fault("*", body=told) for _ in range(500))


def skewed(side: SlackSide) -> None:
    knocks(side, at=time.time() - 900)


def other_secret(side: SlackSide) -> None:
    """As Slack does it: the refused event comes again and again, here in as many minutes."""
    app = App(read_settings())
    for _ in range(WRONG_SECRET_MINUTES):
        UnsignedRequests(app.journal, side.secret).add(
            {TIMESTAMP: str(int(time.time())), SIGNATURE: "v0=" + 64 * "0"}, b"{}"
        )
    app.journal.close()


def knocks(side: SlackSide, **how: Any) -> None:
    """A running desk hears from Slack."""
    app = App(read_settings())
    service = Service(app, lambda _handled: None)
    service.start()
    try:
        side.request_url = f"http://127.0.0.1:{service.http.port}/slack/events"
        assert side.post("{}", "application/json", **how)[0] == 401
        assert "desk_slack_refused 1.0" in page(service, "/metrics")[1]
        status, ready = page(service, "/readyz")
        assert status == 200, "mail goes on"
        assert any("slack signed" in each for each in json.loads(ready)["remarks"])
    finally:
        service.close()
        app.journal.close()


@pytest.mark.parametrize(
    ("wrong", "line", "says"),
    [
        (public, "slack channel", f"{TRIAGE}: it is public, or the desk was not invited; use a private channel"),
        (left, "slack channel", f"{TRIAGE}: the desk was not invited; use a private channel"),
        (revoked, "slack token", "Slack says token_revoked; set DESK_SLACK_BOT_TOKEN"),
        (skewed, "slack signed", "set the clock of this machine"),
        (other_secret, "slack signed", "DESK_SLACK_SIGNING_SECRET is not the app's"),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_has_its_line(
    side: SlackSide,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: Wrong,
    line: str,
    says: str,
) -> None:
    for name, value in {
        "DESK_SLACK_BOT_TOKEN": side.bot_token, "DESK_SLACK_SIGNING_SECRET": side.secret,
        "DESK_SLACK_CHANNEL": TRIAGE, "DESK_SLACK_STAFF": ALICE, "DESK_SMTP_PORT": str(free_port()),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # Slack's address is no setting: where it leads is all that differs here.
    defaults = SlackAccess.__init__.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "base_url", side.base_url)
    wrong(side)
    code = main(["doctor"])
    told = [each for each in capsys.readouterr().out.splitlines() if line in each]
    assert code == 1
    assert len(told) == 1
    assert told[0].startswith("FAIL")
    assert says in told[0]
