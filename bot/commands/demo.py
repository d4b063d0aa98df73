"""Implements `serve`, `demo` and `send`: the running desk, sample mails and a mail to it."""

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
from bot.domain import describe_rule
from bot.errors import InputError, MissingError
from bot.infra.logs import start_logging
from bot.resources import read_yaml
from bot.serve.service import HandledMail, Service
from bot.settings import MailKind, Settings
from bot.text.printable import printable, printable_line


def serve(app: App) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code."""
    start_logging(app.settings.log)
    _run(app, lambda _service: None, lambda _handled: None)
    return 0


def demo(app: App, *, once: bool) -> int:
    """Send the sample mails and show each as a row, then keep serving unless `once`.

    Returns the exit code: 1 when not every sample was handled.
    """
    samples = _samples()
    seen: list[HandledMail] = []

    run = secrets.token_hex(3)  # new people each time, so that no cap counts earlier runs

    def send_samples(service: Service) -> None:
        for number, sample in enumerate(samples, 1):
            _send_sample(app.settings, sample, run)
            service.run(until=partial(_reached, seen, number))
        _say(
            f"\n{len(seen)} of {len(samples)} sample mails handled; "
            f"replies are in {app.settings.home}/mail/sent/new"
        )
        _say('try next:  incident-desk send "Were my API keys exposed?"     incident-desk queue')
        if once:
            service.stop()

    start_logging("ERROR")
    _run(app, send_samples, lambda handled: _show(handled, seen))
    return 0 if len(seen) >= len(samples) else 1


def send(settings: Settings, text: str, *, sender: str = "you@example.org") -> None:
    """Send one mail to the local intake.

    InputError for an empty text, MissingError when no desk takes mail.
    """
    if not text.strip():
        raise InputError('say what to send: incident-desk send "Were my API keys exposed?"')
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = "Question"
    mail.set_content(text)
    _submit(settings, mail, sender=sender)


def _run(app: App, before: Callable[[Service], None], show: Callable[[HandledMail], None]) -> None:
    if app.settings.mail is MailKind.IMAP and not app.settings.receiver:
        _say(f"warning: {app.sender_check.says}")
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


def _reached(seen: list[HandledMail], number: int) -> bool:
    return len(seen) >= number


def _show(handled: HandledMail, seen: list[HandledMail]) -> None:
    seen.append(handled)
    _say("")
    said = (
        decision(handled.response)
        if handled.response and handled.verdict == "answer"
        else handled.verdict
    )
    _say(printable_line(f"[{said}] {handled.subject}  ({describe_rule(handled.rule)})"))
    if handled.response:
        _say("\n".join(f"    {printable_line(row)}" for row in rows(handled.response)))


def _samples() -> list[dict[str, str]]:
    return list(read_yaml("sample_mails.yaml"))


def _send_sample(settings: Settings, sample: dict[str, str], run: str) -> None:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = sample["subject"]
    if "automatic" in sample:
        mail["Auto-Submitted"] = sample["automatic"]
    body = sample["text"].replace("@key@", _fake_key())
    mail.set_content(body, subtype=sample.get("subtype", "plain"))
    _submit(settings, mail, sender=sample["from"].replace("@", f"@{run}."))


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


def _fake_key() -> str:
    """Return a text in the form of a key, built here so that no scanner finds one in a file."""
    return "sk-" + "proj-" + "".join(chr(97 + (7 * i) % 26) + str(i % 10) for i in range(24))


def _say(line: str) -> None:
    print(printable(line), file=sys.stdout, flush=True)
