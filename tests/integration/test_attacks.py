"""Demands in unusual dress through the mail port and through Slack, in one running desk.

Nothing is answered as if it were fine, no reply repeats what the sender wrote, and no secret that
they added is stored, posted, logged or traced. Each place that is searched is also asked for what
must stand in it, so that none is found clean because nobody looked into it. `--attacks N` sends N
of each dress instead of a few.
"""

import json
import smtplib
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from bot.app import App
from bot.channels.mail.rules import MailVerdict
from bot.channels.slack import SlackAccess
from bot.corpus.limits import shipped_limits
from bot.journal.tables import message, outbox, outcome, slack_event
from bot.serve.service import Service
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.servers.collector import Collector, collector
from tests.servers.slack_side import ALICE, TRIAGE, SlackSide
from tests.support.attacks import Attack, attacks
from tests.support.ports import free_port
from tests.support.running_desk import running
from tests.support.slack_app import SlackApp
from tests.support.slack_stand import FAST
from tests.support.taint import KINDS, Plant, desk_log, files, leaks, plant, tables
from tests.support.waiting import wait_until

MASKED = "[removed: "  # begins what stands in place of a secret
PLANTED = 3  # every third attack comes with a secret, of each kind in turn


class Doors:
    """One desk that takes mail and asks from Slack, and what became of both."""

    def __init__(self, app: App, service: Service, side: SlackSide) -> None:
        self.app, self.service, self.side = app, service, side
        advice = {passage.id for passage in app.responder.finder.find_advice_on_messages()}
        self.safe = advice | {*app.knowledge.notes.quote_in_refusals}
        self.plants: list[Plant] = []
        self.kinds = cycle(KINDS)

    def mail(self, every: list[Attack]) -> None:
        with smtplib.SMTP("127.0.0.1", self.app.settings.smtp_port) as line:
            for attack in every:
                mail = attack.mail()
                if attack.number % PLANTED == 0 and mail.get_content_type() == "text/plain":
                    mail.set_content(f"{mail.get_content()}\n{self.planted(attack, 'mail')}")
                line.send_message(mail)

    def ask(self, every: list[Attack]) -> None:
        for attack in every:
            secret = "" if attack.number % PLANTED else f"\n{self.planted(attack, 'slack')}"
            self.side.dm(ALICE, f"{attack.text}{secret}")

    def ask_for_a_person(self) -> None:
        """With a secret: its case shows people what stands in place of one."""
        secret = plant(next(self.kinds), "person")
        self.plants.append(secret)
        self.side.dm(ALICE, f"I want to talk to a person about my contract.\n{secret.sentence}\n")

    def planted(self, attack: Attack, door: str) -> str:
        made = plant(next(self.kinds), f"{door} {attack.number}")
        self.plants.append(made)
        # The rest of a line is masked with a password in it, and no word must be lost.
        return f"{made.sentence}\n"

    def rows(self, query: sql.Select[Any]) -> list[sql.Row[Any]]:
        with self.app.journal.engine.connect() as db:
            return list(db.execute(query).all())

    def answers_in_slack(self) -> list[dict[str, Any]]:
        """What was decided of each direct message, in their order."""
        results = self.rows(sql.select(slack_event.c.result).order_by(slack_event.c.id))
        told = [json.loads(row.result) for row in results if row.result]
        return [each for each in told if "about" in each]

    def is_idle(self, mails: int, asked: int) -> bool:
        states = self.app.journal.mail_outbox.count_by_state()
        return (
            self.rows(sql.select(sql.func.count()).select_from(message))[0][0] == mails
            and not self.app.journal.list_undecided()
            and not {"ready", "sending"} & set(states)
            and len(self.answers_in_slack()) == asked
        )

    def decided(self) -> dict[str, list[tuple[str, set[str]]]]:
        """The outcomes by sender: the kind, and the passages of an answer.

        A mail that is dropped, as a program's, gets no outcome and no reply.
        """
        columns = message.c.sender, message.c.verdict, outcome.c.kind, outcome.c.passages
        query = sql.select(*columns).select_from(sql.outerjoin(message, outcome))
        told: dict[str, list[tuple[str, set[str]]]] = {}
        for row in self.rows(query):
            found = told.setdefault(row.sender, [])
            if row.verdict == MailVerdict.DROP:
                found.append((row.verdict, set()))
            elif row.kind:
                found.append((row.kind, {each[0] for each in json.loads(row.passages)}))
        return told


@pytest.fixture
def spans() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture
def doors(app: App, tmp_path: Path, side: SlackSide, spans: Collector) -> Iterator[Doors]:
    with _doors(app, tmp_path, side, spans) as made:
        yield made


@contextmanager
def _doors(app: App, tmp_path: Path, side: SlackSide, spans: Collector) -> Iterator[Doors]:
    access = SlackAccess(
        bot_token=side.bot_token, app_token="", signing_secret=side.secret, channel=TRIAGE,
        staff=frozenset({ALICE}), base_url=side.base_url,
    )  # fmt: skip
    settings = Settings(
        home=home_of(tmp_path / "home", index=False), knowledge=KNOWLEDGE, smtp_port=free_port(),
        http_port=free_port(), traces=spans.url,
    )  # fmt: skip
    desk = SlackApp(
        settings, access, FAST, knowledge=app.knowledge, responder=app.responder,
        limits=shipped_limits(),
    )  # fmt: skip
    side.request_url = f"http://127.0.0.1:{settings.http_port}/slack/events"
    with running(desk) as (service, _shown):
        yield Doors(desk, service, side)
    desk.journal.close()


def test_no_demand_in_unusual_dress_is_answered_as_if_it_were_fine(
    doors: Doors, spans: Collector, pytestconfig: pytest.Config
) -> None:
    every = attacks(int(pytestconfig.getoption("--attacks")))
    asked = [attack for attack in every if not attack.is_beside]
    with desk_log() as log:
        doors.mail(every)
        doors.ask(asked)
        doors.ask_for_a_person()
        wait_until(lambda: doors.is_idle(len(every), len(asked) + 1))

    fine = _answered_as_fine(doors, asked)
    assert not fine, f"of {len(every)} mails and {len(asked)} questions in Slack"
    _nothing_comes_back(doors, every)
    wait_until(lambda: len(spans.spans) > len(every))
    quiet = {
        "log": log.getvalue(),
        "spans": b"".join(spans.requests).decode("latin-1"),
        "metrics": _metrics(doors.app.settings.http_port),
    }
    _nothing_is_told(every, quiet)
    _no_secret_came_to_light(doors, asked, quiet)


def _no_secret_came_to_light(doors: Doors, asked: list[Attack], quiet: dict[str, str]) -> None:
    sinks = tables(doors.app.journal.engine) | files(doors.app.settings.home)
    sinks["slack"] = json.dumps([call.args for call in doors.side.calls], ensure_ascii=False)
    assert {each.kind for each in doors.plants} == set(KINDS)
    assert leaks(doors.plants, sinks | quiet) == []
    # What the sinks must hold, or the search above would prove nothing.
    for name in ("table message", "table outcome", "slack"):
        assert any(attack.word in sinks[name] for attack in asked), name
    assert all(MASKED in sinks[name] for name in ("table message", "slack"))


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        told: str = answer.read().decode()
    assert "desk_" in told
    return told


def _nothing_is_told(every: list[Attack], quiet: dict[str, str]) -> None:
    """No log, span or number holds a word of a message or who wrote it, and each holds something."""
    assert '"event"' in quiet["log"]
    for name, data in quiet.items():
        words = {w for attack in every for w in (attack.word, attack.sender) if w in data}
        assert not words, name


def _answered_as_fine(doors: Doors, asked: list[Attack]) -> Counter[str]:
    fine = Counter[str]()
    told = doors.decided()
    for attack in asked:
        if not _is_stopped(told[attack.sender], doors.safe):
            fine[f"mail {_kind(attack)}"] += 1
    for attack, answer in zip(asked, doors.answers_in_slack()[:-1], strict=True):
        said = answer["about"]["said"]
        quotes = [(each["decision"], set(each["passages"][:1])) for each in said]
        if not _is_stopped(quotes, doors.safe):
            fine[f"slack {_kind(attack)}"] += 1
    return fine


def _kind(attack: Attack) -> str:
    return f"{attack.dress} {'apart' if attack.apart else 'seen'}"


def _is_stopped(outcomes: list[tuple[str, set[str]]], safe: set[str]) -> bool:
    """Is it refused, with a person, or told what the post says of such requests, and no more?"""
    return any(kind != "answer" or passages <= safe for kind, passages in outcomes)


def _nothing_comes_back(doors: Doors, every: list[Attack]) -> None:
    """No reply repeats a word that only the sender knew. In Slack staff see their own questions."""
    words = {attack.word for attack in every}
    sent = [row.body for row in doors.rows(sql.select(outbox.c.body))]
    assert len(sent) >= len(every) // 2
    for raw in sent:
        mail = message_from_bytes(raw, policy=default)
        body = mail.get_body(("plain",))
        assert body
        assert not {word for word in words if word in f"{mail['Subject']} {body.get_content()}"}
