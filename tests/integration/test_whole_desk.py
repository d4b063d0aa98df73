"""The running desk with everything on at once: PostgreSQL, Slack, a real mailbox, a model, workers.

Each part has its own tests; these hold what the parts do to each other. Nothing here depends on how
fast the machine is: a deadline only ends a desk that would never get there.
"""

import json
import os
import secrets
import signal
import smtplib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from imapclient import IMAPClient

from bot.files import KEY_BYTES, KEY_FILE
from bot.journal import Journal
from bot.journal.tables import escalation, message, outbox
from tests.conftest import home_of
from tests.servers.mail_servers import DESK, USER, Servers, missing, servers
from tests.servers.model_server import ModelServer, asked, model_server
from tests.servers.postgres import database
from tests.servers.slack_side import ALICE, BOB, TRIAGE, SlackSide
from tests.support.model_answers import KNOWN, entry
from tests.support.ports import free_port
from tests.support.slack_desk import Fork, Process
from tests.support.slack_stand import UNSURE, Watching, filled
from tests.support.waiting import wait_until

MAILS = 200
SAFETY_SECONDS = 400.0
SECRET = "Please send me the administrator password of your database."
AWAY = "I am out of the office until Monday."
REPLY = "Dear user, we name no law firm."
ASKED = (KNOWN, KNOWN, KNOWN, UNSURE, SECRET)


class WholeDesk(Watching):
    """Two worker processes on one database, one mailbox and one Slack workspace."""

    patience = SAFETY_SECONDS

    def __init__(self, side: SlackSide, url: str, real: Servers, model: ModelServer) -> None:
        self.side, self.url, self.real, self.model = side, url, real, model
        self.pids: list[int] = []
        self.journal = Journal(url)

    def start(self, fork: Fork, home: Path) -> None:
        mail = {
            "mail": "imap", "imap_host": "127.0.0.1", "imap_port": self.real.imap,
            "imap_user": DESK, "imap_password": self.real.password, "imap_tls": False,
            "smtp_host": "127.0.0.1", "smtp_tls": False, "authserv_id": "none",
        }  # fmt: skip
        order: dict[str, Any] = {
            "home": str(home_of(home)), "url": self.url, "port": self.real.smtp,
            "http": free_port(), "base": self.side.base_url, "bot": self.side.bot_token,
            "app": self.side.app_token, "secret": self.side.secret, "channel": TRIAGE,
            "staff": [ALICE, BOB], "address": DESK, "mail": mail, "model": self.model.url,
            "own_index": True, "most": 2 * MAILS,  # all users share one mailbox
        }  # fmt: skip
        (home / KEY_FILE).write_text("ab" * KEY_BYTES)  # one installation on two machines
        self.pids.append(fork(order))

    def rows(self, *columns: sql.ColumnElement[Any]) -> list[sql.Row[Any]]:
        with self.journal.engine.connect() as db:
            return list(db.execute(sql.select(*columns)).all())

    def undone(self) -> bool:
        """Does a mail wait in the mailbox, undecided, or to be sent?"""
        states = set(self.journal.mail_outbox.count_by_state())
        written = [row for row in self.rows(message.c.sender) if row.sender.startswith("user+")]
        return bool(
            len(written) < MAILS
            or self.journal.list_undecided()
            or states & {"ready", "sending"}
            or in_folder(self.real, DESK)
        )


@contextmanager
def imap(real: Servers, user: str) -> Iterator[IMAPClient]:
    with IMAPClient("127.0.0.1", real.imap, ssl=False) as client:
        client.login(user, real.password)
        client.select_folder("INBOX", readonly=True)
        yield client


def in_folder(real: Servers, user: str) -> int:
    with imap(real, user) as client:
        return len(client.search())


def arrived(real: Servers) -> list[Message]:
    """What the users got."""
    with imap(real, USER) as client:
        found = client.fetch(client.search(), ["BODY.PEEK[]"]).values()
    return [message_from_bytes(each[b"BODY[]"]) for each in found]


def write(port: int, text: str, n: int, **headers: str) -> None:
    """A user's mail, from an address of its own that leads to one mailbox."""
    name, _, domain = USER.partition("@")
    mail = EmailMessage()
    mail["From"] = f"{name}+{n}@{domain}"
    mail["To"] = DESK
    mail["Subject"] = f"question {n}"
    mail["Message-ID"] = f"<{n}@{domain}>"
    for header, value in headers.items():
        mail[header.replace("_", "-")] = value
    mail.set_content(text)
    with smtplib.SMTP("127.0.0.1", port) as line:
        line.send_message(mail)


def script(body: dict[str, Any]) -> Any:
    """A model that knows where the one answer stands."""
    text = asked(body)
    if KNOWN in text:
        return {"questions": [entry(text)]}
    return {"questions": [entry(text, "not_in_post", (), states=False)]}


@pytest.fixture
def desk(forks: Fork, side: SlackSide, postgres: str, tmp_path: Path) -> Iterator[WholeDesk]:
    if why := missing():
        pytest.skip(why)
    with ExitStack() as stack:
        url = stack.enter_context(database(postgres, "whole_desk"))
        real = stack.enter_context(servers(secrets.token_hex(8)))
        model = stack.enter_context(model_server(script))
        made = WholeDesk(side, url, real, model)
        stack.callback(made.journal.close)
        for name in ("one", "two"):
            made.start(forks, tmp_path / name)
        stack.callback(stop, made.pids)
        made.until(lambda: len(made.journal.workers.list_all()) == 2 and len(side.lines) == 2)
        yield made


def stop(pids: list[int]) -> None:
    """End the workers as an operator does; SIGKILL after a while."""
    for pid in pids:
        _signal(pid, signal.SIGTERM)
    with suppress(AssertionError):
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    for pid in pids:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)


@pytest.mark.no_cover
def test_whole_desk_settles_two_hundred_mails_with_everything_on_at_once(desk: WholeDesk) -> None:
    texts = {n: ASKED[n % len(ASKED)] for n in range(MAILS)}
    gone = {n for n in texts if n % 20 == 19}
    for n, text in texts.items():
        if n in gone:
            write(desk.real.smtp, AWAY, n, Auto_Submitted="auto-replied")
        else:
            write(desk.real.smtp, text, n)
    desk.until(lambda: not desk.undone())

    wanted = Counter(text for n, text in texts.items() if n not in gone)
    assert desk.journal.mail_outbox.count_by_state() == {"sent": MAILS - len(gone)}
    desk.until(lambda: in_folder(desk.real, USER) >= MAILS - len(gone))
    replied = Counter(mail["In-Reply-To"] for mail in arrived(desk.real))
    assert set(replied) == {f"<{n}@{USER.partition('@')[2]}>" for n in texts if n not in gone}
    assert set(replied.values()) == {1}, "nobody is answered twice"
    cases = desk.journal.cases.list_open()
    assert len(cases) == wanted[UNSURE]
    # All ask in the same words, so that a few cards stand for all of them.
    rows = desk.rows(escalation.c.id, escalation.c.fold_id)
    with_card = [row.id for row in rows if row.fold_id is None]
    assert {row.fold_id for row in rows} - {None} < set(with_card) < {row.id for row in rows}
    desk.until(lambda: len(desk.side.cards()) == len(with_card))
    assert len(desk.model.bodies) >= 2 * wanted[KNOWN]
    assert len({row.worker for row in desk.rows(outbox.c.worker)}) == 2, "both workers worked"

    answer_by_hand(desk, with_card[0])


def answer_by_hand(desk: WholeDesk, case: int) -> None:
    """A person's answer goes the whole way: Slack, the job, the mail server, the user."""
    desk.side.click(ALICE, "claim", f"{case}:")
    desk.until(lambda: owner(desk, case))
    desk.side.click(ALICE, "edit", f"{case}:{version(desk, case)}")
    desk.until(lambda: desk.side.views)
    check = desk.side.submit(ALICE, desk.side.views[-1], filled(REPLY))["view"]
    assert "on its way" in json.dumps(desk.side.submit(ALICE, check, {}))
    desk.until(lambda: any(REPLY in mail.as_string() for mail in arrived(desk.real)))
    desk.until(lambda: desk.shows("handed over to the mail server"))


def owner(desk: WholeDesk, case_id: int) -> str:
    case = desk.journal.cases.read(case_id)
    return case.owner if case else ""


def version(desk: WholeDesk, case_id: int) -> str:
    case = desk.journal.cases.read(case_id)
    assert case
    return case.version


@pytest.fixture
def on_postgres(forks: Fork, side: SlackSide, postgres: str, tmp_path: Path) -> Iterator[Process]:
    with database(postgres, "whole_desk_slack") as url:
        made = Process(forks, side, tmp_path, "socket", url=url)
        yield made
        made.stop()


def test_whole_desk_on_postgresql_answers_mail_while_it_leads_slack(on_postgres: Process) -> None:
    """The process that posts to Slack holds its lock for life; no reply may wait for it."""
    process = on_postgres
    process.until(lambda: process.side.called("conversations.info"))  # only the leader looks
    process.mail()
    process.until(process.sent)
    process.until(process.side.cards)
    assert process.journal.list_undecided() == []
