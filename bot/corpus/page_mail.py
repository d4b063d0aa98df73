"""Takes a statement out of the mail that it was published by: a saved one, or one copied as text.

Header lines, marks of forwarding and what stands below the signature are no part of it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes, message_from_string, policy
from email.message import MIMEPart
from email.utils import parseaddr
from functools import cache

from bot.corpus.page_text import is_furniture
from bot.resources import read_yaml

FORWARDS = 5  # header blocks at the top of a mail that was forwarded again and again
MIN_HEADERS = 2  # lines; a page may begin with one line such as `Subject: …`
FIELD = re.compile(r"^[\s>*]*([^\W\d_][^:*\n]{1,24}?)\s*\**\s*:\**\s*(.*)$")
RAW = re.compile(r"(?im)^(?:mime-version|content-type)\s*:")
ENCODED = frozenset({"base64", "quoted-printable"})  # the charset of others is that of the file
SIGNATURE = re.compile(r"(?m)^[>\s]*--[ \t]*$")
NOBODY = re.compile(r"(?i)^(?:no|do|don.?t).{0,2}(?:not.{0,2})?reply")  # an address nobody reads


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMail:
    """The text of a mail, and what its headers say: empty where they say nothing."""

    text: str
    subject: str
    sender: str
    contact: str
    date: str


def read_mail(text: str) -> PublishedMail | None:
    """The statement in a mail; None where the text does not begin with the headers of one."""
    headers, body = _headers(text)
    if not headers:
        return None
    if RAW.search(text[: len(text) - len(body)]):
        headers, body = _decoded(text)
    for _ in range(FORWARDS):
        inner, rest = _headers(_without_mark(body))
        if not inner:
            break
        headers, body = headers | inner, rest
    name, address = parseaddr(headers.get("from", ""))
    contact = parseaddr(headers.get("reply_to", ""))[1] or address
    return PublishedMail(
        text=SIGNATURE.split(_without_mark(body), maxsplit=1)[0],
        subject=_without_prefixes(headers.get("subject", "")),
        sender=name if "@" not in name else "",
        contact="" if NOBODY.match(contact) else contact,
        date=headers.get("date", ""),
    )


def _headers(text: str) -> tuple[dict[str, str], str]:
    """The header lines at the top of `text` by what they name, and what follows them.

    Nothing where there is no line that names a sender or a subject.
    """
    lines = text.lstrip().split("\n")
    found: dict[str, str] = {}
    number, name = 0, ""
    for line in lines:
        field = FIELD.match(line)
        if field and (field_name := _names().get(field[1].strip().casefold())):
            name = field_name
            found.setdefault(name, field[2].strip())
        elif number and line[:1] in " \t" and line.strip():
            found[name] = f"{found[name]} {line.strip()}"
        elif not (number and re.match(r"[\w-]+:\s", line)):  # a field that no list names
            break
        number += 1
    if number < MIN_HEADERS or not {"from", "subject"} & set(found):
        return {}, text
    return found, "\n".join(lines[number:])


def _decoded(text: str) -> tuple[dict[str, str], str]:
    """Headers and text of a mail as it was saved, with its encodings undone; HTML before text."""
    message = message_from_string(text, policy=policy.default)
    names = {"from": "From", "reply_to": "Reply-To", "subject": "Subject", "date": "Date"}
    headers = {ours: str(message[name]) for ours, name in names.items() if message[name]}
    whole = message_from_bytes(text.encode("utf-8", "replace"), policy=policy.default)
    part = whole.get_body(("html", "plain"))
    return headers, _content(part) if part else ""


def _content(part: MIMEPart) -> str:
    """Return the text of a part of a mail whose 8-bit characters were read as UTF-8 again."""
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    encoded = str(part.get("Content-Transfer-Encoding", "")).strip().lower() in ENCODED
    charset = part.get_content_charset("utf-8") if encoded or raw.isascii() else "utf-8"
    try:
        return raw.decode(charset, "replace")
    except LookupError:  # no character set that Python knows
        return raw.decode("utf-8", "replace")


def _without_mark(text: str) -> str:
    """The text without the line on top that says that a mail was forwarded."""
    first, _, rest = text.lstrip().partition("\n")
    said = " ".join(first.strip(" -_=*>:").casefold().split())
    return rest if said in _words(read_yaml("mail_quotes.yaml")["delimiters"]) else text


def without_footer(markdown: str) -> str:
    """The text without the paragraphs at its end that are about the mail itself."""
    blocks = markdown.split("\n\n")
    while len(blocks) > 1 and is_furniture(blocks[-1], "mail_footers"):
        blocks.pop()
    return "\n\n".join(blocks)


def _without_prefixes(subject: str) -> str:
    words = (word for row in read_yaml("subjects.yaml")["prefixes"] for word in row["words"])
    prefix = rf"(?i)^(?:(?:{'|'.join(map(re.escape, words))})(?:\[\d+\]|\^\d+)?\s*[:：]\s*)+"
    return re.sub(prefix, "", subject.strip())


@cache
def _names() -> dict[str, str]:
    """What a header line names, by its words in every language; `other` is not used."""
    quotes, own = read_yaml("mail_quotes.yaml"), read_yaml("post_words.yaml")["mail_headers"]
    names = dict.fromkeys(_words([quotes["other"]]), "other")
    names |= dict.fromkeys(_words([quotes["from"]]), "from")
    return names | {word: name for name, words in own.items() for word in words}


def _words(rows: Iterable[str]) -> frozenset[str]:
    return frozenset(word.strip().casefold() for row in rows for word in str(row).split(","))
