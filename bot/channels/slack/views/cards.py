"""A case -> the card that staff see: pure, from the journal's state alone.

The order of the blocks is the same in every state: what it is, who has it, what they ask, what the
desk would say, what can be done. After a decision only the last changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import re2

from bot.channels.slack.mrkdwn import escape, mask_address
from bot.channels.slack.texts import StaffTexts
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.buttons import DraftOffer, closed_case_buttons, open_case_buttons
from bot.corpus import Knowledge
from bot.domain import EscalationReason, Priority
from bot.journal import Case, OutboxState, Stage

QUESTION = 1_500
DRAFT = 5_000
PERSON = re2.compile(r"slack:([UW][A-Z0-9]{2,20})")
SIGNS = {Priority.PAGE: "🔴", Priority.HIGH: "🟠", Priority.NORMAL: "🔵"}
NO_RULE = "R18"
DONE, GONE, AMISS = "✅", "⚪", "⚠️"
LOST = frozenset(
    {OutboxState.BOUNCED, OutboxState.FAILED, OutboxState.UNRESOLVED, OutboxState.UNKNOWN}
)
WAIT = "Nothing now: what they answer comes into this thread."
TERMINAL = "somebody at the terminal"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMessage:
    """A message: its blocks, and what is read out or shown where blocks are not."""

    blocks: list[Block]
    text: str


class Cards:
    """Draws cases under one knowledge and one choice of words."""

    def __init__(self, knowledge: Knowledge, texts: StaffTexts, threshold: float) -> None:
        self.knowledge = knowledge
        self.texts = texts
        self.threshold = threshold

    def render(self, case: Case) -> RenderedMessage:
        """The card as it stands."""
        made = [
            b.header(f"{self._sign(case)} {self.title(case)}"),
            b.markdown(self._standing(case), block_id="standing"),
            b.plain_small_print(_source(case)),
            b.markdown(self._why(case)),
            *self._asked(case),
            *self._draft(case),
            b.divider(),
            *self._doing(case),
        ]
        return RenderedMessage(blocks=b.fit_message(made), text=self.summary(case))

    def summary(self, case: Case) -> str:
        """For notifications and screen readers: no word of the user, no address."""
        reason = self.texts.reasons[EscalationReason(case.reason)].title
        return f"Case {case.id}, {self._urgency(case).lower()}, {reason}: {self._state(case)}"

    def list_line(self, case: Case) -> str:
        """A case in a list: what it is, who has it, by when."""
        state = self._state(case)
        due = (
            f" · {_until(case)} {b.absolute_time(case.due_at)}" if case.open and case.due_at else ""
        )
        return (
            f"{self._sign(case)} *{escape(self.title(case))}*\n"
            f"{state[:1].upper()}{state[1:]}{_by(case)} · came {b.relative_time(case.opened_at)}{due}"
        )

    def can_approve(self, case: Case) -> bool:
        """Is there a draft that answers?"""
        return case.drafted

    def title(self, case: Case) -> str:
        """What it is, in one line, without anybody's data."""
        reason = self.texts.reasons[EscalationReason(case.reason)].title
        return f"Case {case.id} · {self._urgency(case)} · {reason}"

    def _sign(self, case: Case) -> str:
        if case.open:
            return SIGNS[Priority(case.priority)]
        if _lost(case):
            return AMISS
        return DONE if case.stage is Stage.DECIDED else GONE

    def _urgency(self, case: Case) -> str:
        return self.texts.priorities[Priority(case.priority)]

    def _state(self, case: Case) -> str:
        match case.stage:
            case Stage.OPEN:
                return "nobody has it" + (", overdue" if case.reminders else "")
            case Stage.CLAIMED:
                return "taken" + (", overdue" if case.reminders else "")
            case Stage.SNOOZED:
                return "put off"
            case Stage.WAITING:
                return "waits for details from the user"
            case Stage.DECIDED:
                return "answered, but the mail may not have arrived" if _lost(case) else "answered"
            case Stage.CLOSED:
                return "closed without a mail"

    def _standing(self, case: Case) -> str:
        """Who has it, since when, until when; after a decision who, what, when, and the mail."""
        state = self._state(case)
        lines = [
            f"*{state[:1].upper()}{state[1:]}*{_by(case)} · came {b.relative_time(case.opened_at)}"
        ]
        if case.decision:
            did = self.texts.actions.get(case.decision.action, case.decision.action)
            whoever = mention(case.decision.actor)
            whoever = whoever[:1].upper() + whoever[1:]
            lines = [f"*{whoever} {escape(did)}*, {b.absolute_time(case.decision.at)}"]
        elif case.due_at:
            lines[0] += f" · {_until(case)} {b.absolute_time(case.due_at)}"
        if case.open and case.later:
            mails = "another mail" if case.later == 1 else f"{case.later} more mails"
            lines.append(
                f"✉️ *They wrote {mails}*, last {b.relative_time(case.later_at)}: see the thread."
            )
        if case.delivery:
            lines.append(f"{self._mail(case)}")
        return "\n".join(lines)

    def _mail(self, case: Case) -> str:
        assert case.delivery  # noqa: S101 - the caller has looked
        said = self.texts.delivery[case.delivery.state]
        return (
            f"{AMISS if _lost(case) else '✉️'} {escape(said)} ({b.absolute_time(case.delivery.at)})"
        )

    def _why(self, case: Case) -> str:
        reason = self.texts.reasons[EscalationReason(case.reason)]
        rule = f" Rule: {escape(case.rule)}." if _held_by_rule(case) else ""
        lines = [f"*Why it is here.* {escape(reason.why)}{rule}"]
        if case.open:
            waits = case.stage is Stage.WAITING
            lines.append(f"*What to do.* {WAIT if waits else escape(reason.do)}")
        if case.masked:
            kinds = ", ".join(kind.replace("_", " ") for kind in case.masked)
            lines.append(f"🔒 Removed before anybody saw it: {escape(kinds)}.")
        return "\n".join(lines)

    def _chance(self, case: Case) -> str:
        """The probability in plain words, beside what the desk needs to send by itself."""
        sure = self._sure(case)
        if sure is None:
            return ""
        return (
            f" {_tenths(sure)} drafts like this one answer the question ({sure:.0%}); "
            f"by itself the desk sends from {self.threshold:.0%}."
        )

    def _sure(self, case: Case) -> float | None:
        """How sure the desk is of the draft: of its weakest part."""
        open_ = [a.probability for a in case.questions if a.kind == "escalation" and a.passages]
        return min(open_, default=None)

    def _asked(self, case: Case) -> Iterator[Block]:
        yield b.markdown("*They write:*")
        yield b.quote(case.text, QUESTION)
        if len(case.text) > QUESTION:
            yield b.small_print("✂️ This is only the beginning: *Show all* has the whole mail.")

    def _draft(self, case: Case) -> Iterator[Block]:
        if not case.open:
            return
        if not self.can_approve(case):
            yield b.markdown("*Draft:* none. The post has no passage that comes near.")
            return
        yield b.markdown(f"*Draft*, in the words of the published post.{self._chance(case)}")
        yield b.preformatted(case.draft, DRAFT)
        if len(case.draft) > DRAFT:
            yield b.small_print("✂️ Cut here: *Review & send* shows every word before it goes.")
        yield b.small_print(*self._quotes(case))

    def _quotes(self, case: Case) -> Iterator[str]:
        ids = dict.fromkeys(p for a in case.questions for p in a.passages[:2])
        known = [self.knowledge.passages[p] for p in ids if p in self.knowledge.passages]
        for passage in known[:5]:
            yield f"📄 {escape(passage.heading)} ({passage.date})"

    def _doing(self, case: Case) -> Iterator[Block]:
        if not case.open:
            yield from closed_case_buttons(case)
            return
        green = self._green(case)
        first = "" if green else self.texts.reasons[EscalationReason(case.reason)].do
        offer = (
            DraftOffer(is_shown_whole=len(case.draft) <= DRAFT, do_first=first)
            if self.can_approve(case)
            else None
        )
        yield from open_case_buttons(case, offer, green=green)

    def _green(self, case: Case) -> bool:
        """Is whether the draft answers all that there is to decide, and does it look so?"""
        if case.reason != EscalationReason.UNSURE or case.stage is Stage.WAITING:
            return False
        sure = self._sure(case)
        return sure is not None and sure >= self.texts.green_from


def mention(actor: str) -> str:
    """A person as Slack shows them; anything else by our own word."""
    found = PERSON.fullmatch(actor)
    return f"<@{found.group(1)}>" if found else TERMINAL


def _by(case: Case) -> str:
    if not (case.owner and case.open):
        return ""
    has = mention(case.owner)
    return f" · {has} has it" if case.stage is Stage.WAITING else f" by {has}"


def _until(case: Case) -> str:
    match case.stage:
        case Stage.SNOOZED:
            return "until"
        case Stage.WAITING:
            return "look again by"
        case _:
            return "*answer by*"


def _held_by_rule(case: Case) -> bool:
    """Or because a person has the conversation, which no rule of the mail says."""
    return (
        case.reason == EscalationReason.HELD
        and bool(case.rule)
        and not case.rule.startswith(NO_RULE)
    )


def _lost(case: Case) -> bool:
    """Was a mail written that may not have arrived?"""
    return case.delivery is not None and case.delivery.state in LOST


def _tenths(probability: float) -> str:
    """A probability as people count."""
    tenths = round(probability * 10)
    if 0 < tenths < 10:
        return f"About {tenths} in 10"
    return "More than 9 in 10" if tenths else "Fewer than 1 in 10"


def _source(case: Case) -> str:
    told = [f"By e-mail from {mask_address(case.sender)}"]
    told += [f"follows case {case.parent}"] * bool(case.parent)
    told += ["nothing typed in this thread is sent"] * case.open
    return " · ".join(told)
