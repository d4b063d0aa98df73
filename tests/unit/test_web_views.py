"""What the pages in a browser say of mails and cases, in words."""

import html
import re
from dataclasses import replace

import pytest

from bot.channels.slack.views.cards import PROOF_SIGNS
from bot.channels.web.letters import as_letter
from bot.channels.web.views import REFUSALS, Views, describe_step
from bot.corpus import Knowledge
from bot.domain import ProofTone, RefusalReason, SenderProof
from bot.journal import Case, CaseAction, OutboxState, Stage
from bot.journal.mail_list import ListedMail, SentMail
from bot.journal.records import CaseDecision, CaseQuestion, DeliveryStatus, MessageState
from bot.journal.transcript import AuditEntry
from bot.staff.case_actions import BROWSER_ACTOR
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE, ROOT
from tests.support.fakes import Time

AT = "2026-01-05T09:00:00.000+00:00"
CASE = Case(
    id=3, message_id=7, stage=Stage.OPEN, owner="", version="1.1", priority="high",
    reason="unsure", opened_at=AT, sender="ana@x.example", text="Hello", draft="",
)  # fmt: skip
MAIL = ListedMail(
    id=7, received_at=AT, sender="ana@x.example", headers={}, text="Hello", verdict="answer",
    rule="R18 otherwise", state=MessageState.DECIDED, masked=(), outcomes=(), sent=(), case_id=None,
    waits=False, erased=False, proof=SenderProof.PROVEN,
)  # fmt: skip
SENT = DeliveryStatus(state=OutboxState.SENT, at=AT, body=b"Subject: x\r\n\r\nHello\r\n")


@pytest.fixture(scope="module")
def views(knowledge: Knowledge) -> Views:
    return Views(knowledge, read_staff_texts(KNOWLEDGE), lambda _language: 0.5, {})


def asked(kind: str, reason: str, probability: float, *passages: str) -> CaseQuestion:
    return CaseQuestion(
        text="Why?", kind=kind, reason=reason, probability=probability, passages=passages
    )


def test_only_a_proven_sender_is_shown_as_good_and_an_unchecked_one_as_neither() -> None:
    tones = {proof.tone: {p for p in SenderProof if p.tone is proof.tone} for proof in SenderProof}
    assert tones[ProofTone.GOOD] == {SenderProof.PROVEN}
    assert tones[ProofTone.NEUTRAL] == {SenderProof.LOCAL}
    css = (ROOT / "bot/channels/web/static/desk.css").read_text(encoding="utf-8")
    assert all(f".proof.{tone} " in css for tone in ProofTone)
    assert set(PROOF_SIGNS) == set(ProofTone)


def test_an_open_case_says_what_has_changed_since_the_sender_was_told(views: Views) -> None:
    outdated = replace(
        CASE, outdated=("introduction-december-19-2025-clarification-updating", "gone")
    )
    assert (
        "Impacted users and how they were notified" in views.describe_case(outdated, Time()()).todo
    )
    assert views.describe_case(replace(outdated, stage=Stage.CLOSED), Time()()).todo == ""


def test_each_refusal_has_its_reason_in_words() -> None:
    assert set(REFUSALS) == set(RefusalReason)


@pytest.mark.parametrize(
    ("stage", "owner", "says"),
    [
        (Stage.OPEN, "", "nobody has it yet"), (Stage.CLAIMED, BROWSER_ACTOR, "You have it"),
        (Stage.CLAIMED, "slack:U1AAAA", "A colleague in Slack has it"), (Stage.SNOOZED, "", "put off"),
        (Stage.WAITING, "terminal", "waits for details from the sender"),
        (Stage.DECIDED, "", "answered"), (Stage.CLOSED, "", "closed without a mail"),
    ],
)  # fmt: skip
def test_each_stage_of_a_case_is_told(views: Views, stage: Stage, owner: str, says: str) -> None:
    shown = views.describe_case(replace(CASE, stage=stage, owner=owner), Time()())
    assert shown.state == says
    assert shown.may_act == (shown.case.open and owner in ("", BROWSER_ACTOR))
    assert bool(shown.todo) == shown.case.open


def test_a_case_says_how_good_its_draft_is_and_whether_it_is_late(views: Views) -> None:
    passage = next(iter(views.knowledge.passages))
    for probability, says, first in (
        (0.01, "", False), (0.52, "About 5 in 10", True), (0.99, "More than 9", True),
    ):  # fmt: skip
        question = asked("escalation", "unsure", probability, passage)
        case = replace(CASE, draft="Hello", questions=(question,), due_at=AT)
        clock = Time()
        clock.forward(1)
        shown = views.describe_case(case, clock())
        assert says in shown.chance
        assert (shown.row.overdue, shown.approve_first) == (True, first)
        assert f"{probability:.0%} probable" in shown.reasons[0].sure
        assert "from 50%" in shown.reasons[0].sure
    assert not views.describe_case(CASE, Time()()).chance


def test_a_held_case_names_the_rule_and_a_decided_one_who_decided(views: Views) -> None:
    held = views.describe_case(replace(CASE, reason="held", rule="R7 no single sender"), Time()())
    assert "Rule: no single sender." in held.why
    for actor, says in (("terminal", "Somebody at the terminal"), (BROWSER_ACTOR, "You")):
        decision = CaseDecision(action=CaseAction.APPROVED, actor=actor, at=AT)
        bounced = replace(SENT, state=OutboxState.BOUNCED)
        case = replace(CASE, stage=Stage.DECIDED, decision=decision, delivery=bounced)
        shown = views.describe_case(case, Time()())
        assert shown.decided == f"{says} sent the draft as it was"
        assert shown.lost
        assert "came back" in shown.delivery


def test_a_mail_says_what_became_of_it(views: Views) -> None:
    answer, refusal = asked("answer", "published", 0.9), asked("refusal", "secret", 0.1)
    person = SentMail(automatic=False, delivery=SENT)
    for mail, badges, says in (
        (replace(MAIL, state=MessageState.RECEIVED), ["being decided"], "is deciding it now"),
        (replace(MAIL, state=MessageState.DROPPED, rule="R5 auto-submitted"), ["no reply"], "auto-submitted"),
        (replace(MAIL, state=MessageState.FAILED, case_id=1, waits=True), ["for a person"], "A person answers it"),
        (replace(MAIL, outcomes=(answer, refusal)), ["answered", "refused"], ""),
        (replace(MAIL, case_id=1), ["closed by a person"], "closed the case without a mail"),
        (replace(MAIL, case_id=1, sent=(person,)), ["answered by a person"], ""),
        (MAIL, ["no reply"], "It asks nothing"),
        (replace(MAIL, erased=True, text=""), ["erased"], "was erased, at their request"),
    ):  # fmt: skip
        shown = views.describe_mail(mail)
        assert [words for _, words in shown.badges] == badges
        assert says in shown.no_reply


def test_what_was_done_is_told_in_words() -> None:
    texts = read_staff_texts(KNOWLEDGE)
    for actor, event, says in (
        ("desk", "received:answer", "The mail came in."), ("desk", "something_new:1", "something new"),
        (BROWSER_ACTOR, "edited", "You sent your own text"), (BROWSER_ACTOR, "claimed", "You took the case."),
        ("slack:U1AAAA", "not_ours", "A colleague in Slack closed it as not ours"),
        ("terminal", "reopened", "Somebody at the terminal reopened"),
    ):  # fmt: skip
        assert describe_step(AuditEntry(at=AT, actor=actor, event=event), texts) == says


def test_a_text_of_ours_is_a_letter_in_which_nothing_of_it_is_markup() -> None:
    text = '1. What?\n    No. It <b>was</b> not.\n    - one\n\nBye <script> style="x" & \u202eme\n'
    shown = as_letter(text)
    assert re.findall(r"<(/?[^>]*)>", shown) == [
        "h2", "/h2", "blockquote", "p", "/p", "ul", "li", "/li", "/ul", "/blockquote", "p", "/p",
    ]  # fmt: skip
    told = html.unescape(re.sub(r"<[^>]*>", " ", shown)).split()
    assert told == text.replace("\u202e", "").replace("- one", "one").split()
