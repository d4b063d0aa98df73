"""Of four desks on one PostgreSQL one posts to Slack; when it is killed, another does, once each."""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sql
from sqlalchemy import Engine

from bot.commands.demo import send_mail
from bot.corpus.limits import shipped_limits
from bot.files import KEY_BYTES, KEY_FILE
from bot.journal import Journal
from bot.journal.locks import AdvisoryLock
from bot.settings import Settings
from tests.servers.mail_servers import DESK
from tests.servers.postgres import database
from tests.servers.slack_side import SlackSide
from tests.support.fakes import Time
from tests.support.journal_records import mail, waiting
from tests.support.slack_desk import Fork, Process
from tests.support.slack_stand import DOUBTFUL
from tests.support.waiting import wait_until

DESKS, CASES = 4, 8
HOLDERS = sql.text(
    "SELECT client_port FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE locktype = 'advisory' AND granted AND objid = :lock"
)


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    with database(postgres, "leaders") as made:
        yield made


def leaders(engine: Engine, desks: list[Process]) -> list[Process]:
    """The desks whose connection holds the lock to lead."""
    with engine.connect() as db:
        ports = set(db.execute(HOLDERS, {"lock": AdvisoryLock.SLACK_LEADER.value}).scalars())
    return [desk for desk in desks if not desk.dead() and ports & local_ports(desk.pid)]


def local_ports(process_id: int) -> set[int]:
    return {line.laddr.port for line in psutil.Process(process_id).net_connections("tcp")}


@pytest.fixture
def desks(forks: Fork, side: SlackSide, tmp_path: Path, url: str) -> Iterator[list[Process]]:
    key = secrets.token_hex(KEY_BYTES)  # desks of one database have one key
    with ExitStack() as stack:
        made = []
        for number in range(DESKS):
            home = tmp_path / f"desk{number}"
            home.mkdir()
            (home / KEY_FILE).write_text(key, encoding="ascii")
            made.append(Process(forks, side, home, "http", url=url))
            stack.callback(made[-1].stop)
        yield made


def kill_in_post(side: SlackSide, leader: Process, number: int) -> None:
    """Have the leader die in the post of this number: Slack takes it, and the desk hears nothing."""
    real, posted = side.api, [0]

    def deadly(method: str, token: str, args: dict[str, Any]) -> Any:
        answer = real(method, token, args)
        posted[0] += method == "chat.postMessage"
        if method == "chat.postMessage" and posted[0] == number:
            leader.kill()
            time.sleep(0.1)
        return answer

    side.api = deadly  # type: ignore[method-assign]


def write_mails(desks: list[Process]) -> None:
    for number in range(CASES):
        port = desks[number % DESKS].order["port"]
        own = Settings(smtp_port=int(str(port)), address=DESK)
        send_mail(own, f"{DOUBTFUL} {number}", sender=f"ana{number}@site{number}.example")


def test_one_of_four_posts_and_when_it_is_killed_another_goes_on(
    desks: list[Process], side: SlackSide
) -> None:
    journal = desks[0].journal
    wait_until(lambda: len(leaders(journal.engine, desks)) == 1)
    (first,) = leaders(journal.engine, desks)
    kill_in_post(side, first, 3)
    write_mails(desks)
    wait_until(first.dead)
    wait_until(lambda: leaders(journal.engine, desks))
    (second,) = leaders(journal.engine, desks)
    assert second is not first
    wait_until(lambda: has_one_card_a_case(journal, side))
    shown = [str(card["blocks"]) for card in side.cards()]
    assert len(shown) == len(set(shown)), "one card a case"
    assert leaders(journal.engine, desks) == [second]


def has_one_card_a_case(journal: Journal, side: SlackSide) -> bool:
    """Whether the mails of the desks that live are decided and as many cards as cases are posted.

    A mail may be taken in at any time, so that all of it is asked at once and again: only mails in
    the folder of the dead desk wait for it.
    """
    cases, posts = len(journal.cases.list_open()), journal.slack.count_by_state().get("ready", 0)
    lives = cases >= CASES - CASES // DESKS
    return lives and not journal.list_undecided() and not posts and len(side.cards()) == cases


def test_four_that_remind_at_once_remind_of_each_case_once(url: str) -> None:
    clock = Time()
    desks = [Journal(url, limits=shipped_limits(), clock=clock) for _ in range(DESKS)]
    for number in range(CASES):
        stored = desks[0].receive(mail(f"k{number}", thread=f"t{number}"))
        assert stored
        desks[0].decide(stored, waiting(), draft="", reply=None)
    clock.forward(timedelta(days=2).total_seconds())
    with ThreadPoolExecutor(DESKS) as pool:
        found = list(pool.map(lambda desk: desk.cases.record_due_reminders(), desks * 3))
    reminded = [case for each in found for case in each]
    assert sorted(reminded) == [(number + 1, 1) for number in range(CASES)]
    for desk in desks:
        desk.close()
