"""What happens to posts for Slack when somebody else acts between two steps."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.channels.slack import Slack, SlackAccess, SuggestionModel
from bot.channels.slack.client import Client
from bot.channels.slack.model_posts import TranslationPosts
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.permissions import ChannelPermissions
from bot.channels.slack.recall_posts import RecallPosts
from bot.channels.slack.views.recall_views import change_id
from bot.corpus import Knowledge
from bot.corpus.changes import ChangeKind
from bot.desk import Desk
from bot.journal import Journal
from bot.journal.erasure import erase_person
from bot.journal.person_search import Person, find_person
from bot.outbound import Outbound
from bot.staff.outdated_answers import Recall
from bot.staff.recall_batches import RecallBatches
from bot.text.mentions import Mentions
from tests.servers.postgres import database
from tests.servers.slack_side import ALICE, TRIAGE, SlackSide
from tests.support.fakes import ListOut, Time
from tests.support.interleaving import Beside, after_call, before_call, before_statement
from tests.support.journal_records import mail, waiting
from tests.support.running_desk import verbatim_responder
from tests.support.told import COMPOSE, OLD_TEXT, RESETS, told

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
    waits = (post.payload["text"] for post in journal.slack.list_due())
    return str([*shown, *waits][-1])


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


@pytest.fixture
def slack(
    journal: Journal, knowledge: Knowledge, side: SlackSide, tmp_path: Path
) -> Iterator[Slack]:
    """A channel whose threads do not run."""
    desk = Desk(
        knowledge=knowledge, responder=verbatim_responder(knowledge), journal=journal,
        outbound=Outbound(knowledge), compose=COMPOSE, out=ListOut(),
    )  # fmt: skip
    access = SlackAccess(
        bot_token=side.bot_token, channel=TRIAGE, staff=frozenset({ALICE}), base_url=side.base_url
    )
    yield Slack(access, desk, home=tmp_path)
    journal.slack.leader.resign()


def test_an_old_answer_about_the_lead_does_not_requeue_what_is_being_posted(
    slack: Slack, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread hears that another desk leads; before it notes that, another thread gets the lead."""
    journal.slack.enqueue("k", channel=TRIAGE, method="chat.postMessage", payload=drawn("x"))

    def lead_and_post() -> None:
        assert slack._is_leader()
        assert journal.slack.claim(*journal.slack.list_due())

    beside, real = Beside(lead_and_post), journal.slack.leader.is_leader

    def lead_later() -> bool:
        monkeypatch.setattr(journal.slack.leader, "is_leader", real)
        beside.begin(slack._leader_lock.locked)
        return False

    monkeypatch.setattr(journal.slack.leader, "is_leader", lead_later)
    assert not slack._is_leader()
    beside.end()
    assert beside.raised == []
    assert slack._is_leader()
    assert journal.slack.count_by_state() == {"sending": 1}


def test_a_later_mail_that_becomes_visible_after_a_newer_one_is_posted(
    slack: Slack, journal: Journal
) -> None:
    """Two processes decide two mails, and the clock of the one that is slower is behind."""
    opened(journal)
    slack.card_sync.sync()
    clock = Time()
    for name, behind in (("b", 0), ("c", 60)):
        message_id = journal.receive(mail(name, thread="k1"))
        assert message_id
        journal.clock = Time(clock.now - timedelta(seconds=behind))
        journal.decide(message_id, waiting(), draft="", reply=None)
        slack.card_sync.sync()
    assert journal.slack.list_keys("later:1:") == {"later:1:2", "later:1:3"}


def test_a_model_that_answers_after_its_case_was_erased_is_not_posted(journal: Journal) -> None:
    message_id = journal.receive(mail())
    assert message_id
    german = replace(waiting(), language="de")
    journal.decide(message_id, german, draft="", reply=None)
    journal.slack.enqueue_card(1, channel=TRIAGE, drawn=drawn("card"), stamp="1")
    claimed = journal.slack.claim(*journal.slack.list_due())
    assert claimed
    journal.slack.mark_sent(claimed, "1.1")

    def translate(text: str) -> str:
        erase(journal)
        return f"in English: {text}"

    model = SuggestionModel(draft=lambda _text: None, state=lambda: "open", translate=translate)
    assert TranslationPosts(journal, model, TRIAGE).post(threading.Event()) == 0
    assert not journal.slack.list_keys("translation:")


@pytest.fixture
def recalls(journal: Journal, knowledge: Knowledge) -> RecallPosts:
    """The cards of a change that somebody was told of."""
    old = replace(knowledge.passages[RESETS], text=OLD_TEXT, version="earlier")
    journal.corrections.record_passages([old, *knowledge.every_passage])
    told(journal, old, "ana")

    def new_recall() -> Recall:
        return Recall(
            knowledge=knowledge, journal=journal, responder=verbatim_responder(knowledge),
            outbound=Outbound(knowledge), compose=COMPOSE,
        )  # fmt: skip

    return RecallPosts(journal, RecallBatches(new_recall, journal, per_minute=6), channel=TRIAGE)


def class_it(recalls: RecallPosts, kind: ChangeKind) -> None:
    (change,) = (c for c in recalls.batches.list_changes()[0] if c.id == RESETS)
    assert not recalls.decide(kind, change_id(change), actor=f"slack:{ALICE}")


def test_a_change_classed_while_its_card_is_drawn_is_shown_as_classed(
    recalls: RecallPosts, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (change,) = recalls.batches.list_changes()[1]
    clicked = change_id(change)
    beside = Beside(lambda: recalls.decide("correction", clicked, actor=f"slack:{ALICE}"))
    after_call(
        monkeypatch, recalls.batches, "list_changes",
        lambda: beside.begin(recalls._turn.locked),
    )  # fmt: skip
    recalls.work()
    beside.end()
    assert beside.raised == []
    (card,) = [post for post in journal.slack.list_due() if post.key.startswith("change:")]
    assert "says: *Correction*" in str(card.payload), "its buttons are gone"


def test_who_classes_a_change_while_the_list_is_made_is_told_that_nobody_is_on_it(
    recalls: RecallPosts, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_it(recalls, ChangeKind.WORDING)
    after_call(
        monkeypatch, recalls.batches, "find_batch", lambda: class_it(recalls, ChangeKind.WORDING)
    )
    recalls.work()
    recalls.work()
    assert len(journal.slack.list_keys("recall:none:")) == 2


def test_an_older_content_that_waited_is_not_drawn_over_a_newer_one(
    recalls: RecallPosts, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card was being posted when it was to be drawn, so that it waits for the next round."""
    recalls.work()
    (post,) = journal.slack.list_due()
    claimed = journal.slack.claim(post)
    assert claimed
    class_it(recalls, ChangeKind.WORDING)
    journal.slack.mark_sent(claimed, "1.1")
    beside = Beside(lambda: class_it(recalls, ChangeKind.CORRECTION))
    before_call(monkeypatch, journal.slack, "redraw", lambda: beside.begin(recalls._turn.locked))
    recalls.work()
    beside.end()
    assert beside.raised == []
    (update,) = [post for post in journal.slack.list_due() if post.key.startswith("change:")]
    assert "says: *Correction*" in str(update.payload)
