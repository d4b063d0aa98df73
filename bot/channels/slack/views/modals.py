"""Draws the modals in which staff write or choose, and reads what they entered."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.channels.slack.mrkdwn import defang, mask_address, split_text, truncate
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import mention, proof_lines
from bot.journal import Case
from bot.journal.case_clusters import AskedQuestion
from bot.journal.slack_records import FollowUpMessage
from bot.staff.case_actions import ReplyKind, digest_remarks
from bot.staff.case_rows import name_language

MAX_QUESTION_CHARACTERS = 1_500  # of a mail above the reply; *Show all* has the rest
MAX_WORDING = 300  # characters of another wording of a question
MAX_OPTION = 70  # characters of an option in a menu; Slack allows 75
MAX_FOLLOW_UPS = 3  # later mails above the reply; the newest are shown
ANY_LANGUAGE = "any_language"  # the checkbox by which a person's words go to other languages too
View = dict[str, Any]


def edit_reply(
    case: Case,
    *,
    kind: str,
    text: str,
    later: Sequence[FollowUpMessage],
    warnings: Sequence[str] = (),
    news: Sequence[Block] = (),
) -> View:
    """Return the modal to write a reply, or with the kind `details` a request for details.

    With `warnings` about `text` a box must be ticked before the next step. `news` are blocks about
    what happened since the person began to write.
    """
    asks = kind == "details"
    written = split_text(text, b.INPUT)
    blocks: list[Block] = [
        *news,
        *(b.list_warnings(warnings) if warnings else ()),
        b.plain_small_print(f"{_goes_to(case, kind)} Nothing is sent before the next step."),
        *proof_lines(case.proof),
        b.markdown("*They write:*"),
        b.quote(case.text, MAX_QUESTION_CHARACTERS),
        *follow_up_blocks(later),
        *_fields("What do you need to know?" if asks else "Your reply", written),
    ]
    if warnings:
        blocks.append(
            b.checkbox("warned", "Send it in spite of this?", "Yes, I have read the remarks above.")
        )
    metadata = {
        "case": case.id, "v": case.version, "kind": kind, "warned": digest_remarks(warnings),
        "gaps": [_gap(part) for part in written[:-1]],
    }  # fmt: skip
    title = f"Case {case.id}: ask" if asks else f"Case {case.id}: reply"
    return build_modal("edit", title, blocks, metadata, submit="Next: check")


def render_other_askers(
    wordings: Sequence[str], alike: Sequence[AskedQuestion], languages: Mapping[str, int]
) -> list[Block]:
    """Return blocks that show how others ask the same, and let a person add similar questions.

    `languages` counts those who ask the same in another language, by its code; they can be added
    too.
    """
    blocks: list[Block] = []
    if wordings:
        blocks = [
            b.markdown("*Others ask it in these words:*"),
            *(b.quote(w, MAX_WORDING) for w in wordings),
        ]
    options = [
        (str(each.cluster), truncate(f"{each.count}: {defang(each.text)}", MAX_OPTION))
        for each in alike
    ]
    if options:
        label = "These ask something similar. Choose those whom this answers, too"
        blocks.append(b.menu("alike", label, options, several=True) | {"optional": True})
    if languages or options:
        others = ", ".join(f"{name_language(code)} {n}" for code, n in languages.items())
        label = f"Your own words to those who write in another language{others and f': {others}'}"
        box = b.checkbox(ANY_LANGUAGE, label, "They get them too, as you write them.")
        blocks.append(box | {"optional": True})
    return blocks


def _more_people(case: Case) -> str:
    """Return how many people beside the sender of a case ask the same, in words."""
    return "1 more person" if case.alike == 1 else f"{case.alike} more people"


def _goes_to(case: Case, kind: str) -> str:
    to = mask_address(case.sender)
    if kind != ReplyKind.ALL:
        return f"Goes to {to}."
    return (
        f"Goes to {to} and to {_more_people(case)} with the same question, each in a mail of their "
        "own, and later to whoever asks it again. An unchanged draft goes to each in their "
        "language; your own words go to those who write in the language of this case, and to the "
        "others if you say so below."
    )


def follow_up_blocks(later: Sequence[FollowUpMessage]) -> Iterator[Block]:
    """Yield the newest later mails of a case as blocks."""
    if len(later) > MAX_FOLLOW_UPS:
        yield b.small_print(
            f"✂️ {len(later) - MAX_FOLLOW_UPS} more mails in between: *Show all* has them."
        )
    for each in later[-MAX_FOLLOW_UPS:]:
        yield b.markdown("✉️ *They wrote again:*")
        yield from proof_lines(each.proof)
        yield b.quote(each.text, MAX_QUESTION_CHARACTERS)


def confirm_sending(
    case: Case, *, kind: str, text: str, text_id: int, alike: Sequence[str] = (),
    any_language: bool = False,
) -> View:  # fmt: skip
    """Return the modal for the last check: the recipient and every word of the mail."""
    to_all = kind == ReplyKind.ALL
    others = f" and {_more_people(case)}, and whoever asks the same later" if to_all else ""
    blocks = [
        b.markdown(
            f"*Send now* sends this as one mail{' to each' * to_all}. Read it once more: until it "
            "leaves, a few seconds later, *Undo* on the card takes it back, and then nobody can."
        ),
        b.plain_small_print(f"To: {case.sender}{others}"),
        *proof_lines(case.proof),
        *b.preformatted_all(text),
    ]
    metadata = {
        "case": case.id, "v": case.version, "kind": kind, "text": text_id, "alike": list(alike),
        "any_language": any_language,
    }  # fmt: skip
    return build_modal("send", f"Case {case.id}: send?", blocks, metadata, submit="Send now")


def show_message(case_id: int, says: str) -> View:
    """Return a modal that only shows the text `says`; a `case_id` of 0 stands for no case."""
    return build_modal(
        "done", f"Case {case_id}" if case_id else "Incident Desk", [b.markdown(says)], {}
    )


def choose_snooze(case: Case, minutes: Sequence[int]) -> View:
    """Return the modal to choose for how many minutes a case is snoozed."""
    options = [(str(m), f"{m // 60} hours" if m >= 120 else f"{m} minutes") for m in minutes]
    metadata = {"case": case.id, "v": case.version}
    blocks = [b.radio_buttons("minutes", "Put it off for", options)]
    return build_modal("snooze", f"Case {case.id}: snooze", blocks, metadata, submit="Snooze")


def change_owner(case: Case, *, mine: bool) -> View:
    """Return the modal that asks before a case is released or taken over."""
    verb = "release" if mine else "take over"
    says = (
        "You have this case. Give it back to the queue?"
        if mine
        else f"{mention(case.owner)} has this case. Take it over? They are told in its thread."
    )
    metadata = {"case": case.id, "owner": case.owner, "verb": verb}
    title = f"Case {case.id}: {verb}"
    yes = "Give it back" if mine else "Take it over"
    return build_modal("owner", title, [b.markdown(says)], metadata, submit=yes)


def report_wrong_answer(event_id: int) -> View:
    """Return the modal that asks what the desk should have answered."""
    options = [
        ("answerable", "The post answers this, with other words"),
        ("unanswerable", "The post says nothing about it"),
        ("refuse", "It should have been refused"),
        ("escalate", "A person should decide it"),
    ]
    blocks = [
        b.radio_buttons("kind", "What is right?", options),
        b.text_field("text_0", "What should it have said?", hint="No names, no keys: it is kept.")
        | {"optional": True},
    ]
    return build_modal("wrong", "What was wrong?", blocks, {"event": event_id}, submit="Send")


def read_reply(view: dict[str, Any]) -> str:
    """Return the text that was typed; its parts are joined by what had separated them."""
    values = view["state"]["values"]
    gaps = json.loads(view.get("private_metadata") or "{}").get("gaps", [])
    typed = [_typed(values, number) for number in range(len(gaps) + 1)]
    ends = zip(typed, [*gaps, ""], strict=True)
    kept = [part.rstrip() + gap if gap else part for part, gap in ends if part]
    return "".join(kept).strip("\n")


def read_field(view: Mapping[str, Any], block_id: str) -> str:
    """Return what was typed into one text field; empty for nothing."""
    block = view["state"]["values"].get(block_id) or {}
    return str(block.get("text", {}).get("value") or "").strip()


def read_choice(view: dict[str, Any], block_id: str) -> str:
    """Return the value of the chosen radio button; empty when none is chosen."""
    block = view["state"]["values"].get(block_id, {})
    option = block.get("choice", {}).get("selected_option") or {}
    return str(option.get("value", ""))


def read_choices(view: dict[str, Any], block_id: str) -> list[str]:
    """Return the values that were chosen in a menu for several; none is an empty list."""
    block = view["state"]["values"].get(block_id, {})
    return [str(each["value"]) for each in block.get("choice", {}).get("selected_options") or []]


def read_person(view: dict[str, Any], block_id: str) -> str:
    """Return the id of the person who was chosen; empty for nobody."""
    block = view["state"]["values"].get(block_id, {})
    return str(block.get("choice", {}).get("selected_user") or "")


def is_ticked(view: dict[str, Any], block_id: str = "warned") -> bool:
    """Return whether a checkbox is ticked, by default the one about the warnings."""
    box = view["state"]["values"].get(block_id, {}).get("tick", {})
    return bool(box.get("selected_options"))


def build_modal(
    callback: str,
    title: str,
    blocks: Sequence[Block],
    metadata: dict[str, Any],
    *,
    submit: str = "",
) -> View:
    """Return a modal; `metadata` is what Slack sends back when it is submitted."""
    modal: View = {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": truncate(title, 24)},
        "close": {"type": "plain_text", "text": "Cancel" if submit else "Close"},
        "private_metadata": json.dumps(metadata),
        "blocks": b.fit_view(blocks),
    }
    return modal | ({"submit": {"type": "plain_text", "text": submit}} if submit else {})


def _fields(title: str, written: Sequence[str]) -> list[Block]:
    """Return one text field, or as many as a long text needs."""
    labels = [title, *(f"Part {n + 1} of {len(written)}" for n in range(1, len(written)))]
    return [
        b.text_field(f"text_{n}", label, value=part.rstrip())
        for n, (label, part) in enumerate(zip(labels, written, strict=True))
    ]


def _gap(part: str) -> str:
    """Return what separated this part from the next: line breaks, a space or nothing."""
    ending = part[len(part.rstrip()) :]
    return "\n" * min(ending.count("\n"), 2) or " " * bool(ending)


def _typed(values: dict[str, Any], number: int) -> str:
    return str((values.get(f"text_{number}") or {}).get("text", {}).get("value") or "")
