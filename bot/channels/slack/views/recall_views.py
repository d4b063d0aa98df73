"""Draws what has changed in the post, and the batch of corrections that follows from it.

No card names a user: the list of a batch's recipients is shown in a window, which Slack does not
keep.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from bot.channels.slack.mrkdwn import escape, mask_address, truncate
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import RenderedMessage, mention
from bot.channels.slack.views.modals import View, build_modal
from bot.corpus.changes import ChangeKind, PassageChange
from bot.journal.correction_batches import CorrectionBatch
from bot.journal.records import BatchState
from bot.staff.outdated_answers import OutdatedAnswer
from bot.staff.recall_batches import RecallBatch

FIELD = 1_900  # characters of one of two texts side by side; Slack takes 2,000 in a field
BEFORE_DIFFERENCE = 300  # characters that are shown before the first difference of long texts
MAX_SAMPLES = 2  # mails that the card of a batch shows
MAX_SAMPLE_CHARACTERS = 2_500
ENTRIES_PER_PAGE = 20
MAX_TEXT = 300  # characters of what was told, and of what is true now, in the list
# What each kind is called, and what follows from it.
KINDS: Mapping[ChangeKind, tuple[str, str]] = {
    ChangeKind.WORDING: ("Wording", "It says what was said before: nobody is written to."),
    ChangeKind.ADDITION: (
        "Addition", "It says more: whoever asked about what was added is written to.",
    ),
    ChangeKind.CORRECTION: (
        "Correction", "It says something else: everybody who was told the old text is written to.",
    ),
    ChangeKind.NEW: ("New", "Whoever asked what it answers is written to."),
    ChangeKind.GONE: ("Withdrawn", "Everybody who was told it is on the list."),
}  # fmt: skip
CHANGE, SEND, SHOW, LOOK = "change_", "recall_send", "recall_show", "recall_look"
PREFIXES = (CHANGE, "recall_")  # of the names of all buttons here
FULL_LIST = "The whole list as a file: `incident-desk knowledge recall --list FILE.csv`"
NONE_READY = "*No correction* can go out: see below why."
NOBODY = "✅ *Nobody has to be written to:* no mail said anything that no longer holds."


def change_id(change: PassageChange) -> str:
    """Return the short id of a change, which its buttons carry."""
    return hashlib.sha256("|".join(change.key).encode()).hexdigest()[:16]


def kinds_of(change: PassageChange) -> tuple[ChangeKind, ...]:
    """Return the kinds that a person may choose for a change."""
    if change.before is None:
        return (ChangeKind.WORDING, ChangeKind.NEW)
    if change.now is None:
        return (ChangeKind.WORDING, ChangeKind.GONE)
    return (ChangeKind.WORDING, ChangeKind.ADDITION, ChangeKind.CORRECTION)


def render_change(change: PassageChange, actor: str = "") -> RenderedMessage:
    """Return the card of a change: both texts side by side, and a button for each kind.

    Without an `actor` the kind of the change is a suggestion of the desk; with one it is what this
    person decided.
    """
    name, follows = _name(change, change.kind), KINDS[change.kind][1]
    said = (
        f"✅ {mention(actor)} says: *{name}*. {follows}"
        if actor
        else f"*What does this change mean?* The desk suggests *{name}*. {follows}"
    )
    buttons = [
        b.button(
            _name(change, kind), f"{CHANGE}{kind}", change_id(change),
            style="primary" if kind is change.kind and not actor else "",
        )
        for kind in kinds_of(change)
    ]  # fmt: skip
    blocks = [
        b.header(f"📝 The post has changed · {change.heading or 'Introduction'}"),
        _side_by_side(change),
        b.markdown(said),
        b.button_row("kinds", buttons),
        b.small_print(f"Passage `{escape(change.id)}`. Nothing is sent before a list is approved."),
    ]
    return RenderedMessage(blocks=blocks, text=f"The post has changed: {change.id}")


def render_batch(batch: RecallBatch, per_minute: int) -> RenderedMessage:
    """Return the card of a batch that a person may approve: numbers, samples, one button."""
    count = _count(len(batch.entries), "conversation was", "conversations were")
    ready = len(batch.ready)
    blocks = [
        b.header(f"📮 {count} told what no longer holds"),
        b.markdown("\n".join(_numbers(batch, per_minute))),
        *_samples(batch.ready),
        b.button_row("recall", [*_send_buttons(batch, per_minute), *_look_buttons(batch.key)]),
        b.small_print(FULL_LIST),
    ]
    waits = f"{_count(ready, 'correction waits', 'corrections wait')} for approval"
    says = waits if ready else "The desk can correct none of what no longer holds"
    return RenderedMessage(blocks=b.fit_message(blocks), text=says)


def render_batch_state(batch: CorrectionBatch, per_minute: int) -> RenderedMessage:
    """Return the message that replaces the card of a batch that can no longer be approved."""
    sent = _count(batch.stored, "correction", "corrections")
    match batch.state:
        case BatchState.APPROVED:
            says = (
                f"⏳ {mention(batch.actor)} has approved it, {b.absolute_time(batch.at)}. "
                f"{sent} so far in the outbox; the others follow when there is room."
            )
        case BatchState.STORED:
            says = (
                f"✅ {mention(batch.actor)} has sent *{sent}*, {b.absolute_time(batch.at)}. "
                f"{per_minute} leave in a minute, each once; `incident-desk ledger` lists them."
            )
        case _:
            says = "⚪ A newer list has taken the place of this one."
    return RenderedMessage(
        blocks=[b.header("📮 Corrections"), b.markdown(says)], text=f"Corrections: {batch.state}"
    )


def render_nobody() -> RenderedMessage:
    """Return the message that nobody has to be written to."""
    return RenderedMessage(blocks=[b.markdown(NOBODY)], text="Nobody has to be written to")


def show_list(batch: RecallBatch, page: int = 0) -> View:
    """Return a page of the whole list: who was told what and when, and what is true now."""
    count = max(1, -(-len(batch.entries) // ENTRIES_PER_PAGE))
    page = min(page, count - 1)
    shown = batch.entries[page * ENTRIES_PER_PAGE : (page + 1) * ENTRIES_PER_PAGE]
    blocks = [block for entry in shown for block in _entry(entry)]
    title = f"Told otherwise: {len(batch.entries)}"
    if page == count - 1:
        return build_modal("done", title, blocks, {})
    following = f"Part {page + 2} of {count}"
    return build_modal("recall_page", title, blocks, {"page": page + 1}, submit=following)


def _name(change: PassageChange, kind: ChangeKind) -> str:
    """Return the name of a kind.

    For a passage that is new or gone, WORDING is called "Nothing new", as it has no other wording.
    """
    same = kind is ChangeKind.WORDING and not (change.before and change.now)
    return "Nothing new" if same else KINDS[kind][0]


def _entry(entry: OutdatedAnswer) -> Iterator[Block]:
    state = f"not told: {entry.held}" if entry.held else "gets a correction"
    state += f" (reopen case {entry.case_id})" * bool(entry.case_id)
    to = mask_address(entry.recipient) if entry.recipient else "(address taken out)"
    told = [f"Told: {truncate(text.text, MAX_TEXT)}" for text in entry.told]
    now = [f"Now: {truncate(each.text, MAX_TEXT)}" for each in entry.now]
    yield b.markdown(f"*{b.absolute_time(entry.sent_at)}*")
    yield b.plain_small_print(f"{to} · {state} · {entry.why}")
    yield b.quote("\n\n".join([*told, *now]), b.PIECE)
    yield b.divider()


def _numbers(batch: RecallBatch, per_minute: int) -> Iterator[str]:
    ready = len(batch.ready)
    can = f"*{_count(ready, 'correction', 'corrections')}* can go out, {per_minute} in a minute."
    yield can if ready else NONE_READY
    if batch.noted:
        cases = _count(batch.noted, "case is open", "cases are open")
        yield f"{cases} in such conversations: whoever has it gets a note on its card instead."
    for why, count in batch.held.items():
        if why.name != "OPEN_CASE":
            yield f"Not told: {count}, because {escape(why)}."


def _samples(ready: Sequence[OutdatedAnswer]) -> Iterator[Block]:
    different = {entry.text: entry for entry in reversed(ready)}
    for number, entry in enumerate(list(different.values())[-1 : -1 - MAX_SAMPLES : -1], 1):
        told = b.relative_time(entry.sent_at)
        yield b.markdown(f"*Sample {number}*, to somebody who was told {told}:")
        yield b.preformatted(entry.text, MAX_SAMPLE_CHARACTERS)


def _send_buttons(batch: RecallBatch, per_minute: int) -> Iterator[Block]:
    ready = len(batch.ready)
    if not ready and not batch.noted:
        return
    what = _count(ready, "correction", "corrections")
    says = f"Send {what}" if ready else "Note it on the cases"
    yield b.with_confirmation(
        b.button(says, SEND, batch.key, style="primary"),
        title=f"{says}?",
        text=f"Each goes to one person, once, {per_minute} in a minute. Nobody can take them back.",
        yes="Send them" if ready else "Note it",
    )


def _look_buttons(key: str) -> Iterator[Block]:
    yield b.button("Show the list", SHOW, key)
    yield b.button("Look again", LOOK, key)


def _side_by_side(change: PassageChange) -> Block:
    before = change.before.text if change.before else ""
    now = change.now.text if change.now else ""
    shown = _around_difference(before, now)
    texts = zip(("Before", "Now"), shown, ("(it did not stand there)", "(it is gone)"), strict=True)
    return b.fields([f"*{title}*\n{escape(text) or empty}" for title, text, empty in texts])


def _around_difference(before: str, now: str) -> tuple[str, str]:
    """Return both texts; where one is too long to be shown whole, from shortly before their first
    difference on.
    """
    if max(len(before), len(now)) <= FIELD:
        return before, now
    pairs = enumerate(zip(before, now, strict=False))
    place = next((i for i, (one, other) in pairs if one != other), 0)
    first = max(0, place - BEFORE_DIFFERENCE)
    mark = "… " if first else ""
    return (
        truncate(f"{mark}{before[first:]}" if before else "", FIELD),
        truncate(f"{mark}{now[first:]}" if now else "", FIELD),
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
