"""The windows in which somebody writes or chooses: edit, check, snooze, owner, what was wrong."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from bot.channels.slack.mrkdwn import mask_address, split_text, truncate
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import mention
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


def edit_reply(
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
    written = split_text(text, b.INPUT)
    made: list[Block] = [
        *news,
        *(b.list_warnings(warnings) if warnings else ()),
        b.plain_small_print(
            f"Goes to {mask_address(case.sender)}. Nothing is sent before the next step."
        ),
        b.markdown("*They write:*"),
        b.quote(case.text, QUESTION),
        *follow_up_blocks(later),
        *_fields("What do you need to know?" if asks else "Your reply", written),
    ]
    if warnings:
        made.append(
            b.checkbox("warned", "Send it in spite of this?", "Yes, I have read the remarks above.")
        )
    told = {
        "case": case.id, "v": case.version, "kind": kind, "warned": warnings_digest(warnings),
        "gaps": [_gap(part) for part in written[:-1]],
    }  # fmt: skip
    title = f"Case {case.id}: ask" if asks else f"Case {case.id}: reply"
    return build_modal("edit", title, made, told, submit="Next: check")


def follow_up_blocks(later: Sequence[FollowUpMessage]) -> Iterator[Block]:
    """The last mails that came after the first of a case."""
    if len(later) > LATEST:
        yield b.small_print(f"✂️ {len(later) - LATEST} more mails in between: *Show all* has them.")
    for each in later[-LATEST:]:
        yield b.markdown("✉️ *They wrote again:*")
        yield b.quote(each.text, QUESTION)


def confirm_sending(case: Case, *, kind: str, text: str, text_id: int) -> View:
    """The last look: to whom, and every word."""
    made = [
        b.markdown(
            "*Send now* sends this as one mail, and nobody can call it back. Read it once more."
        ),
        b.plain_small_print(f"To: {case.sender}"),
        *b.preformatted_all(text),
    ]
    told = {"case": case.id, "v": case.version, "kind": kind, "text": text_id}
    return build_modal("send", f"Case {case.id}: send?", made, told, submit="Send now")


def show_message(case_id: int, says: str) -> View:
    """The end of a way."""
    return build_modal(
        "done", f"Case {case_id}" if case_id else "Incident Desk", [b.markdown(says)], {}
    )


def choose_snooze(case: Case, minutes: Sequence[int]) -> View:
    """For how long."""
    options = [(str(m), f"{m // 60} hours" if m >= 120 else f"{m} minutes") for m in minutes]
    told = {"case": case.id, "v": case.version}
    blocks = [b.radio_buttons("minutes", "Put it off for", options)]
    return build_modal("snooze", f"Case {case.id}: snooze", blocks, told, submit="Snooze")


def change_owner(case: Case, *, mine: bool) -> View:
    """Give it back, or take it from somebody: never by one click."""
    verb = "release" if mine else "take over"
    says = (
        "You have this case. Give it back to the queue?"
        if mine
        else f"{mention(case.owner)} has this case. Take it over? They are told in its thread."
    )
    told = {"case": case.id, "owner": case.owner, "verb": verb}
    title = f"Case {case.id}: {verb}"
    yes = "Give it back" if mine else "Take it over"
    return build_modal("owner", title, [b.markdown(says)], told, submit=yes)


def report_wrong_answer(event_id: int) -> View:
    """What should the desk have said?"""
    options = [
        ("answerable", "The post answers this, with other words"),
        ("unanswerable", "The post says nothing about it"),
        ("refuse", "It should have been refused"),
        ("escalate", "A person should decide it"),
    ]
    made = [
        b.radio_buttons("kind", "What is right?", options),
        b.text_field("text_0", "What should it have said?", hint="No names, no keys: it is kept.")
        | {"optional": True},
    ]
    return build_modal("wrong", "What was wrong?", made, {"event": event_id}, submit="Send")


def read_text(view: dict[str, Any]) -> str:
    """What was typed, its parts together again as they were cut."""
    values = view["state"]["values"]
    gaps = json.loads(view.get("private_metadata") or "{}").get("gaps", [])
    typed = [_typed(values, number) for number in range(len(gaps) + 1)]
    ends = zip(typed, [*gaps, ""], strict=True)
    kept = [part.rstrip() + gap if gap else part for part, gap in ends if part]
    return "".join(kept).strip("\n")


def read_choice(view: dict[str, Any], block_id: str) -> str:
    """The value of a choice."""
    found = view["state"]["values"].get(block_id, {}).get("choice", {}).get("selected_option") or {}
    return str(found.get("value", ""))


def is_ticked(view: dict[str, Any]) -> bool:
    """Is the box ticked?"""
    found = view["state"]["values"].get("warned", {}).get("tick", {})
    return bool(found.get("selected_options"))


def warnings_digest(warnings: Sequence[str]) -> str:
    """Short enough for a window's memory: which remarks were read."""
    return hashlib.sha256("|".join(warnings).encode()).hexdigest()[:16] if warnings else ""


def build_modal(
    callback: str, title: str, blocks: Sequence[Block], told: dict[str, Any], *, submit: str = ""
) -> View:
    """A window; `told` is what it remembers."""
    made: View = {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": truncate(title, 24)},
        "close": {"type": "plain_text", "text": "Cancel" if submit else "Close"},
        "private_metadata": json.dumps(told),
        "blocks": b.fit_view(blocks),
    }
    return made | ({"submit": {"type": "plain_text", "text": submit}} if submit else {})


def _fields(title: str, written: Sequence[str]) -> list[Block]:
    """One field, or as many as a long text needs."""
    labels = [title, *(f"Part {n + 1} of {len(written)}" for n in range(1, len(written)))]
    return [
        b.text_field(f"text_{n}", label, value=part.rstrip())
        for n, (label, part) in enumerate(zip(labels, written, strict=True))
    ]


def _gap(part: str) -> str:
    """What stood between this part and the next: a paragraph, a line, a word, or nothing."""
    ending = part[len(part.rstrip()) :]
    return "\n" * min(ending.count("\n"), 2) or " " * bool(ending)


def _typed(values: dict[str, Any], number: int) -> str:
    return str((values.get(f"text_{number}") or {}).get("text", {}).get("value") or "")
