"""Every window, list and answer holds Slack's limits and loses no word, whatever is in it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.slack.card_sync import _follow_up_message
from bot.channels.slack.model_posts import render_suggestion
from bot.channels.slack.mrkdwn import neutralize
from bot.channels.slack.views import case_reader, modals
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.home import CASES_PER_PAGE, CasePage, HomeList, build_home, list_cases
from bot.channels.slack.views.responses import ResponseRenderer
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    HealthLine,
    Priority,
    Refusal,
    RefusalReason,
    Response,
    SecretKind,
    Span,
)
from bot.journal import Case, CaseAction, CaseDecision, DeliveryStatus, OutboxState, Stage
from bot.journal.slack_records import FollowUpMessage
from bot.journal.statistics import DailyStatistics
from bot.outbound import Outbound
from bot.staff.case_actions import DETAILS
from bot.staff.suggestion import SuggestedSentence, Suggestion, Support
from tests.servers.slack_limits import limits, texts, view_limits, walk
from tests.support.slack_cases import AT, BAIT, HOSTILE, LONG, WORDS, case, hostile

ANY = st.one_of(HOSTILE, LONG, st.text(max_size=4_000))
ME = "slack:U0ALICE"
LOADED = settings(max_examples=40)
NOW = datetime.fromisoformat(AT) + timedelta(hours=3)
NUMBERS = DailyStatistics(messages=9, answered=5, decided=2, open=60)


@pytest.fixture(scope="session")
def cards(knowledge: Knowledge) -> Cards:
    return Cards(knowledge, WORDS, lambda _language: 0.9)


def mail(text: str) -> bytes:
    made = EmailMessage()
    made.set_content(text.encode("utf-8", "replace").decode().replace("\x00", ""))
    return made.as_bytes()


def later(*texts: str) -> list[FollowUpMessage]:
    return [FollowUpMessage(id=n, text=text) for n, text in enumerate(texts)]


def pages(case: Case, after: list[FollowUpMessage]) -> Iterator[modals.View]:
    """Every page, as they follow from one another."""
    view = case_reader.show_full_case(case, after)
    yield view
    while view["callback_id"] == "page":
        view = case_reader.show_full_case(case, after, json.loads(view["private_metadata"])["page"])
        yield view


def home_list(mine: CasePage, unclaimed: CasePage, chosen: str = "") -> HomeList:
    """The lists of App Home, with as many topics and languages as a menu may have."""
    lists = [("Yours", mine, "You have none."), ("Nobody's", unclaimed, "Nothing waits.")]
    return HomeList(
        lists=lists[bool(chosen) :], chosen=chosen, languages={"de": 5, "zz": 1},
        topics={f"passage-{n}": n for n in range(120)},
    )  # fmt: skip


def quoted(found: object, kind: str) -> str:
    return "".join("".join(texts(each)) for each in walk(found) if each.get("type") == kind)


def filled_in(view: modals.View) -> dict[str, Any]:
    """The window as Slack sends it when nobody has typed anything."""
    values = {
        b["block_id"]: {"text": {"value": b["element"].get("initial_value")}}
        for b in view["blocks"]
        if b["type"] == "input" and b["element"]["type"] == "plain_text_input"
    }
    return {**view, "state": {"values": values}}


@pytest.mark.no_cover
@LOADED
@given(text=ANY, draft=ANY, sender=HOSTILE, body=ANY, stage=st.sampled_from(list(Stage)))
def test_no_text_breaks_a_window(
    text: str, draft: str, sender: str, body: str, stage: Stage
) -> None:
    made = CaseDecision(action=CaseAction.EDITED, actor="slack:U0BOB", at=AT)
    sent = DeliveryStatus(state=OutboxState.SENT, at=AT, body=mail(body))
    each = case(
        stage, text=text, draft=draft, sender=sender, delivery=sent, owner="slack:U0BOB",
        decision=made if stage in (Stage.DECIDED, Stage.CLOSED) else None,
    )  # fmt: skip
    remarks = [f"it names {text[:80]}", "it names evil.example"] * 40
    told: dict[str, Any] = {"later": later(body, text), "actions": WORDS.actions}
    views = [
        modals.edit_reply(each, kind="edit", text=draft, later=later(*[text, body] * 9), warnings=remarks),
        modals.edit_reply(each, kind="details", text=DETAILS, later=[]),
        modals.confirm_sending(each, kind="edit", text=draft, text_id=3),
        case_reader.show_conflict(each, draft, **told), case_reader.show_conflict(each, "", **told),
        case_reader.show_conflict(each, draft, **told, kind="edit"),
        *pages(each, later(body, text)),
        modals.choose_snooze(each, WORDS.snooze_minutes), modals.change_owner(each, mine=True),
        modals.change_owner(each, mine=False), modals.report_wrong_answer(3), modals.show_message(12, "It is on its way."),
    ]  # fmt: skip
    for view in views:
        assert view_limits(view) == "", view["title"]
        hostile(view["blocks"])


@LOADED
@given(text=ANY, draft=ANY, body=ANY)
def test_no_word_is_lost(text: str, draft: str, body: str) -> None:
    each = case(text=text, draft=draft)
    typed = modals.edit_reply(
        each, kind="edit", text=draft, later=[], warnings=["it names evil.example"]
    )
    assert modals.read_reply(filled_in(typed)).split() == draft.split()
    assert "warned" in [block.get("block_id") for block in typed["blocks"]]
    check = modals.confirm_sending(each, kind="edit", text=draft, text_id=1)
    assert quoted(check["blocks"], "rich_text_preformatted") == (draft or "(empty)")
    shown = list(pages(each, later(body)))
    assert quoted([v["blocks"] for v in shown], "rich_text_preformatted") == draft
    whole = (neutralize(text) or "(nothing)") + (neutralize(body) or "(nothing)")
    assert quoted([v["blocks"] for v in shown], "rich_text_quote") == whole
    own = case_reader.show_conflict(case(Stage.CLAIMED, owner=ME), draft, later=[], actions={})
    assert quoted(own["blocks"], "rich_text_preformatted") == draft


def test_parts_are_put_together_as_they_were_cut() -> None:
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 300 for n in range(8)).strip()
    view = modals.edit_reply(case(), kind="edit", text=text, later=[])
    fields = [b for b in view["blocks"] if b["type"] == "input"]
    assert [b["label"]["text"] for b in fields[:2]] == ["Your reply", f"Part 2 of {len(fields)}"]
    assert modals.read_reply(filled_in(view)) == text.replace(" \n\n", "\n\n")
    state = filled_in(view)
    state["state"]["values"]["text_1"]["text"]["value"] = None
    assert "Paragraph 7" in modals.read_reply(state)


@pytest.mark.no_cover
@LOADED
@given(text=ANY)
def test_no_text_breaks_an_answer(knowledge: Knowledge, text: str) -> None:
    found = tuple(knowledge.post.passages[:3])
    outcomes = (
        Answer(question=text, reason=AnswerReason.PUBLISHED, probability=0.97, passages=found, candidates=found),
        Refusal(question=text, reason=RefusalReason.SECRET, probability=0.1, candidates=found),
        Escalation(question=text, reason=EscalationReason.UNSURE, priority=Priority.NORMAL, probability=0.3, candidates=found),
    ) * 3  # fmt: skip
    span = Span(kind=SecretKind.API_KEY, start=0, end=1)
    response = Response(outcomes=outcomes, language="en", knowledge="abc", redactions=(span,))
    drawn = ResponseRenderer(Outbound(knowledge), WORDS, lambda _language: 0.9).render(
        response, 5, can_share=True
    )
    assert limits(drawn.blocks) == ""
    assert drawn.blocks[-1]["block_id"] == "share"
    assert "more questions" in json.dumps(drawn.blocks)
    hostile(drawn.blocks)
    assert drawn.text


def test_staff_read_what_came_of_asking_a_model(knowledge: Knowledge) -> None:
    response = Response(outcomes=(), language="en", knowledge="abc", notes=("model: resting",))
    shown = json.dumps(
        ResponseRenderer(Outbound(knowledge), WORDS, lambda _language: 0.9)
        .render(response, 1)
        .blocks
    )
    assert "the model was not asked: it failed" in shown


def test_only_what_is_published_is_shown_as_near(knowledge: Knowledge) -> None:
    real = knowledge.passages["response-part-security-investigation-removed-mixpanel"]
    forged = replace(real, text="Send us your code.")
    doubt = Escalation(
        question="?", reason=EscalationReason.UNSURE, priority=Priority.NORMAL, probability=0.3,
        candidates=(forged, real),
    )  # fmt: skip
    response = Response(outcomes=(doubt,), language="en", knowledge="abc")
    blocks = (
        ResponseRenderer(Outbound(knowledge), WORDS, lambda _language: 0.9)
        .render(response, 1)
        .blocks
    )
    shown = json.dumps(blocks, ensure_ascii=False)
    assert real.text in shown
    assert forged.text not in shown


@pytest.mark.no_cover
@LOADED
@given(text=ANY)
def test_no_text_breaks_a_suggestion(knowledge: Knowledge, text: str) -> None:
    passage = knowledge.post.passages[0]
    sentences = tuple(SuggestedSentence(text=text, support=s, passage=passage) for s in Support)
    shown = render_suggestion(Suggestion(sentences=sentences, warnings=(f"it names {text}",) * 20))
    assert limits(shown.blocks) == ""
    hostile(shown.blocks)


@LOADED
@given(text=ANY, draft=ANY)
def test_no_text_breaks_what_the_thread_tells(text: str, draft: str) -> None:
    told = _follow_up_message(FollowUpMessage(id=1, text=text, draft=draft))
    assert limits(told["blocks"]) == ""
    hostile(told["blocks"])
    assert told["text"] == "They wrote again"


@pytest.mark.parametrize("count", [0, 1, CASES_PER_PAGE, CASES_PER_PAGE + 1, 200])
def test_lists_say_how_many_more_there_are(cards: Cards, count: int) -> None:
    each = [
        case(id=n, owner=ME, reminders=n % 2, text=f"{BAIT} " * 30, language="de", topic="x")
        for n in range(1, min(count, CASES_PER_PAGE) + 1)
    ]
    page = CasePage(cases=each, total=count)
    health = [
        HealthLine(name="slack", good=True, says="the line is open"),
        HealthLine(name="posts", good=False, says="2 <lost>"),
    ]
    told: dict[str, Any] = {"now": NOW, "numbers": NUMBERS, "knowledge": "abc", "health": health}
    view = build_home(cards, home_list(page, page), **told, taking=True)
    chosen = build_home(cards, home_list(page, page, "urgent"), **told, taking=True)
    for drawn in (view, chosen):
        assert view_limits(drawn) == ""
        hostile(drawn["blocks"])
        assert "There is more than fits here" not in json.dumps(drawn)
    assert ("list_on" in json.dumps(chosen)) == (count > CASES_PER_PAGE)
    blocks = list_cases(cards, page, "The queue", "Nothing waits", "/incident queue", now=NOW)
    assert limits(blocks) == ""
    shown = json.dumps(blocks, ensure_ascii=False)
    assert f"The queue ({count})" in shown
    assert ("`/incident queue 2`" in shown) == (count > CASES_PER_PAGE)
    assert (f"{count - CASES_PER_PAGE} more" in shown) == (count > CASES_PER_PAGE)
    assert (f"{count - CASES_PER_PAGE} more" in json.dumps(view)) == (count > CASES_PER_PAGE)
    assert ("Nothing waits" in shown) == (count == 0)


def test_home_tells_of_mail_and_model(cards: Cards) -> None:
    none = CasePage(cases=[], total=0)
    bad = DailyStatistics(
        messages=9, answered=5, decided=2, open=6, last_in=AT, last_out=AT, waiting=2, failed=1
    )
    told: dict[str, Any] = {"now": NOW, "knowledge": "abc"}
    shown = home_list(none, none)
    well = json.dumps(
        build_home(cards, shown, **told, numbers=NUMBERS, health=[], taking=True),
        ensure_ascii=False,
    )
    assert "🟢 *mail in*: mail is taken" in well
    assert "🟢 *mail out*" in well
    assert "*model*: off" in well
    assert "Last mail" not in well
    model = HealthLine(name="model", good=False, says="is not asked")
    ill = json.dumps(
        build_home(cards, shown, **told, numbers=bad, health=[model], taking=False),
        ensure_ascii=False,
    )
    assert "🔴 *mail in*: no mail can be taken" in ill
    assert "🔴 *mail out*: 2 wait for the mail server, 1 of today did not go out" in ill
    assert "Last mail came <!date" in ill
    assert ill.count("*model*") == 1
