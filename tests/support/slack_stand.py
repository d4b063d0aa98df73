"""A desk on the real model, its Slack, and Slack's side, over loopback."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.app import App
from bot.channels.mail.compose import Composer
from bot.channels.slack import Slack, SlackAccess, SlackIntervals, SuggestionModel
from bot.corpus.limits import read_limits
from bot.desk import Desk
from bot.infra.http_server import HttpPort
from bot.journal import Case, Journal, ReceivedMessage
from bot.outbound import text_of
from bot.staff.outdated_answers import Recall
from bot.staff.recall_batches import RecallBatches
from bot.staff.team_answer_review import TeamAnswerReview
from tests.conftest import KNOWLEDGE
from tests.servers.slack_side import ALICE, BOB, GUEST, SlackSide
from tests.support.desk_messages import handle, received
from tests.support.fakes import ListOut
from tests.support.waiting import wait_until

FAST = SlackIntervals(post=0.02, compare=0.05, socket=0.1, repair=0.2, undo=0.0, backoff=(0.05,))
QUOTED = "Were OpenAI passwords, API keys, or payment information exposed?"
DOUBTFUL = "Were the passwords of my printer exposed?"  # a passage is near, and may not answer it
UNSURE = "Which law firm advises you about the budget of the marketing team?"


class Watching:
    """Looks at Slack's side until something holds."""

    side: SlackSide

    def shows(self, words: str) -> bool:
        return words in json.dumps([c["blocks"] for c in self.side.cards()], ensure_ascii=False)

    def until(self, holds: Callable[[], object]) -> None:
        wait_until(holds, lambda: [(c.method, c.answer) for c in self.side.calls][-5:])


class Stand(Watching):
    """A desk, its Slack, and Slack's side."""

    def button_values(self, action: str) -> list[str]:
        """The values of the buttons of this name that lie in the channel."""
        rows = [
            element for card in self.side.cards() for block in card["blocks"]
            for element in block.get("elements", [])
        ]  # fmt: skip
        return [each["value"] for each in rows if each.get("action_id") == action]

    def __init__(self, desk: Desk, out: ListOut, side: SlackSide, slack: Slack, home: Path) -> None:
        self.desk, self.out, self.side, self.slack, self.home = desk, out, side, slack, home

    def case(self, text: str = UNSURE, key: str = "k1", **more: Any) -> int:
        handle(self.desk, received(text, key, **more))
        self.slack.wake()
        return self.desk.journal.cases.list_open()[-1].id

    def held(self, text: str = QUOTED, key: str = "k1", **more: Any) -> int:
        """A case with a draft that answers."""
        return self.case(text, key, verdict="hold", **more)

    def read(self, case_id: int) -> Case:
        case = self.desk.journal.cases.read(case_id)
        assert case
        return case

    def mails(self) -> list[str]:
        """The bodies that went out."""
        return [text_of(mail) for _, mail in self.out.sent]

    def same_thread(self, message: ReceivedMessage) -> ReceivedMessage:
        return replace(message, thread_key="mail:k1")

    def reply(self, user: str, case_id: int, text: str) -> None:
        window = self.window(user, "edit", case_id)
        check = self.side.submit(user, window, filled(text))["view"]
        done = self.side.submit(user, check, {})
        assert "on its way" in json.dumps(done), done

    def value(self, case_id: int) -> str:
        return f"{case_id}:{self.read(case_id).version}"

    def says(self, user: str, action: str, value: str, words: str) -> None:
        """A click that is answered with a word to the one who clicked."""
        before = len(self.side.responses)
        self.side.click(user, action, value)
        self.until(lambda: len(self.side.responses) > before)
        assert words in self.side.responses[-1]["text"], self.side.responses[-1]

    def window(self, user: str, action: str, case_id: int) -> dict[str, Any]:
        before = len(self.side.views)
        self.side.click(user, action, self.value(case_id))
        self.until(lambda: len(self.side.views) > before)
        return self.side.views[-1]


@contextmanager
def standing(
    app: App,
    tmp_path: Path,
    side: SlackSide,
    mode: str,
    *,
    wait: bool = True,
    staff: frozenset[str] = frozenset({ALICE, BOB, GUEST}),
    model: SuggestionModel | None = None,
    undo: float = 0.0,
    team_answers: Callable[[Desk], TeamAnswerReview] | None = None,
) -> Iterator[Stand]:
    """A desk that works until the end of the block."""
    out = ListOut()
    desk = Desk(
        knowledge=app.knowledge, responder=app.responder,
        journal=Journal(f"sqlite:///{tmp_path}/d.sqlite3", limits=read_limits(KNOWLEDGE)),
        outbound=app.outbound, compose=Composer("incident@desk.example").reply, out=out,
    )  # fmt: skip
    access = SlackAccess(
        bot_token=side.bot_token, app_token=side.app_token if mode == "socket" else "",
        signing_secret=side.secret, channel=side.triage, staff=staff,
        oncall=(BOB,), base_url=side.base_url,
    )  # fmt: skip
    recall = RecallBatches(
        lambda: Recall(
            knowledge=app.knowledge, journal=desk.journal, responder=app.responder,
            outbound=app.outbound, compose=desk.compose,
        ),
        desk.journal, per_minute=6_000,
    )  # fmt: skip
    slack = Slack(
        access, desk, home=tmp_path, intervals=replace(FAST, undo=undo), model=model, recall=recall,
        team_answer_review=team_answers(desk) if team_answers else None,
    )  # fmt: skip
    port = HttpPort(0)
    port.post("/slack/events", slack.http_adapter)
    port.start()
    side.request_url = f"http://127.0.0.1:{port.port}/slack/events"
    slack.start()
    made = Stand(desk, out, side, slack, tmp_path)
    if mode == "socket" and wait:
        made.until(lambda: side.lines)
    try:
        yield made
    finally:
        slack.close()
        port.stop()
        desk.journal.close()
    assert [post for post in posts(side) if wrong(post)] == []


def posts(side: SlackSide) -> list[dict[str, Any]]:
    """Everything that was posted."""
    methods = ("chat.postMessage", "chat.update", "chat.postEphemeral")
    return [*(call.args for call in side.calls if call.method in methods), *side.responses]


def wrong(post: dict[str, Any]) -> bool:
    """A link would be fetched or a name called, or the text that phones show is amiss."""
    quiet = ("unfurl_links", "unfurl_media", "link_names")
    loud = "ts" not in post and any(post.get(name) is not False for name in quiet)
    return loud or not post["text"] or "example.org" in post["text"]


def filled(text: str) -> dict[str, Any]:
    """The state of a window with this text."""
    return {"text_0": {"text": {"value": text}}}
