"""A running desk with the pages in a browser, and mails that come in."""

import html
import mailbox
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.policy import SMTP

from bot.app import App
from bot.journal import Case
from bot.outbound import text_of
from bot.settings import Settings
from tests.support.running_desk import app_with, local_mailbox, running
from tests.support.waiting import wait_until
from tests.support.web_client import Page

UNSURE = "Which law firm advises you about the budget of the marketing team?"
# A passage is near, and the desk is not sure that it answers.
DOUBTFUL = "we use your API for the chat of our shop. Can the attackers write to my customers now?"
QUOTED = "Were OpenAI passwords, API keys, or payment information exposed?"
REPLY = "Dear Ana,\n\nwe name no law firm.\n\nKim"
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>',
    "</textarea><script>alert(1)</script>", "{{ 7 * 7 }}", "javascript:alert(1)",
    "<svg/onload=alert(1)>", "&lt;script&gt;",
)  # fmt: skip


@dataclass
class Stand:
    """A running desk on the real model, and the link into it."""

    app: App
    link: str

    def receive(self, text: str, n: int = 1, **changed: str) -> None:
        """Let a mail come in, and wait until it is decided and its reply is delivered."""
        local_mailbox(self.app).new.add(letter(text, n, **changed))
        self.app.mailbox.wake()
        wait_until(lambda: self.app.journal.count_rows()["message"] >= n)
        wait_until(lambda: not self.app.journal.list_undecided())
        wait_until(lambda: set(self.app.journal.mail_outbox.count_by_state()) <= {"sent"})

    def hold(self, seconds: float) -> None:
        """Let each mail of a person wait this long before it leaves."""
        assert self.app.web
        self.app.web.actions = replace(self.app.web.actions, hold_seconds=seconds)

    def case(self, number: int = 1) -> Case:
        found = self.app.journal.cases.read(number)
        assert found
        return found

    def personal_mails(self) -> list[str]:
        """Return the texts of the mails that people sent and that went out."""
        wait_until(lambda: set(self.app.journal.mail_outbox.count_by_state()) <= {"sent"})
        folder = mailbox.Maildir(self.app.settings.home / "mail" / "sent", create=False)
        written = [each for each in folder if not each["Auto-Submitted"]]
        return [text_of(each.as_bytes()).replace("\r\n", "\n").rstrip() for each in written]


@contextmanager
def web_stand(app: App, settings: Settings) -> Iterator[Stand]:
    """Give a desk that runs until the end of the block."""
    with app_with(settings, app.responder) as own, running(own) as (service, _):
        stand = Stand(own, service.web_link)
        stand.hold(0.0)
        yield stand


def letter(text: str, n: int, **changed: str) -> bytes:
    """Return the bytes of the mail number `n`, with some of its headers changed."""
    headers = {"from": f"ana{n}@x.example", "subject": f"question {n}"} | changed
    message = EmailMessage(policy=SMTP)
    message["To"], message["Message-ID"] = "incident@desk.example", f"<{n}@x.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return f"Return-Path: <{headers['from']}>\r\n".encode() + message.as_bytes()


def told(page: Page) -> str:
    """Return what a page says, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text)).split())
