"""SIGKILL at every step between fetch and receipt: nothing is lost, nobody is answered twice."""

import json
import mailbox
import random
import secrets
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from bot.channels.mail.local import LocalMailbox
from bot.desk import Checkpoint
from bot.journal import Journal, OutboxState
from tests.servers.postgres import database
from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS

ROOT = Path(__file__).parents[2]
MAILS = (
    ("ana", "What is the December 19 clarification?", "answered"),
    ("bob", "Which law firm advises you about the budget of the marketing team?", "handed over"),
    ("cara", "What did you correct in the blog?", "answered"),
    ("mailer-daemon", "Your mail could not be delivered.", "dropped"),
    ("dan", "", "held"),
)


Order = Callable[..., list[int]]


@pytest.fixture(scope="module")
def desks() -> Iterator[Order]:
    """Runs desks, one after the other, each in a process of its own."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.support.kills"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert parent.stdin
    assert parent.stdout
    assert parent.stdout.readline() == "ready\n"
    give, take = parent.stdin, parent.stdout

    def run(*orders: dict[str, Any]) -> list[int]:
        give.write(json.dumps(orders) + "\n")
        give.flush()
        return [int(code) for code in json.loads(take.readline())]

    yield run
    give.close()
    take.close()
    assert parent.wait(timeout=SAFETY_NET_SECONDS) == 0


@pytest.fixture(scope="module")
def template(desks: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with every table, so that not each run makes them."""
    home = tmp_path_factory.mktemp("template")
    path = home / "template.sqlite3"
    order = {"home": str(home), "url": f"sqlite:///{path}", "port": free_port(), "linger": 1.2}
    assert desks(order) == [0]
    Journal(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="module")
def pg_template(
    desks: Order, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database on PostgreSQL with every table."""
    home = tmp_path_factory.mktemp("pg")
    with database(postgres, "kills") as url:
        assert desks({"home": str(home), "url": url, "port": free_port(), "linger": 1.2}) == [0]
        yield "kills"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind that a desk has been started on before."""
    if request.param == "sqlite":
        path = tmp_path / "journal.sqlite3"
        shutil.copy(request.getfixturevalue("template"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgres")
    name = f"k_{secrets.token_hex(6)}"
    with database(server, name, request.getfixturevalue("pg_template")) as made:
        yield made


def fill(home: Path) -> None:
    """Five people write, each twice in one thread; one mail comes a second time."""
    box = LocalMailbox(home / "mail")
    for n in (1, 2):
        for sender, text, _ in MAILS:
            raw = mail(sender, text, n)
            box.new.add(raw)
            if sender == "ana" and n == 1:
                box.new.add(raw)


def mail(sender: str, text: str, n: int) -> bytes:
    thread = f"References: <{sender}.1@x.example>\r\n" if n > 1 else ""
    return (
        f"Return-Path: <{sender}@x.example>\r\nDelivered-To: incident@desk.example\r\n"
        f"From: {sender}@x.example\r\nTo: incident@desk.example\r\nSubject: question {n}\r\n"
        f"Message-ID: <{sender}.{n}@x.example>\r\n{thread}\r\n{text}{' Again.' * (n - 1) if text else ''}\r\n"
    ).encode()


def check(home: Path, url: str, *, sure: bool) -> None:
    journal = Journal(url)
    counts = journal.count_rows()
    assert counts["message"] == 2 * len(MAILS)
    assert journal.list_undecided() == []
    states = journal.mail_outbox.count_by_state()
    assert set(states) <= {"sent"} if sure else {"sent", "unknown"}, states
    sent = list(mailbox.Maildir(home / "mail" / "sent", create=False))
    twice = [k for k, n in Counter(m["In-Reply-To"] for m in sent).items() if n > 1]
    assert twice == []
    cases = in_cases(journal)
    open_in = journal.list_conversations([case.message_id for case in journal.cases.list_open()])
    assert len(set(open_in)) == len(journal.cases.list_open()), "one open case a conversation"
    for each in messages(journal):
        message = journal.read_message(each)
        kinds = {row.kind for row in journal.read_outcomes(each)}
        if message.final or message.verdict in {"drop", "bounce"}:
            assert not kinds
        else:
            assert kinds
            assert (each in cases) == ("escalation" in kinds)
    unknown = journal.mail_outbox.list_in_state(OutboxState.UNKNOWN)
    assert len(sent) == counts["outbox"] - len(unknown) or not sure
    lying = {p.parent.parent.name for p in (home / "mail").glob("*/cur/*")}
    assert lying == {"Processed", "Held", "Dropped"}
    journal.close()


def in_cases(journal: Journal) -> set[int]:
    """Messages that a person sees: the first of a case, and those that joined one."""
    with journal.engine.connect() as db:
        return set(db.execute(sql.text("SELECT message_id FROM escalation")).scalars())


def messages(journal: Journal) -> list[int]:
    with journal.engine.connect() as db:
        return list(db.execute(sql.text("SELECT id FROM message")).scalars())


@pytest.mark.parametrize("step", list(Checkpoint), ids=lambda s: s.name.lower())
def test_a_kill_loses_nothing_and_repeats_nothing(
    desks: Order, tmp_path: Path, url: str, step: Checkpoint, kill_run: int
) -> None:
    rng, home = random.Random(f"{step}{kill_run}"), tmp_path / "home"
    fill(home)
    hit = rng.randint(1, 5) if kill_run else 2
    order = {"home": str(home), "url": url, "port": free_port()}
    assert desks({**order, "step": step, "hit": hit})[0] in {-9, 0}
    assert desks(order) == [0]
    check(home, url, sure=True)


@pytest.mark.parametrize(
    "step", [Checkpoint.CLAIMED, Checkpoint.DELIVERED], ids=lambda s: s.name.lower()
)
def test_a_send_that_cannot_be_looked_up_is_never_repeated(
    desks: Order, tmp_path: Path, url: str, step: Checkpoint
) -> None:
    fill(tmp_path)
    order = {"home": str(tmp_path), "url": url, "port": free_port(), "look": False}
    assert desks({**order, "step": step, "hit": 2}) == [-9]
    assert desks(order) == [0]
    check(tmp_path, url, sure=False)
    journal = Journal(url)
    assert journal.mail_outbox.list_in_state(OutboxState.UNKNOWN)
    journal.close()


@pytest.mark.parametrize("step", [Checkpoint.STORED, Checkpoint.RESPONDED, Checkpoint.CLAIMED])
def test_of_two_workers_one_dies_for_good(
    desks: Order, tmp_path: Path, postgres: str, pg_template: str, step: Checkpoint
) -> None:
    """The other finishes everything once the lease is over, and repeats nothing."""
    with database(postgres, f"two_{step.name.lower()}", pg_template) as url:
        fill(tmp_path)
        order = {"home": str(tmp_path), "url": url}
        ended = desks(
            {**order, "port": free_port(), "step": step, "hit": 1, "together": True},
            {**order, "port": free_port(), "joins": True},
        )
        assert ended == [-9, 0]
        check(tmp_path, url, sure=True)
