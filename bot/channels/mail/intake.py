"""A raw mail -> a stored, masked message: parse, rules, redact, journal, in this order."""

import hashlib
from dataclasses import asdict, dataclass

from bot.channels.mail.ids import legal_id, legal_ids, named_ids
from bot.channels.mail.parse import ParsedMail
from bot.channels.mail.rules import MailVerdict, Policy, Ruling, is_authenticated, rule
from bot.channels.mail.sandbox import SafeParser
from bot.channels.mail.subject import adds_nothing, is_marked_empty, subject_text
from bot.domain import Redaction
from bot.journal import ReceivedMessage
from bot.journal.threads import conversation_key
from bot.policy import Refuse, quoted_phishing_query, screen
from bot.ports import Mail
from bot.redact import redact
from bot.text.subject import reply_subject

MAX_ATTACHMENTS = 30
FINAL = frozenset({MailVerdict.DROP, MailVerdict.BOUNCE, MailVerdict.RECEIPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A mail as far as the desk will ever keep it."""

    mail: ParsedMail
    ruling: Ruling
    redaction: Redaction
    authenticated: bool  # the sender is who the mail says

    @property
    def subject(self) -> str:
        """Masked, like everything that is shown."""
        return redact(self.mail.subject).text

    @property
    def reply_subject(self) -> str:
        """The subject with which a reply goes back; empty where the desk's own is to be used.

        What somebody wrote under a false name must not go out from our address, and what asks for
        a secret from nobody's.
        """
        kept = reply_subject(self.subject) if self.authenticated else ""
        return "" if redact(kept).spans or isinstance(screen(kept), Refuse) else kept

    @property
    def heading(self) -> str:
        """The subject beside a text; empty where the subject is the text."""
        asked = redact(subject_text(self.mail.subject)).text
        return "" if asked and self.redaction.text == asked else self.subject

    @property
    def shown(self) -> str:
        """What the person passes on of others, masked; empty where that is read as the text."""
        is_text = self.mail.only_shows and not is_suspicious(self.mail)
        return "" if is_text else redact(self.mail.shown).text

    @property
    def attachments(self) -> str:
        """A line for each file that came along: name, type and size, masked."""
        # Masked without its ending, which would hide from the redactor where a word ends.
        told = (
            f"{redact(each.stem).text}{each.ending} ({each.told})"
            for each in self.mail.attachments[:MAX_ATTACHMENTS]
        )
        return redact("\n".join(told)).text

    @property
    def sender(self) -> str:
        """The address without its display name; masked too, for anybody may write it."""
        return redact(self.mail.sender).text

    @property
    def visible(self) -> str:
        """What the person wrote, without quotes; masked also where no question is read."""
        spoken = self.ruling.verdict not in FINAL
        return self.redaction.text if spoken else redact(self.mail.visible).text


def read(raw: bytes, parser: SafeParser, policy: Policy) -> Read:
    """Parse in the sandbox, apply the rules, mask the text; never raises on any bytes."""
    mail = parser.parse(raw)
    return Read(
        mail=mail, ruling=rule(mail, policy), redaction=redact(question_text(mail)),
        authenticated=is_authenticated(mail, policy),
    )  # fmt: skip


def question_text(mail: ParsedMail) -> str:
    """What the person wrote: their own text, or a question in the subject where that adds nothing.

    Empty when they sent back nothing but our own reply, or only show us a suspicious mail.
    """
    if mail.only_shows and is_suspicious(mail):
        return ""
    said = mail.visible.strip()
    asked = subject_text(mail.subject)
    if asked and (is_marked_empty(mail.subject) or adds_nothing(said)):
        return asked
    if said or mail.quotes_us:
        return said
    return mail.text.strip() or mail.subject


def is_suspicious(mail: ParsedMail) -> bool:
    """Is the mail that is passed on one that asks for secrets or carries links?"""
    return bool(quoted_phishing_query("\n".join(f"> {line}" for line in mail.visible.split("\n"))))


def received(found: Read, ref: str) -> ReceivedMessage:
    """What is stored of it: masked text, headers that a reply needs, where the raw mail lies.

    Its thread begins with the first mail that References names, else In-Reply-To, in whatever
    order the headers stand; a mail that names none begins one.
    """
    mail = found.mail
    headers = (*mail.values("references"), *mail.values("in-reply-to"))
    named = named_ids(mail.values("references")) or named_ids(mail.values("in-reply-to"))
    message_id = next(iter(named_ids([mail.message_id])), "")
    thread = next(iter(named), "") or message_id or mail.key
    return ReceivedMessage(
        channel="email",
        thread_key=conversation_key(mail.sender, thread),
        thread=thread,
        message_id=message_id,
        named=named_ids(headers),
        key=mail.key,
        raw_ref=ref,
        verdict=found.ruling.verdict.value,
        rule=found.ruling.rule,
        sender=mail.sender,
        headers={
            "message_id": legal_id(mail.message_id),
            "references": " ".join(legal_ids(headers)),
            "subject": found.heading,
            **{name: said for name in ("shown", "attachments") if (said := getattr(found, name))},
            "reply_subject": found.reply_subject,
        },
        text=found.redaction.text,
        redactions=tuple(asdict(span) for span in found.redaction.spans),
        final=found.ruling.verdict in FINAL,
    )


def unreadable(mail: Mail) -> ReceivedMessage:
    """What is stored of a mail that nothing can be made of: where its raw form lies."""
    key = f"fault:{hashlib.sha256(mail.raw).hexdigest()}"
    return ReceivedMessage(
        channel="email", thread_key=f"mail:{key}", key=key, raw_ref=mail.ref,
        verdict=MailVerdict.HOLD.value, rule="R0 not readable", sender="", headers={}, text="",
    )  # fmt: skip
