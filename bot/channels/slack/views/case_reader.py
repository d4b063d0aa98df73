"""Draws the windows to read: all of a case, and how a case was changed by others meanwhile."""

from collections.abc import Iterator, Mapping, Sequence

from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import mention, proof_lines
from bot.channels.slack.views.modals import View, build_modal, edit_reply, follow_up_blocks
from bot.journal import Case, Stage
from bot.journal.slack_records import FollowUpMessage
from bot.journal.transcript import TranscriptEntry
from bot.outbound import text_of

PAGE_CHARACTERS = 12_000  # of a page of *Show all*
MAX_REPLY_CHARACTERS = 3_000  # of the mail that went out instead of the person's own
WROTE_AGAIN = "They have written again since you began."


def show_full_case(
    case: Case,
    later: Sequence[FollowUpMessage],
    page: int = 0,
    *,
    transcript: Sequence[TranscriptEntry] = (),
) -> View:
    """Return a page of everything in a case; a page beyond the last is the last.

    `transcript` is the conversation of the case, with what was written before and what we wrote.
    """
    pages = list(_pages([*_everything(case, later, transcript)]))
    page = min(page, len(pages) - 1)
    title, count = f"Case {case.id}: all of it", len(pages)
    if page == count - 1:
        return build_modal("done", title, pages[page], {})
    metadata = {"case": case.id, "page": page + 1}
    return build_modal("page", title, pages[page], metadata, submit=f"Part {page + 2} of {count}")


def show_conflict(
    case: Case,
    text: str,
    *,
    later: Sequence[FollowUpMessage],
    actions: Mapping[str, str],
    kind: str = "",
) -> View:
    """Return the modal for a case that changed meanwhile: what happened, and the person's text.

    With a `kind` (of reply) the person may go on writing: the text is in the fields and is checked
    again. Without one it is only shown, to be copied.
    """
    news = list(_news(case, bool(text), actions))
    if kind:
        return edit_reply(case, kind=kind, text=text, later=later, news=news)
    news += follow_up_blocks(later)
    if text:
        news += [b.markdown("*Your text*, to copy:"), *b.preformatted_all(text)]
    return build_modal("conflict", f"Case {case.id}: changed", news, {})


def _everything(
    case: Case, later: Sequence[FollowUpMessage], transcript: Sequence[TranscriptEntry]
) -> Iterator[Block]:
    own = next((n for n, e in enumerate(transcript) if e.message_id == case.message_id), 0)
    yield b.plain_small_print(f"From: {case.sender}")
    yield from proof_lines(case.proof)
    for entry in transcript[:own]:
        yield from _written_before(entry)
    yield b.markdown("*They write:*")
    yield from b.quote_all(case.text)
    for mail in later:
        yield b.markdown("*They wrote again:*")
        yield from proof_lines(mail.proof)
        yield from b.quote_all(mail.text)
        if mail.draft and case.open:
            yield b.markdown("*Draft* for this mail:")
            yield from b.preformatted_all(mail.draft)
    for entry in (entry for entry in transcript[own:] if entry.mail):
        yield b.markdown(f"*We wrote*, {b.absolute_time(entry.at)}:")
        yield from b.preformatted_all(_written(entry.mail))
    if not transcript and case.delivery and case.delivery.body:
        yield b.markdown("*We wrote:*")
        yield from b.preformatted_all(_written(case.delivery.body))
    if case.draft and case.open:
        yield b.markdown("*Draft:*")
        yield from b.preformatted_all(case.draft)
    if not case.erased_at:
        yield b.button_row("person", [_opt_out_button(case)])


def _opt_out_button(case: Case) -> Block:
    """Return the button for a sender who wants no mail that they did not ask for."""
    return b.with_confirmation(
        b.button("They want no more mail", "opt_out", f"{case.id}:{case.version}"),
        title="No more mail?",
        text="They get no correction when the post changes. What they ask is still answered.",
        yes="Note it",
    )


def _written_before(entry: TranscriptEntry) -> Iterator[Block]:
    """Yield one entry of the conversation from before the mail of the case."""
    who = "We" if entry.mail else "They"
    yield b.markdown(f"*{who} wrote before*, {b.absolute_time(entry.at)}:")
    if entry.mail:
        yield from b.preformatted_all(_written(entry.mail))
    else:
        yield from b.quote_all(entry.text)


def _pages(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    page: list[Block] = []
    for block in blocks:
        if page and sum(map(b.text_size, [*page, block])) > PAGE_CHARACTERS:
            yield page
            page = []
        page.append(block)
    yield page


def _news(case: Case, written: bool, actions: Mapping[str, str]) -> Iterator[Block]:  # noqa: FBT001 - two sentences
    nothing = "Nothing was sent." if written else "Nothing was changed."
    yield b.markdown(f"⚠️ *{nothing}* {_happened(case, actions)}")
    if case.delivery and case.delivery.body and (case.decision or case.stage is Stage.WAITING):
        yield b.markdown("*What went out instead:*")
        yield b.preformatted(_written(case.delivery.body), MAX_REPLY_CHARACTERS)


def _happened(case: Case, actions: Mapping[str, str]) -> str:
    if case.decision:
        did = escape(actions.get(case.decision.action, case.decision.action))
        at = b.absolute_time(case.decision.at)
        return f"{mention(case.decision.actor)} decided this case and {did}, {at}."
    if case.stage is Stage.WAITING:
        return f"{mention(case.owner)} has asked the user for details."
    if case.owner:
        return f"{mention(case.owner)} has this case now."
    return WROTE_AGAIN


def _written(mail: bytes) -> str:
    """Return the text of a mail of ours."""
    return text_of(mail).replace("\r\n", "\n")
