"""Answer, drop or hold a mail: an ordered table of small pure rules; the first hit decides.

A mail is dropped only when it is certainly a program's and certainly says nothing. What may be a
person's is held: staff see it with the rule's name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from bot.channels.mail.addresses import addresses
from bot.channels.mail.authentication import is_proven, results
from bot.channels.mail.evidence import PROGRAM, Evidence, ProgramKind, elsewhere, weigh
from bot.channels.mail.forms import is_form
from bot.channels.mail.parse import MAX_ADDRESSES, ParsedMail
from bot.channels.mail.phrases import (
    TAG,
    claims_failure,
    count_failure_phrases,
    has_local_part_in,
    is_failure_subject,
    phrases,
    strip_subject_prefixes,
)
from bot.channels.mail.subject import asks_alone

REPORTS = (
    "multipart/report",
    "message/delivery-status",
    "message/global-delivery-status",
    "message/feedback-report",
    "message/disposition-notification",
    "message/global-disposition-notification",
)
SEALED = (
    "application/pkcs7-mime",
    "application/x-pkcs7-mime",
    "multipart/encrypted",
    "application/pgp-encrypted",
)
PACKED = ("application/ms-tnef", "application/vnd.ms-tnef", "text/calendar")
SHAPES = {
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
ARMOUR = ("-----BEGIN PGP MESSAGE-----",)
UNMARKED = frozenset({"no", "false"})
BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
SUPPRESSED = ("all", "oof", "autoreply")
POSTING = ("list-post", "mailing-list", "x-beenthere", "x-mailing-list", "x-mailman-version")
NAMED_LIST = ("list-id", "list-post", "mailing-list", "x-beenthere", "x-mailing-list")


class MailVerdict(StrEnum):
    ANSWER = "answer"
    DROP = "drop"
    HOLD = "hold"
    BOUNCE = "bounce"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What happens to a mail, and the rule that says so."""

    verdict: MailVerdict
    rule: str


def _never(_message_id: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the rules must know of the desk itself.

    `own` holds every address that the desk answers for, `authserv_id` the name of our receiving
    server, `local` says that the mailbox takes mail from this machine alone, and `is_sent` whether
    a Message-ID is of a mail that the desk sent.
    """

    own: frozenset[str] = frozenset()
    authserv_id: str = ""
    local: bool = False
    is_sent: Callable[[str], bool] = _never


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInput:
    """One mail before the table of rules: the mail, the desk and the evidence of a program."""

    mail: ParsedMail
    policy: Policy
    evidence: Evidence

    @property
    def ours(self) -> set[str]:
        """Our addresses in lower case."""
        return {address.lower() for address in self.policy.own}

    def names_us(self, *headers: str) -> bool:
        """Does one of these headers hold an address of ours, with or without a tag?"""
        values = [value for name in headers for value in self.mail.values(name)]
        return bool(self.ours & _untagged(addresses(values, limit=MAX_ADDRESSES)))

    @property
    def reports(self) -> bool:
        """Does it speak of mail that did not arrive?"""
        return count_failure_phrases(self.mail) > 0 or is_failure_subject(self.mail.subject)

    @property
    def nobody_asks(self) -> bool:
        """Is there nothing in it for a person to answer? The fields of a report are no form."""
        evidence = self.evidence
        return evidence.nobody_asks or (not evidence.may_ask and self.reports)


Test = Callable[[RuleInput], bool]


def is_authenticated(mail: ParsedMail, policy: Policy) -> bool:
    """Is the sender who the mail says? Our server found so, or only this machine can write."""
    if policy.authserv_id:
        return len(mail.senders) == 1 and is_proven(mail, policy.authserv_id)
    return policy.local


def rule(mail: ParsedMail, policy: Policy) -> Ruling:
    """The first rule that hits; R18 when none does."""
    evidence = Evidence() if mail.fault else weigh(mail)
    case = RuleInput(mail=mail, policy=policy, evidence=evidence)
    for name, verdict, test in TABLE:
        if test(case):
            return Ruling(verdict=verdict, rule=name)
    return Ruling(verdict=MailVerdict.ANSWER, rule="R18 otherwise")


def _fault(case: RuleInput) -> bool:
    return bool(case.mail.fault)


def _receipt(case: RuleInput) -> bool:
    return bool(case.mail.message_id) and case.policy.is_sent(case.mail.message_id)


def _own_copy(case: RuleInput) -> bool:
    """Our own mail that came back: it carries our marks, and never a Reply-To."""
    marked = bool(case.mail.values("x-auto-response-suppress")) or _auto_submitted(case)
    return marked and _own(case) and not _reply_to_another(case)


def _own(case: RuleInput) -> bool:
    """From us; or sent by us for somebody, where it is not our own group that passed it on."""
    if case.ours & _untagged(case.mail.senders):
        return True
    passed_on = {case.mail.return_path or ""} | set(addresses(case.mail.values("sender"), limit=5))
    return bool(case.ours & _untagged(passed_on)) and not _our_list(case)


def _bounce(case: RuleInput) -> bool:
    """A report as the whole mail, or the empty return path where nobody asks anything."""
    whole = case.mail.content_types[:1] == ("multipart/report",)
    if whole or case.mail.values("x-failed-recipients"):
        return True
    report = count_failure_phrases(case.mail) > 0 or has_local_part_in(
        case.mail.sender, "daemon_senders"
    )
    return case.mail.return_path == "" and (report or case.nobody_asks)


def _bounce_in_words(case: RuleInput) -> bool:
    """A report that only its sender and its words give away."""
    mail = case.mail
    reported = bool(set(REPORTS) & set(mail.content_types))
    said = count_failure_phrases(mail)
    if has_local_part_in(mail.sender, "system_senders"):
        return reported or said > 0 or is_failure_subject(mail.subject)
    if not mail.senders or _is_named_system(mail):
        return reported or said > 1 or is_failure_subject(mail.subject)
    carries = "message/rfc822" in mail.content_types or said > 1
    begins = strip_subject_prefixes(mail.subject).startswith(tuple(phrases("failure_subjects")))
    return has_local_part_in(mail.sender, "role_senders") and begins and (carries or reported)


def _empty_path(case: RuleInput) -> bool:
    return case.mail.return_path == ""


def _attached(case: RuleInput) -> bool:
    """Somebody may have forwarded a report with a question of their own."""
    return bool(set(REPORTS) & set(case.mail.content_types))


def _wrapped(case: RuleInput) -> bool:
    """A filter's report around somebody's mail."""
    return ProgramKind.WRAPPER in case.evidence.weights


def _contact_form(case: RuleInput) -> bool:
    """A program passes on what a person wrote, whose address stands only in Reply-To."""
    if not _reply_to_another(case):
        return False
    local = has_local_part_in(case.mail.sender, "system_senders") or has_local_part_in(
        case.mail.sender, "form_senders"
    )
    ours = bool(case.ours & _untagged(case.mail.senders))
    if ours:
        return True
    passed_on = local or case.evidence.form
    return passed_on and not (case.evidence.is_program and case.nobody_asks)


def _reply_to_another(case: RuleInput) -> bool:
    """Does Reply-To, or what a group noted of the sender, name a person who is not From?"""
    values = [
        value
        for name in ("reply-to", "x-original-from", "x-original-sender")
        for value in case.mail.values(name)
    ]
    others = _untagged(addresses(values, limit=5)) - case.ours - _untagged(case.mail.senders)
    return any(not has_local_part_in(address, "system_senders") for address in others)


def _auto_submitted(case: RuleInput) -> bool:
    return any(word != "no" for word in _submitted(case.mail))


def _says_nothing(case: RuleInput) -> bool:
    """Marked as automatic, a program's words, and nothing in it for a person.

    The mark alone is not enough: ticket systems put it on the comments of people.
    """
    return _auto_submitted(case) and _programs_own(case)


def _programs_own(case: RuleInput) -> bool:
    return case.nobody_asks and _is_programs(case)


def _is_programs(case: RuleInput) -> bool:
    """Do words, or a sender that carries nothing else, say so?"""
    return (
        case.evidence.is_program
        or case.evidence.wordless
        or case.reports
        or has_local_part_in(case.mail.sender, "daemon_senders")
    )


def _marked(case: RuleInput) -> bool:
    names = {name for name, value in case.mail.headers if value.strip().lower() not in UNMARKED}
    to = " ".join(case.mail.values("delivered-to")).lower()
    return bool(names & phrases("automatic_headers")) or to.startswith("autoresponder")


def _marked_and_silent(case: RuleInput) -> bool:
    return _marked(case) and _programs_own(case)


def _structural(case: RuleInput) -> bool:
    """A reaction, or a report on our domain: its parts say so, and nobody asks."""
    return case.evidence.structural and case.nobody_asks


def _suppressing(case: RuleInput) -> bool:
    """Wants no automatic answer; Exchange writes that into people's mail as well."""
    wanted = " ".join(case.mail.values("x-auto-response-suppress")).lower()
    asked = case.evidence.asks and case.evidence.weight < PROGRAM
    return any(word in wanted for word in SUPPRESSED) and not asked


def _our_list(case: RuleInput) -> bool:
    """A group whose address is ours: its marks stand on everything that people write to us."""
    if not case.names_us("to", "cc", "delivered-to", "x-original-to"):
        return False
    named = " ".join(v for name in NAMED_LIST for v in case.mail.values(name)).lower()
    return any(
        address in named or address.replace("@", ".") in named.split("<")[-1].rstrip("> ")
        for address in case.ours
    )


def _is_bulk(mail: ParsedMail) -> bool:
    precedence = " ".join((*mail.values("precedence"), *mail.values("x-precedence"))).lower()
    bulk_words = BULK & set(precedence.replace("(", " ").replace(",", " ").split())
    names = {name for name, _ in mail.headers}
    return bool(bulk_words or names & phrases("bulk_headers") or _has_list(mail))


def _has_list(mail: ParsedMail) -> bool:
    return any(name.startswith("list-") for name, _ in mail.headers)


def _bulk(case: RuleInput) -> bool:
    """Sent to many, and nothing in it for us; a list to which people post is looked at."""
    if not _is_bulk(case.mail) or _our_list(case) or not case.nobody_asks:
        return False
    reports = case.reports or case.evidence.is_program
    posting = any(case.mail.values(name) for name in POSTING)
    return reports or not (posting or case.names_us("to", "cc"))


def _listed(case: RuleInput) -> bool:
    return _is_bulk(case.mail) and not _our_list(case)


def _feedback(case: RuleInput) -> bool:
    """A mass mailer's mark, that providers of personal mailboxes set as well."""
    marks = [value.lower() for value in case.mail.values("feedback-id")]
    return any(not any(p in mark for p in phrases("personal_feedback")) for mark in marks)


def _no_sender(case: RuleInput) -> bool:
    mail = case.mail
    return len(mail.senders) != 1 or "." not in mail.sender.rpartition("@")[2].strip(".")


def _system(case: RuleInput) -> bool:
    return has_local_part_in(case.mail.sender, "system_senders")


def _system_silent(case: RuleInput) -> bool:
    return _system(case) and _programs_own(case)


def _role(case: RuleInput) -> bool:
    """An office; or what a list's program or a person may be called, unless a person asks."""
    if has_local_part_in(case.mail.sender, "role_senders"):
        return True
    asked = case.evidence.asks and case.evidence.weight < PROGRAM
    return has_local_part_in(case.mail.sender, "list_senders") and not asked


def _desk_silent(case: RuleInput) -> bool:
    """A company's desk writes and asks nothing: whatever it acknowledges, it wants no reply."""
    return has_local_part_in(case.mail.sender, "desk_senders") and not case.evidence.asks


def _reads_like(kind: ProgramKind, case: RuleInput) -> bool:
    return case.evidence.is_program and case.evidence.kind is kind


def _failing(case: RuleInput) -> bool:
    """Words of a report under a person's address: a person may ask about one."""
    subject = case.mail.subject
    if count_failure_phrases(case.mail) > 2 or claims_failure(subject):
        return True
    return is_failure_subject(subject) and not case.evidence.asks


def _forged(case: RuleInput) -> bool:
    server = case.policy.authserv_id
    return bool(server) and "fail" in results(case.mail, server)


def _unproven(case: RuleInput) -> bool:
    server = case.policy.authserv_id
    return bool(server) and not is_proven(case.mail, server)


def _not_addressed(case: RuleInput) -> bool:
    """Not Delivered-To, which a blind copy carries as well."""
    named = case.names_us("to", "cc", "resent-to", "resent-cc")
    return bool(case.policy.own and case.mail.recipients) and not named


def _elsewhere(case: RuleInput) -> bool:
    """Asks for an answer at an address that is neither the sender's nor ours."""
    return elsewhere(case.mail.visible, {case.mail.sender.lower(), *case.ours})


def _unreadable(case: RuleInput) -> bool:
    mail = case.mail
    text = mail.text.strip()
    packed = any(t in PACKED for t in mail.content_types) or any(
        each.name.lower() == "winmail.dat" for each in mail.attachments
    )
    sealed = any(t in SEALED for t in mail.content_types) and len(text.split()) < 3
    return sealed or mail.garbled or text.startswith(ARMOUR) or (packed and len(text.split()) < 3)


def _empty(case: RuleInput) -> bool:
    """No word in it: nothing, or a picture of a thumb."""
    asked = case.evidence.asks or asks_alone(case.mail.subject)
    return case.evidence.wordless and not asked


def _is_named_system(mail: ParsedMail) -> bool:
    name = " ".join(mail.values("from")).lower().strip('" ')
    return name.startswith(tuple(phrases("system_names")))


def _submitted(mail: ParsedMail) -> list[str]:
    values = (v.partition(";")[0].partition("(")[0] for v in mail.values("auto-submitted"))
    return [value.strip().lower() for value in values]


def _untagged(specs: Iterable[str]) -> set[str]:
    return {TAG.sub("@", address.lower()) for address in specs}


TABLE: tuple[tuple[str, MailVerdict, Test], ...] = (
    ("R0 not readable", MailVerdict.HOLD, _fault),
    ("R1 own copy", MailVerdict.RECEIPT, _receipt),
    ("R2 own mail", MailVerdict.DROP, _own_copy),
    ("R4 bounce", MailVerdict.BOUNCE, _bounce),
    ("R6 filter's report around a mail", MailVerdict.HOLD, _wrapped),
    ("R6 contact form", MailVerdict.HOLD, _contact_form),
    ("R2 from our own address", MailVerdict.HOLD, _own),
    ("R4 bounce", MailVerdict.BOUNCE, _bounce_in_words),
    ("R5 auto-submitted", MailVerdict.DROP, _says_nothing),
    ("R6 mark of a program", MailVerdict.DROP, _marked_and_silent),
    ("R6 report or reaction of a program", MailVerdict.DROP, _structural),
    ("R6 bulk or mailing list", MailVerdict.DROP, _bulk),
    ("R8 system sender", MailVerdict.DROP, _system_silent),
    *(
        (f"R9 reads like {SHAPES[kind]}", MailVerdict.HOLD, partial(_reads_like, kind))
        for kind in ProgramKind
        if kind is not ProgramKind.WRAPPER
    ),
    ("R4 no return path, but somebody asks", MailVerdict.HOLD, _empty_path),
    ("R5 marked automatic, may be a person", MailVerdict.HOLD, _auto_submitted),
    ("R6 marked automatic, may be a person", MailVerdict.HOLD, _marked),
    ("R6 list that we are on", MailVerdict.HOLD, _listed),
    ("R6 wants no automatic answer", MailVerdict.HOLD, _suppressing),
    ("R4 attached report", MailVerdict.HOLD, _attached),
    ("R7 no single sender", MailVerdict.HOLD, _no_sender),
    ("R8 system sender, may be a person", MailVerdict.HOLD, _system),
    ("R6 contact form without Reply-To", MailVerdict.HOLD, lambda case: is_form(case.mail)),
    ("R6 mass mailer", MailVerdict.HOLD, _feedback),
    ("R8 role sender", MailVerdict.HOLD, _role),
    ("R8 desk that asks nothing", MailVerdict.HOLD, _desk_silent),
    ("R9 failure notice", MailVerdict.HOLD, _failing),
    ("R10 forged sender", MailVerdict.HOLD, _forged),
    ("R11 sender not proven", MailVerdict.HOLD, _unproven),
    ("R12 not addressed to us", MailVerdict.HOLD, _not_addressed),
    ("R13 answer wanted elsewhere", MailVerdict.HOLD, _elsewhere),
    ("R15 sealed or garbled", MailVerdict.HOLD, _unreadable),
    ("R15 nothing to read", MailVerdict.HOLD, _empty),
)
