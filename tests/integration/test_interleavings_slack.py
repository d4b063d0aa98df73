"""What happens to posts for Slack when somebody else acts between two steps."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bot.channels.slack.client import Client
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.permissions import ChannelPermissions
from bot.journal import Journal
from bot.journal.erasure import erase_person
from bot.journal.person_search import Person, find_person
from bot.text.mentions import Mentions
from tests.servers.postgres import database
from tests.servers.slack_side import ALICE, TRIAGE, SlackSide
from tests.support.interleaving import before_statement
from tests.support.journal_records import mail, waiting

HER = "ana@example.org"
STUB = {"text": "erased", "blocks": []}


@pytest.fixture
def journal(database_url: str) -> Iterator[Journal]:
    made = Journal(database_url)
    yield made
    made.close()


@pytest.fixture
def pair(postgres: str, request: pytest.FixtureRequest) -> Iterator[tuple[Journal, Journal]]:
    """Two processes on one PostgreSQL, where two transactions may write at the same time."""
    with database(postgres, f"pair_{abs(hash(request.node.name))}") as url:
        one, other = Journal(url), Journal(url)
        yield one, other
        one.close()
        other.close()


def worker(journal: Journal, side: SlackSide) -> OutboxWorker:
    client = Client(side.bot_token, base_url=side.base_url)
    return OutboxWorker(
        journal, client, ChannelPermissions(client, 600), post_interval=0.0, backoff=(0.0,)
    )


def drawn(text: str) -> dict[str, Any]:
    return {"text": text, "blocks": []}


def opened(journal: Journal, key: str = "k1") -> int:
    message_id = journal.receive(mail(key, thread=key))
    assert message_id
    return journal.decide(message_id, waiting(), draft="", reply=None).case_number


def make(journal: Journal, key: str, shown: list[str]) -> None:
    """Make the post under this key, as another process does."""
    (post,) = [each for each in journal.slack.list_due() if each.key == key]
    claimed = journal.slack.claim(post)
    assert claimed
    shown.append(claimed.payload["text"])
    journal.slack.mark_sent(claimed, "1.1")


def shown_at_last(journal: Journal, shown: list[str]) -> str:
    """What the message shows when every update that waits was made."""
    return [*shown, *(post.payload["text"] for post in journal.slack.list_due())][-1]


def test_content_redrawn_while_another_process_takes_the_post_is_shown(
    pair: tuple[Journal, Journal],
) -> None:
    one, other = pair
    shown: list[str] = []
    one.slack.redraw("answer:7", channel=TRIAGE, drawn=drawn("old"))
    with before_statement(
        one.engine, "UPDATE slack_outbox", lambda: make(other, "answer:7", shown)
    ) as raised:
        while not one.slack.redraw("answer:7", channel=TRIAGE, drawn=drawn("new")):
            pass
    assert raised == []
    assert shown_at_last(one, shown) == "new"


def test_a_card_redrawn_while_another_process_takes_it_is_shown(
    pair: tuple[Journal, Journal],
) -> None:
    one, other = pair
    shown: list[str] = []
    opened(one)
    one.slack.enqueue_card(1, channel=TRIAGE, drawn=drawn("old"), stamp="1")
    with before_statement(
        one.engine, "UPDATE slack_outbox", lambda: make(other, "card:1", shown)
    ) as raised:
        one.slack.enqueue_card(1, channel=TRIAGE, drawn=drawn("new"), stamp="2")
    assert raised == []
    assert shown_at_last(one, shown) == "new"


def test_a_post_is_not_made_early_under_the_number_of_a_deleted_one(journal: Journal) -> None:
    """SQLite gives the next post the id of the deleted one."""
    slack = journal.slack
    slack.enqueue("remind:1:1:0", channel=ALICE, method="chat.postMessage", payload=drawn("now"))
    (listed,) = slack.list_due()
    slack.withdraw("remind:1:", ALICE)
    later = journal.clock() + timedelta(hours=8)
    slack.enqueue(
        "page:2", channel=ALICE, method="chat.postMessage", payload=drawn("later"), at=later
    )
    assert slack.claim(listed) is None
    assert slack.count_by_state() == {"ready": 1}


def test_who_led_before_does_not_fail_what_the_next_leader_has_made(journal: Journal) -> None:
    slack = journal.slack
    slack.enqueue("k", channel=TRIAGE, method="chat.postMessage", payload=drawn("x"))
    old = slack.claim(*slack.list_due())
    assert old
    slack.requeue_in_flight()
    new = slack.claim(*slack.list_due())
    assert new
    slack.mark_sent(new, "1.1")
    slack.mark_failed(old, "Slack says no", says={"text": "x"}, tell=(ALICE,))
    assert slack.count_by_state() == {"sent": 1}


def test_a_card_that_changed_after_slack_had_it_unheard_shows_the_change(
    journal: Journal, side: SlackSide
) -> None:
    """Slack has the first one, its answer is lost, and repeated it counts as the same message."""
    opened(journal)
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn=drawn("old"), stamp="1")
    sender = worker(journal, side)
    claimed = journal.slack.claim(*journal.slack.list_due())
    assert claimed
    sender._call(claimed)
    journal.slack.requeue_in_flight()
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn=drawn("new"), stamp="2")
    while sender.drain():
        pass
    assert [card["text"] for card in side.cards()] == ["new"]


def test_what_another_message_shows_is_not_redrawn_while_slack_may_have_it(
    journal: Journal, side: SlackSide
) -> None:
    journal.slack.redraw("answer:7", channel=TRIAGE, drawn=drawn("old"))
    sender = worker(journal, side)
    claimed = journal.slack.claim(*journal.slack.list_due())
    assert claimed
    sender._call(claimed)
    journal.slack.requeue_in_flight()
    assert not journal.slack.redraw("answer:7", channel=TRIAGE, drawn=drawn("new"))
    assert sender.drain() == 1
    assert journal.slack.redraw("answer:7", channel=TRIAGE, drawn=drawn("new"))
    assert sender.drain() == 1
    assert [card["text"] for card in side.cards()] == ["new"]


def erase(journal: Journal) -> None:
    person = Person(addresses=frozenset({HER}), mentions=Mentions([HER]), trace=str.upper)
    records = find_person(journal.engine, person)
    erase_person(journal.engine, journal.clock, person, records, hasher=journal.hasher, stub=STUB)


@pytest.mark.parametrize("posted", [True, False])
@pytest.mark.parametrize("died", [True, False])
def test_what_is_being_posted_while_its_person_is_erased_becomes_a_stub(
    journal: Journal, side: SlackSide, *, posted: bool, died: bool
) -> None:
    """The process that posts it may die, before Slack has it or after."""
    case_id = opened(journal)
    journal.slack.enqueue_card(case_id, channel=TRIAGE, drawn=drawn("card"), stamp="1")
    sender = worker(journal, side)
    sender.drain()
    journal.slack.enqueue(
        f"later:{case_id}:1", channel=TRIAGE, method="chat.postMessage", case_id=case_id,
        payload=drawn("her words") | {"thread_of": case_id},
    )  # fmt: skip
    claimed = journal.slack.claim(*journal.slack.list_due())
    assert claimed
    ts = sender._call(claimed) if posted else ""
    erase(journal)
    if posted and not died:
        journal.slack.mark_sent(claimed, ts)
    else:
        journal.slack.requeue_in_flight()
    while sender.drain():
        pass
    assert "her words" not in str(side.messages)
    assert journal.slack.count_by_state().keys() == {"sent"}


def test_what_was_read_of_a_person_before_the_erasure_is_not_stored_for_slack_after_it(
    journal: Journal,
) -> None:
    case_id = opened(journal)
    erase(journal)
    more: dict[str, Any] = {"channel": TRIAGE, "method": "chat.postMessage", "about": 1}
    assert not journal.slack.enqueue("later:1:1", payload=drawn("her words"), **more)
    opened(journal, "k2")
    assert journal.slack.enqueue("later:1:2", payload=drawn("x"), **more | {"about": 2})
    assert journal.slack.list_keys(f"later:{case_id}:") == {"later:1:2"}
