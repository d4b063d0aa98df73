"""The ledger says who was told what and by whom approved, and any change of it shows."""

import csv
import json
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest
import sqlalchemy as sql

from bot.commands.ledger_export import COLUMNS, export_ledger
from bot.journal import CaseAction, Journal, Reply
from bot.journal.engine import writing
from tests.support.journal_records import answered, mail, waiting


@pytest.fixture
def journal(database_url: str) -> Iterator[Journal]:
    made = Journal(database_url)
    yield made
    made.close()


def reply(name: str, text: str = "We answer.") -> Reply:
    made = EmailMessage()
    made["To"] = f"{name}@x.example"
    made.set_content(text)
    return Reply(recipient=f"{name}@x.example", message_id=f"<{name}@d>", body=made.as_bytes())


def told(journal: Journal, name: str, text: str = "We answer.") -> int:
    """An automatic reply that was sent; the id of its mail."""
    message_id = journal.receive(mail(name, thread=name, sender=f"{name}@x.example"))
    assert message_id
    journal.decide(message_id, answered(), draft="", reply=reply(name, text))
    return send(journal)


def send(journal: Journal) -> int:
    (due,) = journal.mail_outbox.list_due()
    assert journal.mail_outbox.mark_sent(due.id)
    assert not journal.mail_outbox.mark_sent(due.id), "it is entered once"
    return due.id


def change(journal: Journal, statement: str) -> None:
    """Change the database behind the desk's back, without its triggers."""
    with writing(journal.engine) as db:
        if db.dialect.name == "sqlite":
            for verb in ("UPDATE", "DELETE"):
                db.exec_driver_sql(f"DROP TRIGGER IF EXISTS ledger_{verb}")
        else:
            db.exec_driver_sql("ALTER TABLE ledger DISABLE TRIGGER ALL")
        db.exec_driver_sql(statement)


def test_who_approved_what_under_which_knowledge_is_entered(journal: Journal) -> None:
    told(journal, "ana")
    asked = journal.receive(mail("bo", thread="bo", sender="bo@x.example"))
    assert asked
    journal.decide(asked, waiting(), draft="", reply=None)
    (case,) = journal.cases.list_open_ids()
    journal.cases.store_decision(
        case, actor="slack:U0ALICE", action=CaseAction.EDITED, reply=reply("bo", "=By hand")
    )
    sent = send(journal)
    assert journal.mail_outbox.record_bounce("<bo@d>")
    rows = [json.loads(line) for line in export_ledger(journal, csv=False)]
    assert [(r["recipient"], r["event"], r["approved_by"], r["knowledge"]) for r in rows] == [
        ("ana@x.example", "sent", "desk", "k"),
        ("bo@x.example", "sent", "slack:U0ALICE (edited)", "k"),
        ("bo@x.example", "bounced", "slack:U0ALICE (edited)", "k"),
    ]
    assert "We answer." in rows[0]["text"]
    table = list(csv.reader("".join(export_ledger(journal, csv=True)).splitlines()))
    assert tuple(table[0]) == COLUMNS
    assert table[2][COLUMNS.index("text")].startswith("'=By hand"), "it is no formula"
    assert journal.ledger.check().faults == ()
    assert sent


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE ledger SET approved_by = 'x' WHERE id = 2", "entry 2 was changed"),
        ("DELETE FROM ledger WHERE id = 2", "before entry 3 an entry is missing"),
        ("DELETE FROM ledger WHERE id = 3", "the entry of mail 3 is missing"),
        ("UPDATE outbox SET recipient = 'x@y.example' WHERE id = 1", "recipient of mail 1 was changed"),
        ("UPDATE outbox SET body = '' WHERE id = 1", "text of mail 1 was changed"),
    ],
)  # fmt: skip
def test_a_changed_or_missing_entry_shows(journal: Journal, statement: str, says: str) -> None:
    for name in ("ana", "bo", "cy"):
        told(journal, name)
    head = journal.ledger.check().head
    assert journal.ledger.check(head).faults == ()
    change(journal, statement)
    assert any(says in fault for fault in journal.ledger.check().faults)


def test_a_cut_end_shows_by_an_earlier_head(journal: Journal) -> None:
    for name in ("ana", "bo"):
        told(journal, name)
    head = journal.ledger.check().head
    change(journal, "DELETE FROM ledger WHERE id = 2")
    change(journal, "DELETE FROM outbox WHERE id = 2")
    assert journal.ledger.check().faults == ()
    assert journal.ledger.check(head).faults == ("the entry with the given hash is missing",)


@pytest.mark.parametrize(
    "erase",
    [
        "UPDATE outbox SET recipient = '', body = '', salt = '' WHERE id = 1",
        "DELETE FROM outbox WHERE id = 1",
    ],
)
def test_an_erased_mail_breaks_no_chain_and_is_not_exported(journal: Journal, erase: str) -> None:
    for name in ("ana", "bo"):
        told(journal, name)
    with writing(journal.engine) as db:
        db.exec_driver_sql(erase)
    assert journal.ledger.check().faults == ()
    first, second = (json.loads(line) for line in export_ledger(journal, csv=False))
    assert (first["recipient"], first["text"]) == ("", "")
    assert second["recipient"] == "bo@x.example"


def test_the_desk_itself_cannot_change_the_ledger(journal: Journal) -> None:
    told(journal, "ana")
    attempts: list[Callable[[sql.Connection], object]] = [
        lambda db: db.exec_driver_sql("UPDATE ledger SET at = ''"),
        lambda db: db.exec_driver_sql("DELETE FROM ledger"),
    ]
    for attempt in attempts:
        with pytest.raises(sql.exc.DBAPIError, match="append-only"), writing(journal.engine) as db:
            attempt(db)
