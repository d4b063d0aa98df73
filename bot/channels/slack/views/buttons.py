"""What can be done with a case: always two rows, each button in its place."""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.channels.slack.mrkdwn import hidden_address
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.journal import Case

NOBODY = "The case is closed and nobody gets a mail. You can reopen it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The desk's draft: whether the card shows all of it, and what comes before it."""

    whole: bool
    first: str = ""


def opened(case: Case, offer: Offer | None, *, green: bool) -> Iterator[Block]:
    """Of an open case. One button is green: the one that comes first."""
    value, style = f"{case.id}:{case.version}", "primary" if green else ""
    approve = [_approve(case, offer, value, style)] if offer else []
    yield b.row("decide", [*approve, *_writing(value)])
    yield b.row("handle", [_take(case, green=not green), *_handling(value)])


def closed(case: Case) -> Iterator[Block]:
    """Of a case that somebody decided."""
    value = f"{case.id}:{case.version}"
    yield b.row("decide", [b.button("Show all", "show", value)])
    yield b.row("handle", [_reopen(value)])


def _approve(case: Case, offer: Offer, value: str, style: str) -> Block:
    if not offer.whole:
        return b.button("Review & send", "review", value, style=style)
    return b.sure(
        b.button("Approve & send", "approve", value, style=style),
        title="Send this draft?",
        text=f"It goes to {hidden_address(case.sender)} as it stands above, once. {offer.first}",
        yes="Send it",
    )


def _take(case: Case, *, green: bool) -> Block:
    """One place on the card: take it, or give it back."""
    owner = f"{case.id}:{case.owner}"
    if case.owner:
        return b.button("Release / take over", "claim", owner, spoken="Give back or take over")
    style = "primary" if green else ""
    return b.button("Claim", "claim", owner, style=style, spoken="I take this case")


def _writing(value: str) -> Iterator[Block]:
    yield b.button("Edit & send", "edit", value)
    yield b.button("Ask for details", "details", value)


def _handling(value: str) -> Iterator[Block]:
    yield b.button("Snooze", "snooze", value)
    not_ours = b.button("Not ours", "not_ours", value)
    yield b.sure(not_ours, title="Not ours?", text=NOBODY, yes="Close it")
    resolve = b.button("Resolve", "resolve", value)
    yield b.sure(resolve, title="Resolve without a mail?", text=NOBODY, yes="Close it")
    yield b.button("Show all", "show", value)


def _reopen(value: str) -> Block:
    return b.sure(
        b.button("Reopen", "reopen", value),
        title="Reopen?",
        text="You get the case. What was sent stays sent; a new mail can follow.",
        yes="Reopen it",
    )
