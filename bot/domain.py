"""Defines the values that all parts of the desk share; it does no I/O."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from typing_extensions import override

# The lowest probability at which a passage counts as near to a question. Below it fewer than one
# draft in five answers the question, and reading the draft costs staff more time than it saves.
NEAR = 0.2


class Channel(StrEnum):
    """How a message reached the desk."""

    EMAIL = "email"
    SLACK = "slack"


class Role(StrEnum):
    """Who wrote an earlier message."""

    USER = "user"
    DESK = "desk"


class AnswerReason(StrEnum):
    """Why the desk answers."""

    PUBLISHED = "published"  # the post states it, with a probability above the threshold
    PHISHING_SAMPLE = "phishing_sample"  # the same, and the security team should see the mail


class RefusalReason(StrEnum):
    """Why the desk refuses: what the reply would have to contain."""

    SECRET = "secret"  # a password, key, token or code, whoever's it is
    OTHER_PEOPLE = "other_people"  # whether or what we hold about somebody else
    ACCOUNT_ACTION = "account_action"  # a change to an account
    DESK_INTERNALS = "desk_internals"  # the desk's own prompt, keys, configuration
    VOUCHING = "vouching"  # our word that a link, number or sender is genuine
    REQUEST = "request"  # no rule names it, but it reads like the requests that are refused
    IMPERSONATION = "impersonation"  # a text that asks others for a secret, or speaks as another


class EscalationReason(StrEnum):
    """Why a person decides."""

    DANGER = "danger"
    TAKEOVER = "takeover"
    EXTORTION = "extortion"
    VULNERABILITY = "vulnerability"
    LEGAL = "legal"
    REGULATOR = "regulator"
    DATA_SUBJECT = "data_subject"
    PRESS = "press"
    SECRET_GIVEN = "secret_given"  # somebody already gave a secret away
    PHISHING_SAMPLE = "phishing_sample"  # a suspicious mail for the security team
    UNSURE = "unsure"  # below the threshold
    NOT_IN_POST = "not_in_post"  # the post is silent about it
    OFF_TOPIC = "off_topic"
    INJECTION = "injection"  # instructions to the desk; nothing else to answer
    LANGUAGE = "language"  # no reviewed templates in this language
    WANTS_PERSON = "wants_person"  # they ask for a person, or for no automatic answer
    NO_QUESTION = "no_question"
    TOO_LONG = "too_long"
    HELD = "held"  # a mail rule holds the mail for a person
    ASKED_AGAIN = "asked_again"  # what would be quoted was sent in this conversation before
    DID_NOT_HELP = "did_not_help"  # they say that the desk's answer did not help
    MAIL_FAULT = "mail_fault"  # the mail could not be read safely


# Somebody else in the company decides what is said about these, so staff cannot approve a draft.
NEVER_BY_DRAFT = frozenset({
    EscalationReason.DANGER, EscalationReason.LEGAL, EscalationReason.PRESS,
    EscalationReason.REGULATOR,
})  # fmt: skip


class Priority(StrEnum):
    """How urgent a case is, from least to most; `page` calls people at every hour."""

    NORMAL = "normal"
    HIGH = "high"
    PAGE = "page"

    @property
    def urgency(self) -> int:
        """Return a number that is greater for a more urgent priority."""
        return list(Priority).index(self)


class ExpectedTime(StrEnum):
    """Within which time a person usually answers; a reply names it in reviewed words."""

    ONE_DAY = "one_day"  # working days
    TWO_DAYS = "two_days"
    THREE_DAYS = "three_days"
    ONE_WEEK = "one_week"


class ProofTone(StrEnum):
    """How staff are shown what is known of a sender; the desk in a browser has a style for each."""

    GOOD = "good"  # proven
    NEUTRAL = "neutral"  # nothing speaks for or against it
    AMISS = "amiss"  # look twice before you write


class SenderProof(StrEnum):
    """What is known of whether the sender of a message is who it says; the journal stores it."""

    UNKNOWN = ""  # the message was stored before the proof was recorded
    PROVEN = "proven"  # our receiving server, or Slack, authenticated the sender
    LOCAL = "local"  # only this machine can write to the mailbox
    ACCEPTED = "accepted"  # nobody authenticates senders, and the owner accepts it
    UNPROVEN = "unproven"  # our receiving server found no proof
    FAILED = "failed"  # our receiving server found that DMARC failed
    NO_RECEIVER = "no_receiver"  # no receiving server is set, so nobody authenticates senders

    @property
    def believed(self) -> bool:
        """Return whether histories, cases and replies treat the message as its sender's own."""
        return self not in (SenderProof.UNPROVEN, SenderProof.FAILED, SenderProof.NO_RECEIVER)

    @property
    def authenticated(self) -> bool:
        """Return whether somebody has made sure of the sender."""
        return self in (SenderProof.PROVEN, SenderProof.LOCAL)

    @property
    def words(self) -> str:
        """Return what staff read about it; empty where nothing is known."""
        return PROOF_WORDS[self]

    @property
    def tone(self) -> ProofTone:
        """Return how it is shown to staff: GOOD only where a server or Slack proved the sender."""
        if self is SenderProof.PROVEN:
            return ProofTone.GOOD
        return ProofTone.NEUTRAL if self is SenderProof.LOCAL else ProofTone.AMISS


PROOF_WORDS = {
    SenderProof.UNKNOWN: "",
    SenderProof.PROVEN: "sender proven",
    SenderProof.LOCAL: "sender not checked: local mailbox",
    SenderProof.ACCEPTED: "sender not proven: DESK_AUTHSERV_ID=none accepts every sender",
    SenderProof.UNPROVEN: "sender not proven: no check of the mail server passed",
    SenderProof.FAILED: "sender not proven: DMARC failed",
    SenderProof.NO_RECEIVER: "sender not proven: DESK_AUTHSERV_ID is not set",
}


class SecretKind(StrEnum):
    """What kind of secret a masked span held; a reply names the kind in reviewed words."""

    API_KEY = "api_key"
    TOKEN = "token"
    PASSWORD = "password"
    CODE = "code"
    RECOVERY = "recovery"
    PRIVATE_KEY = "private_key"
    CARD = "card"
    BANK_ACCOUNT = "bank_account"
    IDENTITY_NUMBER = "identity_number"
    CREDENTIAL_URL = "credential_url"

    @property
    def words(self) -> str:
        """Return the kind in words for staff, such as "API key"."""
        return SECRET_WORDS.get(self, self.value)


SECRET_WORDS = {
    SecretKind.API_KEY: "API key", SecretKind.TOKEN: "access token",
    SecretKind.CODE: "sign-in code", SecretKind.RECOVERY: "recovery phrase or codes",
    SecretKind.PRIVATE_KEY: "private key", SecretKind.CARD: "payment card number",
    SecretKind.BANK_ACCOUNT: "bank account number",
    SecretKind.IDENTITY_NUMBER: "identity number",
    SecretKind.CREDENTIAL_URL: "link with a login",
}  # fmt: skip


class PassageSource(StrEnum):
    """Who wrote a passage."""

    POST = "post"
    TEAM = "team"  # the support team, in answer to somebody; a second person approved it


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The smallest citable unit of the post; `text` is its published wording."""

    id: str
    heading: str
    text: str
    sentences: tuple[str, ...]
    date: str
    language: str
    version: str
    source: PassageSource = PassageSource.POST


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A masked stretch; offsets are characters of the original text."""

    kind: SecretKind
    start: int
    end: int
    certain: bool = True  # found by a known format, not only by the words around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A text with its secrets masked, and what was masked where."""

    text: str
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An earlier message of the same conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of any channel; its secrets are already masked, so no later step sees one."""

    text: str
    channel: Channel = Channel.EMAIL
    history: tuple[Turn, ...] = ()
    redactions: tuple[Span, ...] = ()
    subject: str = ""  # read for danger and demands only; empty where it is the text itself
    shown: str = ""  # what others wrote and the asker passes on, such as a forwarded mail
    signature: str = ""  # read for demands and cries for help only, where it holds any


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a message, with the sentence before it where that is needed to read it."""

    text: str
    context: str = ""
    follows: bool = False  # the context was asked in an earlier message of the conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A wording of the knowledge that is near a question.

    `label` is an intent, or a topic on which the post is silent; `answers` is True for an intent.
    `cosine` is the similarity, from -1 to 1.
    """

    label: str
    text: str
    cosine: float
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An outcome: the passages are sent. `probability` is that they answer the question."""

    question: str
    reason: AnswerReason
    probability: float
    passages: tuple[Passage, ...]
    candidates: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An outcome: the desk says that it must not do what is asked for."""

    question: str
    reason: RefusalReason
    probability: float
    candidates: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """An outcome: a person decides, with the nearest passages as candidates."""

    question: str
    reason: EscalationReason
    priority: Priority = Priority.NORMAL
    probability: float = 0.0
    candidates: tuple[Passage, ...] = ()


Outcome = Answer | Refusal | Escalation


MODEL_NOTE = "model: "  # prefix of a note that says what came of asking a model


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The outcomes of one message, with the version of the knowledge that they rest on.

    There are no outcomes for a message that asks nothing and needs no person, such as thanks.
    """

    outcomes: tuple[Outcome, ...]
    language: str
    knowledge: str
    redactions: tuple[Span, ...] = ()
    milliseconds: float = 0.0
    silenced: bool = False  # they asked for a person before: no automatic reply is sent
    notes: tuple[str, ...] = field(default=())  # what came of asking a model, for staff
    clarification: str = ""  # the reviewed question that the reply asks

    @property
    def asked(self) -> tuple[str, ...]:
        """Return what came of asking a model, or why none was asked; empty when none was needed."""
        return tuple(n.removeprefix(MODEL_NOTE) for n in self.notes if n.startswith(MODEL_NOTE))


NO_RULE = "R18"  # the code of the rule that lets a mail pass because no other rule applies
RULE_CODE = re.compile(r"R\d+")
RULE_TEXTS = {
    "": "no mail filter rule applied",
    "otherwise": "no mail filter rule applied",
    "cap: sender": "too many answers to this sender",
    "cap: text": "too many answers to the same text of this sender",
    "cap: thread": "too many answers in this thread",
    "cap: domain": "too many answers to this domain",
    "cap: all": "too many answers in all",
}


def describe_rule(rule: str) -> str:
    """Return the mail rule `rule`, such as `R7 no single sender`, in words without its code."""
    code, _, text = rule.partition(" ")
    return RULE_TEXTS.get(text, text) if RULE_CODE.fullmatch(code) else rule


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLine:
    """One checked thing: its name, whether it is well, and what to say of it in plain words."""

    name: str
    good: bool
    says: str

    @override
    def __str__(self) -> str:
        return f"{self.name}: {self.says}"
