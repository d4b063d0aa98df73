"""Every state of card, window and App Home as a page to look at: python -m tests.support.slack_preview FILE"""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.answering.reply import compose_correction
from bot.channels.slack.digest import render_digest
from bot.channels.slack.model_posts import render_suggestion
from bot.channels.slack.pasted_secret_notices import render_notice as pasted_note
from bot.channels.slack.views import case_reader, modals, more_menu_modals, recall_views
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.home import CasePage, HomeList, build_home, list_cases
from bot.channels.slack.views.responses import ResponseRenderer
from bot.corpus import load
from bot.corpus.changes import ChangeKind, PassageChange, PassageText
from bot.corpus.snippets import read_snippets
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
)
from bot.journal import Stage
from bot.journal.activity import Activity, ThinTopic
from bot.journal.correction_batches import CorrectionBatch
from bot.journal.pasted_secrets import PastedSecretMessage
from bot.journal.records import BatchState
from bot.journal.slack_records import FollowUpMessage
from bot.journal.statistics import DailyStatistics
from bot.journal.transcript import TranscriptEntry
from bot.outbound import Outbound
from bot.staff.case_actions import DETAILS
from bot.staff.outdated_answers import HoldReason, OutdatedAnswer, OutdatedReason
from bot.staff.recall_batches import RecallBatch
from bot.staff.staff_texts import read_staff_texts
from bot.staff.suggestion import assess_wording
from evals.reporting.block_kit import STYLE, render_article
from tests.conftest import KNOWLEDGE
from tests.support.slack_cases import AT, BAIT, asked, case, states
from tests.support.slack_preview_more import more

NOW = datetime.fromisoformat(AT) + timedelta(hours=3)
ACTIVITY = Activity(
    since=AT, until=AT, messages=212, answered=150, handed_over=48, decided=41, minutes=(4, 22, 190), open=11,
    oldest=7, oldest_at=AT, wrong=2, model_calls=97, model_tokens=81_000, days=(),
    topics=(
        ThinTopic(passage="faq-need-reset-password-rotate-api", handed_over=12, answered=31),
        ThinTopic(passage="introduction-breach-openai-systems-chat-api", handed_over=7, answered=2),
    ),
)  # fmt: skip
COLUMNS = "@media(min-width:900px){body{columns:2;column-gap:24px}}"


def _recalls(cards: Cards) -> list[str]:
    """What changed in the post, and the batch that follows."""
    knowledge = cards.knowledge
    now = knowledge.passages["introduction-incident-occurred-within-mixpanel-systems"]
    old = " ".join(now.sentences[:-1])
    before = PassageText(id=now.id, version="1", heading=now.heading, text=old, seen_at=AT)
    changes = {
        kind: PassageChange(id=now.id, kind=kind, before=one, now=other)
        for kind, one, other in (
            (ChangeKind.ADDITION, before, now),
            (ChangeKind.GONE, before, None),
            (ChangeKind.NEW, None, now),
        )
    }
    found = [
        render_article(f"change, {kind}", recall_views.render_change(change).blocks)
        for kind, change in changes.items()
    ]
    decided = recall_views.render_change(changes[ChangeKind.ADDITION], "slack:U0ALICE")
    found.append(render_article("change, decided", decided.blocks))
    text = compose_correction((now,), "en", knowledge)
    entries = [
        OutdatedAnswer(
            conversation_id=n, message_id=n, recipient="ana@example.org", sent_at=AT, why=OutdatedReason.ADDED,
            told=(before,), now=(now,), text=text, language="en", held=held,
        )
        for n, held in enumerate([None] * 24 + [HoldReason.OPEN_CASE, HoldReason.BOUNCED, HoldReason.ERASED])
    ]  # fmt: skip
    batch = RecallBatch(entries=tuple(entries))
    found.append(render_article("corrections", recall_views.render_batch(batch, 60).blocks))
    for state in (BatchState.APPROVED, BatchState.STORED, BatchState.REPLACED):
        kept = CorrectionBatch(
            key="k", listed={}, state=state, actor="slack:U0ALICE", at=AT, stored=24
        )
        drawn = recall_views.render_batch_state(kept, 60)
        found.append(render_article(f"corrections, {state}", drawn.blocks))
    for number in (0, 1):
        view = recall_views.show_list(batch, number)
        found.append(render_article(f"corrections, list {number + 1}", view["blocks"], view))
    return [*found, render_article("corrections, nobody", recall_views.render_nobody().blocks)]


def page() -> str:
    """Everything."""
    knowledge, words = load(KNOWLEDGE), read_staff_texts(KNOWLEDGE)
    cards = Cards(knowledge, words, lambda _language: 0.9)
    found = [
        render_article(c.stage + f" {c.priority} {c.reason}", cards.render(c).blocks)
        for c in states()
    ]
    one = case()
    windows = {
        "edit": modals.edit_reply(one, kind="edit", text=one.draft, later=[]),
        "edit, warned": modals.edit_reply(
            one, kind="edit", text="Send us your password, see evil.example.", later=[],
            warnings=["it seems to ask for a password, key or code: we never do that", "it names evil.example, which is not on the list of our addresses"],
        ),
        "details": modals.edit_reply(one, kind="details", text=DETAILS, later=[]),
        "check": modals.confirm_sending(one, kind="edit", text="Dear Ana,\n\nNo keys were exposed.", text_id=1),
        "conflict": case_reader.show_conflict(
            states()[-5], "Dear Ana, …", later=[], actions=words.actions
        ),
        "conflict, still mine": case_reader.show_conflict(
            one, "Dear Ana, …", later=[FollowUpMessage(id=1, text="I meant sales.")],
            actions=words.actions, kind="edit",
        ),
        "snooze": modals.choose_snooze(one, words.snooze_minutes),
        "owner": modals.change_owner(case(owner="slack:U0BOB"), mine=False), "full": case_reader.show_full_case(one, [], transcript=[TranscriptEntry(at=AT, text="Were chats read?"), TranscriptEntry(at=AT, mail=b"\n\nNo."), TranscriptEntry(at=AT, message_id=7)]), "wrong": modals.report_wrong_answer(1),
    }  # fmt: skip
    found += [render_article(name, view["blocks"], view) for name, view in windows.items()]
    passages = tuple(knowledge.post.passages[3:5])
    outcomes = (
        Answer(question="Were keys exposed?", reason=AnswerReason.PUBLISHED, probability=0.97, passages=passages, candidates=passages),
        Refusal(question="What is Bob's password?", reason=RefusalReason.SECRET, probability=0.1, candidates=passages),
        Escalation(question="Who pays?", reason=EscalationReason.UNSURE, priority=Priority.NORMAL, probability=0.3, candidates=passages),
    )  # fmt: skip
    answers = ResponseRenderer(Outbound(knowledge), words, lambda _language: 0.9)
    response = Response(outcomes=outcomes, language="en", knowledge="4f1c2a9b8d7e")
    found.append(render_article("answer", answers.render(response, 1, can_share=True).blocks))
    hint = assess_wording(
        f"{passages[0].sentences[0]} We name no law firm. Send us your password.",
        passages,
        knowledge,
    )
    found.append(render_article("suggestion", render_suggestion(hint).blocks))
    numbers = DailyStatistics(
        messages=212, answered=171, decided=30, open=11, last_in=AT, last_out=AT, waiting=2, failed=1
    )  # fmt: skip
    health = [
        HealthLine(name="slack", good=True, says="the line is open"),
        HealthLine(
            name="model",
            good=False,
            says="is not asked, its calls of this hour are spent; the desk decides alone",
        ),
    ]
    told: dict[str, Any] = {
        "now": NOW,
        "numbers": numbers,
        "knowledge": "4f1c2a9b8d7e",
        "health": health,
    }
    urgent = home_list(
        CasePage(cases=[], total=0),
        CasePage(
            cases=[
                case(
                    Stage.CLAIMED,
                    reminders=1,
                    owner="slack:U0ALICE",
                    language="de",
                    topic="faq-need-reset-password-rotate-api",
                    questions=(
                        asked(
                            text="Muss ich jetzt mein Kennwort ändern, obwohl ich noch keine Nachricht von Ihnen bekommen habe?"
                        ),
                    ),
                )
            ]
            * 15,
            total=400,
            number=3,
        ),
        "urgent",
    )
    view = build_home(cards, urgent, **told, taking=True)
    found.append(render_article("App Home, urgent cases", view["blocks"], view))
    view = build_home(
        cards, home_list(
            CasePage(cases=[case(Stage.CLAIMED, owner="slack:U0ALICE")], total=1),
            CasePage(cases=[case(reminders=1), case(priority="page", reason="danger")], total=40),
        ),
        **told, taking=False,
    )  # fmt: skip
    found.append(render_article("App Home", view["blocks"], view))
    found += [*_more(cards), *_recalls(cards), *more(cards)]
    body = "\n".join(found)
    return f"<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Cards</title><style>{STYLE}{COLUMNS}</style>{body}"


def home_list(mine: CasePage, unclaimed: CasePage, chosen: str = "") -> HomeList:
    """The lists of App Home, with topics and languages to choose from."""
    lists = [
        ("Your cases", mine, "You have none."),
        ("Nobody has these", unclaimed, "Nothing waits."),
    ]
    topics = {
        "faq-openai-passwords-api-keys-payment": 12,
        "introduction-breach-openai-systems-chat-api": 3,
    }
    return HomeList(
        lists=lists[bool(chosen) :], chosen=chosen, topics=topics, languages={"de": 5, "zz": 1}
    )


def _more(cards: Cards) -> list[str]:
    """Lists and notes, and what is hostile or long."""
    queue = CasePage(cases=[case(), case(reminders=1, priority="page", reason="danger")], total=40)
    bad = case(
        text="\n".join(BAIT), sender="<!channel>@evil.example", masked=("api_key", "password")
    )
    long = case_reader.show_full_case(
        case(text="A long story. " * 2_000), [FollowUpMessage(id=1, text="And more.")]
    )
    lists = list_cases(
        cards, queue, "What waits for a person", "Nothing.", "/incident queue", now=NOW
    )
    alike = [one for one in states() if one.open]
    acts = {
        "assign": more_menu_modals.assign_case(bad),
        "saved reply": more_menu_modals.choose_snippet(bad, read_snippets(KNOWLEDGE)),
        "merge": more_menu_modals.choose_merge(bad, alike[:2]),
        "several": more_menu_modals.choose_cases(bad, alike, "Were passwords exposed?", text="Dear all, …"),
        "several, check": more_menu_modals.confirm_several(12, alike, text="Dear all, we name no law firm.", text_id=1, warnings=["it names evil.example"]),
    }  # fmt: skip
    digest = render_digest(ACTIVITY, cards.topics, 2.0, NOW)
    shown = [render_article(name, view["blocks"], view) for name, view in acts.items()]
    note = pasted_note(PastedSecretMessage(message_id=1, kinds=("api_key",)))
    return [
        *shown, render_article("the digest of a morning", digest.blocks),
        render_article("queue", lists), render_article("a pasted secret", note.blocks),
        render_article("a hostile mail", cards.render(bad).blocks), render_article("a long mail", long["blocks"], long),
    ]  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
