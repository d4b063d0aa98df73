"""Whatever users write: the card fits Slack's limits, and mentions, links and formats nothing."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.slack import modals
from bot.channels.slack.answers import Answers
from bot.channels.slack.blocks import fits
from bot.channels.slack.cards import Cards
from bot.channels.slack.home import Health, home, listed
from bot.channels.slack.text import defanged, hidden_address, tame, typed
from bot.channels.slack.words import read_words
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Priority,
    Refusal,
    RefusalReason,
    Response,
    SecretKind,
    Span,
)
from bot.journal import Asked, Case, Delivery, Made, OutboxState, Stage
from bot.journal.today import Numbers
from bot.outbound import Outbound
from tests.conftest import KNOWLEDGE
from tests.servers.slack_limits import limits, texts, walk

AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC).isoformat()
WORDS = read_words(KNOWLEDGE)
BAIT = [
    "<!channel>", "<!here>", "<!everyone>", "<@U0ALICE>", "<#C0TRIAGE>", "<!subteam^S1|all>", "@here",
    "https://evil.example/x?a=1&b=2", "<https://evil.example|our site>", "evil.example", "a@evil.example",
    "*bold*", "_it_", "`code`", "```\nblock\n```", "> quote", ":rotating_light:", "mailto:a@b.example",
    "\u202e", "\u200b", "\x00", "&lt;!channel&gt;", "tel:112", "[x](https://evil.example)", "\n" * 30,
]  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(BAIT), st.text(max_size=60)), max_size=40).map("".join)
LONG = st.integers(0, 60_000).map(lambda n: ("A long line without end " * 3000)[:n])
CLICKABLE = re.compile(r"https?://|mailto:\S|\w\.[a-z]{2,}", re.IGNORECASE)


@pytest.fixture(scope="session")
def cards(knowledge: Knowledge) -> Cards:
    return Cards(knowledge, WORDS, 0.9)


def case(stage: Stage = Stage.OPEN, **more: object) -> Case:
    told: dict[str, object] = {
        "id": 12, "message_id": 7, "stage": stage, "owner": "", "version": "3.1",
        "priority": "normal", "reason": "unsure", "opened_at": AT, "sender": "ana@example.org",
        "text": "Were my keys exposed?", "draft": "Hello,\n\nNo keys were exposed.", "due_at": AT,
        "asked": (asked(),),
    }  # fmt: skip
    return Case(**(told | more))  # type: ignore[arg-type]


def asked(*passages: str) -> Asked:
    found = passages or ("faq-mixpanel-removed-openai-products",)
    return Asked(text="?", kind="escalation", reason="unsure", probability=0.62, passages=found)


def states() -> list[Case]:
    """Every stage, with what belongs to it."""
    me = "slack:U0ALICE"
    found = [
        case(), case(reminders=2, priority="page", reason="danger"), case(masked=("api_key",)),
        case(asked=(), draft=""), case(Stage.CLAIMED, owner=me), case(Stage.SNOOZED, owner=me),
        case(Stage.WAITING, owner=me, delivery=Delivery(state=OutboxState.SENT, at=AT)),
        case(draft="A long paragraph. " * 500), case(parent=3, priority="high", reason="held"),
        case(Stage.CLOSED, made=Made(action="not_ours", actor=me, at=AT)),
        case(Stage.CLOSED, made=Made(action="dismissed", actor="terminal", at=AT)),
    ]  # fmt: skip
    made = Made(action="edited", actor=me, at=AT)
    found += [
        case(Stage.DECIDED, made=made, delivery=Delivery(state=state, at=AT, fault="x"))
        for state in OutboxState
    ]
    return found


def hostile(found: object) -> None:
    """Nothing of a user stands where Slack would read marks, and nothing can be clicked."""
    for each in walk(found):
        assert each.get("type") not in (
            "link",
            "user",
            "broadcast",
            "usergroup",
            "channel",
            "emoji",
        )
        assert "emoji" not in each or each["emoji"] is False
        if each.get("type") == "mrkdwn":
            assert "evil" not in each["text"]
            marks = re.findall(r"<([^>]*)>", each["text"])
            assert all(re.fullmatch(r"@[UW][A-Z0-9]+|!date\^\d+\^[^|]+\|[^|]+", m) for m in marks)
    whole = "".join(texts(found))
    for mark in ("<!channel", "<!here", "<!everyone", "<@U0A", "<#C", "\u202e", "\u200b", "\x00"):
        assert mark not in whole.replace("<@U0ALICE>", "")


@pytest.mark.parametrize(
    "each", states(), ids=lambda c: f"{c.stage}-{c.delivery and c.delivery.state}"
)
def test_every_state_fits_and_keeps_its_layout(cards: Cards, each: Case) -> None:
    drawn = cards.card(each)
    assert limits(drawn.blocks) == ""
    kinds = [b.get("block_id") or b["type"] for b in drawn.blocks]
    assert kinds[:3] == ["header", "standing", "context"]
    assert kinds[-2:] == ["decide", "handle"]
    assert ("approve" in json.dumps(drawn.blocks)) == (
        each.open and bool(each.asked) and len(each.draft) < 5000
    )
    assert ("Reopen" in json.dumps(drawn.blocks)) != each.open
    assert "ana" not in drawn.text
    assert "ana@" not in "".join(texts(drawn.blocks))
    assert drawn.text.startswith("Case 12, ")


@given(text=st.one_of(HOSTILE, LONG), sender=HOSTILE, stage=st.sampled_from(list(Stage)))
def test_no_text_breaks_a_card(cards: Cards, text: str, sender: str, stage: Stage) -> None:
    made = Made(action="edited", actor="slack:U0ALICE", at=AT)
    each = case(
        stage,
        text=text,
        sender=sender,
        made=made if stage in (Stage.DECIDED, Stage.CLOSED) else None,
    )
    drawn = cards.card(each)
    assert limits(drawn.blocks) == ""
    hostile(drawn.blocks)
    assert [b.get("block_id") for b in drawn.blocks[-2:]] == ["decide", "handle"]
    quote = next(b for b in drawn.blocks if b["type"] == "rich_text")
    assert not CLICKABLE.search("".join(texts(quote)))


@given(text=st.one_of(HOSTILE, LONG), draft=st.one_of(HOSTILE, LONG), sender=HOSTILE)
def test_no_text_breaks_a_window(text: str, draft: str, sender: str) -> None:
    each = case(text=text, draft=draft, sender=sender)
    views = [
        modals.edit(each, kind="edit", text=draft, warnings=["it names evil.example"] * 40),
        modals.edit(each, kind="details", text=modals.DETAILS),
        modals.check(each, kind="edit", text=draft, text_id=3),
        modals.conflict(each, draft), modals.full(each), modals.snooze(each, [30, 120]),
        modals.claimed(each, mine=True), modals.wrong(3),
    ]  # fmt: skip
    for view in views:
        assert limits(view["blocks"], 100) == "", view["title"]
        assert len(view["private_metadata"]) < 3000
        assert len(view["title"]["text"]) <= 24
        assert all(e.get("type") not in ("link", "user", "broadcast") for e in walk(view["blocks"]))


@given(text=st.one_of(HOSTILE, LONG))
def test_no_text_breaks_an_answer(knowledge: Knowledge, text: str) -> None:
    found = tuple(knowledge.post.passages[:3])
    outcomes = (
        Answer(question=text, reason=AnswerReason.PUBLISHED, probability=0.97, passages=found, candidates=found),
        Refusal(question=text, reason=RefusalReason.SECRET, probability=0.1, candidates=found),
        Escalation(question=text, reason=EscalationReason.UNSURE, priority=Priority.NORMAL, probability=0.3, candidates=found),
    ) * 3  # fmt: skip
    span = Span(kind=SecretKind.API_KEY, start=0, end=1)
    response = Response(outcomes=outcomes, language="en", knowledge="abc", redactions=(span,))
    drawn = Answers(Outbound(knowledge), WORDS, 0.9).answer(response, 5, can_share=True)
    assert limits(drawn.blocks) == ""
    assert drawn.blocks[-1]["block_id"] == "share"
    hostile(drawn.blocks)
    assert drawn.text


def test_only_what_is_published_is_shown_as_near(knowledge: Knowledge) -> None:
    real = knowledge.passages["faq-know-organization-impacted"]
    forged = replace(real, text="Send us your code.")
    doubt = Escalation(
        question="?", reason=EscalationReason.UNSURE, priority=Priority.NORMAL, probability=0.3,
        candidates=(forged, real),
    )  # fmt: skip
    response = Response(outcomes=(doubt,), language="en", knowledge="abc")
    shown = json.dumps(Answers(Outbound(knowledge), WORDS, 0.9).answer(response, 1).blocks)
    assert real.text in shown
    assert forged.text not in shown


def test_home_pages_and_stays_within_limits(cards: Cards) -> None:
    many = [case(id=n, owner="slack:U0ALICE") for n in range(60)]
    numbers = Numbers(messages=9, answered=5, decided=2, open=60)
    health = [
        Health(name="slack", good=True, says="the line is open"),
        Health(name="posts", good=False, says="2 <lost>"),
    ]
    for mine in (many, []):
        view = home(
            cards, mine=mine, unclaimed=many[:3], numbers=numbers, knowledge="abc", health=health
        )
        assert limits(view["blocks"], 100) == ""
        hostile(view["blocks"])
    assert limits(listed(cards, many, "The queue", "Nothing")) == ""
    assert "45 more" in json.dumps(listed(cards, many, "The queue", "Nothing"))


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ("see https://evil.example/a.b", "see https[:]//evil[.]example/a[.]b"),
        ("evil.example or a@evil.example", "evil[.]example or a@evil[.]example"),
        ("It cost 3.50 on 1.2.", "It cost 3.50 on 1.2."),
        ("my data: see below. Next", "my data: see below. Next"), ("x data:y", "x data[:]y"),
        ("MAILTO:x", "MAILTO[:]x"), ("пример.рф", "пример[.]рф"), ("", ""),
        ("<!channel> 1 < 2", "‹!channel> 1 < 2"), ("a\u202eb\x07c", "abc"),
    ],
)  # fmt: skip
def test_links_lose_their_bite(seen: str, shown: str) -> None:
    assert tame(seen) == shown


@given(text=st.one_of(HOSTILE, LONG), limit=st.integers(10, 4000))
def test_tame_text_stays_tame_and_short(text: str, limit: int) -> None:
    shown = tame(text, limit)
    assert len(shown) <= limit
    assert not CLICKABLE.search(shown)
    assert not CLICKABLE.search(defanged(text))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("<@U0BOT> were &lt;keys&gt; exposed?", "@somebody were <keys> exposed?"),
        ("see <https://a.example|our page> &amp; <#C1|general>", "see our page (https://a.example) & #general"),
        ("<mailto:a@b.example|a@b.example> <!here> <!subteam^S1|@leads>", "a@b.example @here @leads"),
    ],
)  # fmt: skip
def test_what_was_typed_is_read(sent: str, read: str) -> None:
    assert typed(sent) == read


def test_an_address_is_told_apart_and_not_told() -> None:
    assert hidden_address("ana@example.org") == "a•••@example[.]org"
    assert hidden_address("nobody") == "n•••"
    assert hidden_address("") == "•••"


@given(parts=st.lists(st.text(max_size=4000), max_size=6))
def test_a_text_is_cut_without_loss(parts: list[str]) -> None:
    text = "\n\n".join(parts)[:11_000]
    cut = modals.split(text)
    assert all(len(part) <= 3000 for part in cut)
    if len(cut) < modals.FIELDS:
        assert "".join("".join(cut).split()) == "".join(text.split())


def test_blocks_are_dropped_from_the_end() -> None:
    assert len(fits([{"type": "divider"}] * 70)) == 50
    big = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}
    assert len(fits([big] * 9)) == 4


def test_every_reason_and_state_has_words() -> None:
    assert set(WORDS.reasons) == set(EscalationReason)
    assert set(WORDS.delivery) == set(OutboxState)
    assert len({(r.why, r.do) for r in WORDS.reasons.values()}) == len(EscalationReason)
    assert all(p in WORDS.priorities for p in Priority)
    for one, other in product(WORDS.reasons.values(), repeat=2):
        assert one is other or one.why != other.why
