"""What staff do all day: take a mail back, hand a case over, saved replies, several cases at once."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.channels.slack.views import more_menu_modals
from bot.corpus.snippets import read_snippets
from bot.errors import KnowledgeError
from bot.journal import CaseAction, Journal, OutboxState, Reply, Stage
from bot.staff.staff_remarks import find_remarks
from tests.conftest import KNOWLEDGE
from tests.servers.slack_limits import view_limits
from tests.servers.slack_side import ALICE, BOB, EVE, SlackSide
from tests.support.desk_messages import handle, received
from tests.support.slack_cases import BAIT, case, hostile
from tests.support.slack_stand import QUOTED, Stand, filled, standing

ME = f"slack:{ALICE}"
TEXT = "Dear all, no keys were exposed."


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


@pytest.fixture
def patient(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    """A desk whose mails wait for an hour before they leave."""
    with standing(app, tmp_path, side, "http", undo=3600) as made:
        yield made


def more(stand: Stand, user: str, act: str, case_id: int) -> dict[str, Any]:
    """The window behind an entry of *More*."""
    before = len(stand.side.views)
    stand.side.click(user, "more", f"{act}:{stand.value(case_id)}")
    stand.until(lambda: len(stand.side.views) > before)
    return stand.side.views[-1]


def chosen(block_id: str, **what: Any) -> dict[str, Any]:
    return {block_id: {"choice": what}}


def test_a_mail_can_be_taken_back_before_it_leaves(patient: Stand) -> None:
    number = patient.held()
    patient.side.click(ALICE, "approve", patient.value(number))
    patient.until(lambda: patient.read(number).decision)
    patient.until(lambda: patient.shows("Undo: do not send"))
    assert patient.desk.deliver() == 0
    patient.says(BOB, "undo", patient.value(number), "already decided")
    value = patient.value(number)
    for _ in range(2):
        patient.side.click(ALICE, "undo", value)
        patient.until(lambda: patient.read(number).open)
    taken = patient.read(number)
    assert (taken.owner, taken.delivery, taken.decision) == (ME, None, None)
    patient.until(lambda: not patient.shows("Undo: do not send"))
    patient.reply(ALICE, number, TEXT)
    (waits,) = patient.desk.journal.mail_outbox.list_in_state(OutboxState.READY)
    assert TEXT in waits.body.decode()
    patient.says(ALICE, "reopen", patient.value(number), "was taken back")
    assert patient.desk.journal.mail_outbox.list_in_state(OutboxState.READY) == []
    assert patient.mails() == []


def test_a_mail_that_asks_for_details_can_be_taken_back_before_it_leaves(patient: Stand) -> None:
    number = patient.held()
    window = patient.window(ALICE, "details", number)
    check = patient.side.submit(ALICE, window, filled("Which team?"))["view"]
    assert "on its way" in json.dumps(patient.side.submit(ALICE, check, {}))
    patient.until(lambda: patient.shows("Undo: do not send"))
    assert patient.desk.deliver() == 0
    value = patient.value(number)
    patient.says(BOB, "undo", value, "already taken")
    patient.side.click(ALICE, "undo", value)
    patient.until(lambda: patient.read(number).stage is Stage.CLAIMED)
    assert patient.read(number).delivery is None
    patient.until(lambda: not patient.shows("Undo: do not send"))
    assert patient.desk.journal.mail_outbox.list_in_state(OutboxState.READY) == []


def test_details_that_have_left_cannot_be_taken_back(stand: Stand) -> None:
    number = stand.held()
    window = stand.window(ALICE, "details", number)
    check = stand.side.submit(ALICE, window, filled("Which team?"))["view"]
    stand.side.submit(ALICE, check, {})
    assert stand.desk.deliver() == 1
    stand.says(ALICE, "undo", stand.value(number), "has left")
    assert stand.read(number).stage is Stage.WAITING


def test_what_has_left_cannot_be_taken_back(stand: Stand) -> None:
    number = stand.held()
    stand.side.click(ALICE, "approve", stand.value(number))
    stand.until(lambda: stand.read(number).decision)
    assert stand.desk.deliver() == 1
    stand.says(ALICE, "undo", stand.value(number), "has left")
    assert stand.read(number).decision


def test_either_a_mail_leaves_or_it_is_taken_back(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/d.sqlite3")
    for n in range(12):
        stored = journal.receive(received("?", f"k{n}", sender=f"a{n}@example.org"), None)
        assert stored
        journal.mark_failed(stored, "Boom")
        (number,) = journal.cases.list_open_ids()
        reply = Reply(recipient="a@example.org", message_id=f"<{n}@desk>", body=b"x")
        assert journal.cases.store_decision(number, actor=ME, action=CaseAction.EDITED, reply=reply)
        now = journal.cases.read(number)
        assert now
        (mail,) = journal.mail_outbox.list_due()
        won: list[str] = []

        def undo(number: int = number, version: str = now.version, won: list[str] = won) -> None:
            if journal.cases.undo(number, actor=ME, version=version):
                won.append("undone")

        thread = threading.Thread(target=undo)
        thread.start()
        if journal.mail_outbox.claim(mail.id, "w"):
            won.append("sent")
        thread.join()
        assert len(won) == 1, won
        if won == ["undone"]:
            journal.cases.store_decision(number, actor=ME, action=CaseAction.RESOLVED, reply=None)
        else:
            journal.mail_outbox.mark_sent(mail.id)
    journal.close()


def test_a_case_is_handed_to_a_colleague_who_is_told(stand: Stand) -> None:
    number = stand.case()
    stand.until(stand.side.cards)
    window = more(stand, ALICE, "assign", number)
    for user, why in ((EVE, "not on this desk's staff list"), ("", "Choose somebody")):
        end = stand.side.submit(ALICE, window, chosen("person", selected_user=user))
        assert why in end["errors"]["person"]
    stand.side.submit(ALICE, window, chosen("person", selected_user=BOB))
    assert stand.read(number).owner == f"slack:{BOB}"
    words = f"<@{ALICE}> has given case {number} to <@{BOB}>"
    stand.until(lambda: sum(words in json.dumps(m) for m in stand.side.messages.values()) == 2)
    again = stand.side.submit(ALICE, window, chosen("person", selected_user=BOB))
    assert again == {"response_action": "clear"}, "the second click of the same person"
    end = stand.side.submit(ALICE, window, chosen("person", selected_user=ALICE))
    assert "was not assigned" in json.dumps(end)


def test_a_saved_reply_is_written_on_and_checked(stand: Stand) -> None:
    number = stand.case()
    window = more(stand, ALICE, "snippet", number)
    assert "We look into it (English)" in json.dumps(window)
    option = {"value": "en:0"}
    edit = stand.side.submit(ALICE, window, chosen("snippet", selected_option=option))["view"]
    assert "We are looking into what you describe" in json.dumps(edit)
    gone = {"value": "en:99"}
    end = stand.side.submit(ALICE, window, chosen("snippet", selected_option=gone))
    assert "is gone" in json.dumps(end)
    stand.side.click(BOB, "claim", f"{number}:")
    stand.until(lambda: stand.read(number).owner)
    end = stand.side.submit(ALICE, window, chosen("snippet", selected_option=option))
    assert "Somebody else has this case now" in json.dumps(end)


def test_another_passage_is_sent_in_place_of_the_draft_and_can_be_learned(stand: Stand) -> None:
    number = stand.case()
    window = more(stand, ALICE, "passage", number)
    assert view_limits(window) == ""
    option = {"value": "faq-need-reset-password-rotate-api"}
    pick = chosen("passage", selected_option=option)
    edit = stand.side.submit(ALICE, window, pick)["view"]
    written = "".join(
        block["element"]["initial_value"]
        for block in edit["blocks"]
        if block.get("block_id", "").startswith("text_")
    )
    assert "we are not recommending resets or key rotation" in written
    check = stand.side.submit(ALICE, edit, filled(written))["view"]
    stand.side.submit(ALICE, check, {})
    stand.until(lambda: stand.read(number).decision)
    (label,) = stand.slack.context.label_review.propose()
    assert label.passages == (option["value"],)
    end = stand.side.submit(ALICE, window, pick)
    assert "Nothing was sent" in json.dumps(end), "the case is decided"


def test_several_cases_of_a_topic_are_answered_together_each_once(stand: Stand) -> None:
    people = ("ana", "bo", "cy", "di")
    numbers = [stand.held(key=f"k{who}", sender=f"{who}@example.org") for who in people]
    stand.side.click(BOB, "claim", f"{numbers[3]}:")
    stand.until(lambda: stand.read(numbers[3]).owner)
    window = more(stand, ALICE, "several", numbers[0])
    offered = [o["value"] for o in window["blocks"][1]["element"]["options"]]
    assert offered == [stand.value(n) for n in numbers[:3]], "not what somebody else has"
    how = chosen("how", selected_option={"value": more_menu_modals.ANSWER})
    pick = chosen("cases", selected_options=[{"value": v} for v in offered])
    text = {"text_0": {"text": {"value": TEXT}}}
    for values, block in (({**how, **text}, "cases"), ({**how, **pick}, "text_0")):
        assert block in stand.side.submit(ALICE, window, values)["errors"]
    check = stand.side.submit(ALICE, window, {**how, **pick, **text})["view"]
    assert "cy@example[.]org" in json.dumps(check)
    stand.desk.journal.cases.store_decision(
        numbers[2], actor="slack:U0BOB", action=CaseAction.RESOLVED, reply=None
    )
    for _ in range(2):
        end = json.dumps(stand.side.submit(ALICE, check, {}), ensure_ascii=False)
        assert "2 of 3 cases* are answered" in end
        assert f"nothing was done: {numbers[2]}." in end
    stand.desk.deliver()
    assert sorted(to for to, _ in stand.out.sent) == ["ana@example.org", "bo@example.org"]
    assert all(TEXT in mail for mail in stand.mails())


def test_several_cases_are_closed_together_without_a_mail(stand: Stand) -> None:
    numbers = [stand.held(key=f"k{n}", sender=f"a{n}@example.org") for n in range(2)]
    window = more(stand, ALICE, "several", numbers[0])
    values = chosen("how", selected_option={"value": more_menu_modals.CLOSE}) | chosen(
        "cases", selected_options=[{"value": stand.value(n)} for n in numbers]
    )
    check = stand.side.submit(ALICE, window, values)["view"]
    assert "2 of 2 cases* are closed" in json.dumps(stand.side.submit(ALICE, check, {}))
    assert stand.desk.journal.cases.list_open_ids() == []
    assert stand.desk.deliver() == 0


def test_two_cases_of_one_person_become_one(stand: Stand) -> None:
    first, second = stand.held(key="k1"), stand.held(f"{QUOTED} Hello?", key="k2")
    other = stand.held(key="k3", sender="bo@example.org")
    stand.says(
        ALICE, "more", f"merge:{stand.value(other)}", "no other open case of the same sender"
    )
    stand.until(lambda: len(stand.side.cards()) == 3)
    window = more(stand, ALICE, "merge", second)
    for into in (other, second, 99):
        pick = chosen("into", selected_option={"value": str(into)})
        assert "Nothing was merged" in json.dumps(stand.side.submit(ALICE, window, pick))
    pick = chosen("into", selected_option={"value": str(first)})
    for _ in range(2):
        assert stand.side.submit(ALICE, window, pick) == {"response_action": "clear"}
    merged = stand.read(second)
    assert (merged.open, merged.joined) == (False, first)
    assert stand.desk.journal.cases.list_open_ids() == [first, other]
    stand.until(lambda: stand.shows(f"Part of case {first}"))
    stand.until(lambda: "Hello?" in json.dumps(list(stand.side.messages.values())))
    assert not stand.desk.journal.cases.reopen(second, actor=ME)


def test_a_later_mail_of_a_merged_conversation_comes_to_the_same_case(stand: Stand) -> None:
    first, second = stand.held(key="k1"), stand.held(f"{QUOTED} Hello?", key="k2")
    version = stand.read(second).version
    assert stand.desk.journal.cases.merge(second, first, actor=ME, version=version)
    stand.side.click(BOB, "claim", f"{first}:")
    stand.until(lambda: stand.read(first).owner)
    earlier = stand.desk.journal.read_message(stand.read(second).message_id)
    handle(stand.desk, replace(received(QUOTED, "k4"), thread_key=earlier.thread_key))
    assert stand.desk.journal.cases.list_open_ids() == [first]
    assert stand.desk.deliver() == 0
    assert stand.mails() == []
    stand.reply(BOB, first, TEXT)
    stand.desk.deliver()
    assert len(stand.mails()) == 1


def test_a_case_without_a_topic_has_no_others(stand: Stand) -> None:
    number = stand.case()
    stand.says(ALICE, "more", f"several:{stand.value(number)}", "no topic to share")


def test_no_text_breaks_these_windows() -> None:
    many = [
        case(id=n, text="".join(BAIT) * 9, sender="<!here>@evil.example") for n in range(1, 101)
    ]
    snippets = dict.fromkeys(("en", "de", "zz"), read_snippets(KNOWLEDGE)["en"])
    for view in (
        more_menu_modals.assign_case(many[0]), more_menu_modals.choose_snippet(many[0], snippets),
        more_menu_modals.choose_cases(many[0], many, "A topic", wrong="Choose."),
        more_menu_modals.confirm_several(
            1, many, text="".join(BAIT) * 40, text_id=3, warnings=[f"it names {b}" for b in BAIT]
        ),
        more_menu_modals.confirm_several(1, many, text="", text_id=3, warnings=()),
        more_menu_modals.choose_merge(many[0], many),
    ):  # fmt: skip
        assert view_limits(view) == "", view["title"]
        hostile(view["blocks"])


def test_saved_replies_are_reviewed_texts(app: App, tmp_path: Path) -> None:
    found = read_snippets(KNOWLEDGE)
    assert {"en", "de"} <= set(found)
    assert [find_remarks(s.text, app.knowledge) for each in found.values() for s in each] == [
        ()
    ] * 8
    assert read_snippets(tmp_path) == {}
    (tmp_path / "snippets").mkdir()
    (tmp_path / "snippets" / "en.yaml").write_text("- title: x\n")
    with pytest.raises(KnowledgeError, match=r"en\.yaml"):
        read_snippets(tmp_path)
