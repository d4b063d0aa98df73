"""What happens when somebody else acts between two steps of one's own, on each database.

A state that was read may be another one when it is acted upon. Each test has the other side act at
one exact point.
"""

from collections.abc import Iterator

import pytest

from bot.corpus import Knowledge
from bot.corpus.limits import read_limits
from bot.desk.delivery import Delivery
from bot.errors import DeliveryError
from bot.journal import CaseAction, Journal, OutboxState, Reply
from bot.outbound import Outbound
from tests.conftest import KNOWLEDGE
from tests.support.fakes import Time
from tests.support.interleaving import after_call
from tests.support.journal_records import mail, waiting

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
