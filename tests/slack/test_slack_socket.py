"""Socket Mode: Slack replaces the line as it likes, and nothing is lost."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from tests.servers.slack_side import ALICE, TEAM, SlackSide
from tests.support.slack_stand import Stand, standing


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "socket") as made:
        yield made


def envelope(number: int) -> dict[str, Any]:
    """A message of a person."""
    event = {
        "type": "message", "channel_type": "im", "channel": "DALICE", "user": ALICE, "team": TEAM,
        "text": "help", "ts": f"{number}.1",
    }  # fmt: skip
    body = {
        "type": "event_callback", "team_id": TEAM, "event_id": f"Ev{number}", "event": event,
    }  # fmt: skip
    return {"envelope_id": secrets.token_hex(8), "type": "events_api", "payload": body}


@pytest.mark.parametrize("reason", ["refresh_requested", "warning"])
def test_a_line_that_slack_replaces_loses_nothing(stand: Stand, reason: str) -> None:
    """Some come before the word, some behind it on the old line, some on the new one."""
    side, sent = stand.side, [envelope(number) for number in range(15)]
    old = side.lines[-1]
    for each in sent[:5]:
        old.send(each)
    old.send({"type": "disconnect", "reason": reason, "debug_info": {"host": "x"}})
    for each in sent[5:10]:
        old.send(each)
    stand.until(lambda: len(side.lines) == 2)
    old.close()
    for each in sent[10:]:
        side.lines[-1].send(each)
    stand.until(lambda: all(each["envelope_id"] in side.acks for each in sent[10:]))
    for each in [each for each in sent if each["envelope_id"] not in side.acks]:
        side.lines[-1].send(each)  # as Slack does with what was not acknowledged
    stand.until(lambda: all(each["envelope_id"] in side.acks for each in sent))
    assert stand.desk.journal.count_rows()["slack_event"] == len(sent)
    stand.until(lambda: stand.slack.list_health()[0].says == "the line is open")
    for each in sent:
        side.lines[-1].send(each)
    stand.until(lambda: not stand.desk.journal.slack.list_waiting("ask"))
    assert stand.desk.journal.count_rows()["slack_event"] == len(sent), "each is known"


def test_slack_ill_while_it_replaces_the_line(stand: Stand) -> None:
    side = stand.side
    side.down = True
    side.lines[-1].send({"type": "disconnect", "reason": "refresh_requested"})
    side.lines[-1].close()
    stand.until(lambda: not stand.slack.list_health()[0].good)
    side.down = False
    stand.until(lambda: len(side.lines) == 2)
    side.lines[-1].send(sent := envelope(1))
    stand.until(lambda: sent["envelope_id"] in side.acks)
    stand.until(lambda: stand.slack.list_health()[0].good)
