"""Forty floods that try to look like many people or many texts; half of them kept apart.

Each is fourteen mails. Their cases must fold into few cards and page few times, and the case of
somebody else among them has a card of its own.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sql

from bot.corpus.limits import shipped_limits
from bot.domain import Escalation, EscalationReason, Priority, SenderProof
from bot.journal import Journal
from bot.journal.tables import escalation
from tests.support.fakes import Time
from tests.support.halves import APART, SEEN, halves
from tests.support.journal_records import mail, response

FLOOD = shipped_limits().flood
MAILS = 14  # more than any cap below
SAME = "The attacker is logged in right now, call me"
VICTIM = "bea@victim.example"


def other_sender(n: int) -> str:
    return f"s{n}@x{n}.example"


def other_text(n: int) -> str:
    words = (
        "apple",
        "river",
        "stone",
        "cloud",
        "lamp",
        "sugar",
        "train",
        "piano",
        "glove",
        "maple",
    )
    return f"Somebody is in my {words[n % 10]} account, the {words[n // 10]} one, now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    name: str
    sender: Callable[[int], str] = other_sender
    text: Callable[[int], str] = other_text
    proof: Callable[[int], SenderProof] = lambda _n: SenderProof.PROVEN
    reason: EscalationReason = EscalationReason.TAKEOVER
    cards: int = MAILS
    pages: int = FLOOD.pages_in_all


def mailbox(name: str, sender: Callable[[int], str]) -> Flood:
    """Many names of one mailbox."""
    return Flood(name=name, sender=sender, cards=FLOOD.fold_after, pages=FLOOD.pages_of_sender)


def text(name: str, made: Callable[[int], str]) -> Flood:
    """One text that is changed a little for each of many senders."""
    return Flood(name=name, text=made, cards=FLOOD.fold_after)


def domain(
    name: str,
    sender: Callable[[int], str],
    reason: EscalationReason = EscalationReason.TAKEOVER,
) -> Flood:
    """Many mailboxes of one owner."""
    return Flood(name=name, sender=sender, pages=FLOOD.pages_of_domain, reason=reason)


def swapped(n: int, letters: str, others: str) -> str:
    """The text with one more letter of another kind each time."""
    made = list(SAME)
    places = [place for place, char in enumerate(made) if char in letters]
    for place in places[: 1 + n % len(places)]:
        made[place] = others[letters.index(made[place])]
    return "".join(made)


FLOODS = [
    mailbox("tags", lambda n: f"eve+{n}@evil.example"),
    mailbox("tags in tags", lambda n: f"Eve+{n}+{n}@Evil.example"),
    mailbox("dots", lambda n: f"{'e.ve' if n % 2 else 'ev.e'}+{n}@gmail.com"),
    mailbox("two domains of one provider", lambda n: f"eve@{('gmail', 'googlemail')[n % 2]}.com"),
    mailbox("three domains", lambda n: f"eve@{('icloud', 'me', 'mac')[n % 3]}.com"),
    mailbox("marks that mean nothing", lambda n: f"e{'.-_'[n % 3]}ve@proton.me"),
    mailbox("domains of one provider", lambda n: f"eve@{('ya.ru', 'yandex.ru', 'yandex.com')[n % 3]}"),
    mailbox("names before the domain", lambda n: f"shop{n}@eve.fastmail.com"),
    mailbox("capitals", lambda n: f"{'Eve' if n % 2 else 'eVE'}@evil.example"),
    mailbox("quotes", lambda n: '"eve"@evil.example' if n % 2 else "eve@evil.example"),
    mailbox("two ways to write a domain", lambda n: f"eve@{('bücher', 'xn--bcher-kva')[n % 2]}.example"),
    mailbox("one address", lambda _n: "eve@evil.example"),
    text("one text", lambda _n: SAME),
    text("white space", lambda n: SAME.replace(" ", " " * (1 + n))),
    text("line breaks", lambda n: SAME.replace(" ", "\n", 1 + n % 8)),
    text("marks", lambda n: f"{SAME}{'!' * n}{'…' * (n % 3)}"),
    text("capitals", lambda n: SAME[:n].upper() + SAME[n:]),
    text("zero width", lambda n: SAME[:n] + "\u200b" * (n + 1) + SAME[n:]),
    text("soft hyphens", lambda n: SAME[: n + 1] + "\u00ad" + SAME[n + 1 :]),
    text("direction marks", lambda n: "\u200e" * n + SAME + "\u202e" * (n % 2)),
    text("hard spaces", lambda n: SAME.replace(" ", "\u00a0\u2003"[n % 2], 1 + n % 8)),
    text("cyrillic letters", lambda n: swapped(n, "aeoc", "\u0430\u0435\u043e\u0441")),
    text("wide letters", lambda n: swapped(n, "tkrg", "\uff54\uff4b\uff52\uff47")),
    text("accents", lambda n: swapped(n, "aeio", "àéïò")),
    text("combining marks", lambda n: SAME[: n + 1] + "\u0301" + SAME[n + 1 :]),
    text("a number behind it", lambda n: f"{SAME} #{n * 7919}"),
    text("a number in it", lambda n: SAME.replace("now", f"since {n} minutes")),
    text("an emoji", lambda n: f"{chr(0x1F600 + n)} {SAME}"),
    text("a token behind it", lambda n: f"{SAME}\nref {n * 7919:08x}"),
    text("digits for letters", lambda n: swapped(n, "eoia", "3014")),
    text("a time", lambda n: f"{SAME}\n\nSent at 10:{n:02} on 2026-11-{n + 1:02}"),
    domain("local parts", lambda n: f"u{n}@evil.example"),
    domain("subdomains", lambda n: f"u@m{n}.evil.example"),
    domain("deep subdomains", lambda n: f"u{n}@{n}.a.b.evil.co.uk"),
    domain("subdomains, danger", lambda n: f"u@m{n}.evil.example", reason=EscalationReason.DANGER),
    domain("a dot at the end", lambda n: f"u{n}@evil.example{'.' * (n % 2)}"),
    Flood(name="many domains"),
    Flood(name="forged names", proof=lambda _n: SenderProof.UNPROVEN),
    Flood(name="a forged name", sender=lambda _n: VICTIM, proof=lambda _n: SenderProof.FAILED,
          cards=FLOOD.fold_after, pages=FLOOD.pages_of_sender),
    Flood(name="proven and forged", sender=lambda _n: "eve@evil.example", cards=2 * FLOOD.fold_after,
          pages=2 * FLOOD.pages_of_sender, proof=lambda n: (SenderProof.PROVEN, SenderProof.FAILED)[n % 2]),
]  # fmt: skip
KIND = halves(FLOODS)
# Figures make other words: a number in a text may be what it is about.
FIGURES = (
    "a number behind it",
    "a number in it",
    "a token behind it",
    "a time",
    "digits for letters",
)


@pytest.mark.no_cover
@pytest.mark.parametrize("half", [SEEN, APART])
def test_a_flood_is_a_few_cards_and_a_few_pages(tmp_path: Path, half: str) -> None:
    missed = {}
    for number, flood in enumerate(KIND[half]):
        url = f"sqlite:///{tmp_path}/{number}.sqlite3"
        with closing(Journal(url, limits=shipped_limits(), clock=Time())) as journal:
            cards, pages, alone = played(journal, flood)
        if cards > flood.cards or pages > flood.pages or not alone:
            missed[flood.name] = (cards, pages, alone)
    assert set(missed) <= set(FIGURES), missed


def played(journal: Journal, flood: Flood) -> tuple[int, int, bool]:
    """Cards and pages of a flood, and whether somebody else's case has a card of its own."""
    for n in range(MAILS):
        escalate(journal, n, flood.sender(n), flood.text(n), flood.proof(n), flood.reason)
    escalate(journal, MAILS, VICTIM, "I am locked out and ask for help", SenderProof.PROVEN)
    with journal.engine.connect() as db:
        query = sql.select(escalation.c.id, escalation.c.fold_id).order_by(escalation.c.id)
        *own, last = db.execute(query).all()
    cards = [case.id for case in own if case.fold_id is None]
    pages = 0
    for case in cards:
        may_page = journal.pages.may_page(case)
        pages += bool(may_page)
        journal.pages.record(case, paged=bool(may_page))
    return len(cards), pages, last.fold_id is None


def escalate(
    journal: Journal, n: int, sender: str, said: str, proof: SenderProof,
    reason: EscalationReason = EscalationReason.TAKEOVER,
) -> None:  # fmt: skip
    stored = journal.receive(
        replace(mail(f"k{n}", thread=f"t{n}", sender=sender, text=said), proof=proof)
    )
    assert stored
    case = Escalation(
        question="q", reason=reason, priority=Priority.PAGE, probability=0.1, candidates=()
    )
    journal.decide(stored, response(case), draft="", reply=None)


OTHERS = (
    "Были ли украдены пароли?", "Когда это случилось?", "Кто вам сообщил об этом?", "Касается ли это меня?",
    "Что мне теперь делать?", "Почему вы молчали?", "パスワードは盗まれましたか", "いつ起きましたか", "私は対象ですか",
    "誰が攻撃しましたか", "何をすればいいですか", "なぜ遅れたのですか", "هل سُرقت كلمات المرور؟", "متى حدث ذلك؟",
    "هل يخصني الأمر؟", "ماذا أفعل الآن؟", "من أخبركم؟", "لماذا تأخرتم؟",
)  # fmt: skip


def test_texts_that_differ_in_any_script_do_not_fold(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.sqlite3"
    flood = Flood(name="no flood", text=lambda n: OTHERS[n % len(OTHERS)])
    with closing(Journal(url, limits=shipped_limits(), clock=Time())) as journal:
        assert played(journal, flood)[0] == MAILS
