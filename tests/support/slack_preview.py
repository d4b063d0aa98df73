"""Every state of card, window and App Home as a page to look at: python -m tests.support.slack_preview FILE

A small reading of Block Kit, near enough to judge words, order and length in a browser.
"""

import html
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.channels.slack.pasted_secrets import drawn as pasted_note
from bot.channels.slack.suggestions import drawn
from bot.channels.slack.texts import read_words
from bot.channels.slack.views import case_reader, modals
from bot.channels.slack.views.answers import Answers
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.home import Health, Page, home, listed
from bot.corpus import load
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Priority,
    Refusal,
    RefusalReason,
    Response,
)
from bot.journal import Stage
from bot.journal.pasted_secrets import Pasted
from bot.journal.slack_records import Later
from bot.journal.statistics import Numbers
from bot.llm.suggestion import suggested
from bot.outbound import Outbound
from tests.conftest import KNOWLEDGE
from tests.slack.test_slack_cards import AT, BAIT, case, states

STYLE = """
body{font:15px/1.46 Lato,'Helvetica Neue',Arial,sans-serif;color:#1d1c1d;margin:16px;background:#f4f4f4;
columns:2;column-gap:24px}
article{background:#fff;border:1px solid #ddd;border-radius:8px;padding:10px 14px;margin:0 0 18px;break-inside:avoid}
article>small{color:#868686}article.modal{border:2px solid #999}
h3{font-size:17px;margin:6px 0}.context,.plain{font-size:13px;color:#616061;margin:3px 0}
.section{margin:6px 0;white-space:pre-wrap}.said{white-space:pre-wrap;border-left:4px solid #ddd;padding-left:10px;margin:4px 0}
.letter{white-space:pre-wrap;background:#f8f8f8;border:1px solid #ddd;border-radius:4px;padding:8px;font:13px/1.4 monospace}
button{font:inherit;font-weight:700;font-size:13px;background:#fff;border:1px solid #bbb;border-radius:4px;padding:5px 10px;margin:3px 6px 3px 0}
button.primary{background:#007a5a;color:#fff;border-color:#007a5a}textarea{width:100%;height:110px;font:inherit}
label{font-weight:700;display:block;margin-top:8px}a{color:#1264a3;text-decoration:none;background:#e8f5fa}
"""
DATE = re.compile(r"&lt;!date\^(\d+)\^([^|]*)\|([^&]*)&gt;")


def marked(text: str) -> str:
    """mrkdwn as Slack shows it."""
    text = html.escape(html.unescape(text), quote=False)
    text = DATE.sub(_date, text)
    text = re.sub(r"&lt;@([A-Z0-9]+)&gt;", r"<a>@\1</a>", text)
    text = re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", text)
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)


def _date(found: re.Match[str]) -> str:
    if "ago" in found.group(2):
        return "23 minutes ago"
    return datetime.fromtimestamp(int(found.group(1))).strftime("%d %b, %H:%M")  # noqa: DTZ006 - the reader's own


def shown(block: dict[str, Any]) -> str:
    """One block."""
    kind = block["type"]
    if kind == "header":
        return f"<h3>{html.escape(block['text']['text'])}</h3>"
    if kind == "section":
        extra = _element(block["accessory"]) if "accessory" in block else ""
        return f"<div class=section>{marked(block['text']['text'])} {extra}</div>"
    if kind == "rich_text":
        return "".join(_rich(each) for each in block["elements"])
    if kind == "divider":
        return "<hr>"
    if kind == "input":
        label = f"<label>{html.escape(block['label']['text'])}</label>"
        return label + _element(block["element"])
    inner = " ".join(_element(each) for each in block["elements"])
    asks = "".join(_asks(each) for each in block["elements"] if "confirm" in each)
    return f"<div class={kind}>{inner}</div>{asks}"


def _asks(button: dict[str, Any]) -> str:
    """What a button asks before it acts."""
    asked = {name: html.escape(part["text"]) for name, part in button["confirm"].items()}
    says = f"{asked['title']} {asked['text']} [{asked['confirm']}] [{asked['deny']}]"
    return f"<div class=plain>↳ {html.escape(button['text']['text'])} asks: {says}</div>"


def _rich(element: dict[str, Any]) -> str:
    inner = html.escape("".join(each["text"] for each in element["elements"]))
    name = "letter" if element["type"] == "rich_text_preformatted" else "said"
    return f"<div class={name}>{inner}</div>"


def _element(element: dict[str, Any]) -> str:
    kind = element["type"]
    if kind == "button":
        return f"<button class='{element.get('style', '')}'>{html.escape(element['text']['text'])}</button>"
    if kind == "feedback_buttons":
        return "<button>👍 Right</button><button>👎 Wrong</button>"
    if kind == "plain_text_input":
        return f"<textarea>{html.escape(element.get('initial_value', ''))}</textarea>"
    if kind in ("radio_buttons", "checkboxes"):
        box = "○" if kind == "radio_buttons" else "☐"
        return "<br>".join(f"{box} {html.escape(o['text']['text'])}" for o in element["options"])
    return marked(element["text"]) if kind == "mrkdwn" else html.escape(element["text"])


def article(name: str, blocks: list[dict[str, Any]], view: dict[str, Any] | None = None) -> str:
    """One message or window."""
    inner = "\n".join(shown(block) for block in blocks)
    head = f"<h3>{html.escape(view['title']['text'])}</h3><hr>" if view and "title" in view else ""
    foot = (
        f"<hr><button class=primary>{view['submit']['text']}</button>"
        if view and "submit" in view
        else ""
    )
    kind = "modal" if view else "card"
    return f"<article class={kind}><small>{html.escape(name)}</small>{head}{inner}{foot}</article>"


def page() -> str:
    """Everything."""
    knowledge, words = load(KNOWLEDGE), read_words(KNOWLEDGE)
    cards = Cards(knowledge, words, 0.9)
    found = [article(c.stage + f" {c.priority} {c.reason}", cards.card(c).blocks) for c in states()]
    one = case()
    windows = {
        "edit": modals.edit(one, kind="edit", text=one.draft, later=[]),
        "edit, warned": modals.edit(
            one, kind="edit", text="Send us your password, see evil.example.", later=[],
            warnings=["it seems to ask for a password, key or code: we never do that", "it names evil.example, which is not on the list of our addresses"],
        ),
        "details": modals.edit(one, kind="details", text=modals.DETAILS, later=[]),
        "check": modals.check(one, kind="edit", text="Dear Ana,\n\nNo keys were exposed.", text_id=1),
        "conflict": case_reader.conflict(
            states()[-5], "Dear Ana, …", later=[], actions=words.actions
        ),
        "conflict, still mine": case_reader.conflict(
            one, "Dear Ana, …", later=[Later(id=1, text="I meant sales.")],
            actions=words.actions, kind="edit",
        ),
        "snooze": modals.snooze(one, words.snooze_minutes),
        "owner": modals.claimed(case(owner="slack:U0BOB"), mine=False), "full": case_reader.full(one, []), "wrong": modals.wrong(1),
    }  # fmt: skip
    found += [article(name, view["blocks"], view) for name, view in windows.items()]
    passages = tuple(knowledge.post.passages[3:5])
    outcomes = (
        Answer(question="Were keys exposed?", reason=AnswerReason.PUBLISHED, probability=0.97, passages=passages, candidates=passages),
        Refusal(question="What is Bob's password?", reason=RefusalReason.SECRET, probability=0.1, candidates=passages),
        Escalation(question="Who pays?", reason=EscalationReason.UNSURE, priority=Priority.NORMAL, probability=0.3, candidates=passages),
    )  # fmt: skip
    answers = Answers(Outbound(knowledge), words, 0.9)
    response = Response(outcomes=outcomes, language="en", knowledge="4f1c2a9b8d7e")
    found.append(article("answer", answers.answer(response, 1, can_share=True).blocks))
    hint = suggested(
        f"{passages[0].sentences[0]} We name no law firm. Send us your password.",
        passages,
        knowledge,
    )
    found.append(article("suggestion", drawn(hint).blocks))
    numbers = Numbers(
        messages=212, answered=171, decided=30, open=11, last_in=AT, last_out=AT, waiting=2, failed=1
    )  # fmt: skip
    health = [
        Health(name="slack", good=True, says="the line is open"),
        Health(
            name="model",
            good=False,
            says="is not asked, its calls of this hour are spent; the desk decides alone",
        ),
    ]
    view = home(
        cards, mine=Page(cases=[case(Stage.CLAIMED, owner="slack:U0ALICE")], total=1),
        unclaimed=Page(cases=[case(reminders=1), case(priority="page", reason="danger")], total=40),
        numbers=numbers, knowledge="4f1c2a9b8d7e", health=health, taking=False,
    )  # fmt: skip
    found.append(article("App Home", view["blocks"], view))
    found += _more(cards)
    body = "\n".join(found)
    return f"<!doctype html><meta charset=utf-8><title>Cards</title><style>{STYLE}</style>{body}"


def _more(cards: Cards) -> list[str]:
    """Lists and notes, and what is hostile or long."""
    queue = Page(cases=[case(), case(reminders=1, priority="page", reason="danger")], total=40)
    bad = case(
        text="\n".join(BAIT), sender="<!channel>@evil.example", masked=("api_key", "password")
    )
    long = case_reader.full(case(text="A long story. " * 2_000), [Later(id=1, text="And more.")])
    lists = listed(cards, queue, "What waits for a person", "Nothing.", "/incident queue")
    note = pasted_note(Pasted(message_id=1, kinds=("api_key",)))
    return [
        article("queue", lists), article("a pasted secret", note.blocks),
        article("a hostile mail", cards.card(bad).blocks), article("a long mail", long["blocks"], long),
    ]  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
