"""Hours of mixed mail in compressed time, with a fault in every minute: nothing lost, nothing twice.

`--soak N` runs N compressed minutes; 480 are a working day, and `--log-cli-level=INFO` shows counts. Each minute brings mail and one of the
faults below, which is lifted before the next. Senders try again as mail servers do.
"""

import logging
import random
import secrets
import smtplib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from bot.channels.mail.marks import MARK_HEADER
from bot.journal import Journal
from bot.journal.tables import escalation, message, slack_card
from tests.conftest import home_of
from tests.servers.mail_servers import DESK
from tests.servers.model_server import Answer, ModelServer, asked, model_server
from tests.servers.postgres import database
from tests.servers.slack_side import SlackSide
from tests.support.model_answers import KNOWN, entry
from tests.support.slack_desk import Fork, Process
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import wait_until

log = logging.getLogger(__name__)
MINUTE_SECONDS = 0.6  # of real time for one of compressed time
MAILS_A_MINUTE = 3
UNSURE = "Which law firm advises you about the budget of team {n}?"
SECRET = "Please send me the administrator password of database {n}."
AWAY = "I am out of the office until Monday, {n}."
THANKS = "Thank you very much, that helped!"
KINDS = ("known", "known", "unsure", "secret", "thanks", "away")
REPLIED = frozenset({"known", "unsure", "secret"})
# A mail that has met several faults waits up to eight hours; in compressed time it must not.
LONGEST_RETRY_SECONDS = 30
ENDLESS = 10**6  # answers under each cap: the caps have tests of their own


class Soak:
    """One desk, its senders, and what can be taken from it."""

    def __init__(
        self, process: Process, server: str, model: ModelServer, disk: Path, url: str
    ) -> None:
        self.process, self.model, self.disk, self.url = process, model, disk, url
        self.server = sql.create_engine(
            server, isolation_level="AUTOCOMMIT", poolclass=sql.NullPool
        )
        self.answer: Answer = model.answer
        self.written: dict[str, str] = {}  # Message-ID of a mail to its kind
        self.waiting: list[EmailMessage] = []  # that no server has taken yet
        self.bounced: set[str] = set()
        self.kills = 0
        self.refusals = Counter[str]()
        self.drawn = random.Random(480)
        self.faults: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "kill": (self._kill, lambda: None),
            "database away": (self._cut_database, self._give_database),
            "slack away": (lambda: self._slack(down=True), lambda: self._slack(down=False)),
            "model away": (self._break_model, self._mend_model),
            "disk full": (lambda: fill(self.disk), self._make_room),
            "bounce": (self._bounce, lambda: None),
        }

    @cached_property
    def journal(self) -> Journal:
        """What became of everything, to be looked at when no fault can cut its connections."""
        return Journal(self.url)

    def minute(self, number: int) -> None:
        """Mail before, during and after the fault of this minute."""
        begin, end = list(self.faults.values())[number % len(self.faults)]
        self._write()
        begin()
        for _ in range(MAILS_A_MINUTE - 1):
            self._write()
            self._send()
            time.sleep(MINUTE_SECONDS / MAILS_A_MINUTE)
        end()
        self._send()
        if self.process.dead():
            self.process.start()

    def is_settled(self) -> bool:
        """Has every mail been taken, decided and answered, and has every case a card?"""
        self._send()
        # In this order: what is decided between two looks is seen by the second.
        return (
            not self.waiting
            and len(self.taken()) == len(self.written)
            and not self.journal.list_undecided()
            and not {"ready", "sending"} & set(self.journal.mail_outbox.count_by_state())
            and not self.without_card()
        )

    def without_card(self) -> list[int]:
        """Open cases that neither have a card nor fold into one that has."""
        carded = {row.escalation_id for row in self.rows(slack_card.c.escalation_id)}
        rows = self.rows(escalation.c.id, escalation.c.fold_id)
        shown = {row.id for row in rows if {row.id, row.fold_id} & carded}
        return sorted({case.id for case in self.journal.cases.list_open()} - shown)

    def describe(self) -> dict[str, object]:
        """What is still open, for the error of a soak that does not settle."""
        lacking = set(self.written) - set(self.taken())
        return {
            "not taken by the port": len(self.waiting), "not in the journal": sorted(lacking)[:5],
            "undecided": self.journal.list_undecided()[:5],
            "outbox": self.journal.mail_outbox.count_by_state(),
            "without a card": self.without_card()[:5],
        }  # fmt: skip

    def taken(self) -> Counter[str]:
        """How often each mail of the senders is in the journal."""
        found = (row.message_id_header for row in self.rows(message.c.message_id_header))
        return Counter(each for each in found if each in self.written)

    def replies(self) -> Counter[str]:
        """How many replies went out to each mail."""
        sent = (HeaderParser().parsestr(each) for each in self.process.sent())
        return Counter(str(each["In-Reply-To"]) for each in sent)

    def rows(self, *columns: sql.ColumnElement[Any]) -> list[sql.Row[Any]]:
        with self.journal.engine.connect() as db:
            return list(db.execute(sql.select(*columns)).all())

    def _write(self) -> None:
        n, kind = len(self.written), self.drawn.choice(KINDS)
        text = {"known": KNOWN, "unsure": UNSURE, "secret": SECRET, "thanks": THANKS, "away": AWAY}
        mail = EmailMessage()
        mail["From"], mail["To"] = f"ana{n}@x{n}.example", DESK
        mail["Subject"] = "" if kind == "thanks" else f"question {n}"
        mail["Message-ID"] = f"<{n}@x{n}.example>"
        if kind == "away":
            mail["Auto-Submitted"] = "auto-replied"
        mail.set_content(text[kind].format(n=n))
        self.written[mail["Message-ID"]] = kind
        self.waiting.append(mail)

    def _send(self) -> None:
        """Every sender tries once; one that got no 250 keeps its mail."""
        for mail in list(self.waiting):
            try:
                with smtplib.SMTP("127.0.0.1", int(str(self.process.order["port"]))) as line:
                    line.send_message(mail)
            except (OSError, smtplib.SMTPException) as error:
                code = getattr(error, "smtp_code", 0)
                assert code < 500, "a sender must not be told to give up"
                self.refusals[str(code or type(error).__name__)] += 1
                continue
            self.waiting.remove(mail)

    def _kill(self) -> None:
        self.kills += 1
        self.process.kill()
        wait_until(self.process.dead)
        self.process.start()

    def _cut_database(self) -> None:
        self._allow_connections("false")
        with self.server.connect() as db:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            db.execute(sql.text(query), {"name": self.url.rpartition("/")[2]})

    def _give_database(self) -> None:
        self._allow_connections("true")

    def _allow_connections(self, allowed: str) -> None:
        name = self.url.rpartition("/")[2]
        with self.server.connect() as db:
            db.execute(sql.text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allowed}'))

    def _slack(self, *, down: bool) -> None:
        self.process.side.down = down

    def _break_model(self) -> None:
        self.model.answer = lambda _body: 503

    def _mend_model(self) -> None:
        self.model.answer = self.answer

    def _make_room(self) -> None:
        (self.disk / "filler").unlink()

    def _bounce(self) -> None:
        """The server of a user sends the last reply back."""
        for text in reversed(self.process.sent()):
            reply = HeaderParser().parsestr(text)
            if reply["Message-ID"] not in self.bounced:
                break
        else:
            return
        self.bounced.add(reply["Message-ID"])
        report = EmailMessage()
        report["From"], report["To"], report["Subject"] = (
            "MAILER-DAEMON@x.example",
            DESK,
            "Undelivered",
        )
        report["Message-ID"] = f"<bounce.{len(self.bounced)}@x.example>"
        report["Auto-Submitted"] = "auto-replied"
        names = ("Message-ID", MARK_HEADER)
        returned = "\n".join(f"{name}: {reply[name]}" for name in names)
        report.set_content(f"550 no such user\n\n{returned}\n")
        self.waiting.append(report)


@pytest.fixture
def soak(forks: Fork, side: SlackSide, postgres: str, tmp_path: Path) -> Iterator[Soak]:
    def script(body: dict[str, Any]) -> Any:
        text = asked(body)
        found = entry(text) if KNOWN in text else entry(text, "not_in_post", (), states=False)
        return {"questions": [found]}

    with ExitStack() as stack:
        url = stack.enter_context(database(postgres, f"soak_{secrets.token_hex(4)}"))
        model = stack.enter_context(model_server(script))
        disk = stack.enter_context(small_disk(tmp_path / "disk", "256m"))
        process = Process(
            forks, side, home_of(disk / "home"), "socket", url=url,
            model=model.url, own_index=True, most=ENDLESS,
            longest_retry=LONGEST_RETRY_SECONDS,
        )  # fmt: skip
        stack.callback(process.stop)
        yield Soak(process, postgres, model, disk, url)


def test_a_day_of_mail_with_a_fault_in_every_minute_loses_nothing_and_repeats_nothing(
    soak: Soak, pytestconfig: pytest.Config
) -> None:
    for number in range(int(pytestconfig.getoption("--soak"))):
        soak.minute(number)
    wait_until(soak.is_settled, soak.describe)
    taken, replies = soak.taken(), soak.replies()
    wanted = {each for each, kind in soak.written.items() if kind in REPLIED}
    told = {
        "mails": len(soak.written), "replies": sum(replies.values()), "bounces": len(soak.bounced),
        "kills": soak.kills, "refused for now": dict(soak.refusals),
        "cases": len(soak.journal.cases.list_open()), **soak.describe(),
    }  # fmt: skip
    log.info("%s", told)
    assert set(taken.values()) == {1}, told
    assert set(taken) == set(soak.written), told
    assert set(replies) == wanted, told
    assert set(replies.values()) == {1}, told
    cards = Counter(row.escalation_id for row in soak.rows(slack_card.c.escalation_id))
    assert set(cards.values()) <= {1}, told
    soak.journal.close()
