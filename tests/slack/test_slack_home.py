"""App Home tells how mail stands: in, out, and when the last one came and went."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from bot.app import App
from bot.channels.slack import Slack, SlackAccess
from bot.domain import HealthLine, Response
from bot.errors import DeliveryError
from bot.journal import Journal, OutboxState
from bot.journal.pasted_secrets import list_unannounced
from bot.journal.statistics import DailyStatistics, read_statistics
from bot.serve.service import Service
from bot.settings import Settings
from tests.servers.slack_side import ALICE, SlackSide
from tests.support.desk_messages import handle, received
from tests.support.ports import free_port
from tests.support.slack_app import SlackApp
from tests.support.slack_stand import FAST, QUOTED, Stand, standing


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


def numbers(stand: Stand) -> DailyStatistics:
    journal = stand.desk.journal
    return read_statistics(journal.engine, journal.clock)


def home(slack: Slack) -> str:
    return json.dumps(slack.button_handler._home(ALICE), ensure_ascii=False)


def away() -> NoReturn:
    raise DeliveryError("the mailbox does not answer")


def test_who_proves_the_senders_of_mails_is_told(stand: Stand) -> None:
    stand.slack.sender_check = HealthLine(name="sender", good=True, says="the owner accepts it")
    assert "*sender*: the owner accepts it" in home(stand.slack)


def test_mail_that_waits_or_came_back_is_told(stand: Stand) -> None:
    before = numbers(stand)
    assert (before.last_in, before.last_out, before.waiting, before.failed) == ("", "", 0, 0)
    handle(stand.desk, received(QUOTED, "k1"))
    assert numbers(stand).last_in
    assert numbers(stand).last_out
    stand.out.down = True
    handle(stand.desk, received(QUOTED, "k2", sender="bob@example.org"))
    assert numbers(stand).waiting == 1
    assert "🔴 *mail out*: 1 wait for the mail server" in home(stand.slack)
    (waits,) = stand.desk.journal.mail_outbox.list_in_state(OutboxState.READY)
    assert stand.desk.journal.mail_outbox.record_bounce(waits.header)
    assert numbers(stand).waiting == 0
    assert "🔴 *mail out*: 1 of today did not go out" in home(stand.slack)


def test_a_mailbox_that_is_away_is_told(app: App, settings: Settings, side: SlackSide) -> None:
    access = SlackAccess(
        bot_token=side.bot_token, signing_secret=side.secret, channel=side.triage,
        staff=frozenset({ALICE}), base_url=side.base_url,
    )  # fmt: skip
    own_ports = settings.model_copy(update={"smtp_port": free_port(), "http_port": 0})
    served = SlackApp(own_ports, access, FAST, responder=app.responder)
    service = Service(served, lambda _handled: None)
    service.start()
    try:
        assert "🟢 *mail in*: mail is taken" in home(served.slack)
        served.mailbox.waiting = away  # type: ignore[method-assign]
        assert not service._take_waiting()
        assert "🔴 *mail in*: no mail can be taken" in home(served.slack)
    finally:
        service.close()


def test_each_database_counts_alike(database_url: str) -> None:
    journal = Journal(database_url)
    spans = ({"kind": "api_key", "start": 0, "end": 9, "certain": True},)
    nothing = Response(outcomes=(), language="en", knowledge="x")
    unsure = ({"kind": "code", "start": 0, "end": 9, "certain": False},)
    for key, found in (("k1", spans), ("k2", unsure), ("k3", ())):
        stored = journal.receive(replace(received("[masked]", key), redactions=found), None)
        assert stored
        journal.decide(stored, nothing, draft="", reply=None)
    (note,) = list_unannounced(journal.engine, journal.clock)
    assert (note.key, note.kinds) == ("pasted:1", ("api_key",))
    assert journal.slack.enqueue(note.key, channel="C1", method="chat.postMessage", payload={})
    assert list_unannounced(journal.engine, journal.clock) == []
    counted = read_statistics(journal.engine, journal.clock)
    assert (counted.messages, counted.answered, counted.last_out) == (3, 0, "")
    assert counted.last_in
    journal.close()
