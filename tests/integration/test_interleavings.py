"""What happens when somebody else acts between two steps of one's own, on each database.

A state that was read may be another one when it is acted upon. Each test has the other side act at
one exact point.
"""

from collections.abc import Iterator

import pytest

from bot.channels.mail.compose import Composer
from bot.corpus import Knowledge
from bot.corpus.limits import read_limits
from bot.desk import Desk
from bot.desk.delivery import Delivery
from bot.domain import EscalationReason
from bot.errors import DeliveryError, RefusedError
from bot.journal import CaseAction, CaseChange, Journal, OutboxState, Reply, Stage
from bot.journal.corrections import Approval, CorrectionContent
from bot.journal.erasure import erase_person
from bot.journal.person_search import Person, find_person
from bot.outbound import Outbound
from bot.text.mentions import Mentions
from tests.conftest import KNOWLEDGE
from tests.servers.postgres import database
from tests.support.fakes import ListOut, Time
from tests.support.interleaving import after_call, before_call, before_statement
from tests.support.journal_records import answered, mail, reply, waiting
from tests.support.running_desk import EXPOSED, verbatim_responder

SHIPPED = read_limits(KNOWLEDGE)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def journal(database_url: str, clock: Time) -> Iterator[Journal]:
    made = Journal(database_url, limits=SHIPPED, clock=clock)
    yield made
    made.close()


@pytest.fixture
def other(database_url: str, clock: Time) -> Iterator[Journal]:
    """Another process on the same database."""
    made = Journal(database_url, limits=SHIPPED, clock=clock)
    yield made
    made.close()


class Way:
    """A way out that keeps what it took; `fails` are the errors of its first deliveries."""

    def __init__(self, *fails: Exception) -> None:
        self.fails = list(fails)
        self.sent: list[bytes] = []

    def send(self, mail: bytes, *, recipient: str) -> None:
        assert recipient
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append(mail)


def delivery(journal: Journal, knowledge: Knowledge, way: Way, name: str = "a") -> Delivery:
    made = Delivery(
        journal, Outbound(knowledge), way, was_sent=lambda _header: False,
        on_checkpoint=lambda _checkpoint: None,
    )  # fmt: skip
    made.worker = name
    return made


def opened(journal: Journal, key: str = "k1", **more: str) -> int:
    """A case with the number that is returned."""
    message_id = journal.receive(mail(key, **more))
    assert message_id
    return journal.decide(message_id, waiting(), draft="", reply=None).case_number


def write(journal: Journal, case_id: int, text: bytes, *, seconds: float = 0) -> None:
    """A person's mail in a case."""
    mail_ = Reply(recipient="ana@example.org", message_id="<r.person@desk>", body=text)
    assert journal.cases.store_decision(
        case_id, actor="ana", action=CaseAction.EDITED, reply=mail_, hold_seconds=seconds
    )


def take_back(journal: Journal, case_id: int) -> None:
    case = journal.cases.read(case_id)
    assert case
    assert journal.cases.undo(case_id, actor="ana", version=case.version)


def test_a_mail_taken_back_after_it_was_listed_does_not_leave_in_place_of_the_next(
    journal: Journal, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch, clock: Time
) -> None:
    """SQLite gives the next mail the id of the deleted one."""
    case_id, way = opened(journal), Way()
    write(journal, case_id, b"Subject: Re: x\r\n\r\nthe first")

    def think_again() -> None:
        take_back(journal, case_id)
        write(journal, case_id, b"Subject: Re: x\r\n\r\nthe second", seconds=10)

    after_call(monkeypatch, journal.mail_outbox, "list_due", think_again)
    made = delivery(journal, knowledge, way)
    assert made.deliver() == 0, "the second can be taken back for ten seconds"
    clock.forward(11)
    assert made.deliver() == 1
    assert [b"the second" in each for each in way.sent] == [True]


def test_a_mail_that_another_worker_put_off_after_it_was_listed_waits(
    journal: Journal, other: Journal, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch,
    clock: Time,
) -> None:  # fmt: skip
    write(journal, opened(journal), b"Subject: Re: x\r\n\r\nhello")
    way, busy = Way(), Way(DeliveryError("451 later"))
    rival = delivery(other, knowledge, busy, "b")
    after_call(monkeypatch, journal.mail_outbox, "list_due", rival.deliver)
    made = delivery(journal, knowledge, way)
    assert made.deliver() == 0
    (waits,) = journal.mail_outbox.list_in_state(OutboxState.READY)
    assert (waits.attempts, waits.fault) == (1, "451 later")
    clock.forward(SHIPPED.retry_seconds[0])
    assert made.deliver() == 1


def test_two_who_settle_what_a_dead_worker_left_send_it_once(
    journal: Journal, other: Journal, knowledge: Knowledge
) -> None:
    """The slower one finds it out when the faster one is delivering it again."""
    write(journal, opened(journal), b"Subject: Re: x\r\n\r\nhello")
    (due,) = journal.mail_outbox.list_due()
    assert journal.mail_outbox.claim(due.id, "dead")
    slow, fast = (
        delivery(each, knowledge, Way(), name) for each, name in ((journal, "a"), (other, "b"))
    )
    left = journal.mail_outbox.list_claimed_by(["dead"])
    fast.settle_interrupted(other.mail_outbox.list_claimed_by(["dead"]))
    assert other.mail_outbox.claim(due.id, "b"), "it is on its way once more"
    slow.settle_interrupted(left)
    assert [each.worker for each in journal.mail_outbox.list_in_state(OutboxState.SENDING)] == ["b"]
    assert journal.mail_outbox.list_due() == []


@pytest.mark.parametrize("state", [OutboxState.UNKNOWN, OutboxState.UNRESOLVED])
def test_a_late_look_at_a_mail_in_doubt_leaves_its_next_attempt_alone(
    journal: Journal, state: OutboxState
) -> None:
    sends = journal.mail_outbox
    write(journal, opened(journal), b"Subject: Re: x\r\n\r\nhello")
    (due,) = sends.list_due()
    first = sends.claim(due.id, "a")
    assert first
    assert sends.mark_unknown(due.id, "the line broke", attempt=first.attempts)
    assert sends.retry_later(due.id, "not there", seconds=0, attempt=first.attempts)
    assert sends.claim(due.id, "b")
    before = {OutboxState.UNKNOWN: sends.mark_unknown, OutboxState.UNRESOLVED: sends.mark_failed}
    assert not before[state](due.id, "late", attempt=first.attempts)
    assert not sends.retry_later(due.id, "late", seconds=0, attempt=first.attempts)
    assert sends.count_by_state() == {"sending": 1}


def erase(journal: Journal, address: str = "ana@example.org") -> None:
    """Erase a person, as found before the caller lets others act."""
    person = Person(addresses=frozenset({address}), mentions=Mentions([address]), trace=str.upper)
    records = find_person(journal.engine, person)
    erase_person(
        journal.engine, journal.clock, person, records, hasher=journal.hasher, stub={"text": "x"}
    )


def test_what_a_worker_stores_between_the_look_and_the_erasure_is_erased_too(
    journal: Journal, other: Journal
) -> None:
    """A message is decided, and a person answers its case, while somebody says yes to the list."""
    message_id = journal.receive(mail())
    assert message_id
    person = Person(
        addresses=frozenset({"ana@example.org"}), mentions=Mentions(["Ana Quill"]), trace=str.upper
    )
    records = find_person(journal.engine, person)
    case_id = other.decide(message_id, waiting(), draft="Dear Ana", reply=None).case_number
    write(other, case_id, b"Subject: Re: x\r\n\r\nher answer")
    other.slack.enqueue(
        f"later:{case_id}:{message_id}", channel="C", method="chat.postMessage", case_id=case_id,
        payload={"text": "her words"},
    )  # fmt: skip
    erase_person(
        journal.engine, journal.clock, person, records, hasher=journal.hasher, stub={"text": "x"}
    )
    assert journal.mail_outbox.count_by_state() == {}
    assert journal.slack.count_by_state() == {}
    case = journal.cases.read(case_id)
    assert case
    assert (case.draft, case.sender) == ("", "")


def test_a_decision_under_way_is_erased_with_the_message(postgres: str, clock: Time) -> None:
    """Its transaction is open when the erasure begins, so that it waits for it."""
    with database(postgres, "erase_decision") as url:
        one, other = (Journal(url, limits=SHIPPED, clock=clock) for _ in range(2))
        message_id = one.receive(mail())
        assert message_id
        with before_statement(one.engine, "INSERT INTO outbox", lambda: erase(other)) as raised:
            one.decide(message_id, answered(), draft="", reply=reply())
        assert raised == []
        assert one.mail_outbox.count_by_state() == {}
        assert [row.question for row in one.read_outcomes(message_id)] == [""]
        one.close()
        other.close()


def test_a_mail_erased_while_it_is_delivered_is_not_sent_empty(
    journal: Journal, knowledge: Knowledge
) -> None:
    case_id, way = opened(journal), Way()
    write(journal, case_id, b"Subject: Re: x\r\n\r\nhello")
    (due,) = journal.mail_outbox.list_due()
    assert journal.mail_outbox.claim(due.id, "dead")
    erase(journal)
    made = delivery(journal, knowledge, way)
    made.settle_interrupted(journal.mail_outbox.list_claimed_by(["dead"]))
    assert made.deliver() == 0
    assert way.sent == []
    assert journal.mail_outbox.count_by_state() == {}


def test_a_mail_erased_while_it_is_refused_opens_no_case(
    journal: Journal, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = journal.receive(mail())
    assert message_id
    text = Reply(
        recipient="ana@example.org", message_id="<r.1@desk>", body=b"Subject: Re: x\r\n\r\nhello"
    )
    journal.decide(message_id, answered(), draft="", reply=text)
    way = Way(RefusedError("550 no"))
    before_call(monkeypatch, way, "send", lambda: erase(journal))
    made = delivery(journal, knowledge, way)
    monkeypatch.setattr(made, "_may_go", lambda _mail: True)
    assert made.deliver() == 0
    assert journal.cases.list_open() == []
    assert journal.mail_outbox.count_by_state() == {"failed": 1}


def correction_of(journal: Journal, key: str, sender: str) -> tuple[CorrectionContent, Reply]:
    """A correction of an answer that this sender was sent."""
    message_id = journal.receive(mail(key, thread=key, sender=sender))
    assert message_id
    journal.decide(message_id, answered(), draft="", reply=None)
    (conversation,) = journal.list_conversations([message_id])
    told = CorrectionContent(
        message_id=message_id, conversation_id=conversation, passages=(("p", "2"),)
    )
    return told, Reply(recipient=sender, message_id=f"<c.{key}@desk>", body=b"new")


def test_a_correction_found_before_somebody_was_erased_is_not_stored_after(
    journal: Journal,
) -> None:
    mails = [correction_of(journal, n, f"{n}@x.example") for n in ("1", "2")]
    erase(journal, "1@x.example")
    approval = Approval(actor="ana", knowledge="k", per_minute=6)
    assert journal.corrections.enqueue(mails, approval=approval) == 1
    assert [each.recipient for each in journal.mail_outbox.list_due()] == ["2@x.example"]


def test_who_opts_out_while_corrections_are_stored_gets_none(postgres: str, clock: Time) -> None:
    """They are looked up once more when nobody can opt out, and who does then is taken out."""
    with database(postgres, "opt_out") as url:
        one, other = (Journal(url, limits=SHIPPED, clock=clock) for _ in range(2))
        mails = [correction_of(one, "1", "1@x.example")]
        approval = Approval(actor="ana", knowledge="k", per_minute=6)
        with before_statement(
            one.engine, "INSERT INTO outbox", lambda: other.opt_outs.add("1@x.example", actor="a")
        ) as raised:
            one.corrections.enqueue(
                mails, approval=approval,
                is_wanted=lambda _told, reply: not one.opt_outs.contains(reply.recipient),
            )  # fmt: skip
        assert raised == []
        assert one.mail_outbox.count_by_state() == {}
        one.close()
        other.close()


def test_a_correction_taken_out_by_an_erasure_gives_its_number_to_no_other_mail(
    journal: Journal, knowledge: Knowledge
) -> None:
    """SQLite gives the next mail the id of the deleted one; the ledger must not mix them up."""
    mails = [correction_of(journal, "1", "1@x.example")]
    approval = Approval(actor="ana", knowledge="old", per_minute=6)
    assert journal.corrections.enqueue(mails, approval=approval) == 1
    erase(journal, "1@x.example")
    case_id, way = opened(journal), Way()
    write(journal, case_id, b"Subject: Re: x\r\n\r\nhello")
    assert delivery(journal, knowledge, way).deliver() == 1
    (entry,) = journal.ledger.entries()
    assert (entry.knowledge, entry.passages) == ("k", ())


def test_a_case_claimed_while_an_answer_is_composed_keeps_the_desk_silent(
    journal: Journal, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk looked whether somebody has the thread, and then composes; a click comes between."""
    desk = Desk(
        knowledge=knowledge, responder=verbatim_responder(knowledge), journal=journal,
        outbound=Outbound(knowledge), compose=Composer("incident@desk.example").reply, out=ListOut(),
    )  # fmt: skip
    case_id = opened(journal)
    taken = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner="bo")
    after_call(
        monkeypatch, journal.cases, "announced_priority",
        lambda: journal.cases.change(case_id, actor="bo", change=taken, owner=""),
    )  # fmt: skip
    message_id = journal.receive(mail("k2", text=EXPOSED))
    assert message_id
    decided = desk.decide_message(message_id)
    assert journal.mail_outbox.count_by_state() == {}
    assert [o.reason for o in decided.response.outcomes] == [EscalationReason.HELD]
    assert decided.case_number == case_id


def test_two_desks_of_two_incidents_that_start_at_once_do_not_share_a_database(
    postgres: str,
) -> None:
    with database(postgres, "incidents") as url:
        one, other = Journal(url), Journal(url)
        named: list[str] = []
        with before_statement(
            one.engine, "INSERT INTO audit", lambda: named.append(other.name_incident("b"))
        ) as raised:
            named.append(one.name_incident("a"))
        assert raised == []
        assert len(set(named)) == 1, named
        one.close()
        other.close()
