"""Draws the card of a case from the state of the journal alone.

The order of the blocks is the same in every state: what the case is, who has it, what the user
asks, what the desk would say, what can be done.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import re2

from bot.channels.slack.mrkdwn import defang, escape, mask_address, truncate
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.buttons import DraftOffer, closed_case_buttons, open_case_buttons
from bot.channels.slack.views.contact_mentions import describe_people_in_slack
from bot.corpus import Knowledge
from bot.domain import (
    NO_RULE,
    EscalationReason,
    Priority,
    ProofTone,
    SecretKind,
    SenderProof,
    describe_rule,
)
from bot.journal import Case, OutboxState, Stage
from bot.staff.case_actions import BROWSER_ACTOR, draft_probability, is_approve_first
from bot.staff.case_rows import describe_case, describe_stage, name_topics
from bot.staff.people_to_call import list_people_to_call
from bot.staff.staff_texts import StaffTexts

MAX_QUESTION_CHARACTERS = 1_500  # of the mail on a card; *Show all* has the rest
MAX_DRAFT_CHARACTERS = 5_000  # of the draft on a card; a longer one cannot be approved unseen
PERSON = re2.compile(r"slack:([UW][A-Z0-9]{2,20})")
PRIORITY_SIGNS = {Priority.PAGE: "🔴", Priority.HIGH: "🟠", Priority.NORMAL: "🔵"}
PROOF_SIGNS = {ProofTone.GOOD: "🟢", ProofTone.NEUTRAL: "⚪", ProofTone.AMISS: "🔴"}
DONE, GONE, AMISS = "✅", "⚪", "⚠️"
MAY_BE_LOST = frozenset(
    {OutboxState.BOUNCED, OutboxState.FAILED, OutboxState.UNRESOLVED, OutboxState.UNKNOWN}
)
WAIT = "Nothing now: what they answer comes into this thread."
TERMINAL, BROWSER = "somebody at the terminal", "somebody in the browser"
NO_DRAFT = "*Draft:* none. No published sentence is near."
MAX_OUTDATED, MAX_OUTDATED_CHARACTERS = 3, 600  # passages that changed, and of each
OUTDATED = (
    "📝 *The post has changed since we wrote to them.* They get no correction by themselves, "
    "because this case is open: tell them in your answer. The post says now:"
)
MAX_PART_CHARACTERS = 300  # of a question in the list of what is answered and what is open
MAX_PARTS = 6  # of each list
NO_SENDER = (
    "*Draft:* none. The mail names no single sender, so nothing can be sent from here. Look at it "
    "in the mailbox; then close the case."
)
CALL_FIRST = "*Draft:* none. This is answered in a person's own words, after the call."


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMessage:
    """A message: its blocks, and the text that notifications and screen readers use instead."""

    blocks: list[Block]
    text: str


class Cards:
    """Draws cases with the texts and the passages of one knowledge folder.

    `threshold_for` returns the probability from which the desk answers a language by itself,
    `contacts` are those whom staff call, by escalation reason, and `oncall` the people on call.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        texts: StaffTexts,
        threshold_for: Callable[[str], float],
        *,
        contacts: Mapping[EscalationReason, str] | None = None,
        oncall: Sequence[str] = (),
    ) -> None:
        self.knowledge = knowledge
        self.topics = name_topics(knowledge)
        self.texts = texts
        self.threshold_for = threshold_for
        self.contacts = contacts or {}
        self.oncall = oncall

    def render(self, case: Case) -> RenderedMessage:
        """Return the card of a case as it is now."""
        if case.erased_at:
            return render_erased(f"Case {case.id}")
        blocks = [
            b.header(f"{self._sign(case)} {self.title(case)}"),
            b.markdown(self._standing(case), block_id="standing"),
            b.plain_small_print(_source(case)),
            *proof_lines(case.proof),
            b.markdown(self._why(case)),
            *self._question(case),
            *_open_parts(case),
            *self._outdated(case),
            *self._draft(case),
            b.divider(),
            *self._actions(case),
        ]
        return RenderedMessage(blocks=b.fit_message(blocks), text=self.summary(case))

    def summary(self, case: Case) -> str:
        """Return one line for notifications, without the user's words and without an address."""
        reason = self.texts.reasons[EscalationReason(case.reason)].title
        return f"Case {case.id}, {self._urgency(case).lower()}, {reason}: {self._state(case)}"

    def list_row(self, case: Case, now: datetime) -> list[Block]:
        """Return the blocks of a case in a list, at the moment `now`."""
        row = describe_case(case, self.topics, self.texts, now)
        has = f"{describe_stage(case)}{_by(case)}"
        left = [f"*overdue by {row.left}*" if row.overdue else f"{row.left} left"] * bool(row.left)
        facts = [row.urgency, row.reason, has, row.language, f"came {row.age} ago", *left]
        told = " · ".join(escape(fact) if fact != has else fact for fact in facts if fact)
        value = f"{case.id}:{case.version}"
        says = f"{self._sign(case)} *Case {case.id} · {escape(row.topic)}*\n{told}"
        return [
            b.markdown(says) | {"accessory": b.button("Show all", "show", value)},
            b.plain_small_print(f"“{defang(row.words)}”"),
        ]

    def title(self, case: Case) -> str:
        """Return what the case is, in one line and without personal data."""
        reason = self.texts.reasons[EscalationReason(case.reason)].title
        return f"Case {case.id} · {self._urgency(case)} · {reason}"

    def _sign(self, case: Case) -> str:
        if case.open:
            return PRIORITY_SIGNS[Priority(case.priority)]
        if _lost(case):
            return AMISS
        return DONE if case.stage is Stage.DECIDED else GONE

    def _urgency(self, case: Case) -> str:
        return self.texts.priorities[Priority(case.priority)]

    def _state(self, case: Case) -> str:
        if case.stage is Stage.DECIDED and _lost(case):
            return "answered, but the mail may not have arrived"
        late = bool(case.reminders) and case.stage in (Stage.OPEN, Stage.CLAIMED)
        return describe_stage(case) + ", overdue" * late

    def _standing(self, case: Case) -> str:
        """Return who has the case and until when.

        After a decision it is who decided what, and what became of the mail.
        """
        state = self._state(case)
        lines = [
            f"*{state[:1].upper()}{state[1:]}*{_by(case)} · came {b.relative_time(case.opened_at)}"
        ]
        if case.decision:
            did = self.texts.actions.get(case.decision.action, case.decision.action)
            person = mention(case.decision.actor)
            person = person[:1].upper() + person[1:]
            lines = [f"*{person} {escape(did)}*, {b.absolute_time(case.decision.at)}"]
        elif case.open and case.due_at:
            lines[0] += f" · {_until(case)} {b.absolute_time(case.due_at)}"
        if case.open and case.later:
            mails = "another mail" if case.later == 1 else f"{case.later} more mails"
            lines.append(
                f"✉️ *They wrote {mails}*, last {b.relative_time(case.later_at)}: see the thread."
            )
        if case.open and case.alike:
            people = "person asks" if case.alike == 1 else "people ask"
            lines.append(
                f"👥 *{case.alike} more {people} the same*, {case.alike_lately} of them in the "
                f"last hour. *Answer all {case.alike + 1}* answers each of them once."
            )
        if case.folded > case.alike:
            cases = "case" if case.folded == 1 else "cases"
            lines.append(
                f"🗂 *{case.folded} more {cases} like this*, of the same sender, with the same text "
                "or about nearly the same, without cards of their own: `/incident queue` lists "
                "them."
            )
        if case.delivery:
            lines.append(f"{self._mail(case)}")
        return "\n".join(lines)

    def _mail(self, case: Case) -> str:
        assert case.delivery  # noqa: S101 - the caller has checked
        said = self.texts.delivery[case.delivery.state]
        sign = AMISS if _lost(case) else "✉️"
        return f"{sign} {b.absolute_time(case.delivery.at)} · {escape(said)}"

    def _why(self, case: Case) -> str:
        reason = self.texts.reasons[EscalationReason(case.reason)]
        rule = f" Rule: {escape(describe_rule(case.rule))}." if _held_by_rule(case) else ""
        lines = [f"*Why it is here.* {escape(reason.why)}{rule}"]
        if case.open:
            waits = case.stage is Stage.WAITING
            lines.append(f"*What to do.* {WAIT if waits else escape(reason.do)}")
        if case.open and case.needs_call:
            people = list_people_to_call(case, self.contacts, self.oncall)
            lines.append(f"📞 *Call first:* {describe_people_in_slack(people)}")
        if case.earlier:
            lines.append(self._earlier(case))
        if case.masked:
            kinds = ", ".join(SecretKind(kind).words for kind in case.masked)
            lines.append(f"🔒 Removed before anybody saw it: {escape(kinds)}.")
        return "\n".join(lines)

    def _earlier(self, case: Case) -> str:
        """Return that the sender had cases before, and how the last decided one ended."""
        count = "an earlier case" if case.earlier == 1 else f"{case.earlier} earlier cases"
        done = self.texts.actions.get(case.earlier_action, case.earlier_action)
        ended = f"; of the last decided one: we {escape(done)}" if done else ""
        return f"🗂 *The same sender has {count}*{ended}."

    def _chance(self, case: Case) -> str:
        """Return the probability that the draft answers, and the desk's threshold, in words."""
        sure = draft_probability(case)
        if sure is None:
            return ""
        return (
            f" {_tenths(sure)} drafts like this one answer the question ({sure:.0%}); "
            f"by itself the desk sends from {self.threshold_for(case.language):.0%}."
        )

    def _question(self, case: Case) -> Iterator[Block]:
        yield b.markdown("*They write:*")
        yield b.quote(case.text, MAX_QUESTION_CHARACTERS)
        if len(case.text) > MAX_QUESTION_CHARACTERS:
            yield b.small_print("✂️ This is only the beginning: *Show all* has the whole mail.")
        if case.attachments:
            names = ", ".join(case.attachments)
            yield b.plain_small_print(f"📎 {len(case.attachments)} attached: {defang(names)}")

    def _outdated(self, case: Case) -> Iterator[Block]:
        """Yield the changed passages of the post that the sender was told in an older version."""
        if not case.open or not case.outdated:
            return
        known = [self.knowledge.passages.get(each) for each in case.outdated]
        yield b.markdown(OUTDATED)
        for passage in [each for each in known if each][:MAX_OUTDATED]:
            yield b.quote(passage.text, MAX_OUTDATED_CHARACTERS)

    def _draft(self, case: Case) -> Iterator[Block]:
        if not case.open:
            return
        if not case.can_approve:
            yield b.markdown(self._no_draft(case))
            return
        what = "*Draft* for what is open" if case.replied else "*Draft*"
        yield b.markdown(f"{what}, in the words of the published post.{self._chance(case)}")
        yield b.preformatted(case.draft, MAX_DRAFT_CHARACTERS)
        if len(case.draft) > MAX_DRAFT_CHARACTERS:
            yield b.small_print("✂️ Cut here: *Review & send* shows every word before it goes.")
        yield b.small_print(*self._quotes(case))

    def _no_draft(self, case: Case) -> str:
        if not case.sender:
            return NO_SENDER
        return CALL_FIRST if case.needs_call else NO_DRAFT

    def _quotes(self, case: Case) -> Iterator[str]:
        ids = dict.fromkeys(p for a in case.questions for p in a.passages[:2])
        known = [self.knowledge.passages[p] for p in ids if p in self.knowledge.passages]
        for passage in known[:5]:
            yield f"📄 {escape(self.knowledge.heading_of(passage))} ({passage.date})"

    def _actions(self, case: Case) -> Iterator[Block]:
        if not case.open:
            yield from closed_case_buttons(case)
            return
        green = is_approve_first(case, self.texts.green_from)
        first = "" if green else self.texts.reasons[EscalationReason(case.reason)].do
        offer = (
            DraftOffer(is_shown_whole=len(case.draft) <= MAX_DRAFT_CHARACTERS, do_first=first)
            if case.can_approve
            else None
        )
        yield from open_case_buttons(case, offer, green=green)


def proof_lines(proof: SenderProof) -> Iterator[Block]:
    """Yield a line that says whether the sender is who the mail says, where that is known."""
    if proof.words:
        words = escape(proof.words[:1].upper() + proof.words[1:])
        yield b.markdown(f"{PROOF_SIGNS[proof.tone]} *{words}.*")


def render_erased(what: str) -> RenderedMessage:
    """Return what replaces a message about a person whose data was erased at their request."""
    says = "Everything about this person was erased, at their request. Nothing is left to do here."
    return RenderedMessage(
        blocks=[b.header(f"{GONE} {what} · erased"), b.markdown(says)], text=f"{what}: erased"
    )


def mention(actor: str) -> str:
    """Return an actor of the journal as Slack shows a person; any other one in words."""
    person = PERSON.fullmatch(actor)
    if person:
        return f"<@{person.group(1)}>"
    return BROWSER if actor == BROWSER_ACTOR else TERMINAL


def _open_parts(case: Case) -> Iterator[Block]:
    """Yield what the desk has already sent and which questions are still open.

    Where nothing was sent and a single question is open, nothing is listed: the mail itself shows
    it.
    """
    done = [q.text for q in case.questions if q.kind != "escalation"]
    waiting = [q.text for q in case.questions if q.kind == "escalation"]
    if case.replied:
        at = b.absolute_time(case.replied.at)
        about = "the desk's answer to:" if done else "that a person will answer."
        yield b.markdown(f"📤 *Already sent*, {at}: {about}")
        if done:
            yield _parts(done)
    if case.open and waiting and (done or len(waiting) > 1):
        yield b.markdown("❓ *Still open:*")
        yield _parts(waiting)


def _parts(questions: Sequence[str]) -> Block:
    lines = [f"• {truncate(' '.join(q.split()), MAX_PART_CHARACTERS)}" for q in questions]
    more = len(lines) - MAX_PARTS
    shown = [*lines[:MAX_PARTS], *([f"… and {more} more"] if more > 0 else [])]
    return b.quote("\n".join(shown), b.PIECE)


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
    """Return whether a mail rule holds it, rather than a person who has the conversation."""
    return (
        case.reason == EscalationReason.HELD
        and bool(case.rule)
        and not case.rule.startswith(NO_RULE)
    )


def _lost(case: Case) -> bool:
    """Return whether a person's mail may not have arrived."""
    return case.delivery is not None and case.delivery.state in MAY_BE_LOST


def _tenths(probability: float) -> str:
    """Return a probability as people count: about so many in ten."""
    tenths = round(probability * 10)
    if 0 < tenths < 10:
        return f"About {tenths} in 10"
    return "More than 9 in 10" if tenths else "Fewer than 1 in 10"


def _source(case: Case) -> str:
    sender = mask_address(case.sender) if case.sender else "no single sender"
    parts = [f"By e-mail from {sender}"]
    parts += [f"follows case {case.parent}"] * bool(case.parent)
    parts += ["nothing typed in this thread is sent"] * case.open
    return " · ".join(parts)
