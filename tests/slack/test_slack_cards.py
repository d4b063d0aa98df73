"""Whatever users write: the card fits Slack's limits, and mentions, links and formats nothing."""

import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.slack.mrkdwn import (
    decode_typed_text,
    defang,
    mask_address,
    neutralize,
    split_text,
    truncate_counted,
)
from bot.channels.slack.views.blocks import fit_message
from bot.channels.slack.views.cards import Cards
from bot.corpus import Knowledge
from bot.domain import (
    EscalationReason,
    Priority,
)
from bot.journal import (
    Case,
    CaseAction,
    CaseDecision,
    CaseQuestion,
    DeliveryStatus,
    OutboxState,
    Stage,
)
from tests.servers.slack_limits import limits, texts, walk
from tests.support.slack_cases import (
    AT,
    CLICKABLE,
    HOSTILE,
    LONG,
    WORDS,
    answered,
    asked,
    case,
    hostile,
    states,
)

LOADED = settings(max_examples=60)


@pytest.fixture(scope="session")
def cards(knowledge: Knowledge) -> Cards:
    return Cards(knowledge, WORDS, lambda _language: 0.9)


@pytest.mark.parametrize(
    "each", states(), ids=lambda c: f"{c.stage}-{c.delivery and c.delivery.state}"
)
def test_every_state_fits_and_keeps_its_layout(cards: Cards, each: Case) -> None:
    drawn = cards.render(each)
    assert limits(drawn.blocks) == ""
    kinds = [b.get("block_id") or b["type"] for b in drawn.blocks]
    assert kinds[:3] == ["header", "standing", "context"]
    rows = ["decide"] * bool(each.sender or not each.open) + ["handle"] * (not each.joined)
    assert kinds[kinds.index("divider") + 1 :] == rows
    assert ("approve" in json.dumps(drawn.blocks)) == (
        each.open and each.can_approve and len(each.draft) < 5000
    )
    assert ("Review & send" in json.dumps(drawn.blocks)) == (len(each.draft) > 5000)
    assert ("Reopen" in json.dumps(drawn.blocks)) == (not each.open and not each.joined)
    assert "ana" not in drawn.text
    assert "ana@" not in "".join(texts(drawn.blocks))
    assert drawn.text.startswith("Case 12, ")


@pytest.mark.no_cover
@LOADED
@given(
    text=st.one_of(HOSTILE, LONG), draft=st.one_of(HOSTILE, LONG), sender=HOSTILE,
    stage=st.sampled_from(list(Stage)), reason=st.sampled_from(list(EscalationReason)),
)  # fmt: skip
def test_no_text_breaks_a_card(
    cards: Cards, text: str, draft: str, sender: str, stage: Stage, reason: EscalationReason
) -> None:
    made = CaseDecision(action=CaseAction.EDITED, actor="slack:U0ALICE", at=AT)
    each = case(
        stage,
        text=text,
        draft=draft,
        sender=sender,
        reason=reason.value,
        owner="slack:U0ALICE",
        later=3,
        later_at=AT,
        decision=made if stage in (Stage.DECIDED, Stage.CLOSED) else None,
    )
    drawn = cards.render(each)
    assert limits(drawn.blocks) == ""
    hostile(drawn.blocks)
    rows = ["decide", "handle"] if sender or not each.open else ["handle"]
    assert [b.get("block_id") for b in drawn.blocks[-len(rows) :]] == rows
    quote = next(b for b in drawn.blocks if b["type"] == "rich_text")
    assert not CLICKABLE.search("".join(texts(quote)))


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
    assert neutralize(seen) == shown


@LOADED
@given(text=st.one_of(HOSTILE, LONG), limit=st.integers(60, 4000))
def test_tame_text_stays_tame_and_short(text: str, limit: int) -> None:
    shown = truncate_counted(neutralize(text), limit)
    assert len(shown) <= limit
    assert not CLICKABLE.search(shown)
    assert not CLICKABLE.search(defang(text))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("<@U0BOT> were &lt;keys&gt; exposed?", "@somebody were <keys> exposed?"),
        ("see <https://a.example|our page> &amp; <#C1|general>", "see our page (https://a.example) & #general"),
        ("<mailto:a@b.example|a@b.example> <!here> <!subteam^S1|@leads>", "a@b.example @here @leads"),
    ],
)  # fmt: skip
def test_what_was_typed_is_read(sent: str, read: str) -> None:
    assert decode_typed_text(sent) == read


def test_an_address_is_told_apart_and_not_told() -> None:
    assert mask_address("ana@example.org") == "a•••@example[.]org"
    assert mask_address("nobody") == "n•••"
    assert mask_address("") == "•••"


@LOADED
@given(text=st.one_of(HOSTILE, LONG, st.text(max_size=9_000)), limit=st.integers(2, 3000))
def test_a_text_is_cut_without_loss(text: str, limit: int) -> None:
    cut = split_text(text, limit)
    assert "".join(cut) == text
    assert all(len(part) <= limit for part in cut)


def test_parts_end_with_a_paragraph_a_line_or_a_word() -> None:
    assert split_text("One two.\n\nThree four five", 16) == ["One two.\n\n", "Three four five"]
    assert split_text("One two.\nThree four", 14) == ["One two.\n", "Three four"]
    assert split_text("One two three", 10) == ["One two ", "three"]
    assert split_text("x" * 12, 10) == ["x" * 10, "xx"]


def test_what_nobody_sees_hides_nothing_behind_it(cards: Cards) -> None:
    hidden = "\u200b" * 9_000 + "\n" * 9_000 + "Now the question."
    assert "Now the question." in "".join(texts(cards.render(case(text=hidden)).blocks))


def test_a_cut_is_said(cards: Cards) -> None:
    long = "A mail without end. " * 500
    shown = "".join(texts(cards.render(case(text=long, draft=long)).blocks))
    assert shown.count("more characters]") == 2
    assert "*Show all* has the whole mail" in shown
    assert "*Review & send* shows every word" in shown


def test_what_is_left_out_is_said() -> None:
    assert len(fit_message([{"type": "divider"}] * 50)) == 50
    many = fit_message([{"type": "divider"}] * 70)
    assert len(many) == 50
    big = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}
    few = fit_message([big] * 9)
    assert len(few) == 5
    for made in (many, few):
        assert "There is more than fits here" in json.dumps(made[-1])


def test_a_mail_that_did_not_arrive_does_not_look_done(cards: Cards) -> None:
    made = CaseDecision(action=CaseAction.APPROVED, actor="slack:U0ALICE", at=AT)
    for state in OutboxState:
        drawn = cards.render(
            case(Stage.DECIDED, decision=made, delivery=DeliveryStatus(state=state, at=AT))
        )
        lost = state in ("bounced", "failed", "held", "unknown")
        assert drawn.blocks[0]["text"]["text"].startswith("⚠️" if lost else "✅")
        assert ("may not have arrived" in drawn.text) == lost


def test_green_is_what_comes_first(cards: Cards) -> None:
    def green(each: Case) -> list[str]:
        return [e["action_id"] for e in walk(cards.render(each).blocks) if e.get("style")]

    assert green(case()) == ["approve"]
    assert green(case(reason="danger", priority="page")) == ["claim"]
    doubtful = CaseQuestion(
        text="?", kind="escalation", reason="unsure", probability=0.04, passages=("x",)
    )
    assert green(case(questions=(doubtful,))) == ["claim"]
    assert "in 10 drafts" not in json.dumps(cards.render(case(questions=(doubtful,))).blocks)
    assert green(case(questions=(), draft="")) == ["claim"]
    assert green(case(Stage.CLAIMED, owner="slack:U0ALICE", reason="danger")) == []
    assert green(case(Stage.WAITING, owner="slack:U0ALICE")) == []
    asks = json.dumps(cards.render(case(reason="phishing_sample")).blocks)
    assert asks.count("Do not open its links") == 2, "on the card and once more"


@pytest.mark.parametrize(
    ("more", "called"),
    [
        ({"reason": "press"}, "<!subteam^S0PRESS>"),
        ({"reason": "legal"}, "Dana &lt;Reed&gt;"),
        ({"reason": "regulator"}, "nobody is named for this (DESK_CALL"),
        ({"reason": "takeover", "priority": "page"}, "<@U0BOB>"),
        ({"questions": (CaseQuestion(text="?", kind="escalation", reason="press", probability=0.9, passages=("x",)),)}, "<!subteam^S0PRESS>"),
    ],
)  # fmt: skip
def test_where_somebody_must_be_called_no_draft_is_offered(
    knowledge: Knowledge, more: dict[str, object], called: str
) -> None:
    contacts = {EscalationReason.PRESS: "S0PRESS", EscalationReason.LEGAL: "Dana <Reed>"}
    each = case(Stage.OPEN, **more)
    drawn = Cards(
        knowledge, WORDS, lambda _language: 0.9, contacts=contacts, oncall=("U0BOB",)
    ).render(each)
    shown = json.dumps(drawn.blocks, ensure_ascii=False)
    assert f"*Call first:* {called}" in shown
    assert "approve" not in shown
    assert each.draft not in "".join(texts(drawn.blocks))
    assert limits(drawn.blocks) == ""


def test_what_cannot_be_sent_is_not_offered(cards: Cards) -> None:
    nobody = json.dumps(cards.render(case(sender="", reason="held")).blocks)
    assert "By e-mail from no single sender" in nobody
    assert "so nothing can be sent from here" in nobody
    for act in ("approve", "edit", "details"):
        assert f'"action_id": "{act}' not in nobody
    for act, offered in (
        ("passage", False),
        ("snippet", False),
        ("merge", False),
        ("assign", True),
    ):
        assert (f'"value": "{act}:' in nobody) is offered
        assert f'"value": "{act}:' in json.dumps(cards.render(case()).blocks)
    assert "Write a reply" in json.dumps(cards.render(case(draft="")).blocks)


def test_a_part_of_another_case_is_not_due(cards: Cards) -> None:
    joined = json.dumps(cards.render(case(Stage.CLOSED, joined=3)).blocks)
    assert "Part of case 3" in joined
    assert "answer by" not in joined


def test_a_probability_is_said_as_people_count(cards: Cards) -> None:
    shown = json.dumps(cards.render(case()).blocks)
    assert "About 6 in 10 drafts like this one answer the question (62%)" in shown
    assert "sends from 90%" in shown


def test_a_card_names_the_threshold_of_the_language_of_its_case(knowledge: Knowledge) -> None:
    cards = Cards(knowledge, WORDS, {"en": 0.6, "de": 0.8}.__getitem__)
    assert "sends from 60%" in json.dumps(cards.render(case(language="en")).blocks)
    assert "sends from 80%" in json.dumps(cards.render(case(language="de")).blocks)


def test_a_card_says_what_was_sent_and_what_is_open(cards: Cards) -> None:
    sent = DeliveryStatus(state=OutboxState.SENT, at=AT)
    each = case(
        questions=(answered(), asked(text="Which law firm? evil.example"), *[asked(text="More?")] * 9),
        replied=sent, earlier=3, earlier_action="not_ours", attachments=("bill.pdf", "<!here>.png"),
    )  # fmt: skip
    drawn = cards.render(each)
    shown = "".join(texts(drawn.blocks))
    for words in (
        "*Already sent*, <!date", "the desk's answer to", "• Were keys exposed?", "*Still open:*",
        "• Which law firm? evil[.]example", "… and 4 more", "*Draft* for what is open",
        "The same sender has 3 earlier cases*; of the last decided one: we closed it as not ours",
        "2 attached: bill[.]pdf",
    ):  # fmt: skip
        assert words in shown, words
    hostile(drawn.blocks)
    assert limits(drawn.blocks) == ""
    handed = "".join(texts(cards.render(case(replied=sent, draft="")).blocks))
    assert "that a person will answer." in handed
    assert "Still open" not in handed
    assert "No published sentence is near" in handed
    assert "Already sent" not in "".join(texts(cards.render(case()).blocks))


def test_a_held_case_names_its_rule(cards: Cards) -> None:
    def shown(rule: str, reason: str = "held") -> bool:
        return "Rule:" in json.dumps(cards.render(case(reason=reason, rule=rule)).blocks)

    assert shown("R10 forged sender")
    assert not shown("R18 otherwise")
    assert not shown("")
    assert not shown("R10 forged sender", "unsure")


def test_every_reason_and_state_has_words() -> None:
    assert set(WORDS.reasons) == set(EscalationReason)
    assert set(WORDS.delivery) == set(OutboxState)
    assert len({(r.why, r.do) for r in WORDS.reasons.values()}) == len(EscalationReason)
    assert all(p in WORDS.priorities for p in Priority)
    for one, other in product(WORDS.reasons.values(), repeat=2):
        assert one is other or one.why != other.why
