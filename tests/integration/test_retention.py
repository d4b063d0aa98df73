"""What is kept long enough loses its texts, a few rows at a time; numbers and open work stay."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.answering.responder import Responder
from bot.app import App
from bot.app.mail_transport import MailTransport
from bot.corpus import Knowledge
from bot.corpus.limits import read_limits
from bot.journal import CaseAction, Journal, OutboxState
from bot.journal import retention as retention_module
from bot.ports import KeptMail, MailArchive, MailFolder
from bot.serve.maintenance import apply_retention
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.fakes import Time
from tests.support.journal_records import answered, mail, reply, waiting
from tests.support.running_desk import app_with, verbatim_responder

DAY = 86_400


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(database_url: str, clock: Time) -> Iterator[Journal]:
    made = Journal(database_url, limits=read_limits(KNOWLEDGE), clock=clock)
    yield made
    made.close()


@pytest.fixture(scope="module")
def responder(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


def stored(journal: Journal, key: str, text: str = "Hi") -> int:
    message_id = journal.receive(mail(key, thread=key, sender=f"{key}@x.example", text=text))
    assert message_id
    return message_id


def worked(journal: Journal) -> int:
    """An answered message, one with an open case, one with a closed one, and an undecided one."""
    done, open_, undecided, closed = (stored(journal, k) for k in ("done", "open", "new", "closed"))
    sent = replace(reply("done"), recipient="done@x.example")
    journal.decide(done, answered(), draft="", reply=sent)
    assert journal.mail_outbox.mark_sent(journal.mail_outbox.list_due()[0].id)
    journal.decide(open_, waiting(), draft="a draft of open", reply=None)
    journal.decide(closed, waiting(), draft="a draft of closed", reply=None)
    last = journal.cases.list_open_ids()[-1]
    journal.slack.enqueue_card(last, channel="C1", drawn={"text": "x"}, stamp="")
    journal.cases.store_decision(last, actor="terminal", action=CaseAction.DISMISSED, reply=None)
    return undecided


def everything(journal: Journal) -> dict[str, str]:
    """Every table as text."""
    meta = sql.MetaData()
    meta.reflect(journal.engine)
    with journal.engine.connect() as db:
        return {t.name: str(db.execute(sql.select(t)).all()) for t in meta.sorted_tables}


def test_old_texts_go_and_numbers_and_open_work_stay(journal: Journal, clock: Time) -> None:
    undecided = worked(journal)
    clock.forward(10 * DAY)
    journal.decide(stored(journal, "fresh"), answered(), draft="", reply=None)
    counts, retention = journal.count_rows(), journal.retention

    taken = (retention.blank_messages, retention.blank_cases, retention.blank_sends)
    assert [batch(11) for batch in taken] == [0, 0, 0], "not old enough"
    assert [batch(9) for batch in taken] == [2, 1, 1]
    assert [batch(9) for batch in taken] == [0, 0, 0], "nothing is left to take"

    rows = everything(journal)
    for key in ("done", "closed"):
        assert f"{key}@x.example" not in "".join(rows.values()), key
    assert "a draft of closed" not in "".join(rows.values())
    for key in ("open", "new", "fresh"):
        assert f"{key}@x.example" in rows["message"], key
    assert "a draft of open" in rows["escalation"]
    assert len(journal.cases.list_open_ids()) == 1
    assert journal.list_undecided() == [undecided]
    same = ("message", "outcome", "outbox", "escalation", "decision", "ledger", "conversation")
    assert {n: journal.count_rows()[n] for n in same} == {n: counts[n] for n in same}
    assert journal.ledger.check().faults == ()
    assert journal.find_by_key("done"), "a copy of the mail is still known"


def test_a_batch_is_small_and_the_rest_waits(
    journal: Journal, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "BATCH", 2)
    for n in range(5):
        journal.decide(stored(journal, f"k{n}"), answered(), draft="", reply=None)
    clock.forward(2 * DAY)
    assert [journal.retention.blank_messages(1) for _ in range(4)] == [2, 2, 1, 0]


def test_a_mail_that_may_still_go_out_is_kept(journal: Journal, clock: Time) -> None:
    journal.decide(stored(journal, "k"), answered(), draft="", reply=reply("k"))
    (due,) = journal.mail_outbox.list_due()
    clock.forward(2 * DAY)
    for step in (lambda: None, lambda: journal.mail_outbox.claim(due.id, "w"),
                 lambda: journal.mail_outbox.mark_unknown(due.id, "?")):  # fmt: skip
        step()
        clock.forward(2 * DAY)
        assert journal.retention.blank_sends(1) == 0
    (kept,) = journal.mail_outbox.list_in_state(OutboxState.UNKNOWN)
    assert kept.body == reply("k").body


@pytest.mark.parametrize("days", [0, 30])
def test_old_raw_mails_go_but_those_of_open_cases_stay(
    tmp_path: Path, responder: Responder, days: int
) -> None:
    settings = Settings(
        home=home_of(tmp_path / "home", index=False), knowledge=KNOWLEDGE,
        keep_mail_days=days, keep_send_days=days,
    )  # fmt: skip
    with app_with(settings, responder) as app:
        young, old = _planted(app, 1), _planted(app, 40)
        apply_retention(app)
        left = {path for path in (*young, *old) if path.exists()}
        held = {path for path in old if {MailFolder.HELD, MailFolder.FAILED} & {*path.parts}}
        assert left == ({*young, *held} if days else {*young, *old})
        app.desk.resolve(1, actor="terminal", action=CaseAction.DISMISSED, text="")
        apply_retention(app)
        assert {path.exists() for path in held} == {not days}
        assert all(path.exists() for path in young)


class Archive:
    """The archive of a mailbox elsewhere, which notes what shall be deleted."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], datetime]] = []

    def find(self, names: Sequence[str], holds: Callable[[bytes], bool]) -> Iterator[KeptMail]:
        raise NotImplementedError

    def delete(self, ref: str) -> None:
        raise NotImplementedError

    def list_settled(self, since: datetime) -> Iterator[KeptMail]:
        raise NotImplementedError

    def put_back(self, ref: str) -> None:
        raise NotImplementedError

    def delete_older(self, folders: Sequence[str], before: datetime, limit: int) -> int:
        self.asked.append((tuple(folders), before))
        return min(0, limit)


@pytest.mark.parametrize(("days", "asked"), [(None, 0), (30, 2)])
def test_the_mailbox_of_the_company_loses_nothing_unless_that_is_set(
    tmp_path: Path, responder: Responder, days: int | None, asked: int
) -> None:
    home = home_of(tmp_path / "home", index=False)
    chosen: dict[str, Any] = {} if days is None else {"keep_imap_days": days}
    settings = Settings(home=home, knowledge=KNOWLEDGE, **chosen)
    elsewhere = Archive()

    class RealMailbox(MailTransport):
        @override
        @contextmanager
        def archives(self) -> Iterator[list[MailArchive]]:
            with super().archives() as archives:
                yield [*archives, elsewhere]

    with app_with(settings, responder) as app:
        _, old = _planted(app, 1), _planted(app, 100)
        again = App(
            settings, knowledge=app.knowledge, journal=app.journal, mail=RealMailbox(settings)
        )
        apply_retention(again)
        assert not any(p.exists() for p in old if MailFolder.PROCESSED in p.parts), "our own copies"
        assert len(elsewhere.asked) == asked
        assert {place for places, _ in elsewhere.asked for place in places} <= set(MailFolder)


def _planted(app: App, age: int) -> list[Path]:
    """Mails of this age in days in each folder, and a message of that age with an open case."""
    made = list[Path]()
    for place in (*MailFolder, "sent"):
        path = app.mail.folder(place).path / "cur" / f"{age}:2,S"
        path.write_bytes(b"Subject: x\r\n\r\n")
        then = app.journal.clock().timestamp() - DAY * age
        os.utime(path, (then, then))
        made.append(path)
    if age > 1:
        journal = app.journal
        journal.decide(stored(journal, f"k{age}"), waiting(), draft="", reply=None)
        received_at = journal.retention._before(age + 1)
        with journal.engine.begin() as db:
            db.exec_driver_sql("BEGIN IMMEDIATE")
            db.exec_driver_sql(f"UPDATE message SET received_at = '{received_at}'")
    return made
