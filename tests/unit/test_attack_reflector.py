"""Forty ways to make the desk write to somebody else, or more often than it may; half kept apart.

A mail must be held, or the reply go to the very sender that our server proved. Addresses of one
mailbox count as one sender, and the domains of one owner as one.
"""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from bot.channels.mail.parse import parse
from bot.channels.mail.rules import MailRuleContext, MailVerdict, apply_rules
from bot.corpus.limits import Scope
from bot.journal.rate_limits import CountHasher
from tests.support.halves import APART, SEEN, halves

US, DESK, VICTIM, EVIL = (
    "mx.desk.example",
    "incident@desk.example",
    "victim.example",
    "evil.example",
)
BORDER = f"Received: from a.example (a.example [192.0.2.7]) by {US} with ESMTP; Mon"
CONTEXT = MailRuleContext(own=frozenset({DESK}), authserv_id=US, key=b"k" * 32)
FROM = f"From: ana@{VICTIM}"


def says(results: str, server: str = US) -> str:
    return f"Authentication-Results: {server}; {results}"


PASSED = says(f"dmarc=pass header.from={VICTIM}")
EVIL_PASSED = says(f"dmarc=pass header.from={EVIL}")
MAILS: list[tuple[str, ...]] = [
    (BORDER, FROM),
    (says(f"dmarc=pass header.from={VICTIM}", f"{US}.evil.example"), BORDER, FROM),
    (says(f"dmarc=pass header.from={VICTIM}", f"evil.example ({US})"), BORDER, FROM),
    (says("spf=none"), BORDER, "Received: from x by y; Mon", PASSED, FROM),
    (EVIL_PASSED, BORDER, f"From: eve@{EVIL}", FROM),
    (EVIL_PASSED, BORDER, f"From: eve@{EVIL}, ana@{VICTIM}"),
    (EVIL_PASSED, BORDER, f"From: x: ana@{VICTIM};"),
    (EVIL_PASSED, BORDER, f"From: <@{EVIL}:ana@{VICTIM}>"),
    (EVIL_PASSED, BORDER, f"From: ana@{VICTIM} (eve@{EVIL})"),
    (EVIL_PASSED, BORDER, f'From: "ana@{VICTIM}" <eve@{EVIL}>', f"Reply-To: ana@{VICTIM}"),
    (EVIL_PASSED, BORDER, f"From: eve@{EVIL}", f"Reply-To: ana@{VICTIM}", f"Sender: ana@{VICTIM}"),
    (says(f"dmarc=fail (dmarc=pass header.from={VICTIM})"), BORDER, FROM),
    (says(f"dkim=pass header.d={EVIL}; spf=pass smtp.mailfrom={EVIL}"), BORDER, FROM),
    (says(f"spf=pass smtp.helo={VICTIM}"), BORDER, FROM),
    (says(f"spf=pass smtp.mailfrom=ana@{VICTIM}.{EVIL}"), BORDER, FROM),
    (says(f"dmarc=bestguesspass header.from={VICTIM}"), BORDER, FROM),
    (f"ARC-{PASSED.replace('results: ', 'results: i=1; ')}", BORDER, FROM),
    (PASSED.replace("Results:", "Results-Original:"), BORDER, FROM),
    (says(f'dkim=pass header.d="x; dmarc=pass header.from={VICTIM}"'), BORDER, FROM),
    (says("dmarc=pass header.from=v\u0456ctim.example"), BORDER, FROM),
    (says(f"dmarc=pass header.from={VICTIM}.{EVIL}"), BORDER, FROM),
    (BORDER, f"Sender: ana@{VICTIM}", PASSED, "From: "),
]
MAILBOXES: list[tuple[str, ...]] = [
    ("ana@example.org", "ANA@Example.ORG", "ana@example.org.", "ana+1+2@example.org"),
    ("ana@gmail.com", "a.n.a@gmail.com", "A.na+x@GoogleMail.com."),
    ("ana@icloud.com", "ana@me.com", "ana@mac.com", "ana+x@icloud.com"),
    ("ana@proton.me", "ana@protonmail.com", "ana@pm.me", "an.a+x@proton.me"),
    ("ana@fastmail.com", "shop@ana.fastmail.com", "ana+shop@fastmail.com"),
    ("ana.b@yandex.ru", "ana-b@yandex.ru", "ana.b@ya.ru", "ana.b@yandex.com"),
    ("ana@bücher.example", "ana@xn--bcher-kva.example", "ana@BÜCHER.example"),
    ('"ana"@example.org', "ana@example.org", '"ana+x"@example.org'),
    ("jos\u00e9@example.org", "jose\u0301@example.org"),
    ("ana@googlemail.com", "ana+a.b@gmail.com", "a.na@googlemail.com"),
    ("ana@example.org", "ana@example.org ", " Ana@example.org"),
    ("\uff41na@example.org", "ana@example.org"),
]
OWNERS: list[Callable[[int], str]] = [
    lambda n: f"u{n}@m{n}.evil.example",
    lambda n: f"u@{n}.a.b.c.evil.co.uk",
    lambda n: f"u{n}@b\u00fc{n}.evil.example",
    lambda n: f"u{n}@EVIL.example{'.' * (n % 2)}",
    lambda n: f"{n}+{n}@x{n}.users.evil.de",
    lambda n: f"u@m{n}.\u0435vil.example",
]
Attack: TypeAlias = "tuple[str, ...] | Callable[[int], str]"
KIND: dict[str, list[Attack]] = halves([*MAILS, *MAILBOXES, *OWNERS])
MOST_MISSED = {SEEN: 0, APART: 0}


def holds(attack: Attack) -> bool:
    if callable(attack):
        return len({key(Scope.DOMAIN, attack(n)) for n in range(9)}) == 1
    if attack in MAILBOXES:
        return len({key(Scope.SENDER, address) for address in attack}) == 1
    raw = "\r\n".join([*attack, f"To: {DESK}", "", "Were keys exposed?", ""])
    mail = parse(raw.encode())
    answered = apply_rules(mail, CONTEXT).verdict is MailVerdict.ANSWER
    return not answered or (EVIL_PASSED in attack and mail.sender == f"eve@{EVIL}")


def key(scope: Scope, address: str) -> str:
    return CountHasher(b"k" * 32).count_keys(sender=address, thread="t", text="Hi")[scope]


@pytest.mark.parametrize("half", [SEEN, APART])
def test_the_desk_writes_to_proven_senders_and_counts_all_their_names(half: str) -> None:
    missed = [attack for attack in KIND[half] if not holds(attack)]
    assert len(missed) <= MOST_MISSED[half], missed
