"""Windows and old buttons: nothing stale takes effect, nothing that was typed or drafted is lost."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.journal import Stage
from bot.redact import redact
from tests.servers.slack_limits import texts, walk
from tests.servers.slack_side import ALICE, BOB, SlackSide
from tests.support.desk_messages import handle, received
from tests.support.slack_stand import QUOTED, Stand, filled, standing

HALF_AN_HOUR = {"minutes": {"choice": {"selected_option": {"value": "30"}}}}
AGAIN = "Sorry, I meant the budget of sales. See https://evil.example now."


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


def wrote_again(stand: Stand) -> None:
    handle(stand.desk, stand.same_thread(received(AGAIN, "k2")))


def fields(view: dict[str, Any]) -> list[str]:
    """What stands in the fields of a window."""
    found = [b["element"] for b in view["blocks"] if b["type"] == "input"]
    return [e.get("initial_value", "") for e in found if e["type"] == "plain_text_input"]


def quotes(view: dict[str, Any]) -> str:
    """What users wrote, as a window shows it."""
    found = [e for e in walk(view["blocks"]) if e.get("type") == "rich_text_quote"]
    return "".join("".join(texts(each)) for each in found)


def test_an_old_button_reopens_nothing(stand: Stand) -> None:
    case = stand.case()
    stand.side.click(ALICE, "not_ours", stand.value(case))
    stand.until(lambda: not stand.read(case).open)
    old = stand.value(case)
    wrote_again(stand)
    stand.says(BOB, "reopen", old, "Nothing was reopened")
    assert not stand.read(case).open
    now = stand.value(case)
    stand.side.click(BOB, "reopen", now)
    stand.until(lambda: stand.read(case).open)
    stand.says(ALICE, "reopen", now, f"is already open again. <@{BOB}> has it")
    told = len(stand.side.responses)
    stand.side.click(BOB, "reopen", now)
    stand.until(lambda: not stand.desk.journal.slack.list_waiting("act"))
    assert len(stand.side.responses) == told, "the second click of the same person"


def test_an_old_window_puts_nothing_off(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "snooze", case)
    wrote_again(stand)
    end = json.dumps(stand.side.submit(ALICE, window, HALF_AN_HOUR))
    assert "Nothing was changed" in end
    assert "budget of sales" in end
    assert stand.read(case).stage is Stage.OPEN


@pytest.mark.parametrize("action", ["approve", "resolve", "not_ours", "reopen"])
def test_a_button_without_a_version_does_nothing(stand: Stand, action: str) -> None:
    case = stand.held()
    if action == "reopen":
        stand.side.click(ALICE, "resolve", stand.value(case))
        stand.until(lambda: not stand.read(case).open)
    stand.says(BOB, action, str(case), "Nothing was ")
    assert stand.read(case).open != (action == "reopen")
    assert stand.out.sent == []


def test_one_goes_on_where_the_user_wrote_again(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    wrote_again(stand)
    late = stand.side.submit(ALICE, window, filled("My own words."))["view"]
    shown = json.dumps(late)
    assert "Nothing was sent" in shown
    assert "I meant the budget of sales. See https[:]//evil[.]example" in shown
    assert fields(late) == ["My own words."]
    assert stand.side.view(late) == ""
    check = stand.side.submit(ALICE, late, filled("My own words, better."))["view"]
    assert "on its way" in json.dumps(stand.side.submit(ALICE, check, {}))
    stand.desk.deliver()
    assert stand.mails()[-1].strip() == "My own words, better."


def test_one_writes_with_the_later_mails_in_view(stand: Stand) -> None:
    case = stand.case()
    stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).owner)
    for n in range(2, 7):
        again = received(f"And the budget of team {n}?", f"k{n}")
        handle(stand.desk, stand.same_thread(again))
    window = stand.window(ALICE, "edit", case)
    assert [f"team {n}?" in quotes(window) for n in range(2, 7)] == [False, False, True, True, True]
    assert "2 more mails in between" in json.dumps(window)
    warned = stand.side.submit(ALICE, window, filled("See https://a.example"))["view"]
    assert "team 6?" in quotes(warned)


def test_one_sees_what_somebody_else_sent_beside_ones_own(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    check = stand.side.submit(ALICE, window, filled("From Alice."))["view"]
    stand.reply(BOB, case, "From Bob.")
    for view, typed in ((window, filled("From Alice.")), (check, {})):
        late = stand.side.submit(ALICE, view, typed)["view"]
        shown = json.dumps(late)
        assert f"<@{BOB}> decided this case and sent their own text" in shown
        assert "From Bob." in shown
        assert "From Alice." in shown
        assert stand.side.view(late) == ""
        assert late["callback_id"] == "conflict"


def test_one_sees_that_somebody_else_asked_for_details(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    asks = stand.side.submit(BOB, stand.window(BOB, "details", case), filled("Which law?"))["view"]
    stand.side.submit(BOB, asks, {})
    late = json.dumps(stand.side.submit(ALICE, window, filled("From Alice.")))
    assert f"<@{BOB}> has asked the user for details" in late
    assert "Which law?" in late
    assert "From Alice." in late


@pytest.mark.parametrize("size", [1_501, 2_999, 9_900])
def test_a_long_text_comes_back_whole_and_goes_out_whole(stand: Stand, size: int) -> None:
    case = stand.case()
    text = (
        "\n\n".join(["word " * (size // 5 - 1) + "end."] * (9_900 // size))
        + "\n\nhttps://a.example"
    )
    first = stand.window(ALICE, "edit", case)
    pieces = [text[at : at + 3000] for at in range(0, len(text), 3000)]
    first["private_metadata"] = json.dumps(
        json.loads(first["private_metadata"]) | {"gaps": [""] * (len(pieces) - 1)}
    )
    typed = {f"text_{n}": {"text": {"value": piece}} for n, piece in enumerate(pieces)}
    warned = stand.side.submit(ALICE, first, typed)["view"]
    assert stand.side.view(warned) == ""
    again = {f"text_{n}": {"text": {"value": piece}} for n, piece in enumerate(fields(warned))}
    ticked = {"warned": {"tick": {"selected_options": [{"value": "yes"}]}}}
    check = stand.side.submit(ALICE, warned, again | ticked)["view"]
    assert stand.side.view(check) == ""
    assert "on its way" in json.dumps(stand.side.submit(ALICE, check, {}))
    stand.desk.deliver()
    assert stand.mails()[-1].split() == text.split()


def test_a_draft_that_is_too_long_for_the_card_is_seen_whole_before_it_goes(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.slack.views.cards.MAX_DRAFT_CHARACTERS", 60)
    case = stand.held()
    stand.until(lambda: stand.shows("Review & send"))
    check = stand.window(ALICE, "review", case)
    assert check["callback_id"] == "send"
    shown = "".join(e["text"] for b in check["blocks"][2:] for e in b["elements"][0]["elements"])
    assert shown == stand.read(case).draft
    assert "on its way" in json.dumps(stand.side.submit(ALICE, check, {}))
    assert "sent it already" in json.dumps(stand.side.submit(ALICE, check, {}))
    stand.desk.deliver()
    assert stand.mails()[0].split() == stand.read(case).draft.split()
    stand.until(lambda: stand.shows("sent the draft as it was"))


def test_all_of_a_long_mail_is_shown_page_by_page(stand: Stand) -> None:
    case = stand.case("A line of the story. " * 2_000 + "The last word.")
    wrote_again(stand)
    view = stand.window(ALICE, "show", case)
    shown = quotes(view)
    for _ in range(9):
        if view["callback_id"] != "page":
            break
        view = stand.side.submit(ALICE, view, {})["view"]
        assert stand.side.view(view) == ""
        shown += quotes(view)
    assert shown.count("A line of the story") == 2_000
    assert "The last word" in shown
    assert "budget of sales" in shown


def test_lists_go_on_page_by_page(stand: Stand) -> None:
    for n in range(17):
        stand.desk.journal.mark_failed(_taken(stand, n), "Boom")
    assert "2 more: `/incident queue 2`" in command(stand, "queue")
    for text in ("queue 2", "queue 99"):
        shown = command(stand, text)
        assert "What waits for a person (17)" in shown
        assert shown.count("Show all") == 2
    stand.side.event({"type": "app_home_opened", "user": ALICE, "tab": "home"})
    stand.until(lambda: "2 more: choose a list above" in json.dumps(stand.side.homes))


def test_a_pasted_secret_is_told_once_and_without_its_value(stand: Stand) -> None:
    key = "sk-" + "proj-" + "a1b2c3d4e5f6g7h8i9j0" * 2
    masked = redact(f"{QUOTED} My key is {key}, is it safe?")
    spans = tuple(asdict(span) for span in masked.spans)
    handle(stand.desk, replace(received(masked.text), redactions=spans))
    assert stand.desk.journal.cases.list_open() == []
    for _ in range(3):
        stand.slack.secret_notices._looked_at = -1e9
        stand.slack.sync_and_post()
    stand.until(stand.side.cards)
    (note,) = stand.side.cards()
    shown = json.dumps(note)
    assert "pasted a secret into a mail* (API key)" in shown
    assert key not in shown
    assert "ana@" not in shown


def command(stand: Stand, text: str) -> str:
    """What a command is answered with."""
    before = len(stand.side.responses)
    stand.side.command(ALICE, text)
    stand.until(lambda: len(stand.side.responses) > before)
    return json.dumps(stand.side.responses[-1])


def test_a_mail_that_joined_a_case_is_found_there(stand: Stand) -> None:
    case = stand.case()
    stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).owner)
    wrote_again(stand)
    shown = command(stand, f"case {case + 1}")
    assert f"Case {case} " in shown
    assert "Release / take over" in shown


def _taken(stand: Stand, number: int) -> int:
    """A mail that is stored."""
    stored = stand.desk.store_message(
        received("Hello?", f"m{number}", sender=f"u{number}@example.org")
    )
    assert stored
    return stored
