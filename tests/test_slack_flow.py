"""Mail in, card, claim, edit, confirm, mail out, card says sent; over HTTP and over Socket Mode."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.channels.mail.compose import Composer
from bot.channels.slack import Access, Pace, Slack
from bot.desk import Desk
from bot.http import HttpPort
from bot.journal import Journal
from bot.limits import read_limits
from tests.conftest import KNOWLEDGE
from tests.fakes import ListOut
from tests.servers.slack_side import ALICE, BOB, GUEST, TRIAGE, SlackSide
from tests.test_desk import handle, received

FAST = Pace(post=0.02, look=0.05, socket=0.1, repair=0.2, backoff=(0.05,))
UNSURE = "Which law firm advises you about the budget of the marketing team?"


class Stand:
    """A desk, its Slack, and Slack's side."""

    def __init__(self, desk: Desk, out: ListOut, side: SlackSide, slack: Slack, home: Path) -> None:
        self.desk, self.out, self.side, self.slack, self.home = desk, out, side, slack, home

    def case(self, text: str = UNSURE, key: str = "k1", **more: Any) -> int:
        handle(self.desk, received(text, key, **more))
        self.slack.wake()
        return self.desk.journal.cases.queue()[-1].id

    def value(self, case_id: int) -> str:
        case = self.desk.journal.cases.read(case_id)
        assert case
        return f"{case.id}:{case.version}"

    def shows(self, words: str) -> bool:
        return words in json.dumps([c["blocks"] for c in self.side.cards()], ensure_ascii=False)

    def until(self, holds: Callable[[], object], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError([(c.method, c.answer) for c in self.side.calls][-5:])
            time.sleep(0.01)

    def window(self, user: str, action: str, case_id: int) -> dict[str, Any]:
        before = len(self.side.views)
        self.side.click(user, action, self.value(case_id))
        self.until(lambda: len(self.side.views) > before)
        return self.side.views[-1]


@pytest.fixture
def side() -> Iterator[SlackSide]:
    made = SlackSide()
    yield made
    made.close()
    assert made.problems == []


@pytest.fixture(params=["http", "socket"])
def stand(
    request: pytest.FixtureRequest, app: App, tmp_path: Path, side: SlackSide
) -> Iterator[Stand]:
    yield from standing(app, tmp_path, side, request.param)


@pytest.fixture
def http(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    yield from standing(app, tmp_path, side, "http")


def standing(app: App, tmp_path: Path, side: SlackSide, mode: str) -> Iterator[Stand]:
    out = ListOut()
    desk = Desk(
        knowledge=app.knowledge, responder=app.responder,
        journal=Journal(f"sqlite:///{tmp_path}/d.sqlite3", limits=read_limits(KNOWLEDGE)),
        outbound=app.outbound, compose=Composer("incident@desk.example").reply, out=out,
    )  # fmt: skip
    access = Access(
        bot_token=side.bot_token, app_token=side.app_token if mode == "socket" else "",
        signing_secret=side.secret, channel=TRIAGE, staff=frozenset({ALICE, BOB, GUEST}),
        oncall=(BOB,), base_url=side.base_url,
    )  # fmt: skip
    slack = Slack(access, desk, home=tmp_path, pace=FAST)
    port = HttpPort(0)
    port.post("/slack/events", slack.http_adapter)
    port.start()
    side.request_url = f"http://127.0.0.1:{port.port}/slack/events"
    slack.start()
    made = Stand(desk, out, side, slack, tmp_path)
    if mode == "socket":
        made.until(lambda: side.lines)
    yield made
    slack.close()
    port.stop()
    desk.journal.close()


def filled(text: str) -> dict[str, Any]:
    return {"text_0": {"text": {"value": text}}}


def test_mail_in_card_claim_edit_confirm_mail_out_card_says_sent(stand: Stand) -> None:
    side, desk = stand.side, stand.desk
    case = stand.case()
    stand.until(lambda: stand.shows("Nobody has it"))
    side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.shows("*Taken* by <@U0ALICE>"))
    window = stand.window(ALICE, "edit", case)
    answer = side.submit(ALICE, window, filled("Dear Ana, we have no law firm to name."))
    assert answer["response_action"] == "update"
    check = answer["view"]
    assert "ana@example.org" in json.dumps(check)
    assert side.view(check) == ""
    done = side.submit(ALICE, check, {})
    assert "on its way" in json.dumps(done)
    again = side.submit(ALICE, check, {})
    assert "sent it already" in json.dumps(again)
    assert len(stand.out.sent) == 1
    desk.deliver()
    stand.until(lambda: stand.shows("handed over to the mail server"))
    assert stand.shows("sent their own text")
    assert len(stand.out.sent) == 2
    assert b"no law firm to name" in stand.out.sent[1][1]
    (card,) = side.cards()
    assert "Approve" not in json.dumps(card)
    assert "ana@" not in json.dumps(card)
