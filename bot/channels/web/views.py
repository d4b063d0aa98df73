"""Turns mails and cases into what the pages show: plain words, nothing decided here."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP

from markupsafe import Markup, escape

from bot.channels.case_actions import (
    BROWSER_ACTOR,
    TERMINAL_ACTOR,
    draft_chance,
    is_approve_first,
    may_act,
)
from bot.channels.staff_texts import StaffTexts
from bot.corpus import Knowledge
from bot.domain import (
    NO_RULE,
    EscalationReason,
    Passage,
    Priority,
    RefusalReason,
    SecretKind,
    SenderProof,
    describe_rule,
)
from bot.journal import Case, CaseAction, OutboxState, ReceivedMessage, Stage
from bot.journal.mail_list import ListedMail, SentMail
from bot.journal.records import CaseQuestion, MessageState
from bot.journal.slack_records import FollowUpMessage
from bot.journal.transcript import AuditEntry, TranscriptEntry
from bot.outbound.letter import html_of
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
STYLED_TAG = re.compile(r'<(\w+) style="[^"]*">')
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
PERSON_STEPS = {"claimed": "took the case.", "viewed": "looked at all of it."}
FOR_A_PERSON = "for a person"
BADGES = {"answer": "answered", "refusal": "refused", "escalation": FOR_A_PERSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as a mail program shows it."""

    sender: str
    recipient: str
    subject: str
    at: str
    text: str
    shown: str = ""  # what others wrote and the sender passes on
    attached: str = ""
    proof: SenderProof = SenderProof.UNKNOWN  # whether the sender is who the mail says
    title: str = ""  # who wrote it, for a mail of ours
    note: str = ""  # whether it arrived, for a mail of ours
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one question was decided so: what came of it, in words, and the nearest passages."""

    question: str
    kind: str
    badge: str
    says: str
    sure: str  # how probable a right answer is, against what the desk requires; may be empty
    label: str  # what the passages are: quoted, or only near
    passages: Sequence[Passage]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailView:
    """A received mail beside its reply, and why."""

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
    pending: bool  # something happens with it in this moment


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as its page and its row in the queue show it."""

    case: Case
    topic: str
    urgency: str
    state: str
    late: bool
    first_words: str
    why: str
    todo: str
    masked: str
    decided: str  # who decided what; empty while it is open
    delivery: str
    lost: bool
    pending: bool
    may_act: bool
    can_approve: bool
    approve_first: bool
    chance: str  # how often drafts like this one answer; empty where nobody knows
    reasons: Sequence[Reason] = ()
    letters: Sequence[tuple[str, Letter]] = field(default=())  # who wrote it, and the mail


class Views:
    """Describes mails and cases with the texts and passages of one knowledge.

    `threshold_for` returns the probability from which the desk answers a language by itself.
    """

    def __init__(
        self, knowledge: Knowledge, texts: StaffTexts, threshold_for: Callable[[str], float]
    ) -> None:
        self.knowledge = knowledge
        self.texts = texts
        self.threshold_for = threshold_for

    def mail(self, mail: ListedMail) -> MailView:
        """Return a received mail, our mails in answer to it, and why it was decided so."""
        replies = [self._reply(each) for each in mail.sent]
        return MailView(
            id=mail.id,
            letter=their_letter(mail, mail.received_at, mail.headers),
            replies=replies, badges=_badges(mail), first_words=first_words(mail.text),
            reasons=self._reasons(mail.text, mail.outcomes),
            rule=_rule(mail), no_reply="" if replies else _no_reply(mail),
            masked=_kinds(mail.masked), case_id=mail.case_id,
            waits=mail.waits,
            pending=mail.state is MessageState.RECEIVED
            or any(sent.delivery.state in UNDER_WAY for sent in mail.sent),
        )  # fmt: skip

    def case(self, case: Case, now: datetime) -> CaseView:
        """Return a case without its conversation."""
        reason = self.texts.reasons[EscalationReason(case.reason)]
        held = case.reason == EscalationReason.HELD and not case.rule.startswith(NO_RULE)
        rule = f" Rule: {describe_rule(case.rule)}." if held and case.rule else ""
        due = bool(case.due_at) and datetime.fromisoformat(case.due_at) < now
        return CaseView(
            case=case, topic=reason.title, urgency=self.texts.priorities[Priority(case.priority)],
            state=_state(case), late=case.open and due, first_words=first_words(case.text),
            why=reason.why + rule, todo=self._todo(case, reason.do),
            masked=_kinds(case.masked), decided=self._decided(case),
            delivery=self.texts.delivery[case.delivery.state] if case.delivery else "",
            lost=case.delivery is not None and case.delivery.state in LOST,
            pending=case.delivery is not None and case.delivery.state in UNDER_WAY,
            may_act=may_act(case, BROWSER_ACTOR), can_approve=case.can_approve,
            approve_first=is_approve_first(case, self.texts.green_from), chance=_chance(case),
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
            passages=[known[i] for i in asked.passages[:MAX_PASSAGES] if i in known],
        )  # fmt: skip

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
    """Say how probable it is that the passages answer, and what the desk requires of itself."""
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
    at_terminal = actor.partition(":")[0] == TERMINAL_ACTOR
    return "Somebody at the terminal" if at_terminal else "A colleague in Slack"


def describe_step(entry: AuditEntry, texts: StaffTexts) -> str:
    """Return a line of the audit in words."""
    event = entry.event.partition(":")[0]
    if entry.actor == "desk":
        return DESK_STEPS.get(event, event.replace("_", " "))
    if entry.actor == BROWSER_ACTOR and event in YOU_DID:
        return YOU_DID[CaseAction(event)]
    return f"{person(entry.actor)} {PERSON_STEPS.get(event) or texts.actions.get(event, event)}"


def first_words(text: str) -> str:
    """Return how a mail begins, in one line."""
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
    """Return a stamp of the journal as people read it."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%d %b %Y, %H:%M} UTC"


def harmless(value: object) -> object:
    """Return a text without characters that could hide, reorder or control what is read."""
    return printable(value) if type(value) is str else value


def as_letter(text: str) -> Markup:
    """Return a text of ours as a mail program shows it: headings, quotes and lists.

    It is written anew from the plain text, every word escaped, in the tags of the HTML part of our
    mails; their styles stay away, as the page has its own.
    """
    page = html_of(printable(text), language="en", links=())
    body = page.partition("<body")[2].partition(">")[2].rpartition("</body>")[0]
    return Markup(STYLED_TAG.sub(r"<\1>", body))  # noqa: S704 - html_of has escaped the text


def exact(text: str) -> Markup:
    """Return a person's own text as it is, for a field that sends it back."""
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
    found = [(kind, BADGES[kind]) for kind in kinds]
    if any(not sent.automatic for sent in mail.sent):
        found.append(("answer", "answered by a person"))
    elif mail.case_id and mail.waits:
        found.append(("escalation", FOR_A_PERSON))
    elif mail.case_id:
        found.append(("none", "closed by a person"))
    return found or [("none", "no reply")]


def _rule(mail: ListedMail) -> str:
    """Return what the mail filter said, in words."""
    if not mail.rule or mail.rule.startswith(NO_RULE):
        return "No rule of the mail filter speaks against an answer."
    return f"Rule of the mail filter: {describe_rule(mail.rule)}."


def _chance(case: Case) -> str:
    chance = draft_chance(case)
    if chance is None:
        return ""
    tenths = round(chance * 10)
    if 0 < tenths < 10:
        return f"About {tenths} in 10 drafts like this one answer the question."
    many = "More than 9" if tenths else "Fewer than 1"
    return f"{many} in 10 drafts like this one answer the question."


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
    return ", ".join(SecretKind(kind).value.replace("_", " ") for kind in masked)


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


def letter_of(body: bytes, at: str) -> Letter:
    """Return a mail of ours as a mail program shows it."""
    mail = message_from_bytes(body, policy=SMTP)
    part = mail.get_body(("plain",))
    headers = {name: str(mail[name] or "") for name in ("From", "To", "Subject")}
    return Letter(
        sender=headers["From"], recipient=headers["To"], subject=headers["Subject"], at=at,
        text=str(part.get_content()) if part else "",
    )  # fmt: skip


def conversation(
    case: Case,
    first: ReceivedMessage,
    entries: Sequence[TranscriptEntry],
    others: Sequence[FollowUpMessage],
) -> Iterator[tuple[str, Letter]]:
    """Yield what both sides wrote in a case, in order, each with `they` or `we`.

    `first` is the message of the case, which is shown with its subject and attachments; `others`
    are later mails of other people that joined the case.
    """
    for entry in entries:
        if entry.mail:
            yield "we", letter_of(entry.mail, entry.at)
            continue
        headers = first.headers if entry.text == first.text else {}
        letter = their_letter(entry, entry.at, headers)
        yield "they", replace(letter, sender=case.sender)
    for each in others:
        yield "they", their_letter(each, "", {})


def their_letter(
    mail: ListedMail | TranscriptEntry | FollowUpMessage, at: str, headers: Mapping[str, str]
) -> Letter:
    """Return a mail that came in, masked as it is stored, with what is known of its sender."""
    sender = "" if isinstance(mail, TranscriptEntry) else mail.sender
    return Letter(
        sender=sender, recipient="", subject=headers.get("subject", ""), at=at, text=mail.text,
        shown=headers.get("shown", ""), attached=headers.get("attachments", ""), proof=mail.proof,
    )  # fmt: skip
