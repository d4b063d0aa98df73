"""Draws the rarer messages and windows of Slack for the page to look at."""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.channels.slack.card_sync import _follow_up_message, _reminder, _summary
from bot.channels.slack.model_posts import render_translation
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views import label_modal, modals, more_menu_modals
from bot.channels.slack.views import team_answer_views as answers
from bot.channels.slack.views.cards import Cards, render_erased
from bot.channels.slack.views.home import CasePage, list_cases
from bot.corpus.team_answers import TeamAnswer, TeamAnswerState, Trial
from bot.domain import SenderProof
from bot.journal import Stage
from bot.journal.case_clusters import AskedQuestion
from bot.journal.on_call import HeldPages
from bot.journal.slack_records import FollowUpMessage
from bot.staff.label_review import ProposedLabel
from bot.staff.team_answer_review import ProposedText
from evals.reporting.block_kit import render_article
from tests.support.slack_cases import AT, case

ME, OTHER = "slack:U0ALICE", "slack:U0BOB"
NOW = datetime.fromisoformat(AT) + timedelta(hours=3)
ASKED = "Which law firm advises you?"
SAID = "We do not name the firms that advise us."


def team_answers() -> list[str]:
    """An answer for the knowledge, from the window that proposes it to its end."""
    pending = TeamAnswer(
        case=12, question=ASKED, answer=SAID, language="en", answered_by=ME, answered_at=AT,
        proposed_by=ME, proposed_at=AT,
    )  # fmt: skip
    good = Trial(of=pending.digest, at=AT, questions=412, answers_itself=True)
    remarks = ("the desk would not answer its own question with it yet",)
    faults = ("12 labelled questions would get this answer in place of the right one",)

    def of(**changed: object) -> TeamAnswer:
        return pending.model_copy(update=changed)

    states = {
        "being tried": (pending, ""),
        "not tried": (pending, "the model files are missing"),
        "tried": (of(trial=good), ""),
        "tried, remarks": (of(trial=good.model_copy(update={"remarks": remarks})), ""),
        "tried, faults": (of(trial=good.model_copy(update={"faults": faults})), ""),
        "approved": (
            of(state=TeamAnswerState.APPROVED, approved_by=OTHER, approved_at=AT),
            "",
        ),
        "withdrawn": (
            of(state=TeamAnswerState.WITHDRAWN, withdrawn_by=OTHER, withdrawn_at=AT),
            "",
        ),
    }
    offered = ProposedText(
        case=12, question=ASKED, answer=SAID, language="en", answered_by=ME, answered_at=AT
    )
    window = answers.propose_answer(offered)
    found = [render_article("take into knowledge", window["blocks"], window)]
    for name, (answer, untried) in states.items():
        drawn = answers.render_answer(answer, untried)
        found.append(render_article(f"team answer, {name}", drawn.blocks))
    gone = answers.render_rejected(12, OTHER)
    return [*found, render_article("team answer, rejected", gone.blocks)]


def messages(cards: Cards) -> list[str]:
    """What stands in threads, in direct messages, and in place of an erased card."""
    again = FollowUpMessage(id=1, text="And were my chats read?", draft="Hello,\n\nNo.")
    stranger = replace(again, sender="ben@example.net", proof=SenderProof.FAILED, draft="")
    held = HeldPages(lately=3, since=41, dangers=2, wakes=True)
    alone, owned = case(reminders=1), case(Stage.CLAIMED, owner=ME, reminders=1)
    drawn = {
        "they wrote again": _follow_up_message(again)["blocks"],
        "somebody else wrote": _follow_up_message(stranger)["blocks"],
        "reminder, nobody": [b.markdown(_reminder(alone))],
        "reminder, owner": [b.markdown(_reminder(owned))],
        "more urgent cases": _summary(held, NOW)["blocks"],
        "erased": render_erased("Case 12").blocks,
        "translation": render_translation("Were my passwords stolen?", "de").blocks,
        "an empty queue": list_cases(
            cards, CasePage(cases=[], total=0), "What waits for a person", "Nothing waits.",
            "/incident queue", now=NOW,
        ),
    }  # fmt: skip
    return [render_article(name, blocks) for name, blocks in drawn.items()]


def windows(cards: Cards) -> list[str]:
    """The windows for many who ask the same, for passages and for learning from answers."""
    knowledge, many = cards.knowledge, case(alike=12, alike_lately=4)
    asked = AskedQuestion(cluster=3, text="Is there a lawsuit?", count=4)
    news = modals.render_other_askers(
        ["Who is your lawyer?", "Which attorneys help you?"], [asked], {"de": 3}
    )
    label = ProposedLabel(
        number=7, question="Must I change my key?", language="en",
        passages=("faq-need-reset-password-rotate-api",), answered_by=ME, answered_at=AT,
        case_id=12,
    )  # fmt: skip
    own = replace(label, number=8, question=ASKED, passages=())
    passages = tuple(knowledge.post.passages)
    drawn = {
        "answer all": modals.edit_reply(many, kind="all", text=many.draft, later=[], news=news),
        "answer all, check": modals.confirm_sending(
            many, kind="all", text=many.draft, text_id=1, alike=["3"]
        ),
        "another passage": more_menu_modals.choose_passage(many, passages, knowledge.heading_of),
        "learn": label_modal.show_labels([label, own], cards.topics, {}),
        "a short message": modals.show_message(12, "⚪ This case was decided in the meantime."),
    }
    return [render_article(name, view["blocks"], view) for name, view in drawn.items()]


def more(cards: Cards) -> list[str]:
    """All of them."""
    return [*team_answers(), *messages(cards), *windows(cards)]
