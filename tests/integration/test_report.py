"""The digest of a morning and the report tell what the desk did, once, and quote nobody."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bot.app import App
from bot.channels.slack.digest import Digests, render_digest
from bot.commands.report import parse_since, report_html, report_markdown
from bot.commands.report_charts import draw_days, draw_times
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Priority,
    Response,
)
from bot.errors import InputError
from bot.journal import CaseAction, Journal, Reply
from bot.journal.activity import (
    MODEL_USED,
    Activity,
    DayCount,
    ThinTopic,
    read_activity,
)
from bot.journal.statistics import MARKED_WRONG
from bot.staff.case_rows import name_topics
from bot.staff.gaps import Gap
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.servers.slack_limits import limits
from tests.support.desk_messages import received
from tests.support.fakes import Time

MORNING = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def mail(key: str) -> Reply:
    return Reply(recipient="ana@example.org", message_id=f"<{key}@desk>", body=b"x")


@pytest.fixture
def clock() -> Time:
    return Time(MORNING - timedelta(hours=20))


@pytest.fixture
def journal(tmp_path: Path, knowledge: Knowledge, clock: Time) -> Iterator[Journal]:
    """Three mails of yesterday: one answered, one handed over and sent, one still open."""
    made = Journal(f"sqlite:///{tmp_path}/d.sqlite3", clock=clock)
    near = knowledge.passages["faq-openai-passwords-api-keys-payment"]
    answer = Answer(
        question="?",
        reason=AnswerReason.PUBLISHED,
        probability=0.97,
        passages=(near,),
        candidates=(near,),
    )
    open_ = Escalation(
        question="?",
        reason=EscalationReason.UNSURE,
        priority=Priority.NORMAL,
        probability=0.4,
        candidates=(near,),
    )
    for key, outcome in (("k1", answer), ("k2", open_), ("k3", open_)):
        stored = made.receive(received("?", key, sender=f"{key}@example.org"), None)
        assert stored
        response = Response(outcomes=(outcome,), language="en", knowledge="x")
        made.decide(stored, response, draft="", reply=mail(key))
    clock.forward(1800)
    assert made.cases.store_decision(
        1, actor="slack:U0BOB", action=CaseAction.EDITED, reply=mail("h1")
    )
    made.append_audit(f"{MARKED_WRONG}{near.id}")
    made.append_audit(f"{MODEL_USED}3:4000")
    made.append_audit(f"{MODEL_USED}2:1000")
    yield made
    made.close()


def test_what_was_done_is_counted(journal: Journal) -> None:
    found = read_activity(journal.engine, MORNING - timedelta(days=1), MORNING)
    assert (found.messages, found.answered, found.handed_over, found.decided) == (3, 1, 2, 1)
    assert (found.open, found.oldest, found.wrong) == (1, 2, 1)
    assert (found.model_calls, found.model_tokens) == (5, 5000)
    assert found.median_minutes == pytest.approx(30)
    assert found.topics == (
        ThinTopic(passage="faq-openai-passwords-api-keys-payment", handed_over=2, answered=1),
    )
    (day,) = found.days
    assert day == DayCount(day="2026-11-23", messages=3, answered=1, handed_over=2)
    before = read_activity(journal.engine, MORNING - timedelta(days=9), MORNING - timedelta(days=1))
    assert before.is_quiet


def test_each_morning_has_one_digest(journal: Journal, knowledge: Knowledge, clock: Time) -> None:
    def digests() -> Digests:
        return Digests(
            journal, read_staff_texts(KNOWLEDGE), channel="C0TRIAGE", topics=name_topics(knowledge), price=2.0
        )  # fmt: skip

    def posted() -> list[str]:
        return [post.key for post in journal.slack.list_due()]

    digests().enqueue_due()
    assert posted() == [], "it is not yet morning"
    clock.forward((MORNING - clock()).total_seconds() + 60)
    working = digests()
    working.enqueue_due()
    working.enqueue_due()
    digests().enqueue_due()
    (post,) = journal.slack.list_due()
    assert post.key == "digest:2026-11-24"
    shown = json.dumps(post.payload, ensure_ascii=False)
    for words in (
        "*3* mails came: *1* answered by the desk, *2* handed over", "Median time to a person's answer: *30 min*",
        "Open now: *1*, the oldest is case 2, 20 h old", "called wrong: *1*", "5 calls, 5,000 tokens, about 0.01",
        "Were OpenAI passwords, API keys, or payment information exposed? · 2 to people, 1 answered",
    ):  # fmt: skip
        assert words in shown, words
    assert "example.org" not in shown
    assert limits(post.payload["blocks"]) == ""


def test_a_digest_says_how_many_answers_the_desk_may_learn_from(journal: Journal) -> None:
    found = read_activity(journal.engine, MORNING - timedelta(days=1), MORNING)
    assert "labels" not in json.dumps(render_digest(found, {}, 0, MORNING).blocks)
    drawn = render_digest(found, {}, 0, MORNING, labels=7).blocks
    assert "*7* answered questions wait" in json.dumps(drawn)
    assert limits(drawn) == ""


def test_on_mondays_the_digest_says_what_was_asked_without_an_answer(
    journal: Journal, knowledge: Knowledge, clock: Time
) -> None:
    asked: list[datetime] = []
    passage = "faq-openai-passwords-api-keys-payment"

    def gaps(since: datetime) -> list[Gap]:
        asked.append(since)
        one = Gap(
            question="my printer?", count=3, last_week=3, week_before=0, passage=passage,
            open_cases=(),
        )  # fmt: skip
        return [one, replace(one, count=1)]

    digests = Digests(
        journal, read_staff_texts(KNOWLEDGE), channel="C0TRIAGE", topics=name_topics(knowledge), price=0,
        find_gaps=gaps,
    )  # fmt: skip
    assert digests._gaps_of_week(MORNING) == (), "it is a Tuesday"
    clock.forward((MORNING - clock()).total_seconds() + 6 * 86_400 + 60)
    digests.enqueue_due()
    told = json.dumps([post.payload for post in journal.slack.list_due()], ensure_ascii=False)
    assert len(asked) == 1
    assert "3 near *Were OpenAI passwords" in told
    assert "printer" not in told, "a post in Slack quotes nobody"


def test_a_desk_with_nothing_to_tell_posts_no_digest(tmp_path: Path) -> None:
    made = Journal(f"sqlite:///{tmp_path}/e.sqlite3", clock=Time(MORNING + timedelta(hours=1)))
    Digests(made, read_staff_texts(KNOWLEDGE), channel="C0TRIAGE", topics={}, price=0).enqueue_due()
    assert made.slack.list_due() == []
    made.close()


def test_the_report_is_markdown_and_a_page_with_plots(app: App, journal: Journal) -> None:
    found = read_activity(journal.engine, MORNING - timedelta(days=1), MORNING)
    told = report_markdown(app, found)
    for words in (
        "| mails that came | 3 |",
        "| answered by the desk | 1 (33%) |",
        "| 2026-11-23 | 3 | 1 | 2 |",
    ):
        assert words in told, words
    page = report_html(app, found)
    assert page.count("<svg") == 2
    assert not re.search(r"(?:src|href)=|https?://|<script", page)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(svg)
    nothing = read_activity(
        journal.engine, MORNING - timedelta(days=9), MORNING - timedelta(days=8)
    )
    assert "<svg" not in report_html(app, nothing)
    assert "| mails that came | 0 |" in report_markdown(app, nothing)
    assert report_markdown(app, nothing).splitlines()[0].endswith(" UTC")


def test_plots_hold_long_periods_and_great_numbers() -> None:
    days = [
        DayCount(day=f"2026-{n // 28 + 1:02}-{n % 28 + 1:02}", messages=n * 40, answered=n * 30, handed_over=n * 20)
        for n in range(300)
    ]  # fmt: skip
    for svg in (draw_days(days), draw_days([]), draw_times([]), draw_times([0.0, 14.9, 15, 1e9])):
        bars = [
            float(each) for each in re.findall(r'<rect class="\w+" [^>]*?height="([\d.-]+)"', svg)
        ]
        assert all(0 <= height <= 260 for height in bars)
        ET.fromstring(svg)


def test_a_digest_of_any_size_fits(knowledge: Knowledge) -> None:
    topics = tuple(ThinTopic(passage=p, handed_over=9, answered=1) for p in knowledge.passages)
    great = Activity(
        since="", until="", messages=10**6, answered=10**6, handed_over=10**6, decided=10**6, minutes=(1e7,),
        open=10**4, oldest=1, oldest_at="2026-01-01T00:00:00+00:00", wrong=10**6, model_calls=10**9,
        model_tokens=10**12, topics=topics, days=(),
    )  # fmt: skip
    drawn = render_digest(great, name_topics(knowledge), 1e6, MORNING)
    assert limits(drawn.blocks) == ""


@pytest.mark.parametrize(
    ("since", "day"), [("7d", "2026-11-17"), ("12h", "2026-11-23"), ("2026-11-01", "2026-11-01")]
)
def test_a_report_begins_when_it_is_asked_to(since: str, day: str) -> None:
    assert parse_since(since, MORNING).date().isoformat() == day
    for wrong in ("", "yesterday", "7w", "-1d"):
        with pytest.raises(InputError, match="--since"):
            parse_since(wrong, MORNING)
