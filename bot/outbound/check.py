"""Checks every automatic text, just before it is sent, against a closed set of approved units.

A text may be sent only if it consists of whole units in the order of a reply, each a reviewed
template, a stored passage, a heading of the post or its source line (`grammar`). So nothing that a
user or a model wrote can be sent, whatever failed before. Links and addresses in approved units
(`bot.corpus.links`) and the desk's own secrets (`secret_leaks`) are checked as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import parseaddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from bot.corpus import Knowledge
from bot.corpus.links import unlisted
from bot.outbound.grammar import ReplyGrammar, fold_spaces
from bot.outbound.letter import object_to_html
from bot.outbound.secret_leaks import CANARY, LeakDetector
from bot.redact import redact
from bot.text.reply_subject import reply_subject

if TYPE_CHECKING:
    from email.policy import Policy

__all__ = ["CANARY", "CheckResult", "LeakDetector", "Outbound", "text_of"]

# Most bytes of a mail for each character of its text: quoted-printable in the plain part and in the
# HTML part, and the tags of the latter.
MAX_BYTES_PER_CHARACTER = 30
# Headers that the desk writes; a mail with any other is not sent.
ALLOWED_HEADERS = frozenset({
    "from", "to", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted",
    "x-auto-response-suppress", "x-incident-desk", "mime-version", "content-type",
    "content-transfer-encoding",
})  # fmt: skip


class ParsedOnce(EmailPolicy):
    """Gives the headers of a mail as `SMTP` does, and parses each of them once.

    The library parses the type of a part anew whenever it is asked for, dozens of times a mail.
    """

    @override
    def header_fetch_parse(self, name: str, value: str) -> Any:
        return _parse_header(name, value)


@lru_cache(maxsize=64)
def _parse_header(name: str, value: str) -> Any:
    return SMTP.header_fetch_parse(name, value)


PARSED_ONCE = cast("Policy[EmailMessage]", ParsedOnce(linesep=SMTP.linesep))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Whether a text may be sent, and if not, why."""

    allowed: bool
    why: str = ""


class Outbound:
    """The outbound check under one version of the knowledge."""

    def __init__(self, knowledge: Knowledge, own_secrets: Iterable[str] = ()) -> None:
        self.knowledge = knowledge
        self.grammar = ReplyGrammar(knowledge)
        self.leak_detector = LeakDetector(own_secrets, approved=self.grammar.units)

    def check(self, text: str, *, case_number: int | None = None) -> CheckResult:
        """Return whether a text may be sent: approved units only, in the order of a reply.

        With a `case_number` the text may name that case only; 0 allows none.
        """
        why = self._object_to_text(text, case_number)
        return CheckResult(allowed=not why, why=why)

    def check_mail(
        self, mail: bytes, *, automatic: bool, case_number: int | None = None
    ) -> CheckResult:
        """Return whether a finished mail may be sent.

        Every mail must have a subject of the desk or of a reply, and a plain text, with or without
        an HTML part of the same words. Other headers and the words are checked for an automatic
        mail alone, which includes one that only its own header calls automatic.
        """
        parsed = message_from_bytes(mail, policy=PARSED_ONCE)
        try:
            why = (
                self._object_to_subject(str(parsed["subject"] or ""))
                or _object_to_parts(parsed)
                or self._object_to_html(parsed)
            )
            if why or not (automatic or "auto-submitted" in parsed):
                return CheckResult(allowed=not why, why=why)
            if len(mail) > MAX_BYTES_PER_CHARACTER * self.grammar.longest:
                return CheckResult(allowed=False, why="the mail is longer than any reply")
            if why := _object_to_headers(parsed):
                return CheckResult(allowed=False, why=why)
            return self.check(_plain_text(parsed), case_number=case_number)
        except (LookupError, ValueError):
            return CheckResult(allowed=False, why="the text of the mail cannot be read")

    def _object_to_subject(self, subject: str) -> str:
        """Return why a mail may not have this subject; empty when it may.

        It must be a template, or the masked subject of the asker's own mail. Intake ensures that it
        is the asker's, and that the sender is proven. The same rule holds for mails that a person
        answers, because people do not write subjects.
        """
        if any(subject == t.subject for t in self.knowledge.templates.values()):
            return ""
        if not subject or reply_subject(subject) != subject or redact(subject).spans:
            return "the mail has a subject that is neither the desk's nor one of a reply"
        return (
            "its subject holds a secret of the desk"
            if self.leak_detector.contains_secret(subject)
            else ""
        )

    def _object_to_html(self, mail: EmailMessage) -> str:
        """Return what is wrong with the HTML part; empty for nothing, and where there is none."""
        if not mail.is_multipart():
            return ""
        _, written = mail.iter_parts()
        return object_to_html(
            str(written.get_content()), _plain_text(mail), self.knowledge.notes.links
        )

    def _object_to_text(self, text: str, case_number: int | None) -> str:
        return (
            self._object_to_characters(text)
            or self.grammar.object_to_text(fold_spaces(text), case_number)
            or self._object_to_links(text)
        )

    def _object_to_characters(self, text: str) -> str:
        """Return what is wrong with a text before it is split into units; empty for nothing."""
        if not text.strip():
            return "the text is empty"
        if len(text) > self.grammar.longest:
            return f"the text is longer than any reply, {self.grammar.longest} characters"
        if self.leak_detector.contains_secret(text):
            return "it holds a secret of the desk"
        strange = self.grammar.strange(text)
        return f"it holds U+{ord(strange):04X}, which is in no approved text" if strange else ""

    def _object_to_links(self, text: str) -> str:
        """Return which link, address or number may not be sent; empty when all are listed."""
        unapproved = unlisted(text, self.knowledge.notes)
        return f"an address, link or number is not listed: {unapproved[0]}" if unapproved else ""


def text_of(mail: bytes) -> str:
    """Return the plain text of a mail that the desk sent; empty where it cannot be read."""
    try:
        return _plain_text(message_from_bytes(mail, policy=PARSED_ONCE))
    except (KeyError, LookupError, ValueError):
        return ""


def _plain_text(mail: EmailMessage) -> str:
    plain = mail.get_body(("plain",))
    return str(plain.get_content()) if plain else ""


def _object_to_parts(mail: EmailMessage) -> str:
    """Return which part the mail has that the desk never writes; empty for none.

    A plain text alone is allowed: earlier versions wrote no HTML part, and none is written where it
    would not say the same.
    """
    parts = list(mail.iter_parts()) if mail.is_multipart() else []
    kinds = [mail.get_content_type(), *(part.get_content_type() for part in parts)]
    if kinds not in (["text/plain"], ["multipart/alternative", "text/plain", "text/html"]):
        return "the mail is neither one plain text nor that with its HTML"
    if any(each.is_attachment() for each in (mail, *parts)) or mail.preamble or mail.epilogue:
        return "the mail has something beside its text"
    names = [name.lower() for part in parts for name in part]
    if not {"content-type", "content-transfer-encoding"}.issuperset(names):
        return "a part of the mail has a header that the desk does not write"
    return ""


def _object_to_headers(mail: EmailMessage) -> str:
    """Return what headers or names the mail has that the desk never writes; empty for none."""
    names = [name.lower() for name in mail]
    if not ALLOWED_HEADERS.issuperset(names) or len(set(names)) < len(names):
        return "the mail has a header that the desk does not write"
    if any(parseaddr(str(mail[n]))[0] for n in ("from", "to")):
        return "the mail has a name that is not the desk's"
    return ""
