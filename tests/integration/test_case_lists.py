"""Lists of cases: each filter shows what it names, and ten thousand open cases still make pages."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.channels.slack.card_sync import _summary
from bot.channels.slack.handlers.case_list_requests import (
    CaseList,
    choose_list,
    parse_queue,
    parse_search,
    read_home_list,
    read_page,
)
from bot.channels.slack.handlers.more_menu_handler import MAX_TOGETHER
from bot.channels.slack.views import modals, more_menu_modals
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.home import build_home, list_cases
from bot.corpus import Knowledge
from bot.journal import Journal, Stage
from bot.journal.case_lists import CaseFilter
from bot.journal.engine import writing
from bot.journal.on_call import HeldPages
from bot.journal.statistics import DailyStatistics
from bot.journal.tables import conversation, escalation, message
from bot.staff.case_rows import describe_case, name_topics
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.servers.slack_limits import limits, view_limits
from tests.support.slack_cases import asked
from tests.support.slack_cases import case as slack_case

ME = "slack:U0ALICE"
MANY = 10_000
NEAR = ("faq-openai-passwords-api-keys-payment", "introduction-breach-openai-systems-chat-api", "")
LANGUAGES = ("en", "de", "zh", "ru")
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """Ten thousand open cases, and one that is decided; every fourth is urgent or somebody's."""
    made = Journal(f"sqlite:///{tmp_path_factory.mktemp('lists')}/d.sqlite3")
    rows = range(1, MANY + 2)
    talk = {"channel": "email"}
    mail = {
        "raw_ref": "r", "verdict": "answer", "rule": "R18", "redactions": "[]", "seq": 1,
        "state": "decided",
    }  # fmt: skip
    with writing(made.engine) as db:
        db.execute(conversation.insert(), [talk | {"id": n, "thread_key": f"t{n}"} for n in rows])
        db.execute(message.insert(), [
            mail | {
                "id": n, "conversation_id": n, "key": f"k{n}", "sender": f"ana{n}@example.org",
                "text": f"Меня взломали? Пароль {n}" if n == 7 else f"Were keys exposed? {n}",
                "headers": json.dumps({"subject": "Überweisung" if n == 9 else ""}),
                "received_at": "2026",
            }
            for n in rows
        ])  # fmt: skip
        db.execute(escalation.insert(), [
            {
                "id": n, "message_id": n, "state": "open" if n <= MANY else "decided",
                "priority": "page" if n % 4 == 0 else "normal", "rank": 0 if n % 4 == 0 else 4,
                "reason": "unsure", "draft": "",
                "opened_at": (BEGAN + timedelta(minutes=n)).isoformat(),
                "owner": ME if n % 4 == 1 else "", "stage": "claimed" if n % 4 == 1 else "open",
                "topic": NEAR[n % 3], "language": LANGUAGES[n % 4],
            }
            for n in rows
        ])  # fmt: skip
    return made


@pytest.mark.parametrize(
    ("asked", "total", "first"),
    [
        ("", MANY, 4), ("mine", 2500, 1), ("unclaimed", 7500, 4), ("URGENT", 2500, 4),
        ("urgent mine", 0, 0), ("language German", 2500, 1), ("language ru mine", 0, 0),
        ("topic passwords", 3333, 12), ("unclaimed topic OpenAI not compromised", 2500, 4),
        ("urgent 167", 2500, 9964), ("urgent 99999", 2500, 9964),
    ],
)  # fmt: skip
def test_a_list_shows_what_its_words_ask_for(
    journal: Journal, knowledge: Knowledge, asked: str, total: int, first: int
) -> None:
    found = parse_queue(asked, ME, name_topics(knowledge))
    assert isinstance(found, CaseList)
    page = read_page(journal.cases, found)
    assert page.total == total
    assert next((case.id for case in page.cases), 0) == first
    assert str(page.number) not in found.command


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("nonsense", "“nonsense”"), ("topic bicycles", "“bicycles”"), ("topic", "“topic”"),
        ("language Elvish", "“Elvish”"), ("-1", "“-1”"),
    ],
)  # fmt: skip
def test_words_that_ask_for_nothing_are_named(knowledge: Knowledge, asked: str, says: str) -> None:
    found = parse_queue(asked, ME, name_topics(knowledge))
    assert isinstance(found, str)
    assert says in found


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("KEYS 10001", [10001]), ("ana12@EXAMPLE", [12]), ("пароль", [7]), ("überweisung", [9]),
        ("keys nothing-like-it", []), ("100% _", []), ("keys 4321", [4321]),
    ],
)  # fmt: skip
def test_a_search_finds_words_in_any_script_and_decided_cases(
    journal: Journal, words: str, ids: list[int]
) -> None:
    found = parse_search(words)
    assert isinstance(found, CaseList)
    if words[-1].isdecimal():  # a number at the end is a page in Slack
        found = CaseList(wanted=CaseFilter(words=tuple(words.split()), closed=True), title="")
    assert [case.id for case in read_page(journal.cases, found).cases] == ids
    assert isinstance(parse_search(" "), str)


def test_ten_thousand_cases_fit_every_list(journal: Journal, knowledge: Knowledge) -> None:
    texts, now = read_staff_texts(KNOWLEDGE), BEGAN + timedelta(days=30)
    cards = Cards(knowledge, texts, lambda _language: 0.9)
    chosen = None
    for action, value in (
        ("list_usual", ""), ("list_all", ""), ("list_on", "2"), ("list_on", "666"), ("list_back", "1"),
        ("list_urgent", ""), ("list_mine", ""), ("list_unclaimed", ""), ("list_topic", NEAR[0]), ("list_language", "zh"),
    ):  # fmt: skip
        chosen = choose_list(action, value, chosen, ME, cards.topics)
        shown = read_home_list(journal.cases, chosen, ME)
        view = build_home(
            cards, shown, now=now, knowledge="abc", health=[], taking=True,
            numbers=DailyStatistics(messages=1, answered=1, decided=1, open=MANY),
        )  # fmt: skip
        assert view_limits(view) == "", action
        assert "There is more than fits here" not in json.dumps(view), action
        assert sum(len(page.cases) for _, page, _ in shown.lists) == (15 if chosen else 30), action
    page = read_page(journal.cases, CaseList(wanted=CaseFilter(), title="", page=667))
    assert (page.number, len(page.cases), page.last_position) == (667, 10, MANY)
    assert limits(list_cases(cards, page, "All", "", "/incident queue", now=now)) == ""


def test_cards_and_windows_of_cases_among_ten_thousand_hold_too(
    journal: Journal, knowledge: Knowledge
) -> None:
    cards = Cards(knowledge, read_staff_texts(KNOWLEDGE), lambda _language: 0.9)
    read = [journal.cases.read(n) for n in range(MANY, MANY - MAX_TOGETHER, -1)]
    many = [case for case in read if case and case.open]
    assert len(many) == MAX_TOGETHER
    first = replace(
        many[0], draft="Hello,\n\nNo keys were exposed.", alike=MANY, alike_lately=MANY,
        folded=2 * MANY, later=MANY, later_at=many[0].opened_at, earlier=MANY,
    )  # fmt: skip
    drawn = cards.render(first)
    assert f"*{MANY} more people ask the same*" in json.dumps(drawn.blocks)
    told = _summary(HeldPages(since=MANY, lately=MANY, dangers=MANY, wakes=True), BEGAN)
    for blocks in (drawn.blocks, told["blocks"]):
        assert limits(blocks) == ""
    for view in (
        more_menu_modals.choose_cases(first, many, cards.topics[NEAR[0]]),
        more_menu_modals.confirm_several(
            first.id, many, text="No." * 99, text_id=MANY, warnings=()
        ),
        more_menu_modals.choose_merge(first, many),
        modals.edit_reply(first, kind="all", text=first.draft, later=[]),
        modals.confirm_sending(first, kind="all", text=first.draft, text_id=MANY),
    ):
        assert view_limits(view) == "", view["title"]


@pytest.mark.parametrize(
    ("more", "topic", "language", "words"),
    [
        ({}, "Were OpenAI passwords, API keys, or payment information exposed?", "English", "Why?"),
        ({"reason": "extortion", "priority": "page"}, "Threat or demand for money", "English", "They"),
        ({"reason": "legal"}, "Legal matter", "English", "They"),
        ({"reason": "language", "text": "האם פרטי האשראי שלי דלפו?"}, "Were OpenAI passwords", "Hebrew", "Why?"),
    ],
)  # fmt: skip
def test_a_row_names_first_what_staff_need_first(
    knowledge: Knowledge, more: dict[str, object], topic: str, language: str, words: str
) -> None:
    told: dict[str, object] = {
        "text": "They have my data. What now?", "language": "en", "questions": (asked(text="Why?"),),
        "topic": "faq-openai-passwords-api-keys-payment",
    }  # fmt: skip
    each = slack_case(Stage.OPEN, **told | more)
    row = describe_case(each, name_topics(knowledge), read_staff_texts(KNOWLEDGE), BEGAN)
    assert row.topic.startswith(topic)
    assert row.language == language
    assert row.words.startswith(words)


def test_a_row_says_what_the_case_is(journal: Journal, knowledge: Knowledge) -> None:
    case = journal.cases.read(1)
    assert case
    now = BEGAN + timedelta(hours=5)
    row = describe_case(case, name_topics(knowledge), read_staff_texts(KNOWLEDGE), now)
    assert row.topic == "OpenAI’s systems and what was not compromised or exposed"
    assert (row.language, row.age, row.left, row.overdue) == ("German", "4 h", "", False)
    assert row.words == "Were keys exposed? 1"
