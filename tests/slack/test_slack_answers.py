"""How each way of asking answers: at once, where one is, masked, and with an id when it breaks."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from tests.servers.slack_side import ALICE, TEAM, TRIAGE, SlackSide
from tests.support.slack_stand import QUOTED, UNSURE, Stand, filled, standing

KEY = "sk-" + "proj-" + "a1b2c3d4e5f6g7h8i9j0" * 2
WAIT = "Looking it up"


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


def stored(stand: Stand, lane: str = "ask") -> dict[str, Any]:
    """What is kept of the first event."""
    event = stand.desk.journal.slack.read_event(1)
    assert event
    assert event.lane == lane
    return event.payload


def shortcut(stand: Stand, text: str) -> None:
    payload = {
        "type": "message_action", "callback_id": "ask_about_message", "team": {"id": TEAM},
        "user": {"id": ALICE, "team_id": TEAM}, "channel": {"id": TRIAGE}, "action_ts": "1.1",
        "message": {"text": text}, "trigger_id": stand.side.trigger(),
        "response_url": f"http://127.0.0.1:{stand.side.port}/response",
    }  # fmt: skip
    stand.side.interact(payload)


def said(stand: Stand, user: str = ALICE) -> list[dict[str, Any]]:
    """What one person was told by direct message."""
    side = stand.side
    return [side.messages[p] for p in side.order if p[0] in (user, f"D{user[2:]}")]


def test_a_mention_is_no_part_of_the_question(stand: Stand) -> None:
    stand.side.mention(ALICE, QUOTED)
    stand.until(lambda: "The post answers this" in json.dumps(list(stand.side.messages.values())))
    assert stored(stand)["text"] == QUOTED


def test_a_mention_in_a_thread_is_answered_in_that_thread(stand: Stand) -> None:
    event = {"type": "app_mention", "channel": TRIAGE, "user": ALICE, "ts": "8.2", "team": TEAM}
    stand.side.event(event | {"text": f"<@U0BOT> {QUOTED}", "thread_ts": "8.1"})
    stand.until(lambda: "The post answers this" in json.dumps(stand.side.thread("8.1")))


def test_a_mention_alone_is_answered_with_help(stand: Stand) -> None:
    stand.side.mention(ALICE, "")
    stand.until(lambda: stand.side.ephemerals)
    assert "What you can do" in stand.side.ephemerals[0]["text"]


def test_a_shortcut_says_at_once_that_it_looks(stand: Stand) -> None:
    shortcut(stand, QUOTED)
    stand.until(lambda: len(stand.side.responses) == 2)
    first, answer = stand.side.responses
    assert WAIT in first["text"]
    assert "The post answers this" in json.dumps(answer)
    assert "feedback" in json.dumps(answer)


def test_a_shortcut_on_a_picture_says_that_there_is_no_text(stand: Stand) -> None:
    shortcut(stand, "")
    stand.until(lambda: stand.side.responses)
    assert "no text in that message" in stand.side.responses[0]["text"]


def test_why_it_is_answered_in_private_is_shown_with_the_answer(stand: Stand) -> None:
    stand.side.channels["C0PUBLIC"] = {"id": "C0PUBLIC", "is_private": False}
    stand.side.mention(ALICE, QUOTED, "C0PUBLIC")
    stand.until(lambda: said(stand))
    shown = json.dumps(said(stand)[0]["blocks"])
    assert "I do not answer in that channel: it is public" in shown
    assert "The post answers this" in shown


@pytest.mark.parametrize(
    "text",
    [KEY, f"whats {KEY}", f"queue {KEY}", f"ASK\n{KEY} safe?"],
    ids=["alone", "after an unknown word", "after a list", "in a question"],
)
def test_no_secret_of_a_command_is_stored(stand: Stand, tmp_path: Path, text: str) -> None:
    stand.side.command(ALICE, text)
    stand.until(lambda: stand.side.responses)
    for file in tmp_path.glob("d.sqlite3*"):
        assert KEY.lower() not in file.read_bytes().decode("latin-1").lower()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Ask " + QUOTED, "The post answers this"), ("ask " + UNSURE, "sure; the desk answers from"),
        ("ask " + "Is it bad? " * 4_000, "too long"), ("case #1", "Nobody has it"),
        ("case 99999999999999999999", "no such case"), ("case", "no such case"),
        ("case -1", "no such case"), ("mine 7", "You have none"), ("what now", "What you can do"),
    ],
)  # fmt: skip
def test_what_a_command_is_answered(stand: Stand, text: str, says: str) -> None:
    stand.case()
    stand.side.command(ALICE, text)
    stand.until(lambda: stand.side.responses)
    assert says in json.dumps(stand.side.responses, ensure_ascii=False)


def test_a_case_that_is_closed_is_shown_with_what_can_still_be_done(stand: Stand) -> None:
    case = stand.case()
    stand.side.click(ALICE, "resolve", stand.value(case))
    stand.until(lambda: not stand.read(case).open)
    stand.side.command(ALICE, f"case {case}")
    stand.until(lambda: stand.side.responses)
    shown = json.dumps(stand.side.responses[-1])
    assert "closed it without a mail" in shown
    assert "Reopen" in shown
    assert "Approve" not in shown


def test_a_secret_in_what_was_wrong_is_removed_and_that_is_said(stand: Stand) -> None:
    stand.side.dm(ALICE, QUOTED)
    stand.until(lambda: "feedback" in json.dumps(said(stand)))
    stand.side.click(ALICE, "feedback", "wrong:1")
    stand.until(lambda: stand.side.views)
    kind = {"kind": {"choice": {"selected_option": {"value": "refuse"}}}}
    end = stand.side.submit(ALICE, stand.side.views[0], kind | filled(f"My key is {KEY}."))
    assert "looked like a secret in it was removed" in json.dumps(end)
    end = stand.side.submit(ALICE, stand.side.views[0], kind | filled("It is no question."))
    assert "looked like a secret" not in json.dumps(end)


def test_what_breaks_is_told_with_the_id_that_stands_in_the_log(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    with caplog.at_level(logging.WARNING, "bot"):
        stand.slack.cards.texts = None  # type: ignore[assignment]
        stand.side.command(ALICE, "queue")
        stand.until(lambda: stand.side.responses)
        stand.slack.context.staff_permissions._known.clear()
        stand.side.down = True
        end = json.dumps(stand.side.submit(ALICE, window, filled("My own words.")))
        stand.side.down = False
    ids = {str(r.event_id) for r in caplog.records if hasattr(r, "event_id")}
    for text in (stand.side.responses[0]["text"], end):
        number = text.partition("(error ")[2].partition(")")[0]
        assert number
        assert number in ids
    assert "Copy your text" in end


def test_a_question_that_breaks_is_told_where_the_answer_would_stand(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand.desk.responder, "respond", lambda _message: 1 / 0)
    stand.side.dm(ALICE, QUOTED)
    ts = stand.side.mention(ALICE, QUOTED)
    stand.until(lambda: "error" in json.dumps(said(stand)))
    stand.until(lambda: "error" in json.dumps(stand.side.thread(ts)))
    assert [WAIT in json.dumps(said(stand)), WAIT in json.dumps(stand.side.thread(ts))] == [
        False
    ] * 2
    assert stand.side.ephemerals == []
