"""Measures mails a second through the SMTP port of a running desk, and what growth costs.

Machines differ and are shared; the ratios of one run say more than its times.
"""

import smtplib
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

from bot.app import App
from bot.channels.mail.local import LOOPBACK
from bot.corpus.limits import Limits, read_limits
from bot.desk import Desk
from bot.journal import ReceivedMessage
from bot.ports import MailOut
from bot.serve.service import Service
from evals.measuring.stats import quantile

SMALL, LARGE = 1_000, 200_000
WARM = 10
SECONDS = 300.0
MESSAGE = """INSERT INTO message (conversation_id, seq, key, raw_ref, verdict, rule, sender,
headers, text, redactions, state, received_at)
VALUES (?, 1, ?, 'r', 'answer', 'R18', ?, '{}', ?, '[]',
'decided', '2026-01-01T00:00:00.000+00:00')"""
SEND = """INSERT INTO outbox (dedupe_key, recipient, message_id_header, body, automatic, state,
attempts, changed_at, message_id, conversation_id, next_attempt_at)
VALUES (?, 'a@x.example', ?, x'00', 1, 'sent', 1, '', ?, ?, '')"""
OUTCOME = """INSERT INTO outcome (message_id, place, kind, reason, probability, question, passages,
knowledge) VALUES (?, 0, 'answer', 'published', 0.9, ?, '[]', 'k')"""
NOTE = "INSERT INTO audit (at, actor, event, message_id) VALUES ('2026', 'desk', 'decided', ?)"


def bench_mail(app: App, texts: Sequence[str], *, mails: int, stored: int = LARGE) -> None:
    """Print throughput, latency at a steady rate, and the ratio of a large journal to a small."""
    with tempfile.TemporaryDirectory() as folder:
        rate = throughput(twin(app, Path(folder) / "burst"), texts, mails=mails)
        print(f"{mails} mails at once: {rate:.1f} mails a second from SMTP to the reply")
        times = steady(twin(app, Path(folder) / "steady"), texts, mails=mails // 3, each=0.2)
        p50, p95 = (quantile(times, q) for q in (0.5, 0.95))
        print(f"5 mails a second: reply after p50 {p50:.2f} s, p95 {p95:.2f} s")
        ratio = growth(app, texts, Path(folder), stored)
        print(f"time per mail with {stored} stored messages: {ratio:.2f} times that with {SMALL}")


def twin(app: App, home: Path) -> App:
    """The same knowledge and model on an empty mailbox, with caps out of the way."""
    home.mkdir()
    settings = app.settings.model_copy(
        update={"home": home, "database_url": "", "smtp_port": free_port(), "http_port": 0}
    )
    made = App(settings, knowledge=app.knowledge, responder=app.responder)
    made.limits = uncapped(read_limits(settings.knowledge))
    return made


def throughput(app: App, texts: Sequence[str], *, mails: int) -> float:
    """Mails a second, first accepted to last reply, the queue being full."""
    service, seen = running(app)
    worker = threading.Thread(target=service.run, kwargs={"until": lambda: len(seen) >= mails})
    try:
        warm(service, app, seen, texts)
        began = time.monotonic()
        worker.start()
        for n in range(mails):
            submit(app, texts[n % len(texts)], n)
        worker.join(SECONDS)
        return mails / (max(seen.values()) - began)
    finally:
        service.close()


def steady(app: App, texts: Sequence[str], *, mails: int, each: float) -> list[float]:
    """Seconds from accepting a mail to its reply, one mail every `each` seconds."""
    service, seen = running(app)
    worker = threading.Thread(target=service.run, kwargs={"until": lambda: len(seen) >= mails})
    accepted: dict[str, float] = {}
    try:
        warm(service, app, seen, texts)
        worker.start()
        for n in range(mails):
            began = time.monotonic()
            submit(app, texts[n % len(texts)], n)
            accepted[sender_address(n)] = time.monotonic()
            time.sleep(max(0.0, each - (time.monotonic() - began)))
        worker.join(SECONDS)
        return [seen[sender] - at for sender, at in accepted.items()]
    finally:
        service.close()


def growth(app: App, texts: Sequence[str], folder: Path, stored: int) -> float:
    """Ratio of the median times of one mail; turn by turn, so that noise falls on both."""
    desks = []
    for rows in (SMALL, stored):
        home = folder / f"with{rows}"
        made = twin(app, home)
        desks.append(made.desk)  # which makes the tables
        filled(made, rows)
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(WARM + 60):
        for which in (0, 1) if n % 2 else (1, 0):
            # a mark that changes nothing keeps either from using the other's vector
            text = texts[n % len(texts)] + " " * which
            began = time.perf_counter()
            handle(desks[which], text, n)
            times[which].append(time.perf_counter() - began)
    for desk in desks:
        desk.journal.close()
    return quantile(times[1][WARM:], 0.5) / quantile(times[0][WARM:], 0.5)


def filled(app: App, rows: int) -> None:
    """A journal as it looks after `rows` answered messages."""
    ids = range(1, rows + 1)
    db = sqlite3.connect(app.settings.home / "desk.sqlite3")
    with db:
        insert = "INSERT INTO conversation (channel, thread_key) VALUES ('email', ?)"
        db.executemany(insert, ((f"old:{n}",) for n in ids))
        text = "Was I affected by this, and what should I do now? " * 6
        db.executemany(MESSAGE, ((n, f"old:{n}", f"{n}@x.example", text) for n in ids))
        db.executemany(SEND, ((f"old:{n}", f"<old.{n}@x>", n, n) for n in ids))
        db.executemany(OUTCOME, ((n, text) for n in ids))
        db.executemany(NOTE, ((n,) for n in ids))
    db.close()


def handle(desk: Desk, text: str, n: int) -> None:
    """One message through the desk: stored, decided, handed over."""
    message_id = desk.store_message(
        ReceivedMessage(
            channel="email", thread_key=f"new:{n}", key=f"new:{n}", raw_ref="r", verdict="answer",
            rule="R18", sender=f"new{n}@{n}.example", text=text,
            headers={"message_id": f"<new.{n}@x.example>", "references": ""},
        )
    )  # fmt: skip
    desk.decide_message(message_id or 0)
    desk.deliver()


class RecordingMailOut:
    """A way out that notes when each reply was handed over, by the mail that it answers."""

    def __init__(self, out: MailOut) -> None:
        self.out = out
        self.seen: dict[str, float] = {}

    def send(self, mail: bytes, *, recipient: str) -> None:
        """Hand it over, then note it."""
        self.out.send(mail, recipient=recipient)
        self.seen[recipient] = time.monotonic()


def running(app: App) -> tuple[Service, dict[str, float]]:
    """A started service, and when the reply to each mail was handed over."""
    noted = RecordingMailOut(app.desk.delivery.out)
    app.desk.delivery.out = noted
    service = Service(app, lambda _handled: None)
    service.start()
    return service, noted.seen


def warm(service: Service, app: App, seen: dict[str, float], texts: Sequence[str]) -> None:
    """The first mails start the parser's process and fill the caches."""
    for n in range(3):
        submit(app, texts[n], -1 - n)
    service.run(until=lambda: len(seen) >= 3)
    seen.clear()


def submit(app: App, text: str, n: int) -> None:
    """Hand one mail to the SMTP port, from a sender of its own."""
    mail = EmailMessage()
    mail["From"] = sender_address(n)
    mail["To"] = app.settings.address
    mail["Subject"] = f"question {n}"
    mail["Message-ID"] = f"<{n}.{time.monotonic_ns()}@x.example>"
    mail.set_content(text)
    with smtplib.SMTP(LOOPBACK, app.settings.smtp_port, timeout=30) as server:
        server.send_message(mail)


def sender_address(n: int) -> str:
    """The address of the nth sender."""
    return f"person{n}@{n % 50}.example"


def uncapped(limits: Limits) -> Limits:
    """The same limits with caps that nothing reaches, so that they are still looked up."""
    return replace(limits, caps=tuple(replace(cap, most=10**9) for cap in limits.caps))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
