"""The windows in which somebody reads: all of a case, page by page, and what others did to it."""

from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from email.policy import SMTP

from bot.channels.slack.mrkdwn import escaped
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import who
from bot.channels.slack.views.modals import View, edit, view, wrote_again
from bot.journal import Case, Stage
from bot.journal.slack_records import FollowUpMessage

PAGE = 12_000  # characters
ELSE = 3_000
AGAIN = "They have written again since you began."


def full(case: Case, later: Sequence[FollowUpMessage], page: int = 0) -> View:
    """Everything, for one reader; that they looked is written down."""
    pages = list(_pages([*_everything(case, later)]))
    page = min(page, len(pages) - 1)
    title, count = f"Case {case.id}: all of it", len(pages)
    if page == count - 1:
        return view("done", title, pages[page], {})
    told = {"case": case.id, "page": page + 1}
    return view("page", title, pages[page], told, submit=f"Part {page + 2} of {count}")


def conflict(
    case: Case,
    text: str,
    *,
    later: Sequence[FollowUpMessage],
    actions: Mapping[str, str],
    kind: str = "",
) -> View:
    """Somebody was first, or the user wrote again: what happened, beside one's own text.

    With a `kind` one may go on from here: the text is in the fields, and looked at once more.
    """
    news = list(_news(case, bool(text), actions))
    if kind:
        return edit(case, kind=kind, text=text, later=later, news=news)
    news += wrote_again(later)
    if text:
        news += [b.words("*Your text*, to copy:"), *b.letters(text)]
    return view("conflict", f"Case {case.id}: changed", news, {})


def _everything(case: Case, later: Sequence[FollowUpMessage]) -> Iterator[Block]:
    yield b.label(f"From: {case.sender}")
    yield b.words("*They write:*")
    yield from b.sayings(case.text)
    for each in later:
        yield b.words("*They wrote again:*")
        yield from b.sayings(each.text)
        if each.draft and case.open:
            yield b.words("*Draft* for this mail:")
            yield from b.letters(each.draft)
    if case.delivery and case.delivery.body:
        yield b.words("*We wrote:*")
        yield from b.letters(_written(case.delivery.body))
    if case.draft and case.open:
        yield b.words("*Draft:*")
        yield from b.letters(case.draft)


def _pages(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    made: list[Block] = []
    for block in blocks:
        if made and sum(map(b.size, [*made, block])) > PAGE:
            yield made
            made = []
        made.append(block)
    yield made


def _news(case: Case, written: bool, actions: Mapping[str, str]) -> Iterator[Block]:  # noqa: FBT001 - two sentences
    nothing = "Nothing was sent." if written else "Nothing was changed."
    yield b.words(f"⚠️ *{nothing}* {_happened(case, actions)}")
    if case.delivery and case.delivery.body and (case.decision or case.stage is Stage.WAITING):
        yield b.words("*What went out instead:*")
        yield b.letter(_written(case.delivery.body), ELSE)


def _happened(case: Case, actions: Mapping[str, str]) -> str:
    if case.decision:
        did = escaped(actions.get(case.decision.action, case.decision.action))
        return (
            f"{who(case.decision.actor)} decided this case and {did}, {b.moment(case.decision.at)}."
        )
    if case.stage is Stage.WAITING:
        return f"{who(case.owner)} has asked the user for details."
    if case.owner:
        return f"{who(case.owner)} has this case now."
    return AGAIN


def _written(mail: bytes) -> str:
    """The words of a mail of our own."""
    return str(message_from_bytes(mail, policy=SMTP).get_content()).replace("\r\n", "\n")
