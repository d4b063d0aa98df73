"""`make run`: the desk on its local mailbox, and eight sample mails through its SMTP port."""

import secrets
import signal
import smtplib
import sys
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from functools import partial

from bot.app import App
from bot.commands.public_json import decision, rows
from bot.errors import InputError, MissingError
from bot.infra.logs import start_logging
from bot.resources import read_yaml
from bot.serve.service import Handled, Service
from bot.settings import Settings
from bot.text.printable import printable


def serve(app: App) -> int:
    """Serve until SIGINT or SIGTERM."""
    start_logging(app.settings.log)
    _run(app, lambda _service: None, lambda _handled: None)
    return 0


def demo(app: App, *, once: bool) -> int:
    """Play the samples, show each as a row, then keep serving unless `once`."""
    samples = _samples()
    seen: list[Handled] = []

    run = secrets.token_hex(3)  # new people each time, so that no cap counts earlier runs

    def play(service: Service) -> None:
        for number, sample in enumerate(samples, 1):
            _play(app.settings, sample, run)
            service.run(until=partial(_reached, seen, number))
        _say(
            f"\n{len(seen)} of {len(samples)} sample mails handled; "
            f"replies are in {app.settings.home}/mail/sent/new"
        )
        _say('try next:  incident-desk send "Were my API keys exposed?"     incident-desk queue')
        if once:
            service.stop()

    start_logging("ERROR")
    _run(app, play, lambda handled: _show(handled, seen))
    return 0 if len(seen) >= len(samples) else 1


def send(settings: Settings, text: str, *, sender: str = "you@example.org") -> None:
    """Hand one mail to the local intake."""
    if not text.strip():
        raise InputError('say what to send: incident-desk send "Were my API keys exposed?"')
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = "Question"
    mail.set_content(text)
    _submit(settings, mail, sender=sender)


def _run(app: App, before: Callable[[Service], None], show: Callable[[Handled], None]) -> None:
    _say(f"knowledge {app.knowledge.version}, reading the index …")
    app.responder  # noqa: B018 - builds model and index before the port opens
    service = Service(app, show)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: service.stop())
    try:
        service.start()
        _say(f"taking mail on 127.0.0.1:{app.settings.smtp_port}; Ctrl-C ends")
        before(service)
        service.run()
    finally:
        service.close()


def _reached(seen: list[Handled], number: int) -> bool:
    return len(seen) >= number


def _show(handled: Handled, seen: list[Handled]) -> None:
    seen.append(handled)
    said = (
        decision(handled.response)
        if handled.response and handled.verdict == "answer"
        else handled.verdict
    )
    _say(f"\n[{said}] {handled.subject}  ({handled.rule})")
    if handled.response:
        _say("\n".join(f"    {row}" for row in rows(handled.response)))


def _samples() -> list[dict[str, str]]:
    return list(read_yaml("sample_mails.yaml"))


def _play(settings: Settings, sample: dict[str, str], run: str) -> None:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = sample["subject"]
    if "automatic" in sample:
        mail["Auto-Submitted"] = sample["automatic"]
    body = sample["text"].replace("@key@", _made_up_key())
    mail.set_content(body, subtype=sample.get("subtype", "plain"))
    _submit(settings, mail, sender=sample["from"].replace("@", f"+{run}@"))


def _submit(settings: Settings, mail: EmailMessage, *, sender: str) -> None:
    mail["From"] = sender
    mail["To"] = settings.address
    mail["Message-ID"] = make_msgid(domain="example.org")
    try:
        with smtplib.SMTP("127.0.0.1", settings.smtp_port, timeout=10) as server:
            server.send_message(mail, from_addr=sender, to_addrs=[settings.address])
    except OSError:
        raise MissingError(
            f"no desk takes mail on 127.0.0.1:{settings.smtp_port}; start one with `make run`"
        ) from None


def _made_up_key() -> str:
    """Key-shaped, and no key: built here so that no scanner finds one in the repository."""
    return "sk-" + "proj-" + "".join(chr(97 + (7 * i) % 26) + str(i % 10) for i in range(24))


def _say(line: str) -> None:
    print(printable(line), file=sys.stdout, flush=True)
