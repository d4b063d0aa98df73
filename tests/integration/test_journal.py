"""The journal on SQLite and on PostgreSQL: the same tests on both."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sql

from bot.corpus.limits import Cap, Limits, Scope, read_limits
from bot.domain import (
    Priority,
)
from bot.errors import MissingError, SettingsError
from bot.journal import CaseAction, Decision, Journal, OutboxState, ReceivedMessage
from bot.journal.engine import writing
from tests.conftest import KNOWLEDGE
from tests.support.fakes import Time
from tests.support.journal_records import answered, mail, reply, waiting

SHIPPED = read_limits(KNOWLEDGE)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(database_url: str, clock: Time) -> Iterator[Journal]:
    made = Journal(database_url, limits=SHIPPED, clock=clock)
    yield made
    made.close()


def stored(journal: Journal, received: ReceivedMessage) -> int:
    found = journal.receive(received)
    assert found is not None
    return found


def sending(journal: Journal, name: str = "1") -> int:
    message_id = stored(journal, mail(f"k{name}", thread=f"t{name}", sender=f"{name}@x.example"))
    journal.decide(message_id, answered(), draft="", reply=reply(name))
    (send,) = [s for s in journal.mail_outbox.list_due() if s.message_id == message_id]
    return send.id


def state(journal: Journal, send_id: int) -> OutboxState:
    (found,) = [s for s in journal.mail_outbox.list_in_state(*OutboxState) if s.id == send_id]
    return found.state


def test_a_message_comes_back_as_it_went_in(journal: Journal) -> None:
    odd = replace(
        mail(text="naïve 🙂 end"), headers={"message_id": "<ü@x>", "references": "<a> <b>"}
    )
    assert journal.read_message(stored(journal, odd)) == replace(odd, final=False)


def test_what_postgresql_cannot_store_is_replaced(journal: Journal) -> None:
    found = journal.read_message(stored(journal, mail(text="a\0b\ud800c", sender="a\0@x.example")))
    assert found.text == "a\ufffdb?c"
    assert found.sender == "a\ufffd@x.example"


def test_a_duplicate_is_not_stored(journal: Journal) -> None:
    stored(journal, mail())
    assert journal.receive(mail()) is None
    assert journal.find_by_key("k1") == ("answer", "raw-k1")
    assert journal.find_by_key("other") is None


def test_a_conversation_keeps_its_order(journal: Journal) -> None:
    ids = [stored(journal, mail(f"k{n}", text=f"text {n}")) for n in range(4)]
    stored(journal, mail("other", thread="t2"))
    conversation = journal.list_conversations(ids)
    assert len(conversation) == 1
    assert journal.list_undecided(conversation[0]) == ids
    assert journal.read_history(ids[2]) == ["text 0", "text 1"]
    assert len(journal.list_undecided()) == 5


def test_many_first_messages_of_one_conversation_at_once(database_url: str) -> None:
    """None is taken for a duplicate because another began the conversation, and seqs are 1…n."""
    journals = [Journal(database_url) for _ in range(2)]
    lost: list[str] = []

    def receive(journal: Journal, first: int) -> None:
        mails = [mail(f"k{n}", thread=f"t{n // 8}") for n in range(first, 40, 4)]
        lost.extend(each.key for each in mails if journal.receive(each) is None)

    threads = [threading.Thread(target=receive, args=(journals[n % 2], n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert journals[0].count_rows()["message"] == 40
    assert journals[0].count_rows()["conversation"] == 5
    for journal in journals:
        journal.close()


def test_work_is_stored_with_the_message_or_not_at_all(journal: Journal) -> None:
    def fails(_db: sql.Connection, conversation_id: int) -> None:
        raise LookupError(conversation_id)

    with pytest.raises(LookupError):
        journal.receive(mail(), fails)
    assert journal.count_rows()["message"] == 0
    given: list[int] = []
    journal.receive(mail(), lambda _db, each: given.append(each))
    journal.receive(replace(mail("k2"), final=True), lambda _db, each: given.append(each))
    assert len(given) == 1


def test_a_decision_is_stored_once(journal: Journal) -> None:
    message_id = stored(journal, mail())
    first = journal.decide(message_id, answered(), draft="", reply=reply())
    again = journal.decide(message_id, waiting(), draft="d", reply=None)
    assert (first.first, again.first) == (True, False)
    assert [row.kind for row in journal.read_outcomes(message_id)] == ["answer"]
    assert journal.cases.list_open() == []
    assert journal.count_rows()["outbox"] == 1


def test_what_cannot_be_decided_waits_for_a_person(journal: Journal) -> None:
    message_id = stored(journal, mail())
    assert journal.mark_failed(message_id, "BlockedError")
    assert not journal.mark_failed(message_id, "BlockedError")
    (case,) = journal.cases.list_open()
    assert (case.reason, case.priority) == ("mail_fault", "high")
    assert journal.list_undecided() == []


def test_tries_are_counted(journal: Journal) -> None:
    message_id = stored(journal, mail())
    assert [journal.count_attempt(message_id) for _ in range(3)] == [1, 2, 3]


def test_forgotten_conversations_are_found_and_put_again(journal: Journal, clock: Time) -> None:
    stored(journal, mail("k1", thread="t1"))
    clock.forward(60)
    stored(journal, mail("k2", thread="t2"))
    old = journal.list_stalled_conversations(30)
    assert len(old) == 1
    put: list[int] = []
    journal.enqueue(old, lambda _db, each: put.append(each))
    assert put == old


def test_the_queue_is_ordered_by_urgency_then_age(journal: Journal, clock: Time) -> None:
    for n, priority in enumerate((Priority.NORMAL, Priority.PAGE, Priority.HIGH, Priority.PAGE)):
        message_id = stored(journal, mail(f"k{n}", thread=f"t{n}"))
        journal.decide(message_id, waiting(priority), draft=f"{n}", reply=None)
        clock.forward(1)
    assert [w.draft for w in journal.cases.list_open()] == ["1", "3", "2", "0"]


def test_reminders_come_when_due_and_again(journal: Journal, clock: Time) -> None:
    journal.decide(stored(journal, mail()), waiting(Priority.PAGE), draft="", reply=None)
    (case,) = journal.cases.list_open()
    assert journal.cases.record_due_reminders() == []
    clock.forward(15 * 60)
    assert journal.cases.record_due_reminders() == [(case.id, 1)]
    assert journal.cases.record_due_reminders() == []
    clock.forward(15 * 60)
    assert journal.cases.record_due_reminders() == [(case.id, 2)]
    journal.cases.store_decision(case.id, actor="eve", action=CaseAction.DISMISSED, reply=None)
    clock.forward(86_400)
    assert journal.cases.record_due_reminders() == []
    assert journal.count_recent(f"reminder:{case.id}:2", 2 * 86_400) == 1


def test_the_first_decision_of_a_person_wins(journal: Journal) -> None:
    journal.decide(stored(journal, mail()), waiting(), draft="", reply=None)
    (case,) = journal.cases.list_open()
    jobs: list[int] = []
    won: list[bool] = []

    def decide(name: str) -> None:
        done = journal.cases.store_decision(
            case.id,
            actor=name,
            action=CaseAction.EDITED,
            reply=reply(name),
            enqueue_job=lambda _db, each: jobs.append(each),
        )
        won.append(done)

    threads = [threading.Thread(target=decide, args=(str(n),)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 4 + [True]
    assert jobs == [case.id]
    assert len(journal.mail_outbox.list_due()) == 1
    assert journal.cases.conversation_of(case.id) in journal.list_conversations([case.message_id])


def test_a_send_is_claimed_by_one(journal: Journal) -> None:
    send_id = sending(journal)
    assert [bool(journal.mail_outbox.claim(send_id, name)) for name in ("a", "b")] == [True, False]
    (left,) = journal.mail_outbox.list_claimed_by(["a"])
    assert (left.worker, left.attempts, left.body) == ("a", 1, b"body \x00\xff")
    assert journal.mail_outbox.list_due() == []


def test_the_life_of_a_send(journal: Journal, clock: Time) -> None:
    sends, send_id = journal.mail_outbox, sending(journal)
    sends.claim(send_id, "a")
    assert sends.retry_later(send_id, "450 later", seconds=30)
    assert sends.list_due() == []
    clock.forward(30)
    assert [s.fault for s in sends.list_due()] == ["450 later"]
    sends.claim(send_id, "a")
    assert sends.mark_unknown(send_id, "the line broke")
    assert not sends.claim(send_id, "b")
    assert sends.contains("<r.1@desk>")
    assert sends.record_receipt("<r.1@desk>")
    assert state(journal, send_id) is OutboxState.SENT
    assert not sends.record_receipt("<r.1@desk>")
    assert not sends.retry_later(send_id, "", seconds=0)
    assert not sends.mark_failed(send_id, "")
    assert sends.record_bounce("<r.1@desk>")
    assert state(journal, send_id) is OutboxState.BOUNCED
    assert not sends.record_bounce("<unknown@desk>")
    assert sends.count_by_state() == {"bounced": 1}


def test_an_unknown_fate_ends_with_a_person(journal: Journal, clock: Time) -> None:
    send_id = sending(journal)
    journal.mail_outbox.claim(send_id, "a")
    journal.mail_outbox.mark_unknown(send_id, "the line broke")
    assert journal.mail_outbox.list_unknown(600) == []
    clock.forward(601)
    assert [s.id for s in journal.mail_outbox.list_unknown(600)] == [send_id]
    assert journal.mail_outbox.mark_unresolved(send_id, "no receipt")
    assert not journal.mail_outbox.claim(send_id, "a")
    (case,) = journal.cases.list_open()
    assert case.reason == "held"
    assert not journal.mail_outbox.mark_unresolved(send_id, "no receipt")


def test_sends_of_one_conversation_only(journal: Journal) -> None:
    first, second = sending(journal, "1"), sending(journal, "2")
    (conversation,) = journal.list_conversations(journal_messages(journal, second))
    assert [s.id for s in journal.mail_outbox.list_due(conversation_id=conversation)] == [second]
    assert [s.id for s in journal.mail_outbox.list_due()] == [first, second]


def journal_messages(journal: Journal, send_id: int) -> list[int]:
    return [
        s.message_id for s in journal.mail_outbox.list_due() if s.id == send_id and s.message_id
    ]


def test_what_a_stranger_was_sending_is_found_after_the_lease(
    journal: Journal, clock: Time
) -> None:
    send_id = sending(journal)
    journal.workers.record_heartbeat("desk-1", "1")
    journal.mail_outbox.claim(send_id, "terminal-7")
    assert journal.mail_outbox.list_orphaned(10) == []
    clock.forward(11)
    assert [s.id for s in journal.mail_outbox.list_orphaned(10)] == [send_id]
    other = sending(journal, "2")
    journal.mail_outbox.claim(other, "desk-1")
    clock.forward(11)
    assert [s.id for s in journal.mail_outbox.list_orphaned(10)] == [send_id]


def test_heartbeats(journal: Journal, clock: Time) -> None:
    workers = journal.workers
    workers.record_heartbeat("a", "1")
    workers.record_heartbeat("b", "1")
    clock.forward(8)
    workers.record_heartbeat("b", "1")
    clock.forward(4)
    assert workers.list_silent(10) == ["a"]
    workers.remove("a")
    assert workers.list_all() == ["b"]
    assert workers.list_silent(10) == []


CAPS = Limits(
    caps=(
        Cap(scope=Scope.TEXT, seconds=60, most=1), Cap(scope=Scope.SENDER, seconds=60, most=2),
        Cap(scope=Scope.THREAD, seconds=3600, most=3), Cap(scope=Scope.DOMAIN, seconds=60, most=3),
        Cap(scope=Scope.ALL, seconds=60, most=5),
    ),
    due_minutes=SHIPPED.due_minutes, retry_seconds=(1,), receipt_seconds=1,
    model=SHIPPED.model,
)  # fmt: skip


@pytest.mark.parametrize(
    ("mails", "hit"),
    [
        ([("a@x.example", "t1", "same"), ("A@x.example", "t2", " SAME ")], Scope.TEXT),
        ([("a@x.example", f"t{n}", f"{n}") for n in range(3)], Scope.SENDER),
        ([(f"{n}@{n}.example", "t", f"{n}") for n in range(4)], Scope.THREAD),
        ([(f"{n}@x.example", f"t{n}", f"{n}") for n in range(4)], Scope.DOMAIN),
        ([(f"{n}@{n}.example", f"t{n}", f"{n}") for n in range(6)], Scope.ALL),
    ],
)
def test_each_cap_holds_the_reply_beyond_it(
    database_url: str, clock: Time, mails: list[tuple[str, str, str]], hit: Scope
) -> None:
    journal = Journal(database_url, limits=CAPS, clock=clock)
    found, message_id = [], 0
    for n, (sender, thread, text) in enumerate(mails):
        message_id = stored(journal, mail(f"k{n}", thread=thread, sender=sender, text=text))
        decided = journal.decide(
            message_id, answered(), draft="d", reply=reply(f"{n}"),
            capped=lambda _scope: Decision(response=waiting()),
        )  # fmt: skip
        found.append(decided.cap)
    assert found == [""] * (len(mails) - 1) + [hit]
    assert len(journal.mail_outbox.list_due()) == len(mails) - 1
    assert len(journal.cases.list_open()) == 1
    last = journal.read_message(message_id)
    assert (last.verdict, last.rule) == ("hold", f"R14 cap: {hit}")
    clock.forward(4000)
    message_id = stored(journal, mail("later", thread="new", sender=mails[-1][0]))
    later = journal.decide(
        message_id,
        answered(),
        draft="",
        reply=reply("l"),
        capped=lambda _s: Decision(response=waiting()),
    )
    assert later.cap == ""
    journal.close()


def test_concurrent_decisions_stay_under_a_cap(database_url: str) -> None:
    journal = Journal(database_url, limits=CAPS)
    ids = [
        stored(journal, mail(f"k{n}", thread=f"t{n}", sender=f"{n}@{n}.example")) for n in range(12)
    ]

    def decide(mine: list[int]) -> None:
        for each in mine:
            journal.decide(
                each,
                answered(),
                draft="",
                reply=reply(str(each)),
                capped=lambda _s: Decision(response=waiting()),
            )

    threads = [threading.Thread(target=decide, args=(ids[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.mail_outbox.list_due()) == 5
    assert len(journal.cases.list_open()) == 7
    journal.close()


def test_counts_that_no_cap_looks_at_go(journal: Journal, clock: Time) -> None:
    message_id = stored(journal, mail())
    journal.decide(
        message_id,
        answered(),
        draft="",
        reply=reply(),
        capped=lambda _s: Decision(response=waiting()),
    )
    assert journal.count_rows()["sender_count"] == 5
    clock.forward(8 * 86_400)
    journal.delete_old_counts()
    assert journal.count_rows()["sender_count"] == 1


def test_the_audit_cannot_be_rewritten(journal: Journal) -> None:
    journal.append_audit("something", None)
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(sql.exc.DBAPIError, match="append-only"), writing(journal.engine) as db:
            db.execute(sql.text(statement))
    assert journal.count_recent("something", 60) == 1


def test_a_database_that_answers(journal: Journal) -> None:
    assert journal.check_connection_and_file() == ""


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("nonsense", SettingsError, "DESK_DATABASE_URL"),
        ("mysql+nothing://x/y", SettingsError, "DESK_DATABASE_URL"),
        ("sqlite:////nowhere/at/all.sqlite3", MissingError, "the SQLite database of the desk"),
        ("postgresql+psycopg://desk@127.0.0.1:1/none", MissingError, "DESK_DATABASE_URL"),
    ],
)
def test_a_wrong_url_is_one_line_that_names_the_variable(
    url: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as found:
        Journal(url)
    assert "\n" not in str(found.value)
