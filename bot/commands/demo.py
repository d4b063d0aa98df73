"""Implements `serve`, `demo` and `send`: runs the desk, sends it sample mails or one mail."""

import secrets
import signal
import smtplib
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from functools import partial

from bot.app import App
from bot.commands.public_json import name_decision, response_lines
from bot.domain import describe_rule
from bot.errors import InputError, MissingError
from bot.files import private_opener
from bot.infra.logs import start_logging
from bot.infra.supervision import OutageLog
from bot.resources import read_yaml
from bot.serve.service import HandledMail, Service
from bot.settings import MailKind, Settings
from bot.text.printable import printable, printable_line

LINK_FILE = "web-link"  # in the home
DATABASE_SECONDS = 5.0  # between two attempts to open a database that is away when `serve` starts


def serve_until_stopped(app: App) -> int:
    """Take mail and answer it until SIGINT or SIGTERM, and return the exit code."""
    start_logging(app.settings.log)
    _check_settings(app)
    _wait_for_database(app)
    _run(app, _keep_link, lambda _handled: None)
    return 0


def run_demo(app: App, *, once: bool) -> int:
    """Send the sample mails and show each as a row, then keep serving unless `once`.

    Returns the exit code: 1 when not every sample was handled.
    """
    samples = _samples()
    handled_mails: list[HandledMail] = []

    run = secrets.token_hex(3)  # new senders for each run, so that caps do not count earlier runs

    def send_samples(service: Service) -> None:
        for number, sample in enumerate(samples, 1):
            _send_sample(app.settings, sample, run)
            service.run(until=partial(_reached, handled_mails, number))
        _say(
            f"\n{len(handled_mails)} of {len(samples)} sample mails handled; "
            f"replies are in {app.settings.home}/mail/sent/new"
        )
        _say('try next:  incident-desk send "Were my API keys exposed?"     incident-desk queue')
        if once:
            service.stop()
        elif service.web_link:
            _say(f"in your browser:  {service.web_link}")

    start_logging("ERROR")
    _check_settings(app)
    _run(app, send_samples, lambda handled: _show(handled, handled_mails))
    return 0 if len(handled_mails) >= len(samples) else 1


def send_mail(settings: Settings, text: str, *, sender: str = "you@example.org") -> None:
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
        _say(f"warning: {app.mail.sender_check.says}")
    _say(f"knowledge {app.knowledge.version}, reading the index …")
    app.responder  # noqa: B018 - builds model and index before the port opens
    service = Service(app, show)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: service.stop())
    try:
        service.start()
        _say(f"{_describe_mailbox(app.settings)}; Ctrl-C ends")
        before(service)
        service.run()
    finally:
        service.close()


def _check_settings(app: App) -> None:
    """Raise SettingsError for a wrong setting, before the models and the index take their time."""
    app.settings.check()
    app.mail.check()


def _describe_mailbox(settings: Settings) -> str:
    """Return where the desk takes mail from, for the terminal."""
    if settings.mail is MailKind.IMAP:
        return f"reading the mailbox {settings.imap_user} on {settings.imap_host}"
    return f"taking mail on 127.0.0.1:{settings.smtp_port}"


def _wait_for_database(app: App) -> None:
    """Return once the journal is open; a database that is away, or a full disk, is waited for."""
    outages = OutageLog()
    while True:
        try:
            app.journal  # noqa: B018 - opens it
        except (MissingError, OSError) as error:
            if not outages.list_faults():
                _say(f"{error}; trying again every {DATABASE_SECONDS:.0f} seconds")
            outages.record_failure("opening the database", error, expected=True)
            time.sleep(DATABASE_SECONDS)
        else:
            outages.record_success("opening the database")
            return


def _keep_link(service: Service) -> None:
    """Write the link to the desk in a browser to a file that only this account can read.

    It is not printed, because a service's output ends in a log and the link gives access.
    """
    if not service.web_link:
        return
    path = service.app.settings.home / LINK_FILE
    with open(path, "w", encoding="utf-8", opener=private_opener) as file:
        file.write(f"{service.web_link}\n")
    _say(f"the desk in a browser: its link is in {path}")


def _reached(handled_mails: list[HandledMail], number: int) -> bool:
    return len(handled_mails) >= number


def _show(handled: HandledMail, handled_mails: list[HandledMail]) -> None:
    handled_mails.append(handled)
    _say("")
    said = (
        name_decision(handled.response)
        if handled.response and handled.verdict == "answer"
        else handled.verdict
    )
    _say(printable_line(f"[{said}] {handled.subject}  ({describe_rule(handled.rule)})"))
    if handled.response:
        _say("\n".join(f"    {printable_line(row)}" for row in response_lines(handled.response)))


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
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        said = said if isinstance(said, str) else said.decode("utf-8", "replace")
        raise MissingError(
            f"the desk does not take it now ({error.smtp_code} {said}); `incident-desk doctor` "
            "says why"
        ) from None
    except OSError:
        raise MissingError(
            f"no desk takes mail on 127.0.0.1:{settings.smtp_port}; "
            "start one with `incident-desk serve`"
        ) from None


def _fake_key() -> str:
    """Return a fake API key, built here so that no secret scanner finds one in a file."""
    return "sk-" + "proj-" + "".join(chr(97 + (7 * i) % 26) + str(i % 10) for i in range(24))


def _say(line: str) -> None:
    print(printable(line), file=sys.stdout, flush=True)
