"""An erasure reaches the messages that Slack holds, and an erased case can not be acted on."""

import json
from dataclasses import replace
from pathlib import Path

from bot.app import App
from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.views.cards import render_erased
from bot.journal import ReceivedMessage
from bot.journal.erasure import erase_person
from bot.journal.person_search import Person, find_person
from bot.text.mentions import Mentions
from tests.servers.slack_side import ALICE, SlackSide
from tests.support.desk_messages import handle, received
from tests.support.slack_stand import UNSURE, Stand, standing

HER, OTHER = "quilla@customer.example", "bo@elsewhere.example"
WORD = "xylotheque"


def erase(stand: Stand) -> None:
    """Erase her, as the command does in the journal."""
    journal = stand.desk.journal
    person = Person(addresses=frozenset({HER}), mentions=Mentions([HER]), trace=str.upper)
    records = find_person(journal.engine, person)
    stub = message_arguments(render_erased("Message"))
    erase_person(journal.engine, journal.clock, person, records, hasher=journal.hasher, stub=stub)
    stand.slack.wake()


def in_slack(stand: Stand) -> str:
    """What Slack holds by now."""
    return json.dumps(list(stand.side.messages.values()), ensure_ascii=False)


def test_card_and_thread_in_slack_become_stubs(app: App, tmp_path: Path, side: SlackSide) -> None:
    with standing(app, tmp_path, side, "http") as stand:
        case = stand.case(f"{UNSURE} {WORD}", sender=HER)
        handle(stand.desk, again(f"{UNSURE} {WORD} again", "k2"))
        stand.slack.wake()
        stand.until(lambda: in_slack(stand).count(WORD) >= 2)
        stand.until(lambda: not stand.desk.journal.slack.list_due())
        old_button = stand.value(case)
        erase(stand)
        stand.until(lambda: WORD not in in_slack(stand))
        stand.until(lambda: not stand.desk.journal.slack.list_due())
        assert "erased" in json.dumps(side.cards()[0])
        stand.says(ALICE, "reopen", old_button, "changed")
        read = stand.read(case)
        assert not read.open
        assert (read.text, read.sender, read.draft) == ("", "", "")


def test_who_joined_her_case_gets_one_of_their_own(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with standing(app, tmp_path, side, "http") as stand:
        stand.case(f"{UNSURE} {WORD}", sender=HER)
        for n in range(4):  # the thread is full of cases then
            handle(stand.desk, in_thread(f"k{n + 2}", f"p{n}@elsewhere.example"))
        handle(stand.desk, in_thread("k9", OTHER))
        assert OTHER not in {case.sender for case in stand.desk.journal.cases.list_open()}
        erase(stand)
        theirs = [c for c in stand.desk.journal.cases.list_open() if c.sender == OTHER]
        assert len(theirs) == 1
        assert HER not in {case.sender for case in stand.desk.journal.cases.list_open()}


def again(text: str, key: str) -> ReceivedMessage:
    return replace(received(text, key, sender=HER), thread_key="mail:k1")


def in_thread(key: str, sender: str) -> ReceivedMessage:
    return replace(received(UNSURE, key, sender=sender), thread="mail:k1")
