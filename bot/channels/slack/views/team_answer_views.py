"""Draws the window that proposes an answer for the knowledge, and the card to approve it."""

from collections.abc import Iterator

from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import RenderedMessage, mention
from bot.channels.slack.views.modals import View, build_modal
from bot.corpus.team_answers import TeamAnswer, TeamAnswerState, Trial
from bot.staff.team_answer_review import ProposedText

APPROVE, REJECT, WITHDRAW = "answer_approve", "answer_reject", "answer_withdraw"
PREFIX = "answer_"  # of the names of these buttons
WINDOW = "take"
PROPOSING = (
    "Others who ask this get the answer too, once a second person has approved it. The reply names "
    "our support team as its source. Nothing is sent now."
)
QUESTION = "The question, as others would ask it"
ANSWER = "The answer, as it was sent"
HINT = "Leave out what is about this person alone. Only whole sentences that were sent can stay."
TRYING = "⏳ The desk tries it: labelled questions must keep their answers. This takes a minute."
TRIED = "✅ Tried beside {count} labelled questions: it may be used."
FAULTS = "⛔ *It may not be used:*"
UNTRIED = "⚠️ It could not be tried: {why}"
IN_USE = (
    "It is quoted from the next `incident-desk index` on, when `incident-desk serve` is started "
    "again."
)
RECALLED = "It is not quoted any more. Everybody who was told it is on the list of corrections."


def propose_answer(offered: ProposedText) -> View:
    """Return the window that proposes the answer of a case."""
    blocks: list[Block] = [
        b.markdown(PROPOSING),
        b.text_field("text_0", QUESTION, value=offered.question),
        b.text_field("text_1", ANSWER, value=offered.answer, hint=HINT),
    ]
    title = f"Case {offered.case}: knowledge"
    return build_modal(WINDOW, title, blocks, {"case": offered.case}, submit="Propose it")


def render_answer(answer: TeamAnswer, untried: str = "") -> RenderedMessage:
    """Return the card of an answer; `untried` says why it could not be tried."""
    by = f"{mention(answer.answered_by)} wrote this answer, {b.absolute_time(answer.answered_at)}"
    proposed = f"{mention(answer.proposed_by)} proposes to take it in"
    blocks = [
        b.header(f"📚 Answer for the knowledge · case {answer.case}"),
        b.markdown("*Question*"),
        b.quote(answer.question, b.PIECE),
        b.markdown("*Answer*, with our support team as its source"),
        *b.quote_all(answer.answer),
        b.small_print(f"{by} · {proposed}"),
        *_state(answer, untried),
    ]
    says = f"An answer of case {answer.case} for the knowledge: {answer.state}"
    return RenderedMessage(blocks=b.fit_message(blocks), text=says)


def render_rejected(case: int, actor: str = "") -> RenderedMessage:
    """Return the message that replaces the card of an answer that was deleted."""
    who = f"{mention(actor)} has rejected it." if actor else "It is not there any more."
    blocks = [b.header(f"📚 Answer for the knowledge · case {case}"), b.markdown(f"⚪ {who}")]
    return RenderedMessage(blocks=blocks, text=f"The answer of case {case}: gone")


def _state(answer: TeamAnswer, untried: str) -> Iterator[Block]:
    value = f"{answer.case}:{answer.digest}"
    match answer.state:
        case TeamAnswerState.PENDING:
            yield from _trial(answer.tried, untried)
            usable = answer.tried is not None and not answer.tried.faults
            approve = [_approve(value)] if usable else []
            yield b.button_row("answer", [*approve, _reject(value)])
        case TeamAnswerState.APPROVED:
            who, at = mention(answer.approved_by), answer.approved_at
            yield b.markdown(f"✅ {who} has approved it{_when(at)}. {IN_USE}")
            yield b.button_row("answer", [_withdraw(value)])
        case TeamAnswerState.WITHDRAWN:
            who, at = mention(answer.withdrawn_by), answer.withdrawn_at
            yield b.markdown(f"⚪ {who} has withdrawn it{_when(at)}. {RECALLED}")


def _trial(tried: Trial | None, untried: str) -> Iterator[Block]:
    if tried is None:
        yield b.markdown(UNTRIED.format(why=escape(untried)) if untried else TRYING)
        return
    if tried.faults:
        yield from b.list_warnings(tried.faults, FAULTS)
    else:
        yield b.markdown(TRIED.format(count=tried.questions))
    yield from b.list_warnings(tried.remarks) if tried.remarks else ()


def _when(at: str) -> str:
    """Return when it was decided, in words; empty where it was edited by hand without a time."""
    return f", {b.absolute_time(at)}" if at else ""


def _approve(value: str) -> Block:
    return b.with_confirmation(
        b.button("Approve", APPROVE, value, style="primary"), title="Use this answer?",
        text="Whoever asks this gets the answer by itself. Is it right for everybody who asks so?",
        yes="Use it",
    )  # fmt: skip


def _reject(value: str) -> Block:
    return b.with_confirmation(
        b.button("Reject", REJECT, value), title="Reject it?",
        text="The proposal is deleted. What was sent stays sent.", yes="Delete it",
    )  # fmt: skip


def _withdraw(value: str) -> Block:
    return b.with_confirmation(
        b.button("Withdraw", WITHDRAW, value, style="danger"), title="Withdraw it?",
        text="It is not quoted any more; whoever was told it is put on the list of corrections.",
        yes="Withdraw it",
    )  # fmt: skip
