"""Draws the buttons of a case, in two rows and in the same order in every state."""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.channels.slack.mrkdwn import mask_address
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.journal import Case, CaseAction
from bot.staff.case_actions import can_undo

# What the menu at the end of the row offers: pairs of the action's name and its text.
MORE = (
    ("assign", "Assign to somebody"), ("passage", "Answer with another passage"),
    ("snippet", "Saved reply"),
    ("several", "Answer or close several together"), ("merge", "Merge with another of theirs"),
)  # fmt: skip
TO_SENDER = frozenset({"passage", "snippet", "merge"})  # actions that need a sender to answer
NOBODY = "The case is closed and nobody gets a mail. You can reopen it."


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftOffer:
    """The draft on a card: whether the card shows all of it, and what to do before sending it."""

    is_shown_whole: bool
    do_first: str = ""


def open_case_buttons(case: Case, offer: DraftOffer | None, *, green: bool) -> Iterator[Block]:
    """Yield the buttons of an open case; `green` says that *Approve* is the first choice."""
    value, style = f"{case.id}:{case.version}", "primary" if green else ""
    approve = [_approve(case, offer, value, style)] if offer else []
    to_all = [b.button(f"Answer all {case.alike + 1}", "all", value)] if case.alike else []
    if case.sender:  # a mail that names no single sender can be answered to nobody
        yield b.button_row("decide", [*approve, *to_all, *_writing(case, value)])
    handling = [_take(case, green=not green), *_handling(case, value)]
    yield b.button_row("handle", [*_undo(case, value), *handling])


def closed_case_buttons(case: Case) -> Iterator[Block]:
    """Yield the buttons of a decided case."""
    value = f"{case.id}:{case.version}"
    own_words = case.decision is not None and case.decision.action is CaseAction.EDITED
    take = [b.button("Take into knowledge", "take", value)] if own_words else []
    yield b.button_row("decide", [b.button("Show all", "show", value), *take])
    if not case.joined:
        yield b.button_row("handle", [*_undo(case, value), _reopen(value)])


def _undo(case: Case, value: str) -> Iterator[Block]:
    """Yield the button that takes a person's mail back, for as long as it has not left."""
    if can_undo(case):
        yield b.button("Undo: do not send", "undo", value, style="danger")


def _approve(case: Case, offer: DraftOffer, value: str, style: str) -> Block:
    if not offer.is_shown_whole:
        return b.button("Review & send", "review", value, style=style)
    return b.with_confirmation(
        b.button("Approve & send", "approve", value, style=style),
        title="Send this draft?",
        text=f"It goes to {mask_address(case.sender)} as it stands above, once. {offer.do_first}",
        yes="Send it",
    )


def claim_button(case: Case) -> Block:
    """Return the button by which a person acknowledges a page of an open case."""
    return b.button("Claim", "claim", f"{case.id}:", spoken="I take this case")


def _take(case: Case, *, green: bool) -> Block:
    """Return the button to claim a case; on an owned case, to release it or take it over."""
    owner = f"{case.id}:{case.owner}"
    if case.owner:
        return b.button("Release / take over", "claim", owner, spoken="Give back or take over")
    style = "primary" if green else ""
    return b.button("Claim", "claim", owner, style=style, spoken="I take this case")


def _writing(case: Case, value: str) -> Iterator[Block]:
    yield b.button("Edit & send" if case.can_approve else "Write a reply", "edit", value)
    yield b.button("Ask for details", "details", value)


def _handling(case: Case, value: str) -> Iterator[Block]:
    yield b.button("Snooze", "snooze", value)
    not_ours = b.button("Not ours", "not_ours", value)
    yield b.with_confirmation(not_ours, title="Not ours?", text=NOBODY, yes="Close it")
    resolve = b.button("Resolve", "resolve", value)
    yield b.with_confirmation(resolve, title="Resolve without a mail?", text=NOBODY, yes="Close it")
    yield b.button("Show all", "show", value)
    acts = (more for more in MORE if case.sender or more[0] not in TO_SENDER)
    yield b.overflow("more", [(f"{act}:{value}", says) for act, says in acts])


def _reopen(value: str) -> Block:
    return b.with_confirmation(
        b.button("Reopen", "reopen", value),
        title="Reopen?",
        text="You get the case. A mail that has not left is taken back; what was sent stays sent.",
        yes="Reopen it",
    )
