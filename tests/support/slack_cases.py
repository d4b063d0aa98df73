"""Cases in every state, texts that try to misuse Slack's marks, and what such texts may not become."""

import re
from datetime import UTC, datetime

from hypothesis import strategies as st

from bot.domain import SenderProof
from bot.journal import (
    Case,
    CaseAction,
    CaseDecision,
    CaseQuestion,
    DeliveryStatus,
    OutboxState,
    Stage,
)
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.servers.slack_limits import texts, walk

AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC).isoformat()
WORDS = read_staff_texts(KNOWLEDGE)
BAIT = [
    "<!channel>", "<!here>", "<!everyone>", "<@U0ALICE>", "<#C0TRIAGE>", "<!subteam^S1|all>", "@here",
    "https://evil.example/x?a=1&b=2", "<https://evil.example|our site>", "evil.example", "a@evil.example",
    "*bold*", "_it_", "`code`", "```\nblock\n```", "> quote", ":rotating_light:", "mailto:a@b.example",
    "\u202e", "\u200b", "\x00", "&lt;!channel&gt;", "tel:112", "[x](https://evil.example)", "\n" * 30,
]  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(BAIT), st.text(max_size=60)), max_size=40).map("".join)
LONG = st.integers(0, 60_000).map(lambda n: ("A long line without end " * 3000)[:n])
LIVE = ("link", "user", "broadcast", "usergroup", "channel", "emoji")
UNSEEN = ("\u202e", "\u200b", "\x00")
MARKS = ("<!channel", "<!here", "<!everyone", "<@U0A", "<#C", *UNSEEN)
CLICKABLE = re.compile(r"https?://|mailto:\S|\w\.[a-z]{2,}", re.IGNORECASE)


def case(stage: Stage = Stage.OPEN, **more: object) -> Case:
    told: dict[str, object] = {
        "id": 12, "message_id": 7, "stage": stage, "owner": "", "version": "3.1",
        "priority": "normal", "reason": "unsure", "opened_at": AT, "sender": "ana@example.org",
        "text": "Were my keys exposed?", "draft": "Hello,\n\nNo keys were exposed.", "due_at": AT,
        "questions": (asked(),),
    }  # fmt: skip
    return Case(**(told | more))  # type: ignore[arg-type]


def asked(*passages: str, text: str = "?") -> CaseQuestion:
    found = passages or ("faq-mixpanel-removed-openai-products",)
    return CaseQuestion(
        text=text, kind="escalation", reason="unsure", probability=0.62, passages=found
    )


def answered(text: str = "Were keys exposed?") -> CaseQuestion:
    return CaseQuestion(
        text=text, kind="answer", reason="published", probability=0.97, passages=("x",)
    )


def states() -> list[Case]:
    """Every stage, with what belongs to it."""
    me = "slack:U0ALICE"
    found = [
        case(), case(reminders=2, priority="page", reason="danger"), case(reason="press"), case(masked=("api_key",)),
        case(questions=(answered(), asked(text="And which law firm?")), replied=DeliveryStatus(state=OutboxState.SENT, at=AT), earlier=2, earlier_action="edited", attachments=("a.pdf", "b.png")),
        case(replied=DeliveryStatus(state=OutboxState.SENT, at=AT), draft="", questions=(), earlier=1),
        case(questions=(), draft=""), case(sender="", reason="held"), case(Stage.CLAIMED, owner=me), case(Stage.SNOOZED, owner=me),
        case(Stage.WAITING, owner=me, delivery=DeliveryStatus(state=OutboxState.SENT, at=AT)),
        case(Stage.WAITING, owner=me, delivery=DeliveryStatus(state=OutboxState.READY, at=AT)),
        case(outdated=("introduction-december-19-2025-clarification-updating",), proof=SenderProof.LOCAL),
        case(proof=SenderProof.PROVEN), case(proof=SenderProof.FAILED),
        case(draft="A long paragraph. " * 500), case(parent=3, priority="high", reason="held", rule="R10 forged sender"),
        case(Stage.CLOSED, joined=3),
        case(Stage.CLOSED, decision=CaseDecision(action=CaseAction.NOT_OURS, actor=me, at=AT)),
        case(Stage.CLOSED, decision=CaseDecision(action=CaseAction.DISMISSED, actor="terminal", at=AT)),
    ]  # fmt: skip
    made = CaseDecision(action=CaseAction.EDITED, actor=me, at=AT)
    found += [
        case(Stage.DECIDED, decision=made, delivery=DeliveryStatus(state=state, at=AT, fault="x"))
        for state in OutboxState
    ]
    return found


def hostile(found: object) -> None:
    """Nothing of a user stands where Slack would read marks, and nothing can be clicked.

    Plain text and letters (what shall go out, word for word) are left alone by Slack.
    """
    for each in walk(found):
        assert each.get("type") not in LIVE
        assert "emoji" not in each or each["emoji"] is False
        if each.get("type") == "mrkdwn":
            assert "evil" not in each["text"]
            marks = re.findall(r"<([^>]*)>", each["text"])
            assert all(re.fullmatch(r"@[UW][A-Z0-9]+|!date\^\d+\^[^|]+\|[^|]+", m) for m in marks)
        if each.get("type") == "rich_text_quote":
            quoted = "".join(texts(each))
            assert not CLICKABLE.search(quoted)
            assert not [mark for mark in MARKS if mark in quoted]
        if each.get("type") == "plain_text":
            assert not [mark for mark in UNSEEN if mark in each["text"]]
