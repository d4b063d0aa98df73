"""Reads a raw mail: parses it, applies the rules and masks it into what the journal stores."""

import hashlib
from dataclasses import asdict, dataclass, field, replace

from bot.channels.mail.message_ids import mask_secret_in_address, read_mail_ids, redact_address
from bot.channels.mail.parse import ParsedMail
from bot.channels.mail.rule_input import sender_proof
from bot.channels.mail.rules import (
    MailRuleContext,
    MailVerdict,
    Ruling,
    apply_rules,
)
from bot.channels.mail.sandbox import SafeParser
from bot.channels.mail.subject_question import (
    is_empty_beside_subject,
    is_marked_empty,
    subject_as_text,
)
from bot.domain import Redaction, SenderProof
from bot.journal import ReceivedMessage
from bot.journal.threads import conversation_key
from bot.policy import Refuse, quoted_phishing_query, screen
from bot.ports import Mail
from bot.redact import redact
from bot.text.reply_subject import reply_subject

# Files of one mail that are listed by name.
MAX_ATTACHMENTS = 30
CUT_FAULT = "too large to be read whole"
# Verdicts after which nobody reads or answers the mail.
FINAL_VERDICTS = frozenset({MailVerdict.DROP, MailVerdict.BOUNCE, MailVerdict.RECEIPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMail:
    """A mail after parsing, rules and redaction; its properties are what the desk stores of it."""

    mail: ParsedMail
    ruling: Ruling
    redaction: Redaction
    proof: SenderProof
    signature: str = ""  # masked; empty where it holds no demand and no cry for help
    subject: str = ""  # masked, like everything that is shown
    key: bytes = field(default=b"", repr=False)  # of the installation

    @property
    def stored_key(self) -> str:
        """The key by which the journal recognizes a second delivery of the mail.

        The key of a mail whose sender is not believed names its proof, so that a forged copy of
        somebody's mail does not make the genuine one a duplicate.
        """
        return self.mail.key if self.proof.believed else f"{self.proof}:{self.mail.key}"

    @property
    def reply_subject(self) -> str:
        """The subject with which a reply goes back; empty where the desk's own is to be used.

        The subject of a sender who is not authenticated is not sent from our address, and a subject
        that holds or asks for a secret is sent to nobody.
        """
        subject = reply_subject(self.subject) if self.proof.authenticated else ""
        return "" if redact(subject).spans or isinstance(screen(subject), Refuse) else subject

    @property
    def heading(self) -> str:
        """The subject to be shown beside the text; empty where the subject is the text."""
        subject_question = redact(subject_as_text(self.mail.subject)).text
        return "" if subject_question and self.redaction.text == subject_question else self.subject

    @property
    def shown(self) -> str:
        """The mails of others that the person passes on, masked; empty where they are the text."""
        is_text = self.mail.only_shows and not is_suspicious(self.mail)
        return "" if is_text else redact(self.mail.shown).text

    @property
    def attachments(self) -> str:
        """A line for each file that came along: its name, type and size, masked."""
        # The name is masked without its extension, since the redactor sees no word end before that.
        lines = (
            f"{redact(each.stem).text}{each.ending} ({each.description})"
            for each in self.mail.attachments[:MAX_ATTACHMENTS]
        )
        return redact("\n".join(lines)).text

    @property
    def sender(self) -> str:
        """The address without its display name; masked too, for anybody may write it."""
        return redact_address(self.mail.sender).text

    @property
    def visible(self) -> str:
        """What the person wrote, without quotes; masked also where the text is not read as a
        question.
        """
        is_question = self.ruling.verdict not in FINAL_VERDICTS
        return self.redaction.text if is_question else redact(self.mail.visible).text


def judge_mail(
    raw: bytes, parser: SafeParser, context: MailRuleContext, *, is_cut: bool = False
) -> JudgedMail:
    """Parse a mail in the sandbox, apply the rules and mask the text; never raise on any bytes.

    `is_cut` says that `raw` is only the beginning of a mail that is too large; such a mail is held
    for a person, who reads that beginning.
    """
    mail = parser.parse(raw)
    if is_cut and not mail.fault:
        mail = replace(mail, fault=CUT_FAULT)
    question = question_text(mail)
    redaction = redact(question)
    unread = redact(_unread_text(mail, question)).text
    return JudgedMail(
        mail=mail, ruling=apply_rules(mail, context), redaction=redaction,
        signature=unread if context.finds_demand(unread) else "",
        proof=sender_proof(mail, context), subject=redact(mail.subject).text, key=context.key,
    )  # fmt: skip


def _unread_text(mail: ParsedMail, read_text: str) -> str:
    """Return what the person wrote outside of `read_text`, such as text below a signature mark.

    The result is empty for a mail that is passed on without a word of the person's own, since its
    signature is that of another person.
    """
    if mail.only_shows:
        return ""
    return "\n".join(p for p in (mail.visible.strip(), mail.signature) if p not in read_text)


def question_text(mail: ParsedMail) -> str:
    """Return what the person wrote: their own text, or a question in the subject where that is
    empty.

    The result is empty when they sent back nothing but our own reply, or only passed on a
    suspicious mail.
    """
    if mail.only_shows and is_suspicious(mail):
        return ""
    own_text = mail.visible.strip()
    subject_question = subject_as_text(mail.subject)
    if subject_question and (is_marked_empty(mail.subject) or is_empty_beside_subject(own_text)):
        return subject_question
    if own_text or mail.quotes_us:
        return own_text
    return mail.text.strip() or mail.subject


def is_suspicious(mail: ParsedMail) -> bool:
    """Is the mail that is passed on one that asks for secrets or carries links?"""
    return bool(quoted_phishing_query("\n".join(f"> {line}" for line in mail.visible.split("\n"))))


def build_received_message(judged: JudgedMail, ref: str) -> ReceivedMessage:
    """Return what is stored of a mail: masked text, the headers that a reply needs, the raw mail's
    place.

    A mail that names no id begins a thread of its own.
    """
    mail = judged.mail
    ids = read_mail_ids(
        mail.message_id, mail.values("references"), mail.values("in-reply-to"), judged.key
    )
    thread = ids.thread or ids.message_id or mail.key
    return ReceivedMessage(
        channel="email",
        thread_key=conversation_key(mask_secret_in_address(mail.sender, judged.key), thread),
        thread=thread,
        proof=judged.proof,
        message_id=ids.message_id,
        named=ids.named,
        key=judged.stored_key,
        raw_ref=ref,
        verdict=judged.ruling.verdict.value,
        rule=judged.ruling.rule,
        sender=judged.sender,
        headers={
            "message_id": ids.reply_message_id,
            "references": ids.reply_references,
            "subject": judged.heading,
            **{
                name: value
                for name in ("signature", "shown", "attachments")
                if (value := getattr(judged, name))
            },
            "reply_subject": judged.reply_subject,
        },
        text=judged.redaction.text,
        redactions=tuple(asdict(span) for span in judged.redaction.spans),
        final=judged.ruling.verdict in FINAL_VERDICTS,
    )


def fault_key(raw: bytes) -> str:
    """Return the key by which the journal knows a mail that cannot be read at all."""
    return f"fault:{hashlib.sha256(raw).hexdigest()}"


def build_unreadable_message(mail: Mail) -> ReceivedMessage:
    """Return what is stored of a mail that cannot be read at all: where its raw form lies."""
    key = fault_key(mail.raw)
    return ReceivedMessage(
        channel="email", thread_key=f"mail:{key}", key=key, raw_ref=mail.ref,
        verdict=MailVerdict.HOLD.value, rule="R0 not readable", sender="", headers={}, text="",
    )  # fmt: skip
