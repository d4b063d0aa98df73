"""Reads what a person passes on: forwarded mails, inline or attached, and the list of files."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import re2

from bot.channels.mail.bodies import extract_body_text
from bot.channels.mail.decode import decode_encoded_words
from bot.channels.mail.mime import (
    LimitError,
    MimePart,
    ParsingBudget,
    first_value,
    parse_headers,
    parse_part,
    split_head,
)
from bot.channels.mail.visible_reply import opens_forward
from bot.policy.subject import PASSED_ON

# Attached mails that are opened; the others are only listed by name.
MAX_ENCLOSED_MAILS = 3
# Characters of a file's name or type that are kept.
MAX_NAME_CHARACTERS = 120
# Characters of one attached mail that are kept.
MAX_ENCLOSED_CHARACTERS = 20_000
MESSAGE_TYPES = ("message/rfc822", "message/global")
SHOWN_HEADERS = ("from", "reply-to", "date", "subject")
INLINE_TEXT_TYPES = ("text/plain", "text/html", "text/markdown", "text/enriched")
# Bytes of an attached mail in which its subject is looked for.
MAX_HEAD_BYTES = 20_000
ENDING = re2.compile(r"\.[A-Za-z0-9]{1,5}$")
LINE_ENDS = re2.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a mail: its name, its type as declared, and its size in bytes."""

    name: str
    type: str
    size: int

    @property
    def ending(self) -> str:
        """The extension of the name with its dot, such as `.png`; empty without one."""
        ending = ENDING.search(self.name)
        return ending.group() if ending else ""

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.name.removesuffix(self.ending) or "without a name"

    @property
    def description(self) -> str:
        """Type and size as text for a person."""
        size = f"{self.size} bytes" if self.size < 2000 else f"{self.size / 1000:.0f} kB"
        return f"{self.type}, {size}"


def is_attached(part: MimePart) -> bool:
    """Is the part an attached file rather than inline text of the mail?"""
    if part.children or part.content_type.startswith("multipart/"):
        return False
    named = bool(part.filename) or part.disposition == "attachment"
    return named or part.content_type not in INLINE_TEXT_TYPES


def describe_attachment(part: MimePart) -> Attachment:
    """Return the Attachment for a part; an attached mail without a file name is named by its
    subject.
    """
    name = part.filename
    if not name and part.content_type in MESSAGE_TYPES:
        head = parse_headers(split_head(part.content()[:MAX_HEAD_BYTES])[0])[0]
        name = decode_encoded_words(first_value(head, "subject"))
    return Attachment(
        name=str(LINE_ENDS.sub(" ", name))[:MAX_NAME_CHARACTERS],
        type=part.content_type[:MAX_NAME_CHARACTERS],
        size=len(part.content()),
    )


def enclosed_texts(parts: Iterable[MimePart]) -> list[str]:
    """Return the texts of the first attached mails, each under its From, Date and Subject."""
    mails = (part for part in parts if part.content_type in MESSAGE_TYPES and not part.children)
    return [text for part in islice(mails, MAX_ENCLOSED_MAILS) if (text := _enclosed_text(part))]


def _enclosed_text(part: MimePart) -> str:
    inside = _parse_enclosed(part)
    if inside is None:
        return ""
    try:
        text, _ = extract_body_text(inside)
    except LimitError:
        text = ""
    named = (
        (name, decode_encoded_words(first_value(inside.headers, name))) for name in SHOWN_HEADERS
    )
    head = "\n".join(f"{name.capitalize()}: {value}" for name, value in named if value)
    return f"{head}\n\n{text.strip()}".strip()[:MAX_ENCLOSED_CHARACTERS]


def is_forward(subject: str, below: str, *, answers: bool) -> bool:
    """Is `below` a forwarded mail of somebody else rather than the quoted history of this thread?

    It is when its first lines or the subject say that it is forwarded, or when this mail does not
    answer another one (`answers`).
    """
    return bool(below) and (
        opens_forward(below) or bool(PASSED_ON.match(" ".join(subject.split()))) or not answers
    )


def _parse_enclosed(part: MimePart) -> MimePart | None:
    """Return the mail within the part; None when it is larger than what is read."""
    try:
        return parse_part(part.content(), ParsingBudget())
    except LimitError:
        return None
