"""Mail in, card, claim, edit, confirm, mail out, card says sent; over HTTP and over Socket Mode."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app import App
from bot.journal import CaseAction, Stage
from tests.servers.slack_side import ALICE, BOB, EVE, GUEST, TRIAGE, Fault, SlackSide
from tests.support.desk_messages import handle, received
from tests.support.slack_stand import UNSURE, Stand, filled, standing


@pytest.fixture(params=["http", "socket"])
def both(
    request: pytest.FixtureRequest, app: App, tmp_path: Path, side: SlackSide
) -> Iterator[Stand]:
    with standing(app, tmp_path, side, request.param) as made:
        yield made


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


def test_mail_in_card_claim_edit_confirm_mail_out_card_says_sent(both: Stand) -> None:
    stand = both
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


def test_a_draft_is_approved_as_it_stands(stand: Stand) -> None:
    case = stand.held()
    stand.until(lambda: stand.shows("Approve & send"))
    stand.side.click(ALICE, "approve", stand.value(case))
    stand.until(lambda: stand.shows("sent the draft as it was"))
    stand.desk.deliver()
    stand.until(lambda: stand.shows("handed over to the mail server"))
    assert [recipient for recipient, _ in stand.out.sent] == ["ana@example.org"]
    assert stand.mails()[0].split() == stand.read(case).draft.split()


def test_warnings_must_be_read_before_a_reply_goes_on(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    text = "Please send us your password. See https://evil.example/reset now."
    warned = stand.side.submit(ALICE, window, filled(text))["view"]
    shown = json.dumps(warned)
    assert "ask for a password" in shown
    assert "evil[.]example" in shown
    assert stand.side.view(warned) == ""
    unread = stand.side.submit(ALICE, warned, filled(text))["view"]
    assert unread["callback_id"] == "edit"
    ticked = filled(text) | {"warned": {"tick": {"selected_options": [{"value": "yes"}]}}}
    changed = stand.side.submit(ALICE, warned, ticked | filled("Send me your code, please."))[
        "view"
    ]
    assert changed["callback_id"] == "edit", "other words need another look"
    check = stand.side.submit(ALICE, warned, ticked)["view"]
    assert check["callback_id"] == "send"
    assert len(stand.out.sent) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Write something"),
        ("   \n ", "Write something"),
        ("x " * 6000, "characters"),
        ("Your key is sk-" + "proj-" + "a1b2c3d4e5f6g7h8i9j0" * 2, "not stored and not sent"),
    ],
)
def test_what_can_not_be_sent_is_said_at_the_field(stand: Stand, text: str, says: str) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    answer = stand.side.submit(ALICE, window, filled(text))
    assert says in answer["errors"]["text_0"]


def test_details_are_asked_for_and_the_case_stays(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "details", case)
    text = window["blocks"][-1]["element"]["initial_value"]
    check = stand.side.submit(ALICE, window, filled(text))["view"]
    stand.side.submit(ALICE, check, {})
    stand.until(lambda: stand.shows("Waits for details from the user"))
    stand.desk.deliver()
    assert "tell us a little more" in stand.mails()[-1]
    now = stand.read(case)
    assert (now.stage, now.owner) == (Stage.WAITING, f"slack:{ALICE}")
    stand.side.submit(ALICE, check, {})
    stand.desk.deliver()
    assert len(stand.out.sent) == 2
    window = stand.window(ALICE, "show", case)
    assert "tell us a little more" in json.dumps(window["blocks"])
    handle(stand.desk, stand.same_thread(received("I meant the budget of sales.", "k2")))
    stand.slack.wake()
    stand.until(lambda: stand.read(case).stage is Stage.CLAIMED)


def test_snooze_release_and_take_over(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "snooze", case)
    hours = {"minutes": {"choice": {"selected_option": {"value": "120"}}}}
    assert stand.side.submit(ALICE, window, hours) == {"response_action": "clear"}
    stand.until(lambda: stand.shows("Put off"))
    stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).stage is Stage.CLAIMED)
    before = len(stand.side.views)
    stand.side.click(BOB, "claim", f"{case}:slack:{ALICE}")
    stand.until(lambda: len(stand.side.views) > before)
    assert "Take it over?" in json.dumps(stand.side.views[-1])
    stand.side.submit(BOB, stand.side.views[-1], {})
    assert stand.read(case).owner == f"slack:{BOB}"
    ts = stand.side.cards()[0]["ts"]
    stand.until(lambda: "<@U0BOB> has taken over" in json.dumps(stand.side.thread(ts)))
    lost = stand.side.submit(ALICE, stand.side.views[-1], {})
    assert "changed" in json.dumps(lost)
    stand.side.click(BOB, "claim", f"{case}:slack:{BOB}")
    stand.until(lambda: "Give it back" in json.dumps(stand.side.views[-1]))
    stand.side.submit(BOB, stand.side.views[-1], {})
    stand.until(lambda: stand.shows("Nobody has it"))


def test_closed_without_a_mail_and_opened_again(stand: Stand) -> None:
    case = stand.case()
    stand.side.click(ALICE, "not_ours", stand.value(case))
    stand.until(lambda: stand.shows("closed it as not ours"))
    assert stand.shows("Reopen")
    assert not stand.shows("Snooze")
    stand.side.click(BOB, "reopen", stand.value(case))
    stand.until(lambda: stand.shows("*Taken* by <@U0BOB>"))
    stand.reply(BOB, case, "A first mail.")
    stand.desk.deliver()
    stand.side.click(BOB, "reopen", stand.value(case))
    stand.until(lambda: stand.read(case).open)
    stand.reply(BOB, case, "A second mail.")
    stand.desk.deliver()
    assert [body.strip() for body in stand.mails()[1:]] == ["A first mail.", "A second mail."]


def test_while_a_person_has_a_case_the_desk_is_silent_and_the_thread_tells(stand: Stand) -> None:
    case = stand.case()
    stand.until(stand.side.cards)
    stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).owner)
    assert stand.read(case).open
    again = received("Were OpenAI passwords, API keys, or payment information exposed?", "k2")
    handle(stand.desk, stand.same_thread(again))
    assert len(stand.out.sent) == 1
    ts = stand.side.cards()[0]["ts"]
    stand.until(lambda: stand.side.thread(ts))
    stand.until(lambda: stand.shows("They wrote another mail"))
    (told,) = stand.side.thread(ts)
    assert "They wrote again" in json.dumps(told)
    assert "Draft* for this mail" in json.dumps(told)
    assert "payment information" in json.dumps(told)
    assert len(stand.side.cards()) == 1
    assert [waiting.id for waiting in stand.desk.journal.cases.list_open()] == [case]


def test_the_same_while_nobody_has_it_joins_its_card_and_is_acknowledged_once(
    stand: Stand,
) -> None:
    case = stand.case()
    stand.until(stand.side.cards)
    handle(stand.desk, stand.same_thread(received(f"{UNSURE} Please.", "k2")))
    stand.slack.wake()
    ts = stand.side.cards()[0]["ts"]
    stand.until(lambda: "They wrote again" in json.dumps(stand.side.thread(ts)))
    assert len(stand.side.cards()) == 1
    assert len(stand.out.sent) == 1
    assert [waiting.id for waiting in stand.desk.journal.cases.list_open()] == [case]


def test_what_comes_after_the_decision_is_a_card_of_its_own_in_the_thread(stand: Stand) -> None:
    case = stand.case()
    stand.until(stand.side.cards)
    assert stand.desk.resolve(case, actor="eve", action=CaseAction.DISMISSED, text="")
    handle(stand.desk, stand.same_thread(received(f"{UNSURE} Please.", "k2")))
    stand.slack.wake()
    ts = stand.side.cards()[0]["ts"]
    stand.until(lambda: f"follows case {case}" in json.dumps(stand.side.thread(ts)))
    (card,) = [m for m in stand.side.thread(ts) if "follows" in json.dumps(m)]
    assert card["reply_broadcast"], "the channel sees it too"


def test_an_urgent_mail_of_a_case_that_somebody_has_calls_people(stand: Stand) -> None:
    case = stand.case()
    stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).owner)
    text = "Somebody says he will kill himself over this, please help"
    handle(stand.desk, stand.same_thread(received(text, "k2")))
    assert stand.read(case).priority == "page"
    stand.until(lambda: "Look in" in json.dumps(list(stand.side.messages.values())))
    (call,) = [m for m in stand.side.messages.values() if m["channel"] == BOB]
    title = f"Case {case} · Urgent · somebody may be in danger"
    assert title in json.dumps(call["blocks"], ensure_ascii=False)
    assert len(stand.out.sent) == 1


def test_a_mail_that_came_since_makes_a_conflict(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    check = stand.side.submit(ALICE, window, filled("My own words."))["view"]
    handle(stand.desk, stand.same_thread(received("Sorry, I meant the budget of sales.", "k2")))
    late = stand.side.submit(ALICE, check, {})["view"]
    assert "Nothing was sent" in json.dumps(late)
    assert "My own words." in json.dumps(late)
    assert stand.side.view(late) == ""
    stand.side.click(ALICE, "approve", f"{case}:0.1")
    stand.until(lambda: stand.side.responses)
    assert stand.read(case).open


def test_nobody_else_may(stand: Stand) -> None:
    case = stand.case()
    stand.until(stand.side.cards)
    for user in (EVE, GUEST):
        stand.side.click(user, "claim", f"{case}:")
        stand.side.command(user, "queue")
    stand.until(lambda: len(stand.side.responses) == 4)
    assert all("cannot do that" in said["text"] for said in stand.side.responses)
    window = stand.window(ALICE, "edit", case)
    refused = stand.side.submit(EVE, window, filled("I am Eve."))
    assert "staff list" in json.dumps(refused)
    assert stand.read(case).owner == ""


def test_everything_is_shown_to_one_reader_and_noted(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "show", case)
    assert "ana@example.org" in json.dumps(window)
    assert stand.desk.journal.count_recent(f"viewed:{case}", 60) == 1


def test_a_thread_message_goes_nowhere(stand: Stand) -> None:
    stand.case()
    stand.until(stand.side.cards)
    ts = stand.side.cards()[0]["ts"]
    event = {"type": "message", "channel_type": "group", "channel": TRIAGE, "user": ALICE}
    stand.side.event(event | {"text": "tell the customer no", "ts": "5.5", "thread_ts": ts})
    stand.slack.run_once()
    stand.desk.deliver()
    assert len(stand.out.sent) == 1
    assert "tell the customer" not in json.dumps([c.args for c in stand.side.calls])


def test_a_late_trigger_is_said(stand: Stand) -> None:
    case = stand.case()
    stand.side.triggers = set()
    payload_trigger = stand.side.trigger
    stand.side.trigger = lambda: "gone"  # type: ignore[method-assign]
    stand.side.click(ALICE, "edit", stand.value(case))
    stand.until(lambda: stand.side.responses)
    assert "press the button again" in stand.side.responses[0]["text"]
    stand.side.trigger = payload_trigger  # type: ignore[method-assign]
    assert UNSURE not in stand.side.responses[0]["text"]


def test_buttons_that_came_too_late_say_so(stand: Stand) -> None:
    case = stand.held()
    stale = stand.value(case)
    stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).owner)
    stand.says(BOB, "approve", stale, f"already taken by <@{ALICE}>")
    stand.says(BOB, "edit", stale, f"already taken by <@{ALICE}>")
    stand.says(ALICE, "approve", stale, "they may have written again")
    stand.side.click(ALICE, "resolve", stand.value(case))
    stand.until(lambda: not stand.read(case).open)
    stand.says(BOB, "snooze", stale, f"<@{ALICE}> has already decided")
    stand.says(BOB, "claim", f"{case}:", f"<@{ALICE}> has already decided")
    stand.says(ALICE, "approve", f"{case + 9}:1.1", "no such case")


def test_a_case_without_a_draft_can_not_be_approved(stand: Stand) -> None:
    handle_fault(stand)
    stand.says(ALICE, "approve", stand.value(1), "no draft to approve")
    window = stand.window(ALICE, "edit", 1)
    assert "initial_value" not in json.dumps(window)


def handle_fault(stand: Stand) -> None:
    """A mail that could not be decided."""
    stored = stand.desk.store_message(received("Hello?"))
    assert stored
    stand.desk.journal.mark_failed(stored, "Boom")


def test_windows_that_came_too_late_say_so(stand: Stand) -> None:
    case = stand.case()
    snooze = stand.window(ALICE, "snooze", case)
    edit = stand.window(ALICE, "edit", case)
    check = stand.side.submit(ALICE, edit, filled("My words."))["view"]
    stand.side.click(BOB, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).owner)
    chosen = {"minutes": {"choice": {"selected_option": {"value": "30"}}}}
    for view, values in ((snooze, chosen), (edit, filled("My words.")), (check, {})):
        end = json.dumps(stand.side.submit(ALICE, view, values))
        assert f"<@{BOB}> has this case now" in end
    stand.side.click(BOB, "resolve", stand.value(case))
    stand.until(lambda: not stand.read(case).open)
    assert f"<@{BOB}> decided this case" in json.dumps(stand.side.submit(ALICE, check, {}))


@pytest.mark.parametrize("callback", ["edit", "send", "snooze", "owner", "wrong", "page"])
def test_a_window_of_nothing_does_nothing(stand: Stand, callback: str) -> None:
    view = {"type": "modal", "callback_id": callback, "private_metadata": "{}"}
    end = json.dumps(stand.side.submit(ALICE, view, filled("Words.")))
    assert "no such case" in end or "too old" in end
    assert stand.out.sent == []


def test_a_window_that_breaks_says_so_and_sends_nothing(stand: Stand) -> None:
    case = stand.case()
    window = stand.window(ALICE, "edit", case)
    stand.side.faults.append(Fault("users.info", 500))
    stand.slack.staff_permissions._known.clear()
    end = stand.side.submit(ALICE, window, filled("Words."))
    assert "Nothing was sent" in json.dumps(end)
    assert stand.read(case).open


def test_an_event_that_breaks_is_said_with_an_id(stand: Stand) -> None:
    stand.case()
    stand.slack.cards.texts = None  # type: ignore[assignment]
    stand.side.command(ALICE, "queue")
    stand.until(lambda: stand.side.responses)
    (said,) = stand.side.responses
    assert "error" in said["text"]
    assert not stand.slack.list_health()[-1].good


def test_a_click_waits_for_slack_that_is_away(stand: Stand) -> None:
    case = stand.case()
    stand.until(stand.side.cards)
    stand.side.faults.extend(Fault("users.info", 503) for _ in range(5))
    stand.side.click(ALICE, "claim", f"{case}:")
    stand.until(lambda: stand.read(case).owner)
    assert stand.desk.journal.slack.count_by_state().get("event failed") is None


def test_what_pages_calls_people_at_once(stand: Stand) -> None:
    stand.case("Somebody says he will kill himself over this, please help", "k1")
    assert stand.desk.journal.cases.list_open()[0].priority == "page"
    stand.until(lambda: "Look in" in json.dumps(list(stand.side.messages.values())))
    (call,) = [m for m in stand.side.messages.values() if m["channel"] == BOB]
    assert "somebody may be in danger" in json.dumps(call["blocks"])


def test_mail_key_and_terminal_decisions_show_too(stand: Stand) -> None:
    case = stand.case()
    stand.until(stand.side.cards)
    assert stand.desk.resolve(case, actor="terminal", action=CaseAction.DISMISSED, text="")
    stand.slack.wake()
    stand.until(lambda: stand.shows("Somebody at the terminal closed it without a mail"))
