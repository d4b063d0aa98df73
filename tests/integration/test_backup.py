"""The drill: a desk that is restored loses no mail, sends none twice and answers."""

import io
import stat
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typing_extensions import override

from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.local import MaildirOut
from bot.commands.backup import restore_backup, write_backup
from bot.commands.privacy import RATED, erase_personal_data, find_personal_data
from bot.corpus import Knowledge
from bot.errors import DeskError, InputError
from bot.journal import OutboxState
from bot.ports import MailFolder
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.interleaving import before_each_call
from tests.support.running_desk import (
    EXPOSED,
    app_with,
    local_mailbox,
    mail,
    running,
    verbatim_responder,
)
from tests.support.waiting import wait_until

AGES_AGO = datetime(2020, 1, 1, tzinfo=UTC)
UNSURE = "Which law firm advises you about the budget of the marketing team?"


class CountingOut(MaildirOut):
    """Hands a reply over, and counts how often, over all lives of a desk."""

    def __init__(self, app: App, counts: Counter[str]) -> None:
        super().__init__(app.mail.folder("sent"))
        self.counts = counts

    @override
    def send(self, mail: bytes, *, recipient: str) -> None:
        super().send(mail, recipient=recipient)
        self.counts[recipient] += 1


@pytest.fixture(scope="module")
def responder(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


@pytest.fixture
def counts() -> Counter[str]:
    return Counter()


@contextmanager
def desk(
    home: Path, url: str, responder: Responder, counts: Counter[str], *, receiver: str = ""
) -> Iterator[App]:
    settings = Settings(
        home=home_of(home, index=False), knowledge=KNOWLEDGE, database_url=url,
        authserv_id=receiver,
    )  # fmt: skip
    with app_with(settings, responder) as app:
        app.desk.delivery.out = CountingOut(app, counts)
        yield app


def take(app: App, *numbers: int) -> None:
    """Have the running desk take these mails, until each has its reply or its case."""
    before = figures(app)["message"]
    for n in numbers:
        local_mailbox(app).new.add(mail(EXPOSED if n % 3 else UNSURE, n))
    finish(app, before + len(numbers))


def finish(app: App, messages: int) -> None:
    """Run the desk until it has so many messages, and nothing of them waits."""
    moving = (OutboxState.READY, OutboxState.SENDING)
    with running(app):
        wait_until(lambda: figures(app)["message"] >= messages)
        wait_until(lambda: not app.journal.list_undecided())
        wait_until(lambda: not app.journal.mail_outbox.list_in_state(*moving))


def figures(app: App) -> dict[str, int]:
    rows = app.journal.count_rows()
    return {name: rows[name] for name in ("message", "escalation", "outbox")}


def test_the_drill(
    database_url: str, tmp_path: Path, responder: Responder, counts: Counter[str]
) -> None:
    home, file = tmp_path / "home", tmp_path / "desk.tar.gz"
    with desk(home, database_url, responder, counts) as app:
        take(app, 1, 2, 3)
        with running(app):
            assert any("3 messages, 1 cases" in line for line in write_backup(app, file))
        take(app, 4, 5, 6)
        full = figures(app)
        assert len(counts) == full["outbox"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # The database is lost, the mailbox is not: three mails in it are unknown to the backup.
    with desk(home, database_url, responder, counts) as app:
        said = "\n".join(restore_backup(app, file, replace=True))
        assert "3 mails are taken in again" in said
        assert figures(app)["message"] == 3
    with desk(home, database_url, responder, counts) as app:
        assert app.desk.delivery.looks_first
        finish(app, full["message"])
        assert figures(app) == full
        assert set(counts.values()) == {1}, "nobody got a reply twice"
        assert app.journal.mail_outbox.count_by_state() == {"sent": full["outbox"]}
        assert app.journal.ledger.check().faults == ()
        take(app, 7)
        assert counts["ana7@x.example"] == 1, "a restored desk answers"


def test_an_answer_rated_while_a_backup_is_made_does_not_spoil_it(
    tmp_path: Path, responder: Responder, counts: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of rated answers grows while it is copied."""
    home, file = tmp_path / "home", tmp_path / "desk.tar.gz"
    with desk(home, f"sqlite:///{home}/desk.sqlite3", responder, counts) as app:
        rated = home / RATED
        rated.write_text("one\n", encoding="utf-8")

        def rate() -> None:
            with rated.open("a", encoding="utf-8") as growing:
                growing.write("more\n")

        for step in ("gettarinfo", "addfile"):
            before_each_call(monkeypatch, tarfile.TarFile, step, rate)
        assert app.journal.count_rows()
        list(write_backup(app, file))
        grown = rated.read_text(encoding="utf-8")
        list(restore_backup(app, file, replace=True))
        back = rated.read_text(encoding="utf-8")
        assert back.startswith("one\n")
        assert grown.startswith(back)


def test_a_held_mail_of_an_unproven_sender_is_not_taken_in_again(
    tmp_path: Path, responder: Responder, counts: Counter[str]
) -> None:
    """It would be found to be known then, and be moved away from what waits for a person."""
    home, file, us = tmp_path / "home", tmp_path / "desk.tar.gz", "mx.desk.example"
    with desk(home, f"sqlite:///{tmp_path}/d", responder, counts, receiver=us) as app:
        take(app, 1, 2)
        assert [each.reason for each in app.journal.cases.list_open()] == ["held"] * 2
        list(write_backup(app, file))
        said = "\n".join(restore_backup(app, file, replace=True))
        assert "0 mails are taken in again" in said
        with app.mail.archives() as archives:
            kept = [each for archive in archives for each in archive.list_settled(AGES_AGO)]
        assert {each.folder for each in kept} == {MailFolder.HELD.value}


def test_a_desk_moves_to_another_machine(
    tmp_path: Path, responder: Responder, counts: Counter[str]
) -> None:
    file = tmp_path / "desk.tar.gz"
    with desk(tmp_path / "one", "", responder, counts) as app:
        take(app, 1, 3)
        list(write_backup(app, file))
        key = (app.settings.home / "installation.key").read_bytes()
    with desk(tmp_path / "two", "", responder, counts) as app:
        list(restore_backup(app, file, replace=False))
    with desk(tmp_path / "two", "", responder, counts) as app:
        assert figures(app) == {"message": 2, "escalation": 1, "outbox": 2}
        assert len(list((app.settings.home / "mail" / "Processed" / "cur").iterdir())) == 2
        take(app, 2)
    assert set(counts.values()) == {1}
    assert (tmp_path / "two" / "installation.key").read_bytes() == key


def test_who_was_erased_since_is_erased_again(
    tmp_path: Path, responder: Responder, counts: Counter[str]
) -> None:
    file = tmp_path / "desk.tar.gz"
    with desk(tmp_path / "home", "", responder, counts) as app:
        take(app, 1, 2)
        list(write_backup(app, file))
        with app.mail.archives() as archives:
            erase_personal_data(app, find_personal_data(app, archives, ["ana1@x.example"]))
    with desk(tmp_path / "home", "", responder, counts) as app:
        assert "1 people were erased again" in "\n".join(restore_backup(app, file, replace=True))
        with app.mail.archives() as archives:
            assert find_personal_data(app, archives, ["ana1@x.example"]).count() == {}
            assert find_personal_data(app, archives, ["ana2@x.example"]).count()


def test_a_restore_asks_before_it_replaces_and_refuses_what_is_damaged(
    tmp_path: Path, responder: Responder, counts: Counter[str]
) -> None:
    file = tmp_path / "desk.tar.gz"
    with desk(tmp_path / "home", "", responder, counts) as app:
        take(app, 1)
        list(write_backup(app, file))
        with pytest.raises(InputError, match="exists"):
            list(write_backup(app, file))
        with pytest.raises(DeskError, match="--replace"):
            list(restore_backup(app, file, replace=False))
        again = desk(tmp_path / "home", "", responder, counts)
        with running(app), again as second, pytest.raises(DeskError, match="another desk"):
            list(restore_backup(second, file, replace=True))
        with pytest.raises(InputError, match="there is no file"):
            list(restore_backup(app, tmp_path / "none.tar.gz", replace=True))
        for name, damage in (
            ("cut", _cut), ("changed", _changed), ("text", _text),
            ("outside", _outside), ("linked", _linked),
        ):  # fmt: skip
            bad = damage(file, tmp_path / name)
            with pytest.raises(InputError, match=r"no backup|damaged"):
                list(restore_backup(app, bad, replace=True))
        assert figures(app)["message"] == 1, "what is here was not touched"


def _cut(file: Path, bad: Path) -> Path:
    bad.write_bytes(file.read_bytes()[:2000])
    return bad


def _changed(file: Path, bad: Path) -> Path:
    return _with_first_mail(file, bad, lambda _entry: b"another mail")


def _outside(file: Path, bad: Path) -> Path:
    def move(entry: tarfile.TarInfo) -> bytes:
        entry.name = "../outside"
        return b"a file elsewhere"

    return _with_first_mail(file, bad, move)


def _linked(file: Path, bad: Path) -> Path:
    def link(entry: tarfile.TarInfo) -> bytes:
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        return b""

    return _with_first_mail(file, bad, link)


def _with_first_mail(file: Path, bad: Path, change: Callable[[tarfile.TarInfo], bytes]) -> Path:
    """Copy a backup to `bad`, its first mail changed, with the content that `change` returns."""
    changed = False
    with tarfile.open(file) as archive, tarfile.open(bad, "w:gz") as copy:
        for entry in archive:
            part = archive.extractfile(entry)
            content = part.read() if part else b""
            if not changed and entry.name.startswith("mail/"):
                changed, content = True, change(entry)
            entry.size = len(content)
            copy.addfile(entry, io.BytesIO(content))
    assert changed
    return bad


def _text(_file: Path, bad: Path) -> Path:
    bad.write_text("no backup", encoding="utf-8")
    return bad
