"""Decides whether a mail is answered, dropped or held, by an ordered table of small pure rules.

The first rule that matches decides. A mail is dropped only when it is certain that a program wrote
it and that nobody asks anything in it. A mail that a person may have written is held: staff see it
with the name of the rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from bot.channels.mail.addresses import parse_addresses
from bot.channels.mail.forms import is_form
from bot.channels.mail.message_ids import redact_address
from bot.channels.mail.parse import ParsedMail
from bot.channels.mail.program_evidence import (
    PROGRAM_WEIGHT,
    ProgramEvidence,
    ProgramKind,
    asks_answer_elsewhere,
    find_program_evidence,
)
from bot.channels.mail.rule_input import (
    MailRuleContext,
    RuleInput,
    carries_mark,
    reported_ids,
    sender_proof,
    without_tags,
)
from bot.channels.mail.rule_words import (
    claims_failure,
    count_failure_phrases,
    has_local_part_in,
    is_failure_subject,
    mail_phrases,
    strip_subject_prefixes,
)
from bot.channels.mail.subject_question import asks_alone
from bot.domain import SenderProof

__all__ = ["RULES", "MailRuleContext", "MailVerdict", "RuleTest", "Ruling", "apply_rules"]

REPORT_TYPES = (
    "multipart/report",
    "message/delivery-status",
    "message/global-delivery-status",
    "message/feedback-report",
    "message/disposition-notification",
    "message/global-disposition-notification",
)
SEALED_TYPES = (
    "application/pkcs7-mime",
    "application/x-pkcs7-mime",
    "multipart/encrypted",
    "application/pgp-encrypted",
)
PACKED_TYPES = ("application/ms-tnef", "application/vnd.ms-tnef", "text/calendar")
KIND_NAMES = {
    ProgramKind.ACKNOWLEDGEMENT: "an acknowledgement",
    ProgramKind.AUTOMATIC: "an automatic answer",
    ProgramKind.ABSENCE: "a note of absence",
    ProgramKind.CHALLENGE: "a mail filter's challenge",
    ProgramKind.RECEIPT: "a read receipt",
    ProgramKind.RECALL: "a recall",
    ProgramKind.REACTION: "a reaction",
    ProgramKind.CALENDAR: "a calendar's answer",
    ProgramKind.SURVEY: "a survey",
    ProgramKind.REPORT: "a report of a mail server",
    ProgramKind.ALERT: "an alert",
    ProgramKind.NEWSLETTER: "a newsletter",
}
ENCRYPTED_STARTS = ("-----BEGIN PGP MESSAGE-----",)
NEGATIVE_VALUES = frozenset({"no", "false"})
BULK_PRECEDENCES = frozenset({"bulk", "junk", "list", "auto_reply"})
SUPPRESSED_REPLIES = ("all", "oof", "autoreply")
POSTING_HEADERS = (
    "list-post",
    "mailing-list",
    "x-beenthere",
    "x-mailing-list",
    "x-mailman-version",
)
LIST_NAME_HEADERS = ("list-id", "list-post", "mailing-list", "x-beenthere", "x-mailing-list")


class MailVerdict(StrEnum):
    """What happens to a mail."""

    ANSWER = "answer"
    DROP = "drop"
    HOLD = "hold"
    BOUNCE = "bounce"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What happens to a mail, and the name of the rule that decided it."""

    verdict: MailVerdict
    rule: str


RuleTest = Callable[[RuleInput], bool]


def apply_rules(mail: ParsedMail, context: MailRuleContext) -> Ruling:
    """Return the ruling of the first rule that matches; R18 (answer) when none does."""
    evidence = ProgramEvidence() if mail.fault else find_program_evidence(mail)
    proof = sender_proof(mail, context)
    case = RuleInput(mail=mail, context=context, evidence=evidence, proof=proof)
    for name, verdict, test in RULES:
        if test(case):
            return Ruling(verdict=verdict, rule=name)
    return Ruling(verdict=MailVerdict.ANSWER, rule="R18 otherwise")


def _is_unreadable(case: RuleInput) -> bool:
    return bool(case.mail.fault)


def _is_own_copy(case: RuleInput) -> bool:
    """Is it the desk's own copy of a reply?

    It must carry our mark: the Message-ID alone proves nothing, since every answer to the reply
    names it.
    """
    message_id = case.mail.message_id
    return bool(message_id) and (
        carries_mark(case.mail, case.context, message_id) and case.context.is_sent(message_id)
    )


def _is_own_mail(case: RuleInput) -> bool:
    """Is it our own mail that came back?

    It carries a header of our automatic replies and names no other person, as in a Reply-To.
    """
    marked = bool(case.mail.values("x-auto-response-suppress")) or _is_auto_submitted(case)
    return marked and _is_from_us(case) and not _names_another_person(case)


def _is_from_us(case: RuleInput) -> bool:
    """Is it from us, or sent by us for somebody else, and not passed on by our own mailing list?"""
    if case.ours & without_tags(case.mail.senders):
        return True
    passed_on = {case.mail.return_path or ""} | set(
        parse_addresses(case.mail.values("sender"), limit=5)
    )
    return bool(case.ours & without_tags(passed_on)) and not _is_own_list(case)


def _is_bounce(case: RuleInput) -> bool:
    """Is the whole mail a delivery report?

    Its structure or X-Failed-Recipients says so, or its return path is empty and it reads like a
    report or nobody asks anything in it.
    """
    whole = case.mail.content_types[:1] == ("multipart/report",)
    if whole or case.mail.values("x-failed-recipients"):
        return True
    report = count_failure_phrases(case.mail) > 0 or has_local_part_in(
        case.mail.sender, "daemon_senders"
    )
    return case.mail.return_path == "" and (report or case.nobody_asks)


def _is_unproven_bounce(case: RuleInput) -> bool:
    """Is it a delivery report on a mail of ours without proof that its writer has had that mail?"""
    if not (_is_bounce(case) or _is_bounce_by_words(case)):
        return False
    named = [each for each in case.mail.own_ids if case.context.is_sent(each)]
    return bool(set(named) - set(reported_ids(case.mail, case.context)))


def _is_bounce_by_words(case: RuleInput) -> bool:
    """Is it a delivery report, judged by its sender together with its words or parts?"""
    mail = case.mail
    reported = bool(set(REPORT_TYPES) & set(mail.content_types))
    phrases = count_failure_phrases(mail)
    if has_local_part_in(mail.sender, "system_senders"):
        return reported or phrases > 0 or is_failure_subject(mail.subject)
    if not mail.senders or _is_named_system(mail):
        return reported or phrases > 1 or is_failure_subject(mail.subject)
    carries = "message/rfc822" in mail.content_types or phrases > 1
    begins = strip_subject_prefixes(mail.subject).startswith(
        tuple(mail_phrases("failure_subjects"))
    )
    return has_local_part_in(mail.sender, "role_senders") and begins and (carries or reported)


def _has_empty_return_path(case: RuleInput) -> bool:
    return case.mail.return_path == ""


def _has_attached_report(case: RuleInput) -> bool:
    """Is a report attached? Somebody may have forwarded it with a question of their own."""
    return bool(set(REPORT_TYPES) & set(case.mail.content_types))


def _is_filter_report(case: RuleInput) -> bool:
    """Is it a report of a mail filter that encloses somebody's mail?"""
    return ProgramKind.WRAPPER in case.evidence.weights


def _is_contact_form(case: RuleInput) -> bool:
    """Does a program pass on what a person wrote, whose address stands only in Reply-To?"""
    if not _names_another_person(case):
        return False
    local = has_local_part_in(case.mail.sender, "system_senders") or has_local_part_in(
        case.mail.sender, "form_senders"
    )
    ours = bool(case.ours & without_tags(case.mail.senders))
    if ours:
        return True
    passed_on = local or case.evidence.form
    return passed_on and not (case.evidence.is_program and case.nobody_asks)


def _names_another_person(case: RuleInput) -> bool:
    """Does Reply-To, or the sender that a mailing list noted, name a person who is not From?"""
    values = [
        value
        for name in ("reply-to", "x-original-from", "x-original-sender")
        for value in case.mail.values(name)
    ]
    others = (
        without_tags(parse_addresses(values, limit=5)) - case.ours - without_tags(case.mail.senders)
    )
    return any(not has_local_part_in(address, "system_senders") for address in others)


def _is_auto_submitted(case: RuleInput) -> bool:
    return any(word != "no" for word in _auto_submitted_values(case.mail))


def _is_auto_submitted_and_silent(case: RuleInput) -> bool:
    """Is it marked as automatic, in a program's words, with nothing in it for a person?

    The mark alone is not enough: ticket systems put it on the comments of people.
    """
    return _is_auto_submitted(case) and _is_silent_program(case)


def _is_silent_program(case: RuleInput) -> bool:
    return case.nobody_asks and _reads_like_program(case)


def _reads_like_program(case: RuleInput) -> bool:
    """Does its wording, or an address that only programs use, show that a program wrote it?"""
    return (
        case.evidence.is_program
        or case.evidence.wordless
        or case.reports
        or has_local_part_in(case.mail.sender, "daemon_senders")
    )


def _is_marked_automatic(case: RuleInput) -> bool:
    names = {
        name for name, value in case.mail.headers if value.strip().lower() not in NEGATIVE_VALUES
    }
    to = " ".join(case.mail.values("delivered-to")).lower()
    return bool(names & mail_phrases("automatic_headers")) or to.startswith("autoresponder")


def _is_marked_and_silent(case: RuleInput) -> bool:
    return _is_marked_automatic(case) and _is_silent_program(case)


def _is_structural_report(case: RuleInput) -> bool:
    """Is it certain by its structure, such as a reaction or a report on our domain, that a program
    wrote it, and does nobody ask anything in it?
    """
    return case.evidence.structural and case.nobody_asks


def _suppresses_replies(case: RuleInput) -> bool:
    """Does its header ask for no automatic answer, and does no person ask anything in it?

    The question counts because Exchange sets that header on people's mail as well.
    """
    wanted = " ".join(case.mail.values("x-auto-response-suppress")).lower()
    asked = case.evidence.asks and case.evidence.weight < PROGRAM_WEIGHT
    return any(word in wanted for word in SUPPRESSED_REPLIES) and not asked


def _is_own_list(case: RuleInput) -> bool:
    """Did a mailing list with our own address pass it on?

    Everything that people write to us then carries the headers of that list.
    """
    if not case.names_us("to", "cc", "delivered-to", "x-original-to"):
        return False
    named = " ".join(v for name in LIST_NAME_HEADERS for v in case.mail.values(name)).lower()
    return any(
        address in named or address.replace("@", ".") in named.split("<")[-1].rstrip("> ")
        for address in case.ours
    )


def _is_bulk(mail: ParsedMail) -> bool:
    precedence = " ".join((*mail.values("precedence"), *mail.values("x-precedence"))).lower()
    bulk_words = BULK_PRECEDENCES & set(precedence.replace("(", " ").replace(",", " ").split())
    names = {name for name, _ in mail.headers}
    return bool(bulk_words or names & mail_phrases("bulk_headers") or _has_list_header(mail))


def _has_list_header(mail: ParsedMail) -> bool:
    return any(name.startswith("list-") for name, _ in mail.headers)


def _is_bulk_for_nobody(case: RuleInput) -> bool:
    """Is it bulk mail in which nobody asks us anything?

    Mail of a list to which people post, or that is addressed to us, counts only if it reads like a
    program's.
    """
    if not _is_bulk(case.mail) or _is_own_list(case) or not case.nobody_asks:
        return False
    reports = case.reports or case.evidence.is_program
    posting = any(case.mail.values(name) for name in POSTING_HEADERS)
    return reports or not (posting or case.names_us("to", "cc"))


def _is_foreign_list(case: RuleInput) -> bool:
    return _is_bulk(case.mail) and not _is_own_list(case)


def _is_mass_mailer(case: RuleInput) -> bool:
    """Does it carry a mass mailer's Feedback-ID that providers of personal mailboxes do not set?"""
    marks = [value.lower() for value in case.mail.values("feedback-id")]
    return any(not any(p in mark for p in mail_phrases("personal_feedback")) for mark in marks)


def _has_no_single_sender(case: RuleInput) -> bool:
    mail = case.mail
    return len(mail.senders) != 1 or "." not in mail.sender.rpartition("@")[2].strip(".")


def _has_secret_in_sender(case: RuleInput) -> bool:
    """Does the address hold a secret? It is stored masked, so that nothing can go there."""
    return bool(redact_address(case.mail.sender).spans)


def _is_system_sender(case: RuleInput) -> bool:
    return has_local_part_in(case.mail.sender, "system_senders")


def _is_silent_system(case: RuleInput) -> bool:
    return _is_system_sender(case) and _is_silent_program(case)


def _is_role_sender(case: RuleInput) -> bool:
    """Is the sender a role address, or that of a list's program with no person asking anything?"""
    if has_local_part_in(case.mail.sender, "role_senders"):
        return True
    asked = case.evidence.asks and case.evidence.weight < PROGRAM_WEIGHT
    return has_local_part_in(case.mail.sender, "list_senders") and not asked


def _is_silent_desk(case: RuleInput) -> bool:
    """Is the sender another company's help desk that asks nothing, and so wants no reply?"""
    return has_local_part_in(case.mail.sender, "desk_senders") and not case.evidence.asks


def _reads_like_kind(kind: ProgramKind, case: RuleInput) -> bool:
    return case.evidence.is_program and case.evidence.kind is kind


def _is_failure_notice(case: RuleInput) -> bool:
    """Does it read like a delivery report, though a person may have sent it to ask about one?"""
    subject = case.mail.subject
    if count_failure_phrases(case.mail) > 2 or claims_failure(subject):
        return True
    return is_failure_subject(subject) and not case.evidence.asks


def _is_forged(case: RuleInput) -> bool:
    return case.proof is SenderProof.FAILED


def _is_unproven(case: RuleInput) -> bool:
    return case.proof is SenderProof.UNPROVEN


def _has_no_receiver(case: RuleInput) -> bool:
    """Is no server configured that authenticates senders, so that an answer could go to anybody?"""
    return case.proof is SenderProof.NO_RECEIVER


def _is_not_addressed_to_us(case: RuleInput) -> bool:
    """Do its headers name others only? Delivered-To does not count: a blind copy has it as well."""
    named = case.names_us("to", "cc", "resent-to", "resent-cc")
    return bool(case.context.own and case.mail.recipients) and not named


def _wants_answer_elsewhere(case: RuleInput) -> bool:
    """Does it ask for an answer at an address that is neither the sender's nor ours?"""
    return asks_answer_elsewhere(case.mail.visible, {case.mail.sender.lower(), *case.ours})


def _is_sealed_or_garbled(case: RuleInput) -> bool:
    mail = case.mail
    text = mail.text.strip()
    packed = any(t in PACKED_TYPES for t in mail.content_types) or any(
        each.name.lower() == "winmail.dat" for each in mail.attachments
    )
    sealed = any(t in SEALED_TYPES for t in mail.content_types) and len(text.split()) < 3
    return (
        sealed
        or mail.garbled
        or text.startswith(ENCRYPTED_STARTS)
        or (packed and len(text.split()) < 3)
    )


def _is_wordless(case: RuleInput) -> bool:
    """Is there no word in it (nothing, or only a thumb sign), and no question in its subject?"""
    asked = case.evidence.asks or asks_alone(case.mail.subject)
    return case.evidence.wordless and not asked


def _is_named_system(mail: ParsedMail) -> bool:
    name = " ".join(mail.values("from")).lower().strip('" ')
    return name.startswith(tuple(mail_phrases("system_names")))


def _auto_submitted_values(mail: ParsedMail) -> list[str]:
    values = (v.partition(";")[0].partition("(")[0] for v in mail.values("auto-submitted"))
    return [value.strip().lower() for value in values]


RULES: tuple[tuple[str, MailVerdict, RuleTest], ...] = (
    ("R0 not readable", MailVerdict.HOLD, _is_unreadable),
    ("R1 own copy", MailVerdict.RECEIPT, _is_own_copy),
    ("R2 own mail", MailVerdict.DROP, _is_own_mail),
    ("R4 report on a mail of ours, not proven", MailVerdict.HOLD, _is_unproven_bounce),
    ("R4 bounce", MailVerdict.BOUNCE, _is_bounce),
    ("R6 filter's report around a mail", MailVerdict.HOLD, _is_filter_report),
    ("R6 contact form", MailVerdict.HOLD, _is_contact_form),
    ("R2 from our own address", MailVerdict.HOLD, _is_from_us),
    ("R4 bounce", MailVerdict.BOUNCE, _is_bounce_by_words),
    ("R5 auto-submitted", MailVerdict.DROP, _is_auto_submitted_and_silent),
    ("R6 mark of a program", MailVerdict.DROP, _is_marked_and_silent),
    ("R6 report or reaction of a program", MailVerdict.DROP, _is_structural_report),
    ("R6 bulk or mailing list", MailVerdict.DROP, _is_bulk_for_nobody),
    ("R8 system sender", MailVerdict.DROP, _is_silent_system),
    *(
        (f"R9 reads like {KIND_NAMES[kind]}", MailVerdict.HOLD, partial(_reads_like_kind, kind))
        for kind in ProgramKind
        if kind is not ProgramKind.WRAPPER
    ),
    ("R4 no return path, but somebody asks", MailVerdict.HOLD, _has_empty_return_path),
    ("R5 marked automatic, may be a person", MailVerdict.HOLD, _is_auto_submitted),
    ("R6 marked automatic, may be a person", MailVerdict.HOLD, _is_marked_automatic),
    ("R6 list that we are on", MailVerdict.HOLD, _is_foreign_list),
    ("R6 wants no automatic answer", MailVerdict.HOLD, _suppresses_replies),
    ("R4 attached report", MailVerdict.HOLD, _has_attached_report),
    ("R7 no single sender", MailVerdict.HOLD, _has_no_single_sender),
    ("R7 secret in the address", MailVerdict.HOLD, _has_secret_in_sender),
    ("R8 system sender, may be a person", MailVerdict.HOLD, _is_system_sender),
    ("R6 contact form without Reply-To", MailVerdict.HOLD, lambda case: is_form(case.mail)),
    ("R6 mass mailer", MailVerdict.HOLD, _is_mass_mailer),
    ("R8 role sender", MailVerdict.HOLD, _is_role_sender),
    ("R8 desk that asks nothing", MailVerdict.HOLD, _is_silent_desk),
    ("R9 failure notice", MailVerdict.HOLD, _is_failure_notice),
    ("R10 forged sender", MailVerdict.HOLD, _is_forged),
    ("R11 sender not proven", MailVerdict.HOLD, _is_unproven),
    ("R11 nobody authenticates senders", MailVerdict.HOLD, _has_no_receiver),
    ("R12 not addressed to us", MailVerdict.HOLD, _is_not_addressed_to_us),
    ("R13 answer wanted elsewhere", MailVerdict.HOLD, _wants_answer_elsewhere),
    ("R15 sealed or garbled", MailVerdict.HOLD, _is_sealed_or_garbled),
    ("R15 nothing to read", MailVerdict.HOLD, _is_wordless),
)
