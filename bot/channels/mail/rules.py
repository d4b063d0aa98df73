"""Answer, drop or hold a mail: an ordered table of small pure rules; the first hit decides."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import re2

from bot.channels.mail.addresses import addresses
from bot.channels.mail.parse import MAX_ADDRESSES, ParsedMail
from bot.channels.mail.proof import is_proven, results
from bot.channels.mail.words import bare, fails, local_in, phrases, told

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
ARMOUR = ("-----BEGIN PGP MESSAGE-----",)
BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
SUPPRESSED = ("all", "oof", "autoreply")
# "Please answer to my other address …": the sender cannot prove that the other address is theirs.
ELSEWHERE = re2.compile(
    r"(?i)\b(?:(?:reply|write|respond|answer|get back) (?:back |please |only |instead )*"
    r"(?:to )?(?:me|us|my|our)\b[^.!?\n]{0,40}?|"
    r"(?:reply|respond|answer) (?:back |please |only |instead )*to )\b"
    r"([a-z0-9._+-]{1,64}@[a-z0-9.-]{1,100}\.[a-z]{2,20})"
)
ASKS = re2.compile(r"(?i)\b(?:should|can|may|do|must) (?:i|we)\b[^.!?\n]{0,80}@")
TAG = re2.compile(r"\+[^@]*@")


class Verdict(StrEnum):
    ANSWER = "answer"
    DROP = "drop"
    HOLD = "hold"
    BOUNCE = "bounce"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What happens to a mail, and the rule that says so."""

    verdict: Verdict
    rule: str


def _never(_message_id: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the rules must know of the desk itself."""

    own: frozenset[str] = frozenset()
    authserv_id: str = ""
    local: bool = False  # the mailbox takes mail from this machine alone
    is_sent: Callable[[str], bool] = _never


Test = Callable[[ParsedMail, Policy], bool]


def is_authenticated(mail: ParsedMail, policy: Policy) -> bool:
    """Is the sender who the mail says? Our server found so, or only this machine can write."""
    if policy.authserv_id:
        return len(mail.senders) == 1 and is_proven(mail, policy.authserv_id)
    return policy.local


def rule(mail: ParsedMail, policy: Policy) -> Ruling:
    """The first rule that hits; R18 when none does."""
    for name, verdict, test in TABLE:
        if test(mail, policy):
            return Ruling(verdict=verdict, rule=name)
    return Ruling(verdict=Verdict.ANSWER, rule="R18 otherwise")


def _fault(mail: ParsedMail, _policy: Policy) -> bool:
    return bool(mail.fault)


def _receipt(mail: ParsedMail, policy: Policy) -> bool:
    return bool(mail.message_id) and policy.is_sent(mail.message_id)


def _own(mail: ParsedMail, policy: Policy) -> bool:
    from_us = {*mail.senders, *addresses(mail.values("sender"), limit=5), mail.return_path or ""}
    return bool(_ours(policy) & from_us)


def _bounce(mail: ParsedMail, _policy: Policy) -> bool:
    """The empty return path, a report as the whole mail, or what only its words give away."""
    whole = mail.content_types[:1] and mail.content_types[0] == "multipart/report"
    if mail.return_path == "" or whole or mail.values("x-failed-recipients"):
        return True
    reported = bool(set(REPORTS) & set(mail.content_types))
    said = told(mail)
    if local_in(mail.sender, "system_senders"):
        return reported or said > 0 or fails(mail.subject)
    if not mail.senders or _is_named_system(mail):
        return reported or said > 1 or fails(mail.subject)
    carries = "message/rfc822" in mail.content_types or said > 1
    begins = bare(mail.subject).startswith(tuple(phrases("failure_subjects")))
    return local_in(mail.sender, "role_senders") and begins and (carries or reported)


def _attached(mail: ParsedMail, _policy: Policy) -> bool:
    """Somebody may have forwarded a report with a question of their own."""
    return bool(set(REPORTS) & set(mail.content_types))


def _automatic(mail: ParsedMail, _policy: Policy) -> bool:
    said = [v.partition(";")[0].partition("(")[0] for v in mail.values("auto-submitted")]
    return any(v.strip().lower() != "no" for v in said)


def _marked(mail: ParsedMail, _policy: Policy) -> bool:
    suppress = " ".join(mail.values("x-auto-response-suppress")).lower()
    names = {name for name, value in mail.headers if value.strip().lower() not in {"no", "false"}}
    to = " ".join(mail.values("delivered-to")).lower()
    return (
        bool(names & phrases("automatic_headers"))
        or any(s in suppress for s in SUPPRESSED)
        or to.startswith("autoresponder")
    )


def _is_listed(mail: ParsedMail) -> bool:
    precedence = " ".join((*mail.values("precedence"), *mail.values("x-precedence"))).lower()
    bulk = BULK & set(precedence.replace("(", " ").replace(",", " ").split())
    return bool(bulk) or any(name.startswith("list-") for name, _ in mail.headers)


def _list_to_us(mail: ParsedMail, policy: Policy) -> bool:
    to_us = _ours(policy) & _addressees(mail)
    return bool(to_us) and any(name.startswith("list-") for name, _ in mail.headers)


def _listed(mail: ParsedMail, _policy: Policy) -> bool:
    return _is_listed(mail)


def _feedback(mail: ParsedMail, _policy: Policy) -> bool:
    """A mass mailer's mark, that providers of personal mailboxes set as well."""
    marks = [value.lower() for value in mail.values("feedback-id")]
    return any(not any(p in mark for p in phrases("personal_feedback")) for mark in marks)


def _no_sender(mail: ParsedMail, _policy: Policy) -> bool:
    return len(mail.senders) != 1 or "." not in mail.sender.rpartition("@")[2].strip(".")


def _role(mail: ParsedMail, _policy: Policy) -> bool:
    return local_in(mail.sender, "role_senders")


def _system(mail: ParsedMail, _policy: Policy) -> bool:
    return local_in(mail.sender, "system_senders")


def _away(mail: ParsedMail, _policy: Policy) -> bool:
    return bare(mail.subject).startswith(tuple(phrases("away_subjects")))


def _failing(mail: ParsedMail, _policy: Policy) -> bool:
    """Words of a report under a person's address: a person may ask about one."""
    return fails(mail.subject) or told(mail) > 2


def _forged(mail: ParsedMail, policy: Policy) -> bool:
    return bool(policy.authserv_id) and "fail" in results(mail, policy.authserv_id)


def _unproven(mail: ParsedMail, policy: Policy) -> bool:
    return bool(policy.authserv_id) and not is_proven(mail, policy.authserv_id)


def _not_addressed(mail: ParsedMail, policy: Policy) -> bool:
    return bool(policy.own and mail.recipients) and not _ours(policy) & _addressees(mail)


def _elsewhere(mail: ParsedMail, policy: Policy) -> bool:
    """Asks for an answer at an address that is neither the sender's nor ours."""
    theirs = {mail.sender.lower(), *_ours(policy)}
    found = (match.group(1).lower() for match in ELSEWHERE.finditer(mail.visible))
    asked = bool(ASKS.search(mail.visible))  # "Should I write to …?" is an honest question
    return not asked and any(TAG.sub("@", address) not in theirs for address in found)


def _unreadable(mail: ParsedMail, _policy: Policy) -> bool:
    text = mail.text.strip()
    packed = any(t in PACKED for t in mail.content_types) or any(
        name.lower() == "winmail.dat" for name in mail.attachments
    )
    sealed = any(t in SEALED for t in mail.content_types) and len(text.split()) < 3
    spoilt = text.count("\ufffd") > 0.05 * len(text)
    return sealed or spoilt or text.startswith(ARMOUR) or (packed and len(text.split()) < 3)


def _empty(mail: ParsedMail, _policy: Policy) -> bool:
    return not mail.text.strip()


def _is_named_system(mail: ParsedMail) -> bool:
    name = " ".join(mail.values("from")).lower().strip('" ')
    return name.startswith(tuple(phrases("system_names")))


def _ours(policy: Policy) -> set[str]:
    return {address.lower() for address in policy.own}


def _addressees(mail: ParsedMail) -> set[str]:
    """Who the sender wrote to: not Delivered-To, which a blind copy carries as well."""
    values = [v for name in ("to", "cc", "resent-to", "resent-cc") for v in mail.values(name)]
    return {TAG.sub("@", address) for address in addresses(values, limit=MAX_ADDRESSES)}


TABLE: tuple[tuple[str, Verdict, Test], ...] = (
    ("R0 not readable", Verdict.HOLD, _fault),
    ("R1 own copy", Verdict.RECEIPT, _receipt),
    ("R2 own mail", Verdict.DROP, _own),
    ("R4 bounce", Verdict.BOUNCE, _bounce),
    ("R5 auto-submitted", Verdict.DROP, _automatic),
    ("R6 mark of a program", Verdict.DROP, _marked),
    ("R6 list that we are on", Verdict.HOLD, _list_to_us),
    ("R6 bulk or mailing list", Verdict.DROP, _listed),
    ("R4 attached report", Verdict.HOLD, _attached),
    ("R7 no single sender", Verdict.HOLD, _no_sender),
    ("R8 system sender", Verdict.DROP, _system),
    ("R6 mass mailer", Verdict.HOLD, _feedback),
    ("R8 role sender", Verdict.HOLD, _role),
    ("R9 out of office", Verdict.HOLD, _away),
    ("R9 failure notice", Verdict.HOLD, _failing),
    ("R10 forged sender", Verdict.HOLD, _forged),
    ("R11 sender not proven", Verdict.HOLD, _unproven),
    ("R12 not addressed to us", Verdict.HOLD, _not_addressed),
    ("R13 answer wanted elsewhere", Verdict.HOLD, _elsewhere),
    ("R15 sealed or garbled", Verdict.HOLD, _unreadable),
    ("R15 nothing to read", Verdict.HOLD, _empty),
)
