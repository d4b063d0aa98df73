"""Recognizes senders, subjects and phrases of programs by the lists of bot/data/mail_rules.yaml."""

from functools import cache

import re2

from bot.channels.mail.parse import ParsedMail
from bot.resources import read_yaml

ADDRESS_TAG = re2.compile(r"\+[^@]*@")

# Characters at the beginning of a text in which phrases of a failure report are looked for.
MAX_REPORT_CHARACTERS = 4000
# Prefixes of a reply's or a forwarded mail's subject.
REPLY_PREFIXES = (
    "re",
    "aw",
    "sv",
    "antw",
    "fw",
    "fwd",
    "wg",
    "tr",
    "rv",
    "vs",
    "odp",
    "回复",
    "答复",
    "转发",
)


def is_failure_subject(subject: str) -> bool:
    """Does the subject hold a phrase of a failure report?"""
    bare_subject = strip_subject_prefixes(subject)
    return any(phrase in bare_subject for phrase in mail_phrases("failure_subjects"))


def claims_failure(subject: str) -> bool:
    """Does the subject begin with a phrase of a failure report and a colon? No person writes so."""
    first, colon, _ = strip_subject_prefixes(subject).replace("：", ":").partition(":")
    known = first.strip(" .!") in mail_phrases("failure_subjects")
    return bool(colon) and known and not is_reply(subject)


def count_failure_phrases(mail: ParsedMail) -> int:
    """Count the different phrases of a failure report that the beginning of the text holds."""
    text = " ".join(mail.text[:MAX_REPORT_CHARACTERS].lower().split()) + " "
    return sum(phrase in text for phrase in mail_phrases("failure_phrases"))


def strip_subject_prefixes(subject: str) -> str:
    """Return the subject in lower case, without Re: and the like, or marks like [EXTERN]."""
    bare_subject = subject[:300].lower().strip()
    for _ in range(5):
        mark, colon, rest = bare_subject.replace("：", ":").partition(":")
        if bare_subject.startswith("[") and "]" in bare_subject:
            bare_subject = bare_subject.partition("]")[2].strip()
        elif colon and mark.strip() in REPLY_PREFIXES:
            bare_subject = rest.strip()
    return bare_subject.lstrip("*-–—!.\"'<( ")


def is_reply(subject: str) -> bool:
    """Does the subject begin with Re: or the like, as a person's answer to a mail does?"""
    mark, colon, _ = subject.lower().replace("：", ":").strip().partition(":")
    return bool(colon) and mark.strip() in REPLY_PREFIXES


def has_local_part_in(address: str, name: str) -> bool:
    """Does what stands before the @ match a pattern of the list `name`?"""
    local = address.rpartition("@")[0]
    return bool(local) and any(_fits_pattern(local, pattern) for pattern in mail_phrases(name))


def _fits_pattern(local: str, pattern: str) -> bool:
    """Does a local part match? A … at either end of the pattern stands for any text."""
    core = pattern.strip("…")
    match pattern.startswith("…"), pattern.endswith("…"):
        case True, True:
            return core in local
        case True, False:
            return local.endswith(core)
        case False, True:
            return local.startswith(core)
        case _:
            return local == core


@cache
def mail_phrases(name: str) -> frozenset[str]:
    """Return the phrases of the list `name` in lower case."""
    value = read_yaml("mail_rules.yaml")[name]
    rows = value if isinstance(value, list) else [value]
    listed = (phrase.strip() for row in rows for phrase in row.replace(" ,", "\0,").split(","))
    return frozenset(phrase.replace("\0", " ").lower() for phrase in listed if phrase)
