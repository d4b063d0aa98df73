"""What a desk stands on may go while it runs: /readyz and doctor see it and name the remedy."""

import json
import os
import shutil
import smtplib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.local import Folder, LocalSmtpServer
from bot.commands.doctor import run_checks
from bot.corpus import Knowledge
from bot.corpus.limits import Cap, Scope, shipped_limits
from bot.errors import MissingError
from bot.journal import Decision, Journal
from bot.journal.clock import wall_clock
from bot.serve import health_checks
from bot.serve.health_checks import ClockWatch, HealthCheck, HealthChecks
from bot.serve.service import Service
from bot.settings import Settings
from tests.conftest import KNOWLEDGE
from tests.support.fakes import Time
from tests.support.journal_records import answered, reply
from tests.support.ports import free_port
from tests.support.running_desk import (
    EXPOSED,
    app_with,
    mail,
    page,
    received,
    running,
    verbatim_responder,
)
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def quick(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


@pytest.fixture
def app(settings: Settings, quick: Responder) -> Iterator[App]:
    with app_with(settings, quick) as app:
        yield app


def copied_index(settings: Settings) -> Settings:
    """Give a home an index and model files of its own, which a test may spoil."""
    for name in ("chroma", "models", "vectors.npz"):
        link = settings.home / name
        made = link.resolve()
        link.unlink()
        (shutil.copytree if made.is_dir() else shutil.copy)(made, link)
    return settings


def readiness(service: Service) -> tuple[int, dict[str, Any]]:
    status, body = page(service, "/readyz")
    return status, json.loads(body)


def said(service: Service) -> str:
    _, body = readiness(service)
    return " ".join([*body.get("faults", ()), *body.get("remarks", ())])


def doctor(app: App, service: Service) -> str:
    """What doctor says is wrong, asked on the port of the running desk."""
    app.settings = app.settings.model_copy(update={"http_port": service.http.port})
    return " ".join(f"{line.name} {line.says}" for line in run_checks(app) if not line.good)


def move_index(home: Path) -> None:
    (home / "chroma").rename(home / "chroma.away")


def spoil_model(home: Path) -> None:
    # An upgrade may have left the graph of an earlier format beside the one that is read.
    for graph in (home / "models").glob("e5-small-*/model.onnx"):
        graph.write_bytes(graph.read_bytes()[:-1] + b"x")


def forget_records(home: Path) -> None:
    with closing(sqlite3.connect(home / "chroma" / "chroma.sqlite3")) as db:
        db.execute("DELETE FROM embeddings WHERE id % 2")
        db.commit()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (move_index, ("index", "gone", "incident-desk index")),
        (forget_records, ("index", "records", "incident-desk index")),
        (spoil_model, ("model", "damaged", "delete the folder")),
    ],
)
def test_what_an_answer_needs_is_seen_to_be_gone_or_altered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.setattr(health_checks, "SLOW_KEEP_SECONDS", 0.0)
    own = copied_index(settings).model_copy(update={"smtp_port": free_port(), "http_port": 0})
    app = App(own)
    app.responder  # noqa: B018 - reads model and index
    assert "chroma" in vars(app)
    with running(app) as (service, _):
        wait_until(lambda: readiness(service) == (200, {"status": "ok"}), lambda: said(service))
        spoil(own.home)
        wait_until(lambda: all(word in said(service) for word in words), lambda: said(service))
        told = doctor(app, service)
        assert all(word in told for word in words), told
    app.journal.close()
    without_desk = " ".join(str(line) for line in run_checks(App(own)) if not line.good)
    assert all(word in without_desk for word in words), without_desk


def test_a_network_reads_the_names_of_checks_alone(
    settings: Settings, quick: Responder, caplog: pytest.LogCaptureFixture
) -> None:
    """Errors name hosts, users and paths; the log has them."""

    def fail() -> str:
        raise MissingError("no connection to db.internal.example as deskuser")

    open_to_all = settings.model_copy(update={"http_host": "0.0.0.0"})
    with app_with(open_to_all, quick) as app, running(app) as (service, _):
        for vital, status in ((True, 503), (False, 200)):
            service.checks = HealthChecks([HealthCheck(name="far", find_fault=fail, vital=vital)])
            found = readiness(service)
            assert found[0] == status
            assert ["far"] in found[1].values()
            assert "deskuser" not in str(found)
    assert "deskuser" in str([vars(record).get("fault") for record in caplog.records])


def move_database(file: Path) -> None:
    file.rename(file.with_suffix(".away"))


def overwrite_header(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"no database at all, so many bytes")


def overwrite_pages(file: Path) -> None:
    """Spoil every page but the first, as a torn copy or a bad disk does."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(os.urandom(size - 4096))


@pytest.mark.parametrize("spoil", [move_database, overwrite_header, overwrite_pages])
def test_a_database_that_is_moved_away_or_damaged_is_seen(
    app: App, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(health_checks, "SLOW_KEEP_SECONDS", 0.0)
    with running(app) as (service, _):
        wait_until(lambda: readiness(service)[0] == 200, lambda: said(service))
        with app.journal.engine.connect() as db:
            db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        spoil(app.settings.home / "desk.sqlite3")
        wait_until(lambda: readiness(service)[0] == 503, lambda: said(service))
        words = ("database", "moved away" if spoil is move_database else "damaged", "stop the")
        wait_until(lambda: all(word in said(service) for word in words), lambda: said(service))
    if spoil is move_database:
        return
    again = App(app.settings, knowledge=app.knowledge, responder=app.responder)
    told = " ".join(str(line) for line in run_checks(again) if not line.good)
    assert "copy from before" in told, told


@pytest.mark.parametrize(("days", "way"), [(30, "30 days ahead"), (-30, "30 days back")])
def test_a_clock_that_is_set_is_seen_until_it_is_right_again(days: int, way: str) -> None:
    moved = timedelta()
    watch = ClockWatch(lambda: wall_clock() + moved)
    assert watch.find_fault() == ""
    moved = timedelta(days=days)
    assert way in watch.find_fault()
    assert "set it right" in watch.find_fault()
    moved = timedelta()
    assert watch.find_fault() == ""


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(tmp_path: Path, clock: Time) -> Iterator[Journal]:
    """A journal that answers each sender once a day."""
    once = replace(shipped_limits(), caps=(Cap(scope=Scope.SENDER, seconds=86_400, most=1),))
    made = Journal(f"sqlite:///{tmp_path}/j.sqlite3", limits=once, clock=clock)
    yield made
    made.close()


def answer(journal: Journal, number: int) -> str:
    """Store and answer a mail of one sender; return the cap that held its reply, if any."""
    stored = journal.receive(received(EXPOSED, number, sender="ana@x.example"))
    assert stored
    held = Decision(response=answered())
    decided = journal.decide(
        stored, answered(), draft="", reply=reply(str(number)), capped=lambda _scope: held
    )
    return decided.cap


def test_what_was_put_off_while_the_clock_was_ahead_is_due_when_it_is_right(
    journal: Journal, clock: Time
) -> None:
    right = clock.now
    clock.forward(30 * 86_400)
    assert answer(journal, 1) == ""
    (sent,) = journal.mail_outbox.list_due()
    assert journal.mail_outbox.claim(sent.id, "w")
    assert journal.mail_outbox.retry_later(sent.id, "away", seconds=3600)
    at = clock.now + timedelta(hours=1)
    journal.slack.enqueue("k", channel="U1", method="chat.postMessage", payload={}, at=at)
    assert journal.mail_outbox.list_due() == []
    assert journal.slack.list_due() == []
    clock.now = right
    assert [mail.id for mail in journal.mail_outbox.list_due()] == [sent.id]
    assert [post.key for post in journal.slack.list_due()] == ["k"]
    assert answer(journal, 2) == "", "what was counted ahead of now counts against no sender"
    assert answer(journal, 3) == Scope.SENDER


def test_a_check_that_hangs_ends_in_time_and_is_begun_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_checks, "CHECK_SECONDS", 0.05)
    goes_on, begun = threading.Event(), []

    def hang() -> str:
        begun.append(1)
        goes_on.wait()
        return ""

    checks = HealthChecks([
        HealthCheck(name="disk", find_fault=hang),
        HealthCheck(name="index", find_fault=lambda: "is gone"),
    ])  # fmt: skip
    for _ in range(5):
        faults = checks.list_faults(vital=True)
        assert faults[0].startswith("disk: does not answer")
        assert faults[1] == "index: is gone"
        assert checks.count_failed() == {"disk": 1.0, "index": 1.0}
    assert len(begun) == 1
    goes_on.set()
    wait_until(lambda: checks.list_faults(vital=True) == ["index: is gone"])
    assert checks.count_failed() == {"disk": 0.0, "index": 1.0}


def test_a_check_that_is_slow_on_a_busy_machine_changes_nothing_before_it_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_checks, "CHECK_SECONDS", 0.05)
    now, goes_on = [0.0], threading.Event()
    goes_on.set()

    def look() -> str:
        goes_on.wait()
        return ""

    checks = HealthChecks([HealthCheck(name="index", find_fault=look)], tick=lambda: now[0])
    wait_until(lambda: checks.list_faults(vital=True) == [])
    goes_on.clear()
    now[0] += health_checks.KEEP_SECONDS
    assert checks.list_faults(vital=True) == []
    now[0] += health_checks.HANG_SECONDS
    assert checks.list_faults(vital=True) != []
    goes_on.set()
    wait_until(lambda: checks.list_faults(vital=True) == [])


def code_of_sending(port: int, raw: bytes) -> int:
    with smtplib.SMTP("127.0.0.1", port) as server:
        try:
            server.sendmail("ana@example.org", ["incident@desk.example"], raw)
        except smtplib.SMTPDataError as error:
            return error.smtp_code
    return 250


def test_a_mail_for_a_full_disk_gets_452_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        intake = LocalSmtpServer(Folder(disk / "new"), free_port(), min_free_bytes=0)
        intake.start()
        try:
            filler = fill(disk)
            for _ in range(3):
                assert code_of_sending(intake.port, mail("Were keys exposed?" * 1000)) == 452
            assert list((disk / "new" / "tmp").iterdir()) == []
            assert any("cannot be stored" in fault for fault in intake.list_faults())
            filler.unlink()
            assert code_of_sending(intake.port, mail("Were keys exposed?")) == 250
            assert intake.list_faults() == []
        finally:
            intake.stop()


def test_a_desk_whose_disk_is_full_says_so_and_answers_when_there_is_room(
    quick: Responder, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "40m") as disk:
        full = Settings(home=disk, knowledge=KNOWLEDGE)
        with app_with(full, quick) as app, running(app) as (service, shown):
            wait_until(lambda: readiness(service)[0] == 200, lambda: said(service))
            filler = fill(disk)
            wait_until(lambda: "disk" in said(service), lambda: said(service))
            assert readiness(service)[0] == 503
            assert "free" in said(service)
            assert code_of_sending(app.settings.smtp_port, mail("Were keys exposed?")) == 452
            filler.unlink()
            assert code_of_sending(app.settings.smtp_port, mail("Were keys exposed?")) == 250
            wait_until(lambda: shown)
            wait_until(lambda: readiness(service)[0] == 200, lambda: said(service))
