"""Each rule with its own mail, then the whole table on the corpora."""

import json
import random
import re
import string
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.channels.mail.marks import make_mark, make_message_id
from bot.channels.mail.parse import parse
from bot.channels.mail.rules import RULES, MailRuleContext, MailVerdict, apply_rules
from bot.channels.mail.visible_reply import visible_reply

MAILS = Path(__file__).parents[1] / "data" / "mail"
CORPUS = Path(__file__).parents[3] / "shared" / "mail-corpus"
US = "mx.x.example"
KEY = b"the key of this installation"
SENT = make_message_id(KEY, "seed", "x.example")
SECRET = b"sk-" + "".join(random.Random(3).choices(string.ascii_letters, k=24)).encode() + b"7Q4x"
MARK = f"X-Incident-Desk: {make_mark(KEY, SENT)}".encode()
POLICY = MailRuleContext(
    own=frozenset({"Desk@x.example"}),
    authserv_id=US,
    is_sent=lambda message_id: message_id == SENT,
    key=KEY,
)
PASS = b"Authentication-Results: mx.x.example; dmarc=pass header.from=example.org"
DROPPED = (MailVerdict.DROP, MailVerdict.BOUNCE)


def mail(
    *head: bytes,
    body: bytes = b"Were keys exposed?",
    sender: bytes = b"ana@example.org",
    to: bytes = b"desk@x.example",
    proof: bytes = PASS,
) -> bytes:
    return b"\r\n".join([b"From: " + sender, b"To: " + to, proof, *head, b"", body])


def proven(results: str) -> bytes:
    return mail(proof=f"Authentication-Results: {US}; {results}".encode())


def parts(*kinds: bytes) -> bytes:
    body = b"".join(b"--b\r\nContent-Type: " + kind + b"\r\n\r\nwords of it\r\n" for kind in kinds)
    return mail(b"Content-Type: multipart/mixed; boundary=b", body=body)


OWN_MARK = b"X-Auto-Response-Suppress: All"
REPLY_TO = b"Reply-To: Ana <ana@example.org>"
ACK = b"Your request has been received. This is an automatic message."
WRAPPER = b"Spam detection software, running on the system x, has identified this mail."
READS_LIKE = [
    (f"R9 reads like {kind}", mail(subject, body=body), MailVerdict.HOLD)
    for kind, subject, body in (
        ("an acknowledgement", b"Subject: Request received", b"We will get back to you soon."),
        ("an automatic answer", "Subject: [EXT] Réponse automatique : x".encode(), b"Bonjour."),
        ("a note of absence", b"Subject: Re: hello", b"I am away until Monday."),
        ("a mail filter's challenge", b"Subject: x", b"Confirm that you are a real person."),
        ("a read receipt", b"Subject: Read: x", b"Your message was read on Monday."),
        ("a recall", b"Subject: Recall: x", b"Ana would like to recall the message x."),
        ("a reaction", b"Subject: Re: x", b"Ana reacted to your message."),
        ("a calendar's answer", b"Subject: Declined: call", b"Bo has declined this invitation."),
        ("a survey", b"Subject: x", b"Please take a moment to answer our survey."),
        ("a report of a mail server", b"Subject: DMARC report", b"An aggregate report from x."),
        ("an alert", b"Subject: Build failed", b"1 job failed."),
        ("a newsletter", b"Subject: Newsletter", b"View this email in your browser."),
    )
]
CASES: list[tuple[str, bytes, MailVerdict]] = [
    ("R0 not readable", b"X: " + b"a" * 300_000 + b"\r\n\r\nx", MailVerdict.HOLD),
    ("R1 own copy", mail(b"Message-ID: " + SENT.encode(), MARK), MailVerdict.RECEIPT),
    ("R18 otherwise", mail(b"Message-ID: " + SENT.encode()), MailVerdict.ANSWER),
    (
        "R4 report on a mail of ours, not proven",
        mail(b"Return-Path: <>", body=b"User unknown: " + SENT.encode()),
        MailVerdict.HOLD,
    ),
    (
        "R4 bounce",
        mail(b"Return-Path: <>", body=b"User unknown: " + SENT.encode() + b"\r\n" + MARK),
        MailVerdict.BOUNCE,
    ),
    (
        "R2 own mail",
        mail(b"Auto-Submitted: auto-replied", sender=b"DESK@x.example"),
        MailVerdict.DROP,
    ),
    ("R2 own mail", mail(OWN_MARK, b"Sender: Desk <desk+sent@x.example>"), MailVerdict.DROP),
    ("R2 own mail", mail(OWN_MARK, b"Return-Path: <desk@x.example>"), MailVerdict.DROP),
    ("R2 from our own address", mail(sender=b"DESK@x.example"), MailVerdict.HOLD),
    ("R2 from our own address", mail(b"Sender: Desk <desk@x.example>"), MailVerdict.HOLD),
    ("R4 bounce", mail(b"Return-Path: <>", body=b"Your mail is back."), MailVerdict.BOUNCE),
    ("R4 no return path, but somebody asks", mail(b"Return-Path: <>"), MailVerdict.HOLD),
    ("R4 bounce", mail(b"X-Failed-Recipients: a@b.example"), MailVerdict.BOUNCE),
    ("R4 bounce", mail(b"Content-Type: multipart/report; boundary=x"), MailVerdict.BOUNCE),
    (
        "R4 bounce",
        mail(sender=b"MAILER-DAEMON", body=b"User unknown, giving up"),
        MailVerdict.BOUNCE,
    ),
    (
        "R4 bounce",
        mail(b"Subject: Failure notice", sender=b"postmaster@a.example"),
        MailVerdict.BOUNCE,
    ),
    (
        "R4 bounce",
        mail(sender=b"postmaster@a.example", body=b"mailbox is full"),
        MailVerdict.BOUNCE,
    ),
    (
        "R4 bounce",
        mail(
            b"Subject: Complaint about message", b"Content-Type: message/rfc822", sender=b"fbl@a.bc"
        ),
        MailVerdict.BOUNCE,
    ),
    ("R4 attached report", parts(b"text/plain", b"message/delivery-status"), MailVerdict.HOLD),
    ("R5 auto-submitted", mail(b"Auto-Submitted: auto-generated; x=y", body=ACK), MailVerdict.DROP),
    (
        "R5 auto-submitted",
        mail(b"Auto-Submitted: auto-replied", body=b"I am away."),
        MailVerdict.DROP,
    ),
    (
        "R5 marked automatic, may be a person",
        mail(b"Auto-Submitted: no", b"Auto-Submitted: yes", body=b"A key was used on Monday."),
        MailVerdict.HOLD,
    ),
    (
        "R5 marked automatic, may be a person",
        mail(b"Auto-Submitted: auto-replied"),
        MailVerdict.HOLD,
    ),
    ("R6 filter's report around a mail", mail(body=WRAPPER), MailVerdict.HOLD),
    ("R6 contact form", mail(REPLY_TO, sender=b"noreply@shop.example"), MailVerdict.HOLD),
    ("R6 mark of a program", mail(b"X-Loop: desk", body=ACK), MailVerdict.DROP),
    ("R6 mark of a program", mail(b"Delivered-To: Autoresponder", body=ACK), MailVerdict.DROP),
    ("R6 marked automatic, may be a person", mail(b"X-Loop: desk"), MailVerdict.HOLD),
    (
        "R6 report or reaction of a program",
        parts(b"text/vnd.google.email-reaction+json"),
        MailVerdict.DROP,
    ),
    ("R6 bulk or mailing list", mail(b"Precedence: bulk", body=ACK), MailVerdict.DROP),
    (
        "R6 bulk or mailing list",
        mail(b"List-Id: <x>", to=b"list@x.example", body=b"News."),
        MailVerdict.DROP,
    ),
    ("R6 list that we are on", mail(b"Precedence: bulk"), MailVerdict.HOLD),
    ("R6 list that we are on", mail(b"List-Id: <x>", to=b"list@x.example"), MailVerdict.HOLD),
    ("R6 list that we are on", mail(b"List-Id: <news.other.example>"), MailVerdict.HOLD),
    (
        "R6 wants no automatic answer",
        mail(b"X-Auto-Response-Suppress: DR, OOF", body=b"Thanks."),
        MailVerdict.HOLD,
    ),
    ("R6 mass mailer", mail(b"Feedback-ID: 1:campaign:sender"), MailVerdict.HOLD),
    ("R7 no single sender", mail(sender=b"nobody"), MailVerdict.HOLD),
    ("R7 no single sender", mail(sender=b"a@b.example, c@d.example"), MailVerdict.HOLD),
    ("R7 no single sender", mail(sender=b"ana@localhost"), MailVerdict.HOLD),
    ("R7 secret in the address", mail(sender=SECRET + b"@example.org"), MailVerdict.HOLD),
    ("R8 system sender", mail(sender=b"no-reply@example.org", body=ACK), MailVerdict.DROP),
    ("R8 system sender, may be a person", mail(sender=b"no-reply@example.org"), MailVerdict.HOLD),
    (
        "R8 role sender",
        mail(sender=b"list-request@example.org", body=b"Welcome."),
        MailVerdict.HOLD,
    ),
    ("R8 role sender", mail(sender=b"legal@example.org"), MailVerdict.HOLD),
    *READS_LIKE,
    (
        "R8 desk that asks nothing",
        mail(sender=b"info@example.org", body=b"Hello."),
        MailVerdict.HOLD,
    ),
    ("R18 otherwise", mail(sender=b"info@example.org"), MailVerdict.ANSWER),
    ("R9 failure notice", mail(b"Subject: Undeliverable: hello"), MailVerdict.HOLD),
    ("R10 forged sender", proven("dmarc=fail header.from=example.org"), MailVerdict.HOLD),
    (
        "R11 sender not proven",
        mail(proof=b"Authentication-Results: evil.example; dmarc=pass header.from=example.org"),
        MailVerdict.HOLD,
    ),
    ("R11 sender not proven", proven('dmarc=pass header.from=evil"x'), MailVerdict.HOLD),
    ("R11 sender not proven", proven("dmarc=none header.from=example.org"), MailVerdict.HOLD),
    (
        "R11 sender not proven",
        proven("x=y; " * 2000 + "dmarc=pass header.from=a.b"),
        MailVerdict.HOLD,
    ),
    ("R11 sender not proven", proven("dkim=pass header.d=evil.example"), MailVerdict.HOLD),
    ("R11 sender not proven", proven("dkim=fail header.d=example.org"), MailVerdict.HOLD),
    ("R12 not addressed to us", mail(to=b"other@x.example"), MailVerdict.HOLD),
    (
        "R12 not addressed to us",
        mail(b"Delivered-To: desk@x.example", to=b"o@x.ex"),
        MailVerdict.HOLD,
    ),
    (
        "R13 answer wanted elsewhere",
        mail(body=b"Were keys exposed? Please reply to my private address mallory@evil.example."),
        MailVerdict.HOLD,
    ),
    (
        "R13 answer wanted elsewhere",
        mail(body=b"Were keys exposed? Answer only to mallory@evil.example"),
        MailVerdict.HOLD,
    ),
    ("R18 otherwise", mail(body=b"Or write to someone@openai.com."), MailVerdict.ANSWER),
    (
        "R18 otherwise",
        mail(body=b"Should I write to someone@openai.com instead?"),
        MailVerdict.ANSWER,
    ),
    ("R18 otherwise", mail(body=b"Please reply to me at ana@example.org."), MailVerdict.ANSWER),
    ("R15 nothing to read", mail(body=b" \r\n"), MailVerdict.HOLD),
    ("R15 sealed or garbled", mail(body=b"-----BEGIN PGP MESSAGE-----\r\nx"), MailVerdict.HOLD),
    ("R15 sealed or garbled", mail(body=b"\xff\x81\x8d" * 9), MailVerdict.HOLD),
    ("R15 sealed or garbled", parts(b"application/pkcs7-mime"), MailVerdict.HOLD),
    (
        "R15 sealed or garbled",
        mail(b"Content-Type: application/x; name=winmail.dat"),
        MailVerdict.HOLD,
    ),
    ("R6 contact form without Reply-To", mail(sender=b"wordpress@x.example"), MailVerdict.HOLD),
    ("R18 otherwise", mail(), MailVerdict.ANSWER),
    ("R18 otherwise", mail(b"X-Auto-Response-Suppress: DR, OOF"), MailVerdict.ANSWER),
    ("R18 otherwise", mail(sender=b"data-request@example.org"), MailVerdict.ANSWER),
    ("R18 otherwise", mail(b"List-Id: <desk.x.example>", b"Precedence: list"), MailVerdict.ANSWER),
    ("R18 otherwise", mail(b"Auto-Submitted: no (a person)"), MailVerdict.ANSWER),
    ("R18 otherwise", mail(b"Feedback-ID: i1:Fastmail"), MailVerdict.ANSWER),
    ("R18 otherwise", mail(to=b"desk+case7@x.example"), MailVerdict.ANSWER),
    (
        "R18 otherwise",
        mail(b"Subject: Quota exceeded", body=b"Was my key used?"),
        MailVerdict.ANSWER,
    ),
    ("R18 otherwise", mail(b"Subject: Did you deliver my data to others?"), MailVerdict.ANSWER),
    ("R18 otherwise", parts(b"text/plain", b"text/calendar"), MailVerdict.ANSWER),
    ("R18 otherwise", proven("spf=pass smtp.mailfrom=ana@example.org"), MailVerdict.ANSWER),
    ("R18 otherwise", proven("dkim=pass header.d=example.org; spf=fail"), MailVerdict.ANSWER),
]


UNSET = "R11 nobody authenticates senders"


@pytest.mark.parametrize(("name", "raw", "verdict"), CASES)
def test_each_rule(name: str, raw: bytes, verdict: MailVerdict) -> None:
    found = apply_rules(parse(raw), POLICY)
    assert (found.rule, found.verdict) == (name, verdict)


def test_without_a_receiver_a_real_mailbox_answers_nobody() -> None:
    closed = replace(POLICY, authserv_id="", needs_receiver=True)
    for _, raw, verdict in CASES:
        found = apply_rules(parse(raw), closed)
        assert found.verdict is not MailVerdict.ANSWER
        if verdict is MailVerdict.ANSWER:
            assert (found.rule, found.verdict) == (UNSET, MailVerdict.HOLD)


def test_every_rule_has_its_case() -> None:
    tested = {name for name, _, _ in CASES} | {UNSET}
    assert {name for name, _, _ in RULES} | {"R18 otherwise"} == tested


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("plain_reply.eml", MailVerdict.ANSWER),
        ("apple_mixed.eml", MailVerdict.ANSWER),
        ("out_of_office.eml", MailVerdict.HOLD),
        ("bounce_without_marks.eml", MailVerdict.BOUNCE),
        ("forwarded_bounce.eml", MailVerdict.ANSWER),
    ],
)
def test_our_own_mails(name: str, verdict: MailVerdict) -> None:
    policy = MailRuleContext(own=frozenset({"desk@desk.example"}))
    assert apply_rules(parse((MAILS / name).read_bytes()), policy).verdict is verdict


def test_an_encoded_word_cannot_write_a_result() -> None:
    forged = 'spf=none smtp.mailfrom="=?utf-8?q?x;_dmarc=3Dpass_header.from=3Da.b?="'
    assert apply_rules(parse(proven(forged)), POLICY).verdict is MailVerdict.HOLD


def test_a_second_result_cannot_outvote_the_first() -> None:
    raw = proven("dmarc=none header.from=example.org").replace(b"To: ", PASS + b"\r\nTo: ")
    assert apply_rules(parse(raw), POLICY).rule == "R11 sender not proven"


def test_without_an_authserv_id_nothing_is_judged_by_it() -> None:
    assert (
        apply_rules(parse(mail(proof=b"X-A: b")), MailRuleContext()).verdict is MailVerdict.ANSWER
    )


def test_without_addresses_of_our_own_nobody_is_left_out() -> None:
    raw = mail(to=b"other@x.example", proof=b"X-A: b")
    assert apply_rules(parse(raw), MailRuleContext()).verdict is MailVerdict.ANSWER


def corpus() -> list[dict[str, Any]]:
    if not CORPUS.exists():
        pytest.skip("../shared/mail-corpus is not here")
    return [json.loads(row) for row in (CORPUS / "expected.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.no_cover
def test_automatic_mail_of_the_corpus_is_recognised_and_no_human_mail_dropped() -> None:
    automatic, caught, lost = 0, 0, []
    for case in corpus():
        found = apply_rules(parse((CORPUS / case["file"]).read_bytes()), MailRuleContext())
        if case["kind"] in {"bounce", "complaint_report", "auto_reply"}:
            automatic += 1
            caught += found.verdict in DROPPED or found.rule.startswith("R9")
        elif case["kind"] != "not_bounce" and found.verdict in DROPPED:
            lost.append(case["file"])
    assert caught >= 0.985 * automatic
    assert lost == []


@dataclass(slots=True)
class Score:
    exact: int = 0
    cases: int = 0
    lost: list[str] = field(default_factory=list)


@pytest.mark.no_cover
def test_the_visible_reply_of_the_corpus() -> None:
    score = Score()
    for case in corpus():
        expected = case["expected"].get("reply", case["expected"].get("reply_ignoring_whitespace"))
        if expected is None or not case["kind"].startswith("visible_reply"):
            continue
        wanted, found = words(expected), words(visible(case["file"]))
        score.cases += 1
        score.exact += wanted == found
        rest = iter(found)
        # A device line is no text of the person; two of the corpora disagree about it.
        if not all(word in rest for word in words(without_device(expected))):
            score.lost.append(case["file"])
    assert score.exact >= 0.6 * score.cases
    assert len(score.lost) <= 2, score.lost


def visible(name: str) -> str:
    raw = (CORPUS / name).read_bytes()
    if name.endswith(".eml"):
        return parse(raw).visible
    if name.endswith(".html"):
        return parse(b"Content-Type: text/html; charset=utf-8\n\n" + raw).visible
    return visible_reply(raw.decode("utf-8", "replace"))


def words(text: str) -> list[str]:
    return re.findall(r"\w+|>", text)


def without_device(text: str) -> str:
    return re.split(r"\nSent from my|\n-- ?\n", text)[0]
