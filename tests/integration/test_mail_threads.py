"""Which mails belong together, whatever order, form and number of ids their headers have."""

import random
import string
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from bot.channels.mail.compose import Composer
from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.rules import MailRuleContext
from bot.corpus.limits import Scope, read_limits
from bot.domain import Priority
from bot.journal import CaseChange, Decision, Journal, ReceivedMessage, Reply, Stage
from tests.conftest import KNOWLEDGE
from tests.support.in_process_parser import InProcessParser
from tests.support.journal_records import answered, waiting

LIMITS = read_limits(KNOWLEDGE)
CAP = {cap.scope: cap.most for cap in LIMITS.caps}[Scope.THREAD]
KEY, POLICY = b"k" * 32, MailRuleContext()
ANA, BEN = "ana@example.org", "ben@example.net"
FIRST = "<q1@example.org>"
OWN = "<r.0123456789abcdef0123456789abcdef@desk.example>"
OTHERS = ("<x1@list.example>", "<x2@list.example>")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{tmp_path}/a.sqlite3", limits=LIMITS)
    yield made
    made.close()


@pytest.fixture
def either(database_url: str) -> Iterator[Journal]:
    """On SQLite and on PostgreSQL."""
    made = Journal(database_url, limits=LIMITS)
    yield made
    made.close()


def mail(
    *headers: str, sender: str = ANA, text: str = "Were keys exposed?",
    policy: MailRuleContext = POLICY,
) -> ReceivedMessage:  # fmt: skip
    lines = [f"From: {sender}", "To: incident@desk.example", *headers]
    raw = "\r\n".join([*lines, "", text, ""]).encode()
    return build_received_message(judge_mail(raw, InProcessParser(), policy), "ref")


def take(journal: Journal, taken: ReceivedMessage) -> int:
    message_id = journal.receive(taken)
    assert message_id
    return message_id


def conversation(journal: Journal, message_id: int) -> int:
    return journal.list_conversations([message_id])[0]


def asked_and_answered(journal: Journal) -> int:
    """A first mail that got a reply; its conversation."""
    first = take(journal, mail(f"Message-ID: {FIRST}"))
    made = Reply(recipient=ANA, message_id=OWN, body=b"Subject: x\r\n\r\nx\r\n")
    journal.decide(first, answered(), draft="", reply=made)
    return conversation(journal, first)


NAMING = {
    "in reply to alone": [f"In-Reply-To: {OWN}"],
    "references alone": [f"References: {OWN}"],
    "own id first": [f"References: {OWN} {' '.join(OTHERS)}"],
    "own id last": [f"References: {' '.join(OTHERS)} {OWN}"],
    "own id in the middle": [f"References: {OTHERS[0]} {OWN} {OTHERS[1]}"],
    "folded": [f"References: {OTHERS[0]}\r\n\t{OTHERS[1]}\r\n {OWN}"],
    "folded after the colon": [f"In-Reply-To:\r\n {OWN}"],
    "folded within the id": [f"In-Reply-To: {OWN[:30]}\r\n {OWN[30:]}"],
    "commas": [f"References: {OTHERS[0]},{OTHERS[1]},{OWN}"],
    "nothing between": [f"References: {OTHERS[0]}{OWN}"],
    "without brackets": [f"In-Reply-To: {OWN[1:-1]}"],
    "without brackets, several": [f"References: {OTHERS[0][1:-1]} {OWN[1:-1]}, {OTHERS[1][1:-1]}"],
    "one of several without brackets": [f"References: {OTHERS[0]} {OWN[1:-1]}"],
    "with spaces": [f"In-Reply-To: < {OWN[1:-1]} >"],
    "an old phrase": [f'In-Reply-To: Message of ben@x.example from "Mon, 1 Jan" {OWN}'],
    "a comment": [f"In-Reply-To: {OWN} (the desk's message)"],
    "in capitals": [f"In-Reply-To: {OWN.upper()}"],
    "encoded words": [
        f"In-Reply-To: =?utf-8?q?=3C{OWN[1:40].replace('@', '=40')}?=",
        f" =?utf-8?q?{OWN[40:-1].replace('@', '=40')}=3E?=",
    ],
    "entities": [f"In-Reply-To: &lt;{OWN[1:-1]}&gt;"],
    "several headers of a name": [f"References: {OTHERS[0]}", f"References: {OWN}"],
    "references say another thread": [f"References: {OTHERS[0]}", f"In-Reply-To: {OWN}"],
}


@pytest.mark.parametrize("name", NAMING)
def test_an_own_id_anywhere_leads_to_its_conversation(journal: Journal, name: str) -> None:
    asked = asked_and_answered(journal)
    again = take(journal, mail("Message-ID: <q2@example.org>", *NAMING[name]))
    assert conversation(journal, again) == asked
    assert journal.read_history(again) == ["Were keys exposed?"]


def test_the_order_of_headers_changes_nothing(journal: Journal) -> None:
    asked = asked_and_answered(journal)
    lines = (
        "Message-ID: <{0}@example.org>",
        f"In-Reply-To: {OWN}",
        f"References: {FIRST} {OWN}",
        "Subject: AW: {0}",
    )
    for n, order in enumerate(permutations(lines)):
        again = take(journal, mail(*(line.format(f"m{n}") for line in order)))
        assert conversation(journal, again) == asked, order


def test_the_root_is_the_first_of_references_then_in_reply_to() -> None:
    assert mail("In-Reply-To: <b@x>", "References: <a@x> <b@x>").thread == "<a@x>"
    assert mail("References: <a@x> <b@x>", "In-Reply-To: <b@x>").thread == "<a@x>"
    assert mail("In-Reply-To: <b@x>", "Message-ID: <c@x>").thread == "<b@x>"
    assert mail("Message-ID: <c@x>").thread == "<c@x>"
    assert mail("Message-ID: c@x").thread == "<c@x>"
    assert mail("In-Reply-To: nothing at all", "Message-ID: <c@x>").thread == "<c@x>"


def test_a_mail_that_names_only_ones_own_earlier_mail_stays_in_the_conversation(
    journal: Journal,
) -> None:
    asked = asked_and_answered(journal)
    for n in range(2, 6):
        names = OWN if n == 2 else f"<q{n - 1}@example.org>"
        again = take(journal, mail(f"Message-ID: <q{n}@example.org>", f"In-Reply-To: {names}"))
        assert conversation(journal, again) == asked


def test_what_names_none_begins_a_conversation(journal: Journal) -> None:
    asked = asked_and_answered(journal)
    other = take(journal, mail("Message-ID: <z@example.org>"))
    without = take(journal, mail(text="And passwords?"))
    assert len({asked, conversation(journal, other), conversation(journal, without)}) == 3


def test_another_sender_in_the_thread_neither_sees_nor_adds_to_the_history(
    journal: Journal,
) -> None:
    asked = asked_and_answered(journal)
    bens = take(journal, mail(f"In-Reply-To: {OWN}", sender=BEN, text="Was mine?"))
    assert conversation(journal, bens) != asked
    assert journal.read_history(bens) == []
    assert journal.read_sent_mails(bens) == []
    anas = take(journal, mail(f"In-Reply-To: {OWN}", text="And passwords?"))
    assert journal.read_history(anas) == ["Were keys exposed?"]


def test_the_cap_of_a_thread_counts_its_replies_whoever_is_answered(either: Journal) -> None:
    asked_and_answered(either)
    sent, last = 0, OWN
    for n in range(3 * CAP):
        naming = f"In-Reply-To: {last}" if n % 2 else f"References: {last} <n{n}@robot.example>"
        raw = mail(naming, f"Message-ID: <n{n}@robot.example>", sender=f"r{n}@robot{n}.example")
        header = f"<r.{n:032x}@desk.example>"
        made = Reply(recipient=raw.sender, message_id=header, body=b"")
        decided = either.decide(
            take(either, raw), answered(), draft="", reply=made,
            capped=lambda _: Decision(response=waiting()),
        )  # fmt: skip
        if not decided.cap:
            sent, last = sent + 1, header
    assert sent == CAP


def test_a_person_who_has_the_case_silences_the_whole_thread(journal: Journal) -> None:
    first = take(journal, mail(f"Message-ID: {FIRST}"))
    made = Reply(recipient=ANA, message_id=OWN, body=b"")
    journal.decide(first, waiting(), draft="", reply=made)
    again = take(journal, mail(f"References: {OTHERS[0]}", f"In-Reply-To: {OWN}"))
    bens = take(journal, mail(f"In-Reply-To: {OWN}", sender=BEN))
    assert not journal.cases.has_claimed_case(again)
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner="eve")
    assert journal.cases.change(1, actor="eve", change=change, owner="")
    assert journal.cases.has_claimed_case(again)
    assert journal.cases.has_claimed_case(bens)


def test_everybody_in_a_thread_has_a_case_of_their_own_until_it_is_full(either: Journal) -> None:
    asked_and_answered(either)
    for n in range(20):
        one = take(either, mail(f"In-Reply-To: {OWN}", sender=f"r{n}@robot{n}.example"))
        either.decide(one, waiting(), draft="", reply=None)
    queue = either.cases.list_open()
    assert len(queue) == 6
    assert [case.later for case in queue] == [14, 0, 0, 0, 0, 0]
    told = either.slack.list_follow_ups(queue[0].message_id)
    assert [each.sender for each in told] == [f"r{n}@robot{n}.example" for n in range(6, 20)]
    case = either.cases.read(queue[0].id)
    assert case
    assert case.later == 14


def test_the_longest_ids_and_addresses_can_be_stored(either: Journal) -> None:
    for size in (900, 5_000, 60_000):
        sender = f"{'a' * size}@example.org"
        names = f"Message-ID: <{'é' * size}@x>", f"References: <{'ü' * size}@x> <{'b' * size}@x>"
        assert take(either, mail(*names, sender=sender))


def test_an_id_that_is_borrowed_from_another_mail_leads_to_the_older_one(journal: Journal) -> None:
    first = take(journal, mail(f"Message-ID: {FIRST}"))
    take(journal, mail(f"Message-ID: {FIRST}", "References: <evil@x>", sender=BEN))
    again = take(journal, mail(f"In-Reply-To: {FIRST}"))
    assert conversation(journal, again) == conversation(journal, first)


def test_a_mail_with_thousands_of_ids_finds_its_own_at_either_end(either: Journal) -> None:
    asked = asked_and_answered(either)
    many = " ".join(f"<m{n}@x>" for n in range(4_000))
    for line in (f"References: {OWN} {many}", f"References: {many} {OWN}"):
        assert conversation(either, take(either, mail(line, text=line[:30]))) == asked


def test_the_desk_was_announced_to_the_one_who_got_a_reply(either: Journal) -> None:
    first = take(either, mail(f"Message-ID: {FIRST}"))
    either.decide(first, waiting(), draft="", reply=None)  # held: no word went out
    again = take(either, mail(f"In-Reply-To: {FIRST}", text="Hello?"))
    assert either.cases.announced_priority(again) is None
    made = Reply(recipient=ANA, message_id=OWN, body=b"")
    either.decide(again, waiting(Priority.HIGH), draft="", reply=made)
    third = take(either, mail(f"In-Reply-To: {OWN}", text="Anybody?"))
    assert either.cases.announced_priority(third) is Priority.HIGH
    bens = take(either, mail(f"In-Reply-To: {OWN}", sender=BEN))
    assert either.cases.announced_priority(bens) is None


def secret(n: int) -> str:
    """A text in the form of a key, which differs with `n`."""
    return "sk-" + "".join(random.Random(n).choices(string.ascii_letters + string.digits, k=40))


@pytest.mark.parametrize(
    ("first_line", "later_line"),
    [
        ("Message-ID: <{0}@x.example>", "In-Reply-To: <{0}@x.example>"),
        ("Message-ID: <{0}@x.example>", "References: <a@x.example> <{0}@x.example>"),
        ("Message-ID: <a.{0}@x.example>", "In-Reply-To: < a.{0}@x.example >"),
        ("Message-ID: <q@{0}.example>", "References: <q@{0}.example>"),
    ],
)
def test_an_id_that_holds_a_secret_threads_and_is_stored_and_sent_nowhere(
    tmp_path: Path, first_line: str, later_line: str
) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/a.sqlite3", limits=LIMITS, key=KEY)
    hidden = secret(1)
    policy = MailRuleContext(key=KEY)
    first = take(journal, mail(first_line.format(hidden), policy=policy))
    later = mail(
        later_line.format(hidden), "Message-ID: <b@x.example>", text="And now?", policy=policy
    )
    other = mail(later_line.format(secret(2)), text="Not of it", policy=policy)
    second = take(journal, later)
    assert conversation(journal, second) == conversation(journal, first)
    assert conversation(journal, take(journal, other)) != conversation(journal, first)
    made = Composer("incident@desk.example", key=KEY).reply(
        later, "x", subject="Re: x", turn="desk", automatic=True
    )
    journal.decide(second, answered(), draft="", reply=made)
    journal.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("a.sqlite3*"))
    assert hidden.encode() not in stored
    assert hidden.lower().encode() not in stored.lower()
    assert b"masked" not in made.body
    assert b"In-Reply-To: <b@x.example>" in made.body
    assert (b"<a@x.example>" in made.body) is ("<a@" in later_line)


def test_an_address_that_holds_a_secret_is_held_and_stored_nowhere(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/a.sqlite3", limits=LIMITS, key=KEY)
    policy = MailRuleContext(key=KEY)
    mails = [
        mail(f"References: {FIRST}", sender=f"{secret(n)}@x.example", text=f"Hi {n}", policy=policy)
        for n in (1, 2, 1)
    ]
    assert {each.rule for each in mails} == {"R7 secret in the address"}
    talks = [conversation(journal, take(journal, each)) for each in (mails[0], mails[1])]
    assert len(set(talks)) == 2
    assert mails[0].thread_key == mails[2].thread_key
    journal.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("a.sqlite3*")).lower()
    assert secret(1).lower().encode() not in stored
