"""Loops in simulated time: whoever answers the desk by machine, it ends within the caps."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import Message as Mail
from pathlib import Path

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.compose import Composer
from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.rules import MailRuleContext
from bot.corpus.limits import Scope, read_limits
from bot.desk import Desk
from bot.domain import Answer, AnswerReason, Message, Priority, Response
from bot.journal import Journal
from tests.conftest import KNOWLEDGE
from tests.support.fakes import ListOut, Time
from tests.support.in_process_parser import InProcessParser

# It repeats what shorter tests cover; tracing it would double its time.
pytestmark = pytest.mark.no_cover
LIMITS = read_limits(KNOWLEDGE)
CAP = {cap.scope: cap.most for cap in LIMITS.caps}
MARKS = ("Auto-Submitted", "X-Auto-Response-Suppress", "Return-Path")
Answering = Callable[[Mail], bytes | None]


class Ready(Responder):
    """Answers everything, at once: the worst that a desk in a loop can do."""

    @override
    def respond(self, message: Message, show: object = None) -> Response:
        passages = self.knowledge.post.passages[:1]
        answer = Answer(
            question=message.text[:50], reason=AnswerReason.PUBLISHED, probability=1.0,
            passages=passages, candidates=passages,
        )  # fmt: skip
        return Response(outcomes=(answer,), language="en", knowledge=self.knowledge.version)


class Simulated:
    """A desk whose mails go into a list, and whose clock is moved by hand."""

    def __init__(self, app: App, path: Path, clock: Time, address: str) -> None:
        self.out = ListOut()
        self.clock = clock
        journal = Journal(f"sqlite:///{path}", limits=LIMITS, clock=clock)
        sql.event.listen(journal.engine, "connect", _careless)
        journal.engine.dispose()
        self.desk = Desk(
            knowledge=app.knowledge, journal=journal, outbound=app.outbound, out=self.out,
            responder=Ready(knowledge=app.knowledge, retriever=app.responder.finder.retriever, judge=app.responder.judge),
            compose=Composer(address).reply,
        )  # fmt: skip
        self.policy = MailRuleContext(
            own=frozenset({address}), is_sent=journal.mail_outbox.contains
        )

    def take(self, raw: bytes) -> list[Mail]:
        """One mail comes in; what goes out."""
        before = len(self.out.sent)
        found = build_received_message(judge_mail(raw, InProcessParser(), self.policy), "ref")
        message_id = self.desk.store_message(found)
        if message_id and not found.final:
            self.desk.decide_message(message_id)
            self.desk.deliver()
        return [message_from_bytes(mail) for _, mail in self.out.sent[before:]]


def _careless(connection: object, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def desk(app: App, tmp_path: Path, clock: Time) -> Simulated:
    return Simulated(app, tmp_path / "a.sqlite3", clock, "incident@desk.example")


def question(n: int = 0, *, sender: str = "", text: str = "Were API keys exposed?") -> bytes:
    address = sender or f"person{n}@x{n % 40}.example"
    return (
        f"Return-Path: <{address}>\r\nFrom: {address}\r\nTo: incident@desk.example\r\n"
        f"Message-ID: <q{n}.{address}>\r\nSubject: question\r\n\r\n{text} {n}\r\n"
    ).encode()


def bare(mail: Mail, sender: str) -> bytes:
    """The same mail as if from a relay that takes every mark of a machine off."""
    for mark in MARKS:
        del mail[mark]
    return f"Return-Path: <{sender}>\r\n".encode() + mail.as_bytes()


def loop(desk: Simulated, first: bytes, answering: Answering, *, days: int = 3) -> int:
    """Let them write to each other, a mail a minute; how many mails the desk sent."""
    waiting = deque([first])
    for _ in range(days * 24 * 60):
        if not waiting:
            break
        for mail in desk.take(waiting.popleft()):
            back = answering(mail)
            if back:
                waiting.append(back)
        desk.clock.forward(60)
    assert not waiting
    return len(desk.out.sent)


def test_two_desks_that_face_each_other_stop_at_once(
    app: App, desk: Simulated, tmp_path: Path, clock: Time
) -> None:
    other = Simulated(app, tmp_path / "b.sqlite3", clock, "help@other.example")

    def answering(mail: Mail) -> bytes | None:
        found = other.take(b"Return-Path: <>\r\n" + mail.as_bytes())
        return found[0].as_bytes() if found else None

    assert loop(desk, question(sender="help@other.example"), answering) == 1
    assert other.out.sent == []


def test_two_desks_whose_marks_are_taken_off_stop_at_the_cap_of_a_thread(
    app: App, desk: Simulated, tmp_path: Path, clock: Time
) -> None:
    other = Simulated(app, tmp_path / "b.sqlite3", clock, "help@other.example")

    def answering(mail: Mail) -> bytes | None:
        found = other.take(bare(mail, "incident@desk.example"))
        return bare(found[0], "help@other.example") if found else None

    sent = loop(desk, question(sender="help@other.example"), answering)
    assert 1 <= sent <= CAP[Scope.THREAD]
    assert len(other.out.sent) <= CAP[Scope.THREAD]
    assert len(desk.desk.journal.cases.list_open()) + len(other.desk.journal.cases.list_open()) == 1


@pytest.mark.parametrize("threads", [True, False])
def test_a_vacation_responder_with_changing_addresses(desk: Simulated, *, threads: bool) -> None:
    count = 0

    def answering(mail: Mail) -> bytes | None:
        nonlocal count
        count += 1
        sender = f"away{count}@vacation.example"
        refers = f"References: {mail['References']}\r\n" if threads else ""
        return (
            f"Return-Path: <{sender}>\r\nFrom: {sender}\r\nTo: incident@desk.example\r\n{refers}"
            f"Message-ID: <v{count}@vacation.example>\r\nSubject: your message\r\n\r\nI read mail again on Monday.\r\n"
        ).encode()

    first = question(sender="away@vacation.example")
    desk.desk.journal.limits = replace(
        LIMITS,
        caps=tuple(
            replace(c, most=c.most // 10 or 1) if c.scope is Scope.DOMAIN else c
            for c in LIMITS.caps
        ),
    )  # a tenth of the hours, the same end
    sent = loop(desk, first, answering, days=1)
    assert 1 < sent <= (CAP[Scope.THREAD] if threads else CAP[Scope.DOMAIN])
    assert len(desk.desk.journal.cases.list_open()) == 1


def test_one_responder_that_says_the_same_for_ever(desk: Simulated) -> None:
    def answering(_mail: Mail) -> bytes | None:
        answering.n += 1  # type: ignore[attr-defined]
        return question(answering.n, sender="eve@x.example").replace(b"? %d" % answering.n, b"?")  # type: ignore[attr-defined]

    answering.n = 0  # type: ignore[attr-defined]
    assert loop(desk, question(sender="eve@x.example"), answering, days=1) <= CAP[Scope.SENDER]


ODDITIES: tuple[Callable[[str], str], ...] = (
    lambda ids: ids,
    lambda ids: ids.replace(" ", "\r\n "),
    lambda ids: ids.replace("> <", ">, <"),
    lambda ids: ids.replace("<", "").replace(">", ""),
    lambda ids: ids.replace("<", "< ").replace(">", " >"),
    lambda ids: ids.upper() if ids.count("@") == 1 else ids,
)


class Robot:
    """Answers each mail of the desk, and goes on when no answer comes.

    Its senders, subjects, texts and ids change; the order and the form of its headers too. Each of
    its mails names one that went before: one of the desk's, or the first of all, or its own last.
    """

    def __init__(self, seed: int) -> None:
        self.drawn = random.Random(seed)
        self.n = 0
        self.first = self.last = "<first@robot.example>"
        self.received: list[str] = []

    def hears(self, mails: list[Mail]) -> None:
        self.received += [mail["Message-ID"] for mail in mails]

    def mail(self) -> bytes:
        self.n += 1
        drawn, n = self.drawn, self.n
        sender = drawn.choice([f"r{n}@robot{n % 700}.example", f"r{n % 3}@robot.example"])
        own = self.last if n == 1 else f"<m{n}@{drawn.choice(['a', 'b'])}.example>"
        headers = [
            f"From: {sender}", "To: incident@desk.example", f"Subject: {drawn.choice(['Re', 'AW', '回复'])}: {n}",
            *([f"Message-ID: {own}"] if n == 1 or drawn.random() < 0.8 else []),
            *self.naming(),
        ]  # fmt: skip
        drawn.shuffle(headers)
        if any(line.startswith("Message-ID") for line in headers):
            self.last = own
        head = "\r\n".join([f"Return-Path: <{sender}>", *headers])
        return f"{head}\r\n\r\nWas anything of mine exposed, number {n}?\r\n".encode()

    def naming(self) -> list[str]:
        if self.n == 1:
            return []
        drawn = self.drawn
        known = [*self.received[-3:], *self.received[:1], self.first]
        names = drawn.sample(known, k=min(len(known), drawn.randint(1, 3)))
        if drawn.random() < 0.3:
            names = [self.last]
        if drawn.random() < 0.5:  # what nobody has seen, beside a known one
            names.insert(drawn.randrange(1, len(names) + 1), f"<x{self.n}@nowhere.example>")
        lines = [f"In-Reply-To: {drawn.choice(ODDITIES)(names[0])}"]
        several = f"References: {drawn.choice(ODDITIES)(' '.join(names))}"
        return drawn.choice([lines, [several], [*lines, several]])


def test_a_robot_whose_headers_change_at_will_ends_within_the_cap_of_its_thread(
    desk: Simulated, request: pytest.FixtureRequest
) -> None:
    mails = int(request.config.getoption("--mails"))
    robot = Robot(14)
    for _ in range(mails):
        robot.hears(desk.take(robot.mail()))
        desk.clock.forward(600)  # 10,000 mails take less than the year that the cap looks back
    journal = desk.desk.journal
    assert journal.count_rows()["message"] == mails
    assert 1 < len(desk.out.sent) <= CAP[Scope.THREAD]
    (case,) = journal.cases.list_open()
    assert case.later >= mails - 2 * CAP[Scope.THREAD], "staff find all of it in one case"
    assert journal.count_recent("cap:all", 600 * mails) == 0, "nobody was paged"


def test_a_robot_that_names_nothing_ends_at_the_cap_of_its_domain(desk: Simulated) -> None:
    hour = next(cap for cap in LIMITS.caps if cap.scope is Scope.DOMAIN)
    caps = tuple(replace(c, most=30) if c.scope is Scope.DOMAIN else c for c in LIMITS.caps)
    desk.desk.journal.limits = replace(LIMITS, caps=caps)
    for n in range(200):
        desk.take(question(n, sender=f"r{n}@robot.example"))
        desk.clock.forward(hour.seconds / 400)
    assert len(desk.out.sent) == 30


def test_a_storm_of_bounces_gets_no_answer(desk: Simulated) -> None:
    for n in range(300):
        raw = question(n, sender="mailer-daemon@x.example").replace(
            b"Return-Path: <mailer-daemon@x.example>", b"Return-Path: <>"
        )
        assert desk.take(raw) == []
    assert desk.desk.journal.cases.list_open() == []
    assert desk.desk.journal.count_rows()["message"] == 300


def test_a_flood_ends_at_the_cap_and_pages_once(
    desk: Simulated, request: pytest.FixtureRequest
) -> None:
    mails = int(request.config.getoption("--mails"))
    caps = tuple(
        replace(c, most=max(1, c.most * mails // 10_000))
        if c.scope in {Scope.ALL, Scope.DOMAIN}
        else c
        for c in LIMITS.caps
    )
    desk.desk.journal.limits = replace(LIMITS, caps=caps)
    for n in range(mails):
        desk.take(question(n))
        desk.clock.forward(3600 / mails)
    journal = desk.desk.journal
    most = next(cap.most for cap in caps if cap.scope is Scope.ALL)
    assert len(desk.out.sent) == most
    queue = journal.cases.list_open()
    assert len(queue) == mails - most
    assert [case.priority for case in queue].count(Priority.PAGE) == 1
    assert journal.count_rows()["message"] == mails
