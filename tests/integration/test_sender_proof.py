"""What is not proven joins nothing of anybody's, and staff read of each mail whether it is."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app import App
from bot.channels.mail.marks import make_mark
from bot.channels.mail.parse import parse
from bot.channels.mail.rule_input import reported_ids
from bot.channels.mail.rules import MailVerdict, apply_rules
from bot.channels.slack.card_sync import _follow_up_message
from bot.channels.slack.views.cards import proof_lines
from bot.corpus.limits import Scope, shipped_limits
from bot.domain import SenderProof
from bot.journal import Journal
from bot.journal.rate_limits import CountHasher
from bot.journal.slack_records import FollowUpMessage
from bot.journal.transcript import read_transcript
from bot.settings import MailKind, Settings
from tests.conftest import KNOWLEDGE
from tests.support.journal_records import answered, waiting
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
    take,
)


def opened(journal: Journal, *results: str) -> list[int]:
    """A case for each mail of one address, each in a thread of its own; their numbers."""
    for number, each in enumerate(results):
        stored = take(journal, mail(each, f"Message-ID: <m{number}@x>", text=f"Question {number}?"))
        journal.decide(stored, waiting(), draft="", reply=None)
    return journal.cases.list_open_ids()


def test_what_is_not_proven_counts_among_no_cases_of_the_person(journal: Journal) -> None:
    opened(journal, PASSED, FAILED, NOTHING, PASSED, FAILED)
    cases = [journal.cases.read(number) for number in range(1, 6)]
    assert [case.earlier for case in cases if case] == [0, 0, 1, 1, 2]


def test_a_forged_case_is_merged_with_no_case_of_the_person(journal: Journal) -> None:
    opened(journal, PASSED, FAILED, PASSED, NOTHING)

    def merges(this: int, into: int) -> bool:
        case = journal.cases.read(this)
        assert case
        return journal.cases.merge(this, into, actor="eve", version=case.version)

    assert [merges(2, 1), merges(1, 2), merges(3, 4)] == [False] * 3
    assert merges(4, 2)
    assert merges(3, 1)


OUT_OF_OFFICE = ("Auto-Submitted: auto-replied", "Subject: Automatic reply: away")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/a.sqlite3", limits=shipped_limits(), key=KEY)
    yield made
    made.close()


UNPROVEN = [
    (results, names)
    for results, names in product(
        (FAILED, NOTHING, "X-Nothing: at all", f"{FAILED}\r\n{PASSED}"),
        (f"In-Reply-To: {OWN}", f"References: {FIRST} {OWN}", f"References: {FIRST}", "X-A: b"),
    )
]


@pytest.mark.parametrize(("results", "names"), UNPROVEN)
def test_what_is_not_proven_joins_no_case_and_no_history(
    journal: Journal, results: str, names: str
) -> None:
    first = claimed_case(journal)
    forged = take(journal, mail(results, names, "Message-ID: <f@x>", text="No answers to me!"))
    assert not journal.cases.has_claimed_case(forged)
    journal.decide(forged, waiting(), draft="", reply=None)
    case = journal.cases.read(1)
    assert case
    assert case.later == 0
    assert journal.slack.list_follow_ups(first) == []
    assert len(read_transcript(journal.engine, 1)) == 2
    for names_forged in (f"In-Reply-To: {OWN}", "In-Reply-To: <f@x>"):
        again = take(journal, mail(PASSED, names_forged, text=f"And passwords? {names_forged}"))
        assert "No answers to me!" not in journal.read_history(again)
        assert not journal.cases.has_asked_for_person(again)
    forged_case = journal.cases.read(2)
    assert forged_case
    assert forged_case.proof.words.startswith("sender not proven")


def test_a_copy_under_a_false_name_does_not_suppress_the_mail(journal: Journal) -> None:
    copies = [mail(results, f"Message-ID: {FIRST}") for results in (FAILED, NOTHING, PASSED)]
    assert len({take(journal, each) for each in copies}) == 3
    assert [journal.receive(each) for each in copies] == [None] * 3


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize(
    "headers", [OUT_OF_OFFICE, ("Return-Path: <>",), ("Precedence: bulk",), ("X-Loop: a",)]
)
def test_held_and_dropped_mail_stays_out_of_the_history(
    journal: Journal, headers: tuple[str, ...], *, local: bool
) -> None:
    policy = replace(POLICY, authserv_id="", local=True) if local else POLICY
    first = take(journal, mail(PASSED, f"Message-ID: {FIRST}", policy=policy))
    journal.decide(first, answered(), draft="", reply=None)
    named = f"In-Reply-To: {FIRST}"
    aside = mail(PASSED, named, *headers, text="I am away. Ignore me.", policy=policy)
    assert aside.verdict != "answer"
    take(journal, aside)
    again = take(journal, mail(PASSED, named, text="And passwords?", policy=policy))
    assert journal.read_history(again) == ["Were keys exposed?"]


def test_staff_read_whether_a_sender_is_proven() -> None:
    for proof in SenderProof:
        told = str([*proof_lines(proof)]) + str(
            _follow_up_message(FollowUpMessage(id=1, text="x", proof=proof))
        )
        assert proof.words[1:] in told
        assert ("🔴" in told) is bool(proof.words and not proof.authenticated)
    assert mail(FAILED).proof.words == "sender not proven: DMARC failed"
    assert mail(PASSED).proof is SenderProof.PROVEN


MARK = f"X-Incident-Desk: {make_mark(KEY, OWN)}"
RETURNED = f"User unknown\r\n\r\nMessage-ID: {OWN}\r\n{MARK}\r\n"
BOUNCE = ("Return-Path: <>", "Content-Type: multipart/report; boundary=b")
REPORTS = {
    "an id alone": ((BORDER, *BOUNCE), OWN, False),
    "an id and a mark of another mail": (
        (BORDER, *BOUNCE),
        f"{OWN}\r\nX-Incident-Desk: {make_mark(KEY, '<r.x@desk.example>')}",
        False,
    ),
    "an id and a guessed mark": (
        (BORDER, *BOUNCE), f"{OWN}\r\nX-Incident-Desk: {make_mark(b'', OWN)}", False,
    ),
    "a hop that claims to be ours": (
        (BORDER, f"Received: by {US} with LMTP; Mon", *BOUNCE), OWN, False,
    ),
    "the returned headers": ((BORDER, *BOUNCE), RETURNED, True),
    "the returned headers, indented": ((BORDER, *BOUNCE), RETURNED.replace("\n", "\n  "), True),
    "our own server": ((f"Received: by {US} (Postfix) id 1; Mon", *BOUNCE), OWN, True),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_needs_more_than_a_known_id(name: str) -> None:
    headers, body, believed = REPORTS[name]
    head = [*headers, "From: MAILER-DAEMON@x.example", f"To: {DESK}", "Subject: Undelivered"]
    parsed = parse("\r\n".join([*head, "", "--b", "", body, "--b--", ""]).encode())
    ruling = apply_rules(parsed, POLICY)
    assert (OWN in reported_ids(parsed, POLICY)) is believed
    assert ruling.verdict is (MailVerdict.BOUNCE if believed else MailVerdict.HOLD)


def test_a_forged_receipt_is_none() -> None:
    head = [FAILED, BORDER, f"Message-ID: {OWN}", f"From: {DESK}", f"To: {DESK}", "", "x"]
    assert apply_rules(parse("\r\n".join(head).encode()), POLICY).verdict is MailVerdict.HOLD


def test_caps_count_the_owner_first_then_the_mailbox() -> None:
    assert shipped_limits().caps[0].scope is Scope.DOMAIN
    hasher, other = CountHasher(KEY), CountHasher(b"o" * 32)

    def keys(sender: str) -> dict[Scope, str]:
        return hasher.count_keys(sender=sender, thread="t", text="Hi")

    for name in ("an.a@gmail.com", "ana+7@gmail.com", "A.N.A+x@googlemail.com"):
        assert keys(name) == keys("ana@gmail.com")
    apart, same = keys("a@mail.evil.example"), keys("b@evil.example")
    assert apart[Scope.DOMAIN] == same[Scope.DOMAIN]
    assert apart[Scope.SENDER] != same[Scope.SENDER]
    assert keys("a@x.github.io")[Scope.DOMAIN] != keys("a@y.github.io")[Scope.DOMAIN]
    assert set(keys("a@b.example").values()) & set(
        other.count_keys(sender="a@b.example", thread="t", text="Hi").values()
    ) == {"all"}


SETTINGS = {
    "": (False, MailVerdict.HOLD, "every mail is held"),
    "none": (True, MailVerdict.ANSWER, "the owner accepts"),
    US: (True, MailVerdict.HOLD, f"results of {US}"),
}


@pytest.mark.parametrize("server", SETTINGS)
def test_a_real_mailbox_without_a_receiver_is_closed(tmp_path: Path, server: str) -> None:
    good, verdict, says = SETTINGS[server]
    settings = Settings(
        home=tmp_path, knowledge=KNOWLEDGE, mail=MailKind.IMAP, address=DESK, imap_host="h",
        imap_user="u", imap_password=SecretStr("p"), smtp_host="s", authserv_id=server,
    )  # fmt: skip
    app = App(settings)
    assert app.mail.sender_check.good is good
    assert says in app.mail.sender_check.says
    raw = f"From: {ANA}\r\nTo: {DESK}\r\n\r\nWere keys exposed?\r\n".encode()
    assert apply_rules(parse(raw), app.mail_policy).verdict is verdict
