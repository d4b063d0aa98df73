"""Forty forged mails that name a thread or report a bounce; half of them kept apart.

None of them joins the history or the case of the person whose name it carries, and none marks a
mail of ours as bounced or received.
"""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.channels.mail.marks import MARK_HEADER, make_mark, make_message_id
from bot.channels.mail.parse import parse
from bot.channels.mail.rule_input import reported_ids
from bot.channels.mail.rules import MailVerdict, apply_rules
from bot.corpus.limits import shipped_limits
from bot.journal import Journal
from bot.journal.transcript import read_transcript
from tests.support.halves import APART, SEEN, halves
from tests.support.sender_proof import (
    ANA,
    BORDER,
    DESK,
    FAILED,
    FIRST,
    KEY,
    NOTHING,
    OWN,
    PASSED,
    POLICY,
    US,
    claimed_case,
    mail,
)

OTHER = make_message_id(KEY, "other", "desk.example")
MARK, WRONG_MARK = make_mark(KEY, OWN), make_mark(KEY, OTHER)
BARE = OWN.strip("<>")
FORGED = "Ignore me, I am somebody else."

# Result of our server, further headers, and what stands below the text.
JOINS: list[tuple[str, tuple[str, ...], str]] = [
    (FAILED, (f"In-Reply-To: {OWN}",), ""),
    (NOTHING, (f"References: {FIRST}\r\n {OWN}",), ""),
    (FAILED, (f"In-Reply-To: {OWN.upper()}",), ""),
    (NOTHING, (f"In-Reply-To: Your mail of Monday {OWN}",), ""),
    (FAILED, (f"References: {BARE}",), ""),
    (NOTHING, (f"In-Reply-To: {FIRST}", f"In-Reply-To: {OWN}"), ""),
    (FAILED, (f"References: {' '.join(f'<{n}@x>' for n in range(60))} {OWN}",), ""),
    (NOTHING, (f"Message-ID: {FIRST}",), ""),
    (FAILED, (f"Message-ID: {OWN}",), ""),
    (NOTHING, ("Subject: Re: [case 1] question", "Thread-Topic: question"), ""),
    (FAILED, (f"X-Incident-Desk: {WRONG_MARK}", f"References: {OWN}"), ""),
    (NOTHING, (f"Original-Message-ID: {FIRST}", f"Resent-Message-ID: {OWN}"), ""),
    (FAILED, (f"Reply-To: {ANA}", f"In-Reply-To: {FIRST}"), ""),
    (NOTHING, (), f"\r\n> Message-ID: {OWN}\r\n> In-Reply-To: {FIRST}"),
    (f"{FAILED}\r\n{PASSED}", (f"In-Reply-To: {OWN}",), ""),
    (NOTHING, (BORDER, PASSED, f"In-Reply-To: {OWN}"), ""),
    (FAILED, (f"References: =?utf-8?q?{OWN}?=",), ""),
    ("X-Nothing: x", (f"In-Reply-To: {OWN} {FIRST}", "Auto-Submitted: auto-replied"), ""),
    ("X-Nothing: x", (f"References: {FIRST}", "Return-Path: <>"), ""),
    (NOTHING, (f"In-Reply-To: ({OWN}) {FIRST}", "Precedence: list"), ""),
]
NO_USER = "550 5.1.1 User unknown"
RETURNED = f"Message-ID: {OWN}\r\n{MARK_HEADER}: "
REPORT = "Content-Type: multipart/report; report-type=delivery-status; boundary=b"
# Headers, and the body.
REPORTS: list[tuple[tuple[str, ...], str]] = [
    (("Return-Path: <>",), f"{NO_USER}\r\n{OWN}"),
    (("X-Failed-Recipients: ana@example.org",), f"{NO_USER}\r\n{RETURNED}{WRONG_MARK}"),
    ((REPORT,), f"--b\r\n\r\n{NO_USER}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{RETURNED}{'0' * 32}\r\n\r\nx\r\n--b--"),
    ((REPORT,), f"--b\r\n\r\n{NO_USER}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{RETURNED}{MARK[:31]}\r\n--b--"),
    ((REPORT,), f"--b\r\nContent-Type: message/delivery-status\r\n\r\nOriginal-Envelope-Id: {OWN}\r\nAction: failed\r\n--b--"),
    (("Return-Path: <>",), f"{NO_USER}\r\n{RETURNED}{MARK}0"),
    (("Return-Path: <>",), f"{NO_USER}\r\n{RETURNED}{b64encode(MARK.encode()).decode()}"),
    (("Return-Path: <>",), f"{NO_USER}\r\n{OWN}\r\nX-Incident: {MARK}"),
    (("Return-Path: <>",), f"{NO_USER}\r\n{OWN}\r\n{MARK}"),
    ((f"In-Reply-To: {OWN}", "Return-Path: <>", "Subject: Undelivered Mail Returned to Sender"), NO_USER),
    ((f"Subject: failure notice {OWN}", f"{MARK_HEADER}: {WRONG_MARK}"), NO_USER),
    (("Content-Type: multipart/report; report-type=feedback-report; boundary=b",), f"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {OWN}\r\n\r\nx\r\n--b--"),
    (("Content-Type: multipart/report; report-type=disposition-notification; boundary=b",), f"--b\r\nContent-Type: message/disposition-notification\r\n\r\nOriginal-Message-ID: {OWN}\r\nDisposition: automatic-action/MDN-sent-automatically; deleted\r\n--b--"),
    ((f"Received: by {US} with LMTP; Mon", REPORT), f"--b\r\n\r\n{NO_USER}\r\n{OWN}\r\n--b--"),
    (("Received: from localhost (localhost [127.0.0.1]) by x; Mon", "Return-Path: <>"), f"{NO_USER} {OWN}"),
    ((f"Message-ID: {OWN}", f"From: {DESK}", "Auto-Submitted: auto-replied"), "Hello"),
    ((f"Message-ID: {OWN}", f"From: {DESK}", f"{MARK_HEADER}: {WRONG_MARK}"), "Hello"),
    ((f"Message-ID: {OTHER}", f"From: {DESK}", f"{MARK_HEADER}: {WRONG_MARK}", f"References: {OWN}"), "Hello"),
    (("Return-Path: <>",), f"{NO_USER}\r\n{RETURNED}{make_mark(b'', OWN)}"),
    (("Return-Path: <>",), f"{NO_USER}\r\n{RETURNED}{make_mark(b'x' * 32, OWN)}"),
]  # fmt: skip
JOIN_HALVES, REPORT_HALVES = halves(JOINS), halves(REPORTS)
BELIEVED = (MailVerdict.BOUNCE, MailVerdict.RECEIPT)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/a.sqlite3", limits=shipped_limits(), key=KEY)
    yield made
    made.close()


@pytest.mark.parametrize("half", [SEEN, APART])
def test_no_forged_mail_joins_a_history_or_a_case(journal: Journal, half: str) -> None:
    first = claimed_case(journal)
    before = read_transcript(journal.engine, 1)
    for number, (results, headers, below) in enumerate(JOIN_HALVES[half]):
        forged = journal.receive(mail(results, *headers, text=f"{FORGED} {number}{below}"))
        assert forged, (headers, "a mail of its own")
        assert not journal.cases.has_claimed_case(forged), headers
    case = journal.cases.read(1)
    assert case
    assert case.later == 0
    assert journal.slack.list_follow_ups(first) == []
    assert read_transcript(journal.engine, 1) == before
    for named in (OWN, FIRST):
        again = journal.receive(mail(PASSED, f"In-Reply-To: {named}", text=f"And {named}?"))
        assert again
        assert not [text for text in journal.read_history(again) if FORGED in text]
        assert not journal.cases.has_asked_for_person(again)


@pytest.mark.parametrize("half", [SEEN, APART])
def test_no_forged_report_is_believed(half: str) -> None:
    believed = []
    for headers, body in REPORT_HALVES[half]:
        sender = (
            ()
            if any(h.startswith("From:") for h in headers)
            else ("From: MAILER-DAEMON@x.example",)
        )
        lines = [NOTHING, BORDER, *headers, *sender, f"To: {DESK}", "", body, ""]
        parsed = parse("\r\n".join(lines).encode())
        if OWN in reported_ids(parsed, POLICY) or apply_rules(parsed, POLICY).verdict in BELIEVED:
            believed.append((headers, body))
    assert believed == []
