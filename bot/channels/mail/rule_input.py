"""Defines the input of the mail rules: a mail, facts about the desk, and the sender's proof."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bot.answering.signature_demands import find_signature_demand
from bot.channels.mail.addresses import parse_addresses
from bot.channels.mail.authentication import comes_from_own_server, prove_sender
from bot.channels.mail.marks import make_mark
from bot.channels.mail.parse import MAX_ADDRESSES, ParsedMail
from bot.channels.mail.program_evidence import ProgramEvidence
from bot.channels.mail.rule_words import (
    ADDRESS_TAG,
    count_failure_phrases,
    is_failure_subject,
)
from bot.domain import SenderProof


def _is_never_sent(_message_id: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRuleContext:
    """What the rules must know of the desk itself.

    `own` holds every address that the desk answers for, `authserv_id` the name of our receiving
    server, `local` says that the mailbox takes mail from this machine alone, and `needs_receiver`
    that mail is held as long as nobody authenticates senders. `is_sent` tells whether a Message-ID
    is of a mail that the desk sent; `key` is that of the installation, which marks our mails.
    `finds_demand` tells whether a signature holds what the policy stops.
    """

    own: frozenset[str] = frozenset()
    authserv_id: str = ""
    local: bool = False
    needs_receiver: bool = False
    is_sent: Callable[[str], bool] = _is_never_sent
    key: bytes = field(default=b"", repr=False)
    finds_demand: Callable[[str], object] = find_signature_demand


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInput:
    """The input of each rule: a mail, facts about the desk, the evidence that a program wrote the
    mail, and how far its sender is proven.
    """

    mail: ParsedMail
    context: MailRuleContext
    evidence: ProgramEvidence
    proof: SenderProof

    @property
    def ours(self) -> set[str]:
        """Our addresses in lower case."""
        return {address.lower() for address in self.context.own}

    def names_us(self, *headers: str) -> bool:
        """Does one of these headers hold an address of ours, with or without a tag?"""
        values = [value for name in headers for value in self.mail.values(name)]
        return bool(self.ours & without_tags(parse_addresses(values, limit=MAX_ADDRESSES)))

    @property
    def reports(self) -> bool:
        """Does the mail, by its words or its subject, report that a mail did not arrive?"""
        return count_failure_phrases(self.mail) > 0 or is_failure_subject(self.mail.subject)

    @property
    def nobody_asks(self) -> bool:
        """Is there nothing in the mail for a person to answer?

        The fields of a delivery report look like those of a form, which would count as a question;
        a report is therefore judged by its sentences alone.
        """
        evidence = self.evidence
        return evidence.nobody_asks or (not evidence.may_ask and self.reports)


def sender_proof(mail: ParsedMail, context: MailRuleContext) -> SenderProof:
    """Return how far it is proven that the sender is the address in From."""
    if context.authserv_id:
        return prove_sender(mail, context.authserv_id)
    if context.local:
        return SenderProof.LOCAL
    return SenderProof.NO_RECEIVER if context.needs_receiver else SenderProof.ACCEPTED


def reported_ids(mail: ParsedMail, context: MailRuleContext) -> tuple[str, ...]:
    """Return the Message-IDs of our mails that this delivery report is trusted to speak of.

    An id counts if the report carries the mark of that mail, which shows that its writer received
    the mail. A report of our own server, or in a mailbox that takes mail from this machine alone,
    is trusted with every id.
    """
    local = context.local and not context.authserv_id
    trusted = local or comes_from_own_server(mail, context.authserv_id)
    return tuple(each for each in mail.own_ids if trusted or carries_mark(mail, context, each))


def carries_mark(mail: ParsedMail, context: MailRuleContext, message_id: str) -> bool:
    """Does `mail` carry the mark that belongs to our mail with this Message-ID?"""
    return bool(context.key) and make_mark(context.key, message_id) in mail.marks


def without_tags(specs: Iterable[str]) -> set[str]:
    return {ADDRESS_TAG.sub("@", address.lower()) for address in specs}
