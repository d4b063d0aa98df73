"""Later mails of an open case, reminders of it, and what gets in their way."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.commands.case_review import queue_lines
from bot.corpus.limits import read_limits
from bot.domain import Priority
from bot.journal import CaseAction, CaseChange, Journal, Stage
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.support.fakes import Time
from tests.support.journal_records import mail, reply, waiting

ALICE, BOB = "slack:U0ALICE", "slack:U0BOB"
HOUR = 3600
LATE = 9 * HOUR


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(database_url: str, clock: Time) -> Iterator[Journal]:
    made = Journal(database_url, limits=read_limits(KNOWLEDGE), clock=clock)
    yield made
    made.close()


def comes(journal: Journal, key: str, priority: Priority = Priority.NORMAL) -> None:
    """A mail of one and the same conversation that the desk hands over."""
    message_id = journal.receive(mail(key))
    assert message_id
    journal.decide(message_id, waiting(priority), draft=key, reply=None)


def claim(journal: Journal, owner: str = ALICE, before: str = "") -> None:
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner=owner)
    assert journal.cases.change(1, actor=owner, change=change, owner=before)


def details(journal: Journal) -> None:
    case = journal.cases.read(1)
    assert case
    assert journal.cases.request_details(1, actor=ALICE, reply=reply("d"), version=case.version)


def auto_reply(journal: Journal) -> None:
    assert journal.receive(replace(mail("ooo"), verdict="drop", rule="R5", final=True))


def test_a_later_mail_joins_the_case_that_somebody_has(journal: Journal, clock: Time) -> None:
    comes(journal, "k1")
    claim(journal)
    before = journal.cases.read(1)
    clock.forward(HOUR)
    comes(journal, "k2", Priority.HIGH)
    (case,) = journal.cases.list_open()
    assert (case.id, case.draft, case.priority) == (1, "k1", "high")
    now = journal.cases.read(1)
    assert now
    assert before
    assert (now.later, now.owner) == (1, ALICE)
    assert now.later_at > now.opened_at
    assert now.version != before.version
    assert now.due_at < before.due_at, "a more urgent mail makes it due sooner"
    clock.forward(HOUR)
    comes(journal, "k3")
    again = journal.cases.read(1)
    assert again
    assert (again.priority, again.due_at) == ("high", now.due_at)
    assert any("(+2 since)" in line for line in queue_lines(journal, read_staff_texts(KNOWLEDGE)))
    assert journal.slack.list_follow_ups(1)[1].draft == "", "no passage comes near"


def test_a_second_mail_joins_a_case_that_nobody_has_yet(journal: Journal, clock: Time) -> None:
    comes(journal, "k1")
    before = journal.cases.read(1)
    clock.forward(HOUR)
    comes(journal, "k2", Priority.PAGE)
    (case,) = journal.cases.list_open()
    assert (case.id, case.priority, case.later) == (1, "page", 1)
    now = journal.cases.read(1)
    assert before
    assert now
    assert (now.stage, now.owner) == (Stage.OPEN, ""), "it still waits for somebody"
    assert now.version != before.version
    assert now.due_at < before.due_at
    assert [later.draft for later in journal.slack.list_follow_ups(1)] == [""]
    assert journal.count_recent("wrote again:1", 60) == 1


def test_what_comes_after_the_decision_is_a_case_of_its_own(journal: Journal) -> None:
    comes(journal, "k1")
    claim(journal)
    assert journal.cases.store_decision(1, actor=ALICE, action=CaseAction.RESOLVED, reply=None)
    comes(journal, "k2")
    assert [case.id for case in journal.cases.list_open()] == [2]


def test_details_wake_the_case_and_an_auto_reply_does_not(journal: Journal) -> None:
    comes(journal, "k1")
    details(journal)
    asked = journal.cases.read(1)
    assert asked
    auto_reply(journal)
    assert journal.cases.read(1) == asked, "neither its state nor its version"
    assert journal.slack.list_follow_ups(1) == []
    comes(journal, "k2")
    now = journal.cases.read(1)
    assert now
    assert (now.stage, now.owner, now.later) == (Stage.CLAIMED, ALICE, 1)
    assert journal.count_recent("details came:1", 60) == 1


def test_a_mail_that_can_not_be_decided_joins_too(journal: Journal) -> None:
    comes(journal, "k1")
    claim(journal)
    message_id = journal.receive(mail("k2"))
    assert message_id
    journal.mark_failed(message_id, "Boom")
    assert [case.id for case in journal.cases.list_open()] == [1]
    assert [later.id for later in journal.slack.list_follow_ups(1)] == [message_id]


def test_a_reminder_that_waits_is_gone_with_the_next_step(journal: Journal) -> None:
    comes(journal, "k1")
    for key in ("remind:1:0:1", "remind:1:0:1:U0BOB", "remind:11:0:1", "other"):
        journal.slack.enqueue(key, channel="C", method="chat.postMessage", payload={})
    claim(journal)
    assert journal.slack.count_by_state()["ready"] == 2
    assert journal.slack.contains("remind:11:0:1")
    assert journal.slack.contains("other")


def test_who_takes_a_case_has_its_whole_time(journal: Journal, clock: Time) -> None:
    comes(journal, "k1")
    clock.forward(LATE)
    assert journal.cases.record_due_reminders() == [(1, 1)]
    claim(journal)
    assert journal.cases.record_due_reminders() == []
    clock.forward(7 * HOUR)
    assert journal.cases.record_due_reminders() == []
    claim(journal, BOB, ALICE)
    clock.forward(2 * HOUR)
    assert journal.cases.record_due_reminders() == [], "a new owner begins anew"
    clock.forward(7 * HOUR)
    assert journal.cases.record_due_reminders() == [(1, 1)]
