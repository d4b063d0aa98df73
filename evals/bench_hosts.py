"""Measures a burst of mails on several hosts, and what happens when one is pulled away.

Each host is a network namespace of its own with `serve` processes in it. They share a PostgreSQL, a
Chroma server, a Dovecot and a Postfix on this machine. A host that is pulled away loses its line
first and is killed then, so that nobody hears of its end. It needs root, and takes the servers
that the tests run.
"""

import email.message
import imaplib
import json
import os
import secrets
import shutil
import smtplib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.errors import MissingError
from bot.journal import Journal
from bot.journal.tables import message
from bot.resources import read_yaml
from bot.settings import Settings
from tests.servers import hosts as machines
from tests.servers import mail_servers, postgres
from tests.servers.hosts import Host

WORKERS = 2  # on each host
LONGEST_SECONDS = 600.0  # for any step besides what the number of mails takes
SECONDS_A_MAIL = 1.0  # that a burst may take at most on a busy machine
TAKEN_OVER = "took over from a silent worker"  # as the log says it
MOST_ANSWERS = 10**9  # of each cap: nothing reaches it, so that every mail is answered


@dataclass(frozen=True, kw_only=True)
class Burst:
    """The figures of one run."""

    hosts: int
    workers: int
    database: str
    mails: int
    lost: int
    doubled: int
    unanswered: int
    unknown: int  # handed over when the line was cut; a person gets them if no copy comes back
    seconds: float
    cpu_seconds: float
    take_over_seconds: float | None

    def describe(self) -> str:
        """Return the figures as one line."""
        parts = (
            ""
            if self.take_over_seconds is None
            else (f", one host pulled away, taken over after {self.take_over_seconds:.1f} s")
        )
        return (
            f"{self.hosts} hosts with {self.workers} workers each on {self.database}: "
            f"{self.mails} mails, lost {self.lost}, doubled {self.doubled}, without a reply "
            f"{self.unanswered} (of unknown fate {self.unknown}), "
            f"{self.mails / self.seconds:.1f} mails a second, "
            f"{self.cpu_seconds / self.mails:.3f} CPU seconds a mail{parts}"
        )


def bench_hosts(settings: Settings, texts: Sequence[str], *, mails: int, out: Path | None) -> None:
    """Print what a burst costs one worker on each database, and two hosts of which one dies."""
    if why := machines.missing() or mail_servers.missing() or postgres.missing():
        raise MissingError(f"there can be no hosts here: {why}")
    os.umask(
        0o022
    )  # the servers run under accounts of their own, which must get into their folders
    figures = []
    for hosts, workers, sqlite in ((1, 1, True), (1, 1, False), (2, WORKERS, False)):
        burst = run_burst(settings, texts, mails=mails, hosts=hosts, workers=workers, sqlite=sqlite)
        figures.append(vars(burst))
        print(burst.describe(), flush=True)
        if out:
            out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def run_burst(
    settings: Settings, texts: Sequence[str], *, mails: int, hosts: int, workers: int, sqlite: bool
) -> Burst:
    """Run one burst; of several hosts, the last is pulled away after a third of the replies."""
    password = secrets.token_hex(8)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hosts-")))
        started = [stack.enter_context(machines.host(n, alone=hosts == 1)) for n in range(hosts)]
        real = stack.enter_context(mail_servers.servers(password))
        outside = [host.address for host in started if host.namespace]
        url = stack.enter_context(postgres.server(outside))
        chroma = stack.enter_context(machines.chroma_server(settings, folder))
        ports = (real.imap, real.smtp, chroma)
        if outside:
            stack.enter_context(machines.forwarding(outside, ports))
        knowledge = shutil.copytree(settings.knowledge, folder / "knowledge")
        (knowledge / "limits.yaml").write_text(_uncapped(), encoding="utf-8")
        for host in started:
            stack.callback(machines.end, host)
            own = "" if sqlite else url.replace("127.0.0.1", host.address)
            where = {
                "DESK_DATABASE_URL": own, "DESK_KNOWLEDGE": str(knowledge),
                "DESK_CHROMA_URL": f"http://{host.address}:{chroma}", **_mail(real, host.address),
            }  # fmt: skip
            for worker in range(workers):
                machines.start(host, settings, folder / f"home{host.number}{worker}", where)
        _wait(lambda: all(_has_started(host) for host in started))
        home = folder / "home00"
        database = f"sqlite:///{home / 'desk.sqlite3'}" if sqlite else url
        return _measure(started, real, database, texts, mails=mails, workers=workers)


def _measure(
    hosts: Sequence[Host], real: mail_servers.Servers, database: str, texts: Sequence[str], *,
    mails: int, workers: int,
) -> Burst:  # fmt: skip
    longest = LONGEST_SECONDS + SECONDS_A_MAIL * mails
    before = sum(host.look() for host in hosts)
    began = time.monotonic()
    sent = _send(real, texts, mails)
    pulled_at = 0.0
    if len(hosts) > 1:
        _wait(lambda: _count_replies(real) >= mails // 3, longest)
        pulled_at = time.time()
        hosts[-1].pull_away()
    journal = Journal(database)
    _wait(lambda: _is_done(journal, mails), longest)
    seconds = time.monotonic() - began
    spent = sum(host.look() for host in hosts) - before
    # Postfix delivers them.
    _wait(lambda: _count_replies(real) >= journal.mail_outbox.count_by_state().get("sent", 0))
    replies = Counter(_answered_ids(real))
    with closing(journal), journal.engine.connect() as db:
        sends = journal.mail_outbox.count_by_state()
        known = {row.message_id_header for row in db.execute(message.select())}
    lives = [log for host in hosts if not host.dead for log in host.logs]
    if len(hosts) > 1:  # a small burst may be done before the dead host is missed
        _wait(lambda: any(TAKEN_OVER in log.read_text(encoding="utf-8") for log in lives))
    return Burst(
        hosts=len(hosts), workers=workers, database=journal.engine.dialect.name, mails=mails,
        lost=len(sent - known), doubled=sum(count - 1 for count in replies.values()),
        unanswered=len(sent - set(replies)), unknown=sends.get("unknown", 0), seconds=seconds,
        cpu_seconds=spent,
        take_over_seconds=_took_over(lives) - pulled_at if len(hosts) > 1 else None,
    )  # fmt: skip


def _mail(real: mail_servers.Servers, address: str) -> dict[str, str]:
    return {
        "DESK_MAIL": "imap", "DESK_ADDRESS": mail_servers.DESK, "DESK_AUTHSERV_ID": "none",
        "DESK_IMAP_HOST": address, "DESK_IMAP_PORT": str(real.imap), "DESK_IMAP_TLS": "false",
        "DESK_IMAP_USER": mail_servers.DESK, "DESK_IMAP_PASSWORD": real.password,
        "DESK_SMTP_HOST": address, "DESK_SMTP_PORT": str(real.smtp), "DESK_SMTP_TLS": "false",
    }  # fmt: skip


def _send(real: mail_servers.Servers, texts: Sequence[str], mails: int) -> set[str]:
    """Hand the mails to Postfix, each from an address of its own; return their Message-IDs."""
    user, _, domain = mail_servers.USER.partition("@")
    ids = set()
    with smtplib.SMTP("127.0.0.1", real.smtp) as server:
        for number in range(mails):
            mail = email.message.EmailMessage()
            mail["From"] = f"{user}+{number}@{domain}"
            mail["To"] = mail_servers.DESK
            mail["Subject"] = f"question {number}"
            mail["Message-ID"] = f"<{number}.{secrets.token_hex(4)}@{domain}>"
            mail.set_content(texts[number % len(texts)])
            server.send_message(mail)
            ids.add(str(mail["Message-ID"]))
    return ids


@contextmanager
def _inbox(real: mail_servers.Servers) -> Iterator[imaplib.IMAP4]:
    with imaplib.IMAP4("127.0.0.1", real.imap) as client:
        client.login(mail_servers.USER, real.password)
        client.select("INBOX", readonly=True)
        yield client


def _count_replies(real: mail_servers.Servers) -> int:
    with _inbox(real) as client:
        return len(client.search(None, "ALL")[1][0].split())


def _answered_ids(real: mail_servers.Servers) -> Iterator[str]:
    """Yield the Message-ID of the mail that each reply in the user's mailbox answers."""
    with _inbox(real) as client:
        found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (IN-REPLY-TO)])")[1]
    for part in found:
        if isinstance(part, tuple):
            yield part[1].decode().partition(":")[2].strip()


def _is_done(journal: Journal, mails: int) -> bool:
    """Whether every mail of the users is decided and no reply waits to be sent."""
    decided = message.select().with_only_columns(message.c.id)
    decided = decided.where(
        message.c.verdict.in_(("answer", "hold")), message.c.state != "received"
    )
    with journal.engine.connect() as db:
        if len(db.execute(decided).all()) < mails:
            return False
    waiting = {"ready", "sending"} & set(journal.mail_outbox.count_by_state())
    return not waiting


def _took_over(logs: Sequence[Path]) -> float:
    """Return when the last silent worker was taken over, in seconds since the epoch."""
    from datetime import datetime

    lines = (line for log in logs for line in log.read_text(encoding="utf-8").splitlines())
    times = [json.loads(line)["at"] for line in lines if TAKEN_OVER in line]
    return max(datetime.fromisoformat(at).timestamp() for at in times)


def _has_started(host: Host) -> bool:
    """Whether every desk of a host has started; MissingError with its last words if one ended."""
    logs = [log.read_text(encoding="utf-8") for log in host.logs]
    for process, log in zip(host.processes, logs, strict=True):
        if process.poll() is not None:
            raise MissingError(f"a desk ended: {log.strip().splitlines()[-1]}")
    return all('"started"' in log for log in logs)


def _uncapped() -> str:
    """Return the shipped limits with caps that are looked up and never reached."""
    limits = read_yaml("limits.yaml")
    limits["caps"] = [{**cap, "most": MOST_ANSWERS} for cap in limits["caps"]]
    return yaml.safe_dump(limits)


def _wait(holds: Callable[[], bool], seconds: float = LONGEST_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise MissingError("the burst did not end in time")
        time.sleep(0.5)
