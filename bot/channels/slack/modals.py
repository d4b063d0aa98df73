"""The windows: edit, check, conflict, details, snooze, full text, what was wrong."""

import hashlib
import json
from collections.abc import Sequence
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

from bot.channels.slack import blocks as b
from bot.channels.slack.blocks import Block
from bot.channels.slack.cards import who
from bot.channels.slack.text import clip, escaped, hidden_address
from bot.journal import Case, Stage

FIELDS = 4
View = dict[str, Any]
DETAILS = (
    "Hello,\n\nThank you for your message. So that we can answer it, please tell us a little more: "
    "what happened, when, and what you would like to know.\n\nPlease do not send passwords, codes "
    "or keys; we never ask for them.\n"
)


def edit(case: Case, *, kind: str, text: str, warnings: Sequence[str] = ()) -> View:
    """Write the reply; with warnings, a box must be ticked before it goes on."""
    asks = kind == "details"
    made: list[Block] = [
        b.label(f"Goes to {hidden_address(case.sender)}. Nothing is sent before the next step."),
        b.said(case.text, 700),
    ]
    if warnings:
        made = [*_warned(warnings), *made]
    parts = split(text)
    made += [
        b.field(
            f"text_{n}",
            ("What do you need to know?" if asks else "Your reply") if n == 0 else f"Part {n + 1}",
            value=part,
        )
        for n, part in enumerate(parts)
    ]
    if warnings:
        made.append(
            b.tick("warned", "Send it in spite of this?", "Yes, I have read the remarks above.")
        )
    told = {"case": case.id, "v": case.version, "kind": kind, "warned": mark(warnings)}
    title = f"Case {case.id}: ask" if asks else f"Case {case.id}: reply"
    return _view("edit", title, made, told, submit="Next: check")


def check(case: Case, *, kind: str, text: str, text_id: int) -> View:
    """The last look: to whom, and every word."""
    made = [
        b.words("*This goes out as one mail, now. Read it once more.*"),
        b.label(f"To: {case.sender}"),
        *_letters(text),
    ]
    told = {"case": case.id, "v": case.version, "kind": kind, "text": text_id}
    return _view("send", f"Case {case.id}: send?", made, told, submit="Send now")


def conflict(case: Case, text: str) -> View:
    """Somebody was first, or the user wrote again: both texts, and nothing was sent."""
    made = [b.words(f"⚠️ *Nothing was sent.* {_what_changed(case)}")]
    made += [b.words("*They write:*"), b.said(case.text, 1500)]
    if case.draft and case.open:
        made += [b.words("*The draft now:*"), b.letter(case.draft, 3000)]
    made += [b.words("*Your text*, to copy:"), *_letters(text)]
    made.append(b.words("Close this window and open the card again to go on."))
    return _view("conflict", f"Case {case.id}: changed", made, {})


def done(case_id: int, says: str) -> View:
    """The end of a way."""
    return _view("done", f"Case {case_id}", [b.words(says)], {})


def full(case: Case) -> View:
    """Everything, for one reader; that they looked is written down."""
    made = [b.label(f"From: {case.sender}"), b.words("*They write:*")]
    made += [b.said(part, 3000) for part in split(case.text)]
    if case.delivery and case.delivery.body:
        made += [b.words("*We wrote:*"), *_letters(_written(case.delivery.body))]
    elif case.draft:
        made += [b.words("*Draft:*"), *_letters(case.draft)]
    return _view("done", f"Case {case.id}: all of it", made, {})


def snooze(case: Case, minutes: Sequence[int]) -> View:
    """For how long."""
    options = [(str(m), f"{m // 60} hours" if m >= 120 else f"{m} minutes") for m in minutes]
    told = {"case": case.id, "v": case.version}
    blocks = [b.choice("minutes", "Put it off for", options)]
    return _view("snooze", f"Case {case.id}: snooze", blocks, told, submit="Snooze")


def claimed(case: Case, *, mine: bool) -> View:
    """Give it back, or take it from somebody: never by one click."""
    verb = "release" if mine else "take over"
    says = (
        "You have this case. Give it back to the queue?"
        if mine
        else f"{who(case.owner)} has this case. Take it over? They are told in its thread."
    )
    told = {"case": case.id, "owner": case.owner, "verb": verb}
    title = f"Case {case.id}: {verb}"
    return _view("owner", title, [b.words(says)], told, submit="Yes")


def wrong(event_id: int) -> View:
    """What should the desk have said?"""
    options = [
        ("answerable", "The post answers this, with other words"),
        ("unanswerable", "The post says nothing about it"),
        ("refuse", "It should have been refused"),
        ("escalate", "A person should decide it"),
    ]
    made = [
        b.choice("kind", "What is right?", options),
        b.field("text_0", "What should it have said?", hint="No names, no keys: it is kept.")
        | {"optional": True},
    ]
    return _view("wrong", "What was wrong?", made, {"event": event_id}, submit="Send")


def text_of(view: dict[str, Any]) -> str:
    """What was typed, its parts together again."""
    values = view["state"]["values"]
    parts = [(values.get(f"text_{n}") or {}).get("text", {}).get("value") for n in range(FIELDS)]
    return "\n\n".join(part.strip("\n") for part in parts if part and part.strip())


def chosen(view: dict[str, Any], block_id: str) -> str:
    """The value of a choice."""
    found = view["state"]["values"].get(block_id, {}).get("choice", {}).get("selected_option") or {}
    return str(found.get("value", ""))


def ticked(view: dict[str, Any]) -> bool:
    """Is the box ticked?"""
    found = view["state"]["values"].get("warned", {}).get("tick", {})
    return bool(found.get("selected_options"))


def split(text: str) -> list[str]:
    """Pieces that a field or a block can hold, cut between paragraphs where there are any."""
    parts: list[str] = []
    rest = text.strip("\n")
    while len(rest) > b.INPUT:
        cut = max(rest.rfind("\n\n", 0, b.INPUT), 0) or max(rest.rfind(" ", 0, b.INPUT), 0)
        cut = cut or b.INPUT
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip("\n")
    return [*parts, rest][:FIELDS]


def mark(warnings: Sequence[str]) -> str:
    """Short enough for a window's memory: which remarks were read."""
    return hashlib.sha256("|".join(warnings).encode()).hexdigest()[:16] if warnings else ""


def _letters(text: str) -> list[Block]:
    return [b.letter(part, 3000) for part in split(text)]


def _written(mail: bytes) -> str:
    """The words of a mail of our own."""
    return str(message_from_bytes(mail, policy=SMTP).get_content()).replace("\r\n", "\n")


def _what_changed(case: Case) -> str:
    if case.made:
        return f"{who(case.made.actor)} decided this case at {b.moment(case.made.at)}."
    if case.stage is not Stage.OPEN and case.owner:
        return f"{who(case.owner)} has this case now, or the user has written again."
    return "The case has changed since you opened this window: the user may have written again."


def _warned(warnings: Sequence[str]) -> list[Block]:
    lines = "\n".join(f"• {escaped(each)}" for each in warnings)
    return [b.words(f"⚠️ *Look at this once more:*\n{lines}")]


def _view(
    callback: str, title: str, blocks: list[Block], told: dict[str, Any], *, submit: str = ""
) -> View:
    made: View = {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": clip(title, 24)},
        "close": {"type": "plain_text", "text": "Cancel" if submit else "Close"},
        "private_metadata": json.dumps(told),
        "blocks": b.fits(blocks, b.MOST_IN_VIEW),
    }
    return made | ({"submit": {"type": "plain_text", "text": submit}} if submit else {})
