"""Parses the bytes of a mail into a ParsedMail.

Parsing never raises: why a mail cannot be read stands in the `fault` of the result.

The work is done by mime (MIME tree and limits), decode (bytes to text), bodies, html, addresses,
visible_reply (the person's own words) and enclosed (what they pass on).
"""

import hashlib
from dataclasses import dataclass, replace

from bot.channels.mail.addresses import parse_addresses, parse_authors
from bot.channels.mail.bodies import MAX_TEXT_CHARACTERS, extract_body_text
from bot.channels.mail.decode import decode_encoded_words, is_garbled
from bot.channels.mail.enclosed import (
    Attachment,
    describe_attachment,
    enclosed_texts,
    is_attached,
    is_forward,
)
from bot.channels.mail.marks import find_marks, find_own_ids
from bot.channels.mail.mime import (
    MAX_HEAD_BYTES,
    Header,
    LimitError,
    MimePart,
    ParsingBudget,
    first_value,
    header_values,
    parse_headers,
    parse_part,
    split_head,
    split_header_lines,
)
from bot.channels.mail.visible_reply import split_reply
from bot.text.own_words import OwnWords

# Bytes of the largest mail that is parsed.
MAX_MAIL_BYTES = 10 * 1024 * 1024
# Addresses in From and in the headers of recipients together; more of them are a fault.
MAX_ADDRESSES = 50
# Headers that differ between two deliveries of one mail.
TRANSPORT_HEADERS = frozenset({"received", "delivered-to", "return-path"})
ADDRESSEE_HEADERS = (
    "to",
    "cc",
    "delivered-to",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "x-original-to",
    "envelope-to",
)


# The default of `own`: recognizes no text as a reply of ours.
NO_OWN_WORDS = OwnWords()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """A mail as the rules and the responder see it.

    `text` is all that a mail program would show. `visible` is the part of it that the person wrote:
    without quoted history, signature and our own reply. `signature` is the text that was taken for
    a signature. `shown` is the text of other people's mails that the person forwarded or attached.
    `key` is the same for two deliveries of one mail and differs between two mails. `return_path` is
    None where no server noted one.
    """

    message_id: str = ""
    subject: str = ""
    sender: str = ""
    senders: tuple[str, ...] = ()
    return_path: str | None = None
    recipients: tuple[str, ...] = ()
    text: str = ""
    visible: str = ""
    signature: str = ""
    shown: str = ""
    quotes_us: bool = False  # the text quotes a reply of ours
    # The person added no words of their own, so `visible` is the forwarded mail.
    only_shows: bool = False
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[Header, ...] = ()
    content_types: tuple[str, ...] = ()
    hidden: bool = False
    garbled: bool = False  # letters of the text or subject are lost: nothing is decided on the rest
    fault: str = ""
    key: str = ""
    # Ids of the form of our Message-IDs, found anywhere in the mail.
    own_ids: tuple[str, ...] = ()
    # Marks of our mails (see marks.py) in the headers of this mail or of a mail that it returns.
    marks: frozenset[str] = frozenset()

    def values(self, name: str) -> tuple[str, ...]:
        """Return all values of a header, in order."""
        return tuple(value for header, value in self.headers if header == name)


def parse(raw: bytes, own: OwnWords = NO_OWN_WORDS) -> ParsedMail:
    """Return the mail; with `fault` set, and only its headers, when it cannot be read safely.

    `own` recognizes our own replies in the text.
    """
    headers = parse_headers(split_head(raw)[0][:MAX_HEAD_BYTES])[0]
    try:
        tree = _parse_tree(raw)
        mail = _build_mail(tree.headers, key=dedupe_key(raw), tree=tree, own=own)
        return replace(mail, own_ids=find_own_ids(raw), marks=find_marks(raw))
    except LimitError as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a mail provokes, a person gets it
        # The name alone: the message of the error may quote the mail.
        fault = f"not readable as a mail ({type(error).__name__})"
    return _build_mail(headers, key=dedupe_key(raw), fault=fault)


def _parse_tree(raw: bytes) -> MimePart:
    if len(raw) > MAX_MAIL_BYTES:
        raise LimitError("larger than 10 MiB")
    tree = parse_part(raw, ParsingBudget())
    people = parse_addresses(
        header_values(tree.headers, "from", *ADDRESSEE_HEADERS), limit=MAX_ADDRESSES
    )
    if len(people) > MAX_ADDRESSES:
        raise LimitError("more than 50 addresses")
    return tree


def dedupe_key(raw: bytes) -> str:
    """Return the hash by which a second delivery of a mail is recognized.

    The body and, beside a Message-ID, the sender are part of it, so that another mail with a copied
    Message-ID has another hash.
    """
    head, body = split_head(raw)
    if len(head) > MAX_HEAD_BYTES:
        return hashlib.sha256(raw).hexdigest()
    headers, rest = parse_headers(head)
    if message_id := first_value(headers, "message-id"):
        sender = next(iter(parse_addresses(header_values(headers, "from"), limit=1)), "")
        seed = f"{message_id}\n{sender}\n".encode("utf-8", "replace")
        return hashlib.sha256(seed + rest + body).hexdigest()
    return hashlib.sha256(_without_transport(head) + b"\n\n" + body).hexdigest()


def _build_mail(
    headers: tuple[Header, ...], *, key: str, tree: MimePart | None = None, fault: str = "",
    own: OwnWords = NO_OWN_WORDS,
) -> ParsedMail:  # fmt: skip
    senders = parse_authors(header_values(headers, "from"), limit=MAX_ADDRESSES)
    return_paths = header_values(headers, "return-path")
    parts = tuple(tree.walk()) if tree else ()
    text, hidden = extract_body_text(tree) if tree else ("", False)
    subject = decode_encoded_words(first_value(headers, "subject"))
    is_answer = bool(header_values(headers, "references", "in-reply-to"))
    without_ours = own.without(text)
    reply = split_reply(without_ours)
    forwarded = reply.below if is_forward(subject, reply.below, answers=is_answer) else ""
    return ParsedMail(
        message_id=first_value(headers, "message-id"),
        subject=subject,
        sender=senders[0] if senders else "",
        senders=senders,
        return_path=return_paths[0].strip().strip("<>").strip().lower() if return_paths else None,
        recipients=parse_addresses(header_values(headers, *ADDRESSEE_HEADERS), limit=MAX_ADDRESSES),
        text=text,
        visible=reply.own,
        signature=reply.signature,
        shown="\n\n".join(filter(None, [forwarded, *enclosed_texts(parts)]))[:MAX_TEXT_CHARACTERS],
        quotes_us=without_ours != text,
        only_shows=bool(forwarded) and reply.is_bare,
        attachments=tuple(describe_attachment(part) for part in parts if is_attached(part)),
        headers=headers,
        content_types=tuple(part.content_type for part in parts),
        hidden=hidden,
        garbled=is_garbled(text) or is_garbled(subject),
        fault=fault,
        key=key,
    )


def _without_transport(head: bytes) -> bytes:
    """Return the header lines without TRANSPORT_HEADERS, which differ between deliveries."""
    kept_lines: list[bytes] = []
    keeps = True
    for line in split_header_lines(head):
        if line[:1] not in (b" ", b"\t"):
            name = line.partition(b":")[0].strip().lower().decode("ascii", "replace")
            keeps = name not in TRANSPORT_HEADERS
        if keeps:
            kept_lines.append(line)
    return b"\n".join(kept_lines)
