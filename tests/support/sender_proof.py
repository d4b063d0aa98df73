"""Mails whose sender the receiving server proved, or did not, to one desk and its first mail."""

from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.marks import make_message_id
from bot.channels.mail.rules import MailRuleContext
from bot.journal import CaseChange, Journal, ReceivedMessage, Reply, Stage
from tests.support.in_process_parser import InProcessParser
from tests.support.journal_records import waiting

KEY, US, DESK = b"k" * 32, "mx.desk.example", "incident@desk.example"
OWN = make_message_id(KEY, "first", "desk.example")
FIRST, ANA = "<q1@example.org>", "ana@example.org"
BORDER = f"Received: from a.example (a.example [192.0.2.7]) by {US} with ESMTP; Mon"
PASSED = f"Authentication-Results: {US}; dmarc=pass header.from=example.org"
FAILED = f"Authentication-Results: {US}; dmarc=fail header.from=example.org"
NOTHING = f"Authentication-Results: {US}; spf=none"
POLICY = MailRuleContext(
    own=frozenset({DESK}), authserv_id=US, is_sent=lambda header: header == OWN, key=KEY
)


def mail(
    results: str, *headers: str, text: str = "Were keys exposed?", policy: MailRuleContext = POLICY
) -> ReceivedMessage:
    """A mail in Ana's name under these results of our server, as the intake reads it."""
    head = [results, BORDER, f"From: {ANA}", f"To: {DESK}", *headers, "", text, ""]
    return build_received_message(
        judge_mail("\r\n".join(head).encode(), InProcessParser(), policy), "ref"
    )


def take(journal: Journal, taken: ReceivedMessage) -> int:
    """Store a mail that is new; its id."""
    message_id = journal.receive(taken)
    assert message_id
    return message_id


def claimed_case(journal: Journal) -> int:
    """The case of an honest sender, which a person has; its message."""
    first = take(journal, mail(PASSED, f"Message-ID: {FIRST}"))
    reply = Reply(recipient=ANA, message_id=OWN, body=b"Subject: x\r\n\r\nx")
    journal.decide(first, waiting(), draft="", reply=reply)
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner="eve")
    assert journal.cases.change(1, actor="eve", change=change, owner="")
    return first
