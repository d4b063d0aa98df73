"""Cases that ask the same are found as they come, and an answer to one goes to each of them once."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sql

from bot.channels.mail.compose import Composer
from bot.corpus import Knowledge
from bot.corpus.limits import Cap, Limits, Scope, shipped_limits
from bot.desk import Desk
from bot.domain import Escalation, EscalationReason, Priority
from bot.journal import CaseAction, CaseChange, Decision, Journal, OpenQuestion, SharedAnswer, Stage
from bot.journal.case_clusters import SAME_QUESTION
from bot.journal.engine import writing
from bot.journal.erasure import erase_person
from bot.journal.person_search import Person, find_person
from bot.journal.retention import DAY_SECONDS
from bot.journal.tables import cluster_answer, escalation
from bot.outbound import Outbound, text_of
from bot.staff.clustering import group_by_meaning
from bot.staff.shared_answers import AnswerSharing
from bot.text.mentions import Mentions
from tests.servers.postgres import database
from tests.support.fakes import ListOut, Time
from tests.support.interleaving import after_call, before_statement
from tests.support.journal_records import answered, mail, reply, response, waiting
from tests.support.running_desk import verbatim_responder

WIDTH = 384
ANSWER = "We do not know yet, and will publish it when we do."
BETTER = "We know it now, and have published it."


def meaning(number: int, turned: float = 0.0) -> np.ndarray:
    """A direction of its own for each number; `turned` is how far it leans to a common one."""
    vector = np.zeros(WIDTH, np.float32)
    vector[number], vector[-1] = 1.0, turned
    return vector / np.linalg.norm(vector)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def make_journal(database_url: str, clock: Time) -> Iterator[Callable[..., Journal]]:
    made: list[Journal] = []

    def make(limits: Limits | None = None) -> Journal:
        made.append(Journal(database_url, limits=limits or shipped_limits(), clock=clock))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


@pytest.fixture
def journal(make_journal: Callable[..., Journal]) -> Journal:
    return make_journal()


def ask(
    journal: Journal, number: int, vector: np.ndarray, *, alone: bool = True, text: str = "", language: str = "en",
    thread: str = "", priority: Priority = Priority.NORMAL, words: str = "",
) -> int:  # fmt: skip
    """Store a mail with one open question, and return the number of its case."""
    received = mail(
        f"k{number}",
        thread=thread or f"t{number}",
        sender=f"p{number}@x{number}.example",
        text=text or f"text {number}",
    )
    stored = journal.receive(received)
    outcome = Escalation(
        question="q",
        reason=EscalationReason.UNSURE,
        priority=priority,
        probability=0.1,
        candidates=(),
    )
    made = replace(response(outcome), language=language)
    question = OpenQuestion(vector=vector, is_alone=alone, words=words)
    decided = journal.decide(stored or 0, made, draft="", reply=None, question=question)
    return decided.case_number


def cluster(journal: Journal, case_id: int) -> int | None:
    case = journal.cases.read(case_id)
    assert case
    return case.cluster


def answer(
    journal: Journal, case_id: int, *, clusters: tuple[int, ...] = (), language: str = "en"
) -> None:
    shared = SharedAnswer(
        text=ANSWER, language=language, actor="alice", case_id=case_id, clusters=clusters
    )
    assert journal.cases.store_decision(
        case_id, actor="alice", action=CaseAction.EDITED, reply=None, shared=shared
    )


class Sharing:
    """A desk that shares answers, and what goes out of it."""

    def __init__(self, knowledge: Knowledge, journal: Journal) -> None:
        self.out = ListOut()
        self.desk = Desk(
            knowledge=knowledge, responder=verbatim_responder(knowledge), journal=journal,
            outbound=Outbound(knowledge, ()), compose=Composer("incident@desk.example").reply, out=self.out,
        )  # fmt: skip
        self.sharing = AnswerSharing(self.desk)

    def work(self, rounds: int = 3) -> list[str]:
        """Share and deliver several times, and return who got a mail so far."""
        for _ in range(rounds):
            self.sharing.share_waiting(limit=2)
            self.desk.deliver()
        assert all(ANSWER in text_of(body) for _, body in self.out.sent)
        return [recipient for recipient, _ in self.out.sent]


@pytest.fixture
def sharing(knowledge: Knowledge, journal: Journal) -> Sharing:
    return Sharing(knowledge, journal)


def test_cases_join_the_groups_that_all_of_them_at_once_would_form(journal: Journal) -> None:
    draw = np.random.default_rng(7)
    vectors = np.stack([
        meaning(int(draw.integers(4)), float(draw.uniform(0, 1.6))) for _ in range(40)
    ])  # fmt: skip
    half = vectors.astype("<f2").astype(np.float32)  # as they are stored
    numbers = [ask(journal, n, vector) for n, vector in enumerate(half)]
    clusters = [cluster(journal, number) for number in numbers]
    groups = group_by_meaning(half, SAME_QUESTION)
    assert len(groups) > 1
    assert [[clusters.index(clusters[g[0]]), *g[1:]] for g in groups] == groups
    assert all(len({clusters[place] for place in group}) == 1 for group in groups)


def test_one_answer_goes_to_everybody_who_asks_the_same_once(
    journal: Journal, sharing: Sharing
) -> None:
    same = [ask(journal, n, meaning(1)) for n in range(1, 6)]
    ask(journal, 6, meaning(2))
    ask(journal, 7, meaning(1), language="de")  # a person's words have one language
    case = journal.cases.read(same[0])
    assert case
    assert (case.alike, case.alike_lately) == (5, 5)
    answer(journal, same[0])
    assert sorted(sharing.work()) == [f"p{n}@x{n}.example" for n in range(2, 6)]
    ask(journal, 8, meaning(1))  # who asks it later gets it too
    assert sharing.work()[4:] == ["p8@x8.example"]
    assert journal.cases.count_open() == 2
    decided = journal.cases.read(same[1])
    assert decided
    assert decided.decision
    assert (decided.decision.action, decided.decision.actor) == (CaseAction.SHARED, "alice")


def test_a_case_that_somebody_has_taken_or_that_goes_on_is_read_by_a_person(
    journal: Journal, sharing: Sharing
) -> None:
    first, taken, goes_on, urgent = (ask(journal, n, meaning(1)) for n in range(1, 5))
    claim = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner="bob")
    assert journal.cases.change(taken, actor="bob", change=claim, owner="")
    ask(journal, 13, meaning(1), thread="t3")
    ask(journal, 14, meaning(1), thread="t4", priority=Priority.PAGE)
    answer(journal, first)
    assert sharing.work() == []
    assert [cluster(journal, each) for each in (goes_on, urgent)] == [None, None]


def test_who_asks_more_gets_the_answer_only_when_a_person_says_so(
    journal: Journal, sharing: Sharing
) -> None:
    first = ask(journal, 1, meaning(1))
    words = "Where is it? And who pays?"
    more, again = (ask(journal, n, meaning(1), alone=False, text=words) for n in (2, 3))
    assert cluster(journal, more) == cluster(journal, again) != cluster(journal, first)
    answer(journal, first)
    assert sharing.work() == []
    journal.cases.reopen(first, actor="alice")
    answer(journal, first, clusters=(more,))
    assert sorted(sharing.work()) == ["p2@x2.example", "p3@x3.example"]


def test_an_answer_in_one_language_leaves_that_in_another_and_one_for_all_reaches_everybody(
    journal: Journal, sharing: Sharing
) -> None:
    codes = ("en", "de", "pl", "en", "de", "pl")
    cases = [ask(journal, n, meaning(1), language=code) for n, code in enumerate(codes)]
    assert journal.clusters.count_languages(cases[0]) == {"de": 2, "pl": 2}
    answer(journal, cases[0])
    answer(journal, cases[1], language="de")
    assert sharing.work() == ["p3@x3.example", "p4@x4.example"]
    ask(journal, 6, meaning(1))  # the answer in English is still there
    assert sharing.work()[2:] == ["p6@x6.example"]
    answer(journal, cases[2], language="")
    ask(journal, 7, meaning(1), language="de")
    assert sorted(sharing.work()[3:]) == ["p5@x5.example", "p7@x7.example"]


def test_the_same_words_are_known_without_greeting_and_close(journal: Journal) -> None:
    words = "Where is it? And who pays?"
    first, second = (
        ask(journal, n, meaning(n), alone=False, text=f"{greeting} {words}", words=words)
        for n, greeting in ((1, "Hi,"), (2, "Dear all,"))
    )
    assert cluster(journal, first) == cluster(journal, second)


def test_an_answer_that_is_taken_back_goes_to_nobody_else(
    journal: Journal, sharing: Sharing
) -> None:
    first, _ = ask(journal, 1, meaning(1)), ask(journal, 2, meaning(1))
    answer(journal, first)
    assert journal.cases.reopen(first, actor="alice")
    assert sharing.work() == []


def test_the_answer_to_somebody_who_is_erased_goes_to_nobody_else(
    journal: Journal, sharing: Sharing
) -> None:
    """A person's own words may name whom they were written to."""
    first, _ = ask(journal, 1, meaning(1)), ask(journal, 2, meaning(1))
    answer(journal, first)
    mentions = Mentions(["p1@x1.example"])
    person = Person(addresses=frozenset(mentions.names), mentions=mentions, trace=str)
    records = find_person(journal.engine, person)
    erase_person(journal.engine, journal.clock, person, records, hasher=journal.hasher, stub={})
    assert sharing.work() == []
    with writing(journal.engine) as db:
        assert db.execute(sql.select(cluster_answer.c.id)).all() == []


def test_a_cap_on_all_mail_only_delays_an_answer(
    make_journal: Callable[..., Journal], knowledge: Knowledge, clock: Time
) -> None:
    caps = (Cap(scope=Scope.ALL, seconds=60, most=2),)
    journal = make_journal(replace(shipped_limits(), caps=caps))
    sharing = Sharing(knowledge, journal)
    first, *_ = [ask(journal, n, meaning(1)) for n in range(1, 5)]
    answer(journal, first)
    assert len(sharing.work()) == 2
    clock.forward(61)
    assert len(sharing.work()) == 3


def test_a_surge_shows_one_card_for_all_that_ask_alike(journal: Journal) -> None:
    surge = shipped_limits().flood.surge_after
    first = [ask(journal, n, meaning(n)) for n in range(1, surge + 1)]
    same = [ask(journal, 100 + n, meaning(1)) for n in range(5)]
    alike = [ask(journal, 200 + n, meaning(30 + n) * 0.8 + meaning(2) * 0.4) for n in range(2)]
    shown = journal.cases.read_stamps(days=1)
    assert sorted(shown) == first
    lead, other = journal.cases.read(first[0]), journal.cases.read(first[1])
    assert lead
    assert other
    assert (lead.alike, lead.folded, other.alike, other.folded) == (5, 5, 0, 2)
    beside = journal.clusters.list_alike(first[1], limit=5)
    assert [(each.cluster, each.count) for each in beside] == [(number, 1) for number in alike]
    assert len(journal.clusters.list_wordings(first[0], limit=9)) == len(same)
    answer(journal, first[1])  # what was only shown beside it is shown beside another card now
    assert not set(alike) & set(journal.cases.read_stamps(days=1))
    standing = [journal.cases.read(number) for number in (first[0], *first[2:])]
    assert sum(case.folded for case in standing if case) == len(same) + len(alike)


def test_a_surge_has_a_bounded_number_of_cards_and_the_same_words_one(journal: Journal) -> None:
    flood = shipped_limits().flood
    numbers = [ask(journal, n, meaning(n)) for n in range(1, flood.surge_cards + 10)]
    shown = journal.cases.read_stamps(days=1)
    assert sorted(shown) == numbers[: flood.surge_cards]
    words = "Who pays for it? And when?"
    for n in (100, 101):  # the second has the words of the first, and no card beside its case
        ask(journal, n, meaning(n), alone=False, text=words, priority=Priority.HIGH)
    assert len(journal.cases.read_stamps(days=1)) == flood.surge_cards + 1
    assert journal.cases.count_open() == len(numbers) + 2


def test_a_card_offers_what_asks_alike_wherever_it_is_shown(journal: Journal) -> None:
    first, near, _ = (
        ask(journal, n, vector)
        for n, vector in enumerate((meaning(1), meaning(1) * 0.4 + meaning(2), meaning(3)))
    )
    beside = journal.clusters.list_alike(first, limit=9)
    assert [each.cluster for each in beside] == [near]


def test_retention_takes_vectors_and_answers_out(journal: Journal, clock: Time) -> None:
    first = ask(journal, 1, meaning(1))
    answer(journal, first)
    clock.forward(3 * DAY_SECONDS)
    journal.retention.blank_cases(2)
    with writing(journal.engine) as db:
        assert db.execute(sql.select(escalation.c.vector)).scalar() is None
        assert db.execute(sql.select(cluster_answer.c.id)).all() == []


def test_an_answer_taken_back_while_it_is_composed_goes_to_nobody(
    journal: Journal, sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one, which can still be taken back, was written in its place meanwhile."""
    first, second = (ask(journal, n, meaning(1)) for n in range(2))
    answer(journal, first)

    def think_again() -> None:
        assert journal.cases.reopen(first, actor="alice")
        better = SharedAnswer(text=BETTER, language="en", actor="alice", case_id=first)
        assert journal.cases.store_decision(
            first, actor="alice", action=CaseAction.EDITED, reply=None, shared=better,
            hold_seconds=10,
        )  # fmt: skip

    after_call(monkeypatch, journal.clusters, "find_answer", think_again)
    assert sharing.work() == []
    case = journal.cases.read(second)
    assert case
    assert case.open


def test_an_answer_is_shared_while_the_same_asker_writes_again(postgres: str, clock: Time) -> None:
    """Both count a mail and change the case, and neither may wait for the other for ever."""
    with database(postgres, "share_and_decide") as url:
        one, other = (Journal(url, limits=shipped_limits(), clock=clock) for _ in range(2))
        first, second = (ask(one, n, meaning(1)) for n in range(2))
        answer(one, first)
        shared = one.clusters.find_answer(second)
        assert shared

        def write_again() -> None:
            again = mail("again", thread="t1", sender="p1@x1.example")
            message_id = other.receive(again)
            both = replace(waiting(), outcomes=(*answered().outcomes, *waiting().outcomes))
            other.decide(
                message_id or 0, both, draft="", reply=reply("again"),
                capped=lambda _scope: Decision(response=both),
            )  # fmt: skip

        with before_statement(one.engine, "SELECT pg_advisory_xact_lock", write_again) as raised:
            one.cases.share_answer(second, shared, reply("shared"))
        assert raised == []
        one.close()
        other.close()
