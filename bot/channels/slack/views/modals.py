"""The windows in which somebody writes or chooses: edit, check, snooze, owner, what was wrong."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from bot.channels.slack.mrkdwn import clip, hidden_address, parts
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import who
from bot.journal import Case
from bot.journal.slack_records import FollowUpMessage

QUESTION = 1_500
LATEST = 3
View = dict[str, Any]
DETAILS = (
    "Hello,\n\nThank you for your message. So that we can answer it, please tell us a little more: "
    "what happened, when, and what you would like to know.\n\nPlease do not send passwords, codes "
    "or keys; we never ask for them.\n"
)


def edit(
    case: Case,
    *,
    kind: str,
    text: str,
    later: Sequence[FollowUpMessage],
    warnings: Sequence[str] = (),
    news: Sequence[Block] = (),
) -> View:
    """Write the reply to a case and its later mails; with warnings, a box must be ticked first.

    `news` is what happened since it was begun.
    """
    asks = kind == "details"
    written = parts(text, b.INPUT)
    made: list[Block] = [
        *news,
        *(b.warned(warnings) if warnings else ()),
        b.label(f"Goes to {hidden_address(case.sender)}. Nothing is sent before the next step."),
        b.words("*They write:*"),
        b.said(case.text, QUESTION),
        *wrote_again(later),
        *_fields("What do you need to know?" if asks else "Your reply", written),
    ]
    if warnings:
        made.append(
            b.tick("warned", "Send it in spite of this?", "Yes, I have read the remarks above.")
        )
    told = {
        "case": case.id, "v": case.version, "kind": kind, "warned": mark(warnings),
        "gaps": [_gap(part) for part in written[:-1]],
    }  # fmt: skip
    title = f"Case {case.id}: ask" if asks else f"Case {case.id}: reply"
    return view("edit", title, made, told, submit="Next: check")


def wrote_again(later: Sequence[FollowUpMessage]) -> Iterator[Block]:
    """The last mails that came after the first of a case."""
    if len(later) > LATEST:
        yield b.remarks(f"✂️ {len(later) - LATEST} more mails in between: *Show all* has them.")
    for each in later[-LATEST:]:
        yield b.words("✉️ *They wrote again:*")
        yield b.said(each.text, QUESTION)


def check(case: Case, *, kind: str, text: str, text_id: int) -> View:
    """The last look: to whom, and every word."""
    made = [
        b.words(
            "*Send now* sends this as one mail, and nobody can call it back. Read it once more."
        ),
        b.label(f"To: {case.sender}"),
        *b.letters(text),
    ]
    told = {"case": case.id, "v": case.version, "kind": kind, "text": text_id}
    return view("send", f"Case {case.id}: send?", made, told, submit="Send now")


def done(case_id: int, says: str) -> View:
    """The end of a way."""
    return view("done", f"Case {case_id}" if case_id else "Incident Desk", [b.words(says)], {})


def snooze(case: Case, minutes: Sequence[int]) -> View:
    """For how long."""
    options = [(str(m), f"{m // 60} hours" if m >= 120 else f"{m} minutes") for m in minutes]
    told = {"case": case.id, "v": case.version}
    blocks = [b.choice("minutes", "Put it off for", options)]
    return view("snooze", f"Case {case.id}: snooze", blocks, told, submit="Snooze")


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
    yes = "Give it back" if mine else "Take it over"
    return view("owner", title, [b.words(says)], told, submit=yes)


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
    return view("wrong", "What was wrong?", made, {"event": event_id}, submit="Send")


def text_of(view: dict[str, Any]) -> str:
    """What was typed, its parts together again as they were cut."""
    values = view["state"]["values"]
    gaps = json.loads(view.get("private_metadata") or "{}").get("gaps", [])
    typed = [_typed(values, number) for number in range(len(gaps) + 1)]
    ends = zip(typed, [*gaps, ""], strict=True)
    kept = [part.rstrip() + gap if gap else part for part, gap in ends if part]
    return "".join(kept).strip("\n")


def chosen(view: dict[str, Any], block_id: str) -> str:
    """The value of a choice."""
    found = view["state"]["values"].get(block_id, {}).get("choice", {}).get("selected_option") or {}
    return str(found.get("value", ""))


def ticked(view: dict[str, Any]) -> bool:
    """Is the box ticked?"""
    found = view["state"]["values"].get("warned", {}).get("tick", {})
    return bool(found.get("selected_options"))


def mark(warnings: Sequence[str]) -> str:
    """Short enough for a window's memory: which remarks were read."""
    return hashlib.sha256("|".join(warnings).encode()).hexdigest()[:16] if warnings else ""


def view(
    callback: str, title: str, blocks: Sequence[Block], told: dict[str, Any], *, submit: str = ""
) -> View:
    """A window; `told` is what it remembers."""
    made: View = {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": clip(title, 24)},
        "close": {"type": "plain_text", "text": "Cancel" if submit else "Close"},
        "private_metadata": json.dumps(told),
        "blocks": b.fits_view(blocks),
    }
    return made | ({"submit": {"type": "plain_text", "text": submit}} if submit else {})


def _fields(title: str, written: Sequence[str]) -> list[Block]:
    """One field, or as many as a long text needs."""
    labels = [title, *(f"Part {n + 1} of {len(written)}" for n in range(1, len(written)))]
    return [
        b.field(f"text_{n}", label, value=part.rstrip())
        for n, (label, part) in enumerate(zip(labels, written, strict=True))
    ]


def _gap(part: str) -> str:
    """What stood between this part and the next: a paragraph, a line, a word, or nothing."""
    ending = part[len(part.rstrip()) :]
    return "\n" * min(ending.count("\n"), 2) or " " * bool(ending)


def _typed(values: dict[str, Any], number: int) -> str:
    return str((values.get(f"text_{number}") or {}).get("text", {}).get("value") or "")
