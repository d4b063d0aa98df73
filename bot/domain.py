"""The words this code speaks: plain frozen values, no I/O."""

from dataclasses import dataclass, field
from enum import StrEnum

from typing_extensions import override


class Channel(StrEnum):
    EMAIL = "email"
    SLACK = "slack"


class Role(StrEnum):
    USER = "user"
    DESK = "desk"


class AnswerReason(StrEnum):
    PUBLISHED = "published"  # the post states it, with a probability above the threshold
    PHISHING_SAMPLE = "phishing_sample"  # the same, and the security team should see the mail


class RefusalReason(StrEnum):
    """What the reply would have to contain, and why it must not."""

    SECRET = "secret"  # a password, key, token or code, whoever's it is
    OTHER_PEOPLE = "other_people"  # whether or what we hold about somebody else
    ACCOUNT_ACTION = "account_action"  # a change to an account
    DESK_INTERNALS = "desk_internals"  # the desk's own prompt, keys, configuration
    VOUCHING = "vouching"  # our word that a link, number or sender is genuine
    REQUEST = "request"  # no rule names it, but it reads like the requests that are refused
    IMPERSONATION = "impersonation"  # a text that asks others for a secret, or speaks as another


class EscalationReason(StrEnum):
    """Why a person decides. The first group pages at once."""

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
    MAIL_FAULT = "mail_fault"  # the mail could not be read safely


class Priority(StrEnum):
    NORMAL = "normal"
    HIGH = "high"
    PAGE = "page"


class SecretKind(StrEnum):
    """What a masked span held; named to the asker in reviewed words, never shown."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The smallest citable unit of the post; `text` is published wording, whole units only."""

    id: str
    heading: str
    text: str
    sentences: tuple[str, ...]
    date: str
    language: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A masked stretch; offsets are characters of the original text."""

    kind: SecretKind
    start: int
    end: int
    certain: bool = True  # a known format, not a word in a suspicious place


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
    """Channel-neutral and already redacted: nothing behind this point sees a secret."""

    text: str
    channel: Channel = Channel.EMAIL
    history: tuple[Turn, ...] = ()
    redactions: tuple[Span, ...] = ()
    subject: str = (
        ""  # where it is not the text itself; read for danger and demands, never answered
    )
    shown: str = ""  # what the asker passes on of others: a forwarded mail; none of their own words


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a message, with the sentence before it where it needs that to be read."""

    text: str
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A wording of the knowledge that is near the question.

    `label` is an intent or a silent topic; `answers` tells the two apart. cosine in [-1, 1].
    """

    label: str
    text: str
    cosine: float
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    question: str
    reason: AnswerReason
    probability: float
    passages: tuple[Passage, ...]
    candidates: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    question: str
    reason: RefusalReason
    probability: float
    candidates: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    question: str
    reason: EscalationReason
    priority: Priority
    probability: float
    candidates: tuple[Passage, ...]


Outcome = Answer | Refusal | Escalation


MODEL_NOTE = "model: "  # begins the note on what came of asking one


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The outcomes of one message, stamped with the knowledge that they rest on.

    Without outcomes the message asks nothing and needs nobody: it only says thanks.
    """

    outcomes: tuple[Outcome, ...]
    language: str
    knowledge: str
    redactions: tuple[Span, ...] = ()
    milliseconds: float = 0.0
    silenced: bool = False  # a person was asked for earlier: nothing more is sent by itself
    notes: tuple[str, ...] = field(default=())  # what fired, for staff and --explain

    @property
    def asked(self) -> tuple[str, ...]:
        """What came of asking a model, or why nothing did; empty when none was to be asked."""
        return tuple(n.removeprefix(MODEL_NOTE) for n in self.notes if n.startswith(MODEL_NOTE))


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLine:
    """One checked thing: its name, whether it is well, and what to say of it in plain words."""

    name: str
    good: bool
    says: str

    @override
    def __str__(self) -> str:
        return f"{self.name}: {self.says}"
