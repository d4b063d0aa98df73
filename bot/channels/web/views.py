"""Turns mails and cases into the words that the pages show; it decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

from bot.answering.reply import format_passage
from bot.channels.web.letters import Letter, letter_of, their_letter
from bot.corpus import Knowledge
from bot.domain import (
    NO_RULE,
    EscalationReason,
    Passage,
    RefusalReason,
    SecretKind,
    describe_rule,
)
from bot.journal import Case, CaseAction, OutboxState, Stage
from bot.journal.mail_list import ListedMail, SentMail
from bot.journal.records import CaseQuestion, MessageState
from bot.journal.transcript import AuditEntry
from bot.staff.case_actions import (
    BROWSER_ACTOR,
    SLACK_ACTOR,
    can_undo,
    draft_probability,
    is_approve_first,
    may_act,
)
from bot.staff.case_rows import CaseRow, describe_case, name_topics
from bot.staff.people_to_call import describe_people, list_people_to_call
from bot.staff.staff_texts import StaffTexts
from bot.text.language import detect
from bot.text.printable import printable

MAX_FIRST_WORDS = 140  # characters of a mail in a list
MAX_PASSAGES = 3  # that are shown for each question
LOST = frozenset(
    {OutboxState.BOUNCED, OutboxState.FAILED, OutboxState.UNRESOLVED, OutboxState.UNKNOWN}
)
UNDER_WAY = frozenset({OutboxState.READY, OutboxState.SENDING})
REFUSALS = {
    RefusalReason.SECRET: "It asks for a password, key, token or code. The desk never gives one, "
    "whoever asks.",
    RefusalReason.OTHER_PEOPLE: "It asks whether or what we hold about somebody else.",
    RefusalReason.ACCOUNT_ACTION: "It asks for a change to an account. The desk can change none.",
    RefusalReason.DESK_INTERNALS: "It asks for the desk's own instructions, keys or settings.",
    RefusalReason.VOUCHING: "It asks for our word that a link, number or sender is genuine.",
    RefusalReason.REQUEST: "It reads like the requests that the desk refuses.",
    RefusalReason.IMPERSONATION: "It wants a text that asks others for a secret, or that speaks "
    "as somebody else.",
}
DESK_STEPS = {
    "received": "The mail came in.",
    "decided": "The desk decided it.",
    "secret_pasted": "A secret in it was removed.",
    "cap": "The desk held its reply back: there were too many.",
    "failed": "The mail could not be read.",
    "reminder": "The case was due, and nobody had decided it.",
}
YOU_DID = {
    CaseAction.APPROVED: "You sent the draft as it was",
    CaseAction.EDITED: "You sent your own text",
    CaseAction.DISMISSED: "You closed it without a mail",
    CaseAction.RESOLVED: "You closed it without a mail",
    CaseAction.NOT_OURS: "You closed it as another team's",
    CaseAction.SHARED: "You answered it with your answer to a case that asks the same",
}
PERSON_STEPS = {
    "claimed": "took the case.",
    "viewed": "looked at all of it.",
    "undone": "took the mail back before it left.",
}
NO_DRAFT = "No published sentence is near."
CALL_FIRST = "This is answered in a person's own words, after the call."
NO_SENDER = (
    "The mail names no single sender, so nothing can be sent from here. Look at it in the mailbox; "
    "then close the case."
)
FOR_A_PERSON = "for a person"
BADGES = {"answer": "answered", "refusal": "refused", "escalation": FOR_A_PERSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A passage under its heading, as replies quote it."""

    heading: str
    date: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """The outcome of one question in words, why it was reached, and the nearest passages."""

    question: str
    kind: str
    badge: str
    says: str
    sure: str  # how probable a right answer is, against what the desk requires; may be empty
    label: str  # what the passages are: quoted, or only near
    passages: Sequence[Quote]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailView:
    """A received mail with its replies, and why each of its questions was decided so."""

    id: int
    letter: Letter
    replies: Sequence[Letter]
    badges: Sequence[tuple[str, str]]  # kind and words
    first_words: str
    reasons: Sequence[Reason]
    rule: str
    no_reply: str  # why there is none; empty where there is one
    masked: str
    case_id: int | None
    waits: bool  # for a person
    pending: bool  # it is being decided, or a mail in answer to it is under way


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as its page and its row in the queue show it."""

    case: Case
    row: CaseRow
    reason: str
    urgency: str
    state: str
    why: str
    todo: str
    call: str  # whom to call before anything is written; empty where nobody
    masked: str
    decided: str  # who decided what; empty while it is open
    delivery: str
    lost: bool
    pending: bool
    may_act: bool
    can_undo: bool  # the mail has not left yet
    approve_first: bool
    no_draft: str  # why there is none to approve; empty where there is one
    chance: str  # how often drafts like this one answer; empty where nobody knows
    reasons: Sequence[Reason] = ()
    letters: Sequence[tuple[str, Letter]] = field(default=())  # who wrote it, and the mail


class Views:
    """Describes mails and cases with the texts and passages of one knowledge folder.

    `threshold_for` returns the probability from which the desk answers a language by itself;
    `contacts` are those whom staff call, by reason.
    """

    def __init__(
        self, knowledge: Knowledge, texts: StaffTexts, threshold_for: Callable[[str], float],
        contacts: Mapping[EscalationReason, str],
    ) -> None:  # fmt: skip
        self.knowledge = knowledge
        self.topics = name_topics(knowledge)
        self.texts = texts
        self.threshold_for = threshold_for
        self.contacts = contacts

    def describe_mail(self, mail: ListedMail) -> MailView:
        """Return a received mail, our mails in answer to it, and why it was decided so."""
        replies = [self._reply(each) for each in mail.sent]
        return MailView(
            id=mail.id,
            letter=their_letter(mail, mail.received_at, mail.headers),
            replies=replies, badges=_badges(mail), first_words=preview_mail(mail.text),
            reasons=self._reasons(mail.text, mail.outcomes),
            rule=_rule(mail), no_reply="" if replies else _no_reply(mail),
            masked=_kinds(mail.masked), case_id=mail.case_id,
            waits=mail.waits,
            pending=mail.state is MessageState.RECEIVED
            or any(sent.delivery.state in UNDER_WAY for sent in mail.sent),
        )  # fmt: skip

    def describe_case(self, case: Case, now: datetime) -> CaseView:
        """Return a case without its conversation."""
        reason = self.texts.reasons[EscalationReason(case.reason)]
        held = case.reason == EscalationReason.HELD and not case.rule.startswith(NO_RULE)
        rule = f" Rule: {describe_rule(case.rule)}." if held and case.rule else ""
        row = describe_case(case, self.topics, self.texts, now)
        people = describe_people(list_people_to_call(case, self.contacts))
        return CaseView(
            case=case, row=row, reason=reason.title, urgency=row.urgency, state=_state(case),
            why=reason.why + rule, todo=self._todo(case, reason.do),
            call=people if case.open and case.needs_call else "",
            masked=_kinds(case.masked), decided=self._decided(case),
            delivery=self.texts.delivery[case.delivery.state] if case.delivery else "",
            lost=case.delivery is not None and case.delivery.state in LOST,
            pending=case.delivery is not None and case.delivery.state in UNDER_WAY,
            may_act=may_act(case, BROWSER_ACTOR), can_undo=can_undo(case),
            approve_first=is_approve_first(case, self.texts.green_from), no_draft=_no_draft(case),
            chance=_chance(case),
            reasons=self._reasons(case.text, case.questions),
        )  # fmt: skip

    def _todo(self, case: Case, do: str) -> str:
        """Return what is to be done with an open case; empty for a decided one."""
        known = (self.knowledge.passages.get(each) for each in case.outdated)
        headings = "; ".join(self.knowledge.heading_of(each) for each in known if each)
        changed = (
            f" The post has changed since we wrote to them; tell them what it says: {headings}."
        )
        return do + changed * bool(headings) if case.open else ""

    def _reply(self, sent: SentMail) -> Letter:
        """Return a mail of ours, with who wrote it and whether it arrived."""
        return replace(
            letter_of(sent.delivery.body, sent.delivery.at),
            title="The desk replied by itself" if sent.automatic else "A person replied",
            note=self.texts.delivery[sent.delivery.state],
            lost=sent.delivery.state in LOST,
        )

    def _reasons(self, text: str, asked: Sequence[CaseQuestion]) -> list[Reason]:
        """Return why each question of a mail with this text was decided so."""
        threshold = self.threshold_for(detect(text)) if asked else 1.0
        return [self._reason(each, threshold) for each in asked]

    def _reason(self, asked: CaseQuestion, threshold: float) -> Reason:
        known = self.knowledge.passages
        return Reason(
            question=asked.text, kind=asked.kind, badge=BADGES[asked.kind],
            says=self._says(asked), sure=_sure(asked, threshold),
            label="Quoted from the post" if asked.kind == "answer" else "Nearest in the post",
            passages=[self._quote(known[i]) for i in asked.passages[:MAX_PASSAGES] if i in known],
        )  # fmt: skip

    def _quote(self, passage: Passage) -> Quote:
        heading = self.knowledge.heading_of(passage)
        return Quote(heading=heading, date=passage.date, text=format_passage(passage))

    def _says(self, asked: CaseQuestion) -> str:
        if asked.kind == "answer":
            return "The published post answers this."
        if asked.kind == "refusal":
            return REFUSALS[RefusalReason(asked.reason)]
        return self.texts.reasons[EscalationReason(asked.reason)].why

    def _decided(self, case: Case) -> str:
        if not case.decision:
            return ""
        action = case.decision.action
        if case.decision.actor == BROWSER_ACTOR:
            return YOU_DID.get(action, action)
        return f"{person(case.decision.actor)} {self.texts.actions.get(action, action)}"


def _sure(asked: CaseQuestion, threshold: float) -> str:
    """Return the probability that the passages answer, and the desk's threshold, in words."""
    if not asked.passages:
        return ""
    return (
        f"{asked.probability:.0%} probable that these passages answer it; "
        f"the desk answers by itself from {threshold:.0%}."
    )


def person(actor: str) -> str:
    """Return an actor of the journal in words."""
    if actor == BROWSER_ACTOR:
        return "You"
    in_slack = actor.partition(":")[0] == SLACK_ACTOR
    return "A colleague in Slack" if in_slack else "Somebody at the terminal"


def describe_step(entry: AuditEntry, texts: StaffTexts) -> str:
    """Return a line of the audit in words."""
    event = entry.event.partition(":")[0]
    if entry.actor == "desk":
        return DESK_STEPS.get(event, event.replace("_", " "))
    if entry.actor == BROWSER_ACTOR and event in YOU_DID:
        return YOU_DID[CaseAction(event)]
    return f"{person(entry.actor)} {PERSON_STEPS.get(event) or texts.actions.get(event, event)}"


def preview_mail(text: str) -> str:
    """Return the first words of a mail in one line, at most MAX_FIRST_WORDS characters."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_FIRST_WORDS else line[: MAX_FIRST_WORDS - 1].rstrip() + "…"


def ago(at: str, now: datetime) -> str:
    """Return how long ago something was, in its largest useful unit."""
    minutes = int((now - datetime.fromisoformat(at)) / timedelta(minutes=1))
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // 1440} days ago"


def moment(at: str) -> str:
    """Return a timestamp of the journal as people read it."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%d %b %Y, %H:%M} UTC"


def harmless(value: object) -> object:
    """Return a text without characters that could hide, reorder or control what is read."""
    return printable(value) if type(value) is str else value


def exact(text: str) -> Markup:
    """Return a person's own text escaped and otherwise unchanged, for a form that sends it back."""
    return escape(text)


def _badges(mail: ListedMail) -> list[tuple[str, str]]:
    """Return what became of a mail: each kind once, with the words for it."""
    if mail.erased:
        return [("none", "erased")]
    if mail.state is MessageState.RECEIVED:
        return [("pending", "being decided")]
    if mail.state is MessageState.DROPPED:
        return [("none", "no reply")]
    kinds = dict.fromkeys(each.kind for each in mail.outcomes if each.kind != "escalation")
    badges = [(kind, BADGES[kind]) for kind in kinds]
    if any(not sent.automatic for sent in mail.sent):
        badges.append(("answer", "answered by a person"))
    elif mail.case_id and mail.waits:
        badges.append(("escalation", FOR_A_PERSON))
    elif mail.case_id:
        badges.append(("none", "closed by a person"))
    return badges or [("none", "no reply")]


def _rule(mail: ListedMail) -> str:
    """Return what the mail filter said, in words."""
    if not mail.rule or mail.rule.startswith(NO_RULE):
        return "No rule of the mail filter speaks against an answer."
    return f"Rule of the mail filter: {describe_rule(mail.rule)}."


def _chance(case: Case) -> str:
    chance = draft_probability(case)
    if chance is None:
        return ""
    tenths = round(chance * 10)
    if 0 < tenths < 10:
        return f"About {tenths} in 10 drafts like this one answer the question."
    many = "More than 9" if tenths else "Fewer than 1"
    return f"{many} in 10 drafts like this one answer the question."


def _no_draft(case: Case) -> str:
    if case.can_approve:
        return ""
    if not case.sender:
        return NO_SENDER
    return CALL_FIRST if case.needs_call else NO_DRAFT


def _no_reply(mail: ListedMail) -> str:
    if mail.erased:
        return "Everything about this person was erased, at their request."
    if mail.state is MessageState.RECEIVED:
        return "The desk is deciding it now."
    if mail.state is MessageState.DROPPED:
        return f"No reply, by a rule of the mail filter: {describe_rule(mail.rule)}."
    if mail.waits:
        return "The desk sent nothing. A person answers it."
    if mail.case_id:
        return "The desk sent nothing, and a person closed the case without a mail."
    return "It asks nothing, as thanks do. No reply is needed."


def _kinds(masked: Sequence[str]) -> str:
    return ", ".join(SecretKind(kind).words for kind in masked)


def _state(case: Case) -> str:
    has = f"{person(case.owner)} {'have' if case.owner == BROWSER_ACTOR else 'has'} it"
    match case.stage:
        case Stage.OPEN:
            return "nobody has it yet"
        case Stage.CLAIMED:
            return has
        case Stage.SNOOZED:
            return "put off"
        case Stage.WAITING:
            return "waits for details from the sender"
        case Stage.DECIDED:
            return "answered"
        case Stage.CLOSED:
            return "closed without a mail"
