"""Parses the bytes of a mail into a tree of MIME parts, in linear time and within limits.

The standard library's feed parser is not used: 100,000 parts or 10 million empty lines hold it for
minutes, and it recurses. Here every byte is read once per level, and there are at most 20 levels.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from enum import Enum, auto

from bot.channels.mail.decode import (
    decode_encoded_words,
    decode_header_value,
    decode_transfer_encoding,
    replace_surrogates,
)

# Bytes of the headers of one part.
MAX_HEAD_BYTES = 256 * 1024
# Bytes of the headers of all parts together.
MAX_HEADS_BYTES = 2 * MAX_HEAD_BYTES
# Parts of one mail, and levels of parts within parts.
MAX_PARTS, MAX_DEPTH = 200, 20
# Lines of headers of all parts together.
MAX_HEADER_LINES = 10_000
# Lines of one part that begin like a delimiter.
MAX_DELIMITER_LINES = 5000
# The standard parameter parser is quadratic in the length of a value.
MAX_PARAMETER_CHARACTERS = 4000
# The standard `re` is safe here: these patterns have one literal choice at each place, so that they
# do not backtrack.
BLANK_LINE = re.compile(rb"\n\r*\n")
CHARSET = re.compile(rb"(?i)charset\s*=\s*\"?([\w.:=-]{2,40})")
HEADER_NAME = re.compile(rb"[!-9;-~]{1,200}[ \t]*:")

# Headers that people read, whose character set is therefore determined with care; and the most
# headers of a mail for which that is done.
DECODED_HEADERS, MAX_DECODED_HEADERS = (
    frozenset({b"subject", b"from", b"reply-to", b"content-disposition"}),
    10,
)

Header = tuple[str, str]  # a name in lower case and the value as text


class LimitError(ValueError):
    """A mail exceeds a limit of size, nesting or number of parts; this becomes its `fault`."""


class Flow(Enum):
    """How the lines of a text were broken (RFC 3676)."""

    FIXED = auto()
    FLOWED = auto()  # a space at the end says that the line goes on
    DELETED = auto()  # the same, and that space is no part of the text


@dataclass(frozen=True, slots=True, kw_only=True)
class MimePart:
    """One node of the tree: its headers, and either children or a body as sent."""

    headers: tuple[Header, ...]
    content_type: str
    charset: str
    flow: Flow
    disposition: str
    filename: str
    body: bytes
    children: tuple["MimePart", ...] = ()

    def content(self) -> bytes:
        """Return the body without its transfer encoding."""
        return decode_transfer_encoding(
            self.body, first_value(self.headers, "content-transfer-encoding")
        )

    def walk(self) -> Iterator["MimePart"]:
        """Yield this part and all below it; a message inside the mail stays closed."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(slots=True)
class ParsingBudget:
    """How many more parts may be opened, and how many bytes and lines of headers read."""

    parts: int = MAX_PARTS
    heads: int = MAX_HEADS_BYTES
    lines: int = MAX_HEADER_LINES


def split_head(raw: bytes) -> tuple[bytes, bytes]:
    """Return head and body of a part, split at its first empty line, without leading line ends.

    A head of more than MAX_HEAD_BYTES is cut just above that, which tells the caller that it is too
    large.
    """
    raw = raw.lstrip(b"\r\n")
    blank_line = BLANK_LINE.search(raw, 0, MAX_HEAD_BYTES + 4)
    if blank_line is None:
        return (raw, b"") if len(raw) <= MAX_HEAD_BYTES else (raw[: MAX_HEAD_BYTES + 1], b"")
    return raw[: blank_line.start()], raw[blank_line.end() :]


def split_header_lines(head: bytes) -> list[bytes]:
    """Split headers into lines, each without its end; a line ends at a line feed alone.

    A mail server does not take a lone carriage return for a line end. A parser that did could read
    another From than the server that authenticated the sender.
    """
    lines = head.removesuffix(b"\n").split(b"\n") if head else []
    return [line.rstrip(b"\r") for line in lines]


def parse_headers(head: bytes) -> tuple[tuple[Header, ...], bytes]:
    """Return the unfolded headers, names in lower case, and the rest from the first line that is
    none.
    """
    headers: list[tuple[bytes, list[bytes]]] = []
    lines = split_header_lines(head[:MAX_HEAD_BYTES])[:MAX_HEADER_LINES]
    for index, line in enumerate(lines):
        if line[:1] in (b" ", b"\t"):
            if headers:
                headers[-1][1].append(line.replace(b"\r", b" "))
            continue
        if HEADER_NAME.match(line):
            name, _, value = line.partition(b":")
            headers.append((name.strip(), [value.replace(b"\r", b" ")]))
        elif not (index == 0 and line.startswith((b"From ", b">From "))):
            return _decode_headers(headers), b"\n".join(lines[index:]) + b"\n\n"
    return _decode_headers(headers), b""


def parse_part(
    raw: bytes, budget: ParsingBudget, *, depth: int = 0, default: str = "text/plain"
) -> MimePart:
    """Return the part that `raw` holds; LimitError when it is more than is read.

    `default` is the type of a part that declares none.
    """
    budget.parts -= 1
    if budget.parts < 0:
        raise LimitError(f"more than {MAX_PARTS} parts")
    if depth > MAX_DEPTH:
        raise LimitError("too deeply nested")
    head, body = split_head(raw)
    # A part may begin with its empty line: then it has no headers at all.
    if depth and raw[:1] in (b"\r", b"\n"):
        head, body = b"", raw
    budget.heads -= len(head)
    if len(head) > MAX_HEAD_BYTES or budget.heads < 0:
        raise LimitError("headers larger than 256 KiB")
    budget.lines -= head.count(b"\n") + 1
    if budget.lines < 0:
        raise LimitError("more than 10,000 lines of headers")
    headers, rest = parse_headers(head)
    return _build_part(headers, rest + body if rest else body, budget, depth, default)


def first_value(headers: tuple[Header, ...], name: str) -> str:
    """Return the first value of a header; empty where the header is missing."""
    return next((value for header, value in headers if header == name), "")


def header_values(headers: tuple[Header, ...], *names: str) -> list[str]:
    """Return all values of some headers, in order."""
    return [value for header, value in headers if header in names]


def _build_part(
    headers: tuple[Header, ...], body: bytes, budget: ParsingBudget, depth: int, default: str
) -> MimePart:
    fields = Message()
    for name in ("content-type", "content-disposition"):
        if value := first_value(headers, name):
            fields[name] = value[:MAX_PARAMETER_CHARACTERS]
    kind = _content_type(fields) if "content-type" in fields else default
    boundary = _parameter(fields, "boundary") if kind.startswith("multipart/") else ""
    below = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    return MimePart(
        headers=headers,
        content_type=kind,
        charset=_parameter(fields, "charset") or _charset(first_value(headers, "content-type")),
        flow=_flow(fields),
        disposition=(fields.get_content_disposition() or "").strip(),
        filename=_filename(fields),
        body=body,
        children=tuple(
            parse_part(piece, budget, depth=depth + 1, default=below)
            for piece in _split_multipart(body, boundary.encode("utf-8", "surrogateescape"), budget)
        ),
    )


def _split_multipart(body: bytes, boundary: bytes, budget: ParsingBudget) -> list[bytes]:
    """Return what lies between the delimiter lines; the last piece may lack its end."""
    if not boundary.strip():
        return []
    pieces: list[bytes] = []
    begin = -1
    for start, end, last in _find_delimiters(body, b"--" + boundary.rstrip()):
        if begin >= 0:
            pieces.append(body[begin:start])
        begin = -1 if last else end
        if last:
            return pieces
        if len(pieces) > budget.parts:
            raise LimitError(f"more than {MAX_PARTS} parts")
    if begin >= 0:
        pieces.append(body[begin:])
    return pieces


def _find_delimiters(body: bytes, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield where each delimiter line starts and ends, and whether it is the closing one."""
    position = 0 if body.startswith(mark) else body.find(b"\n" + mark)
    for _ in range(MAX_DELIMITER_LINES):
        if position < 0:
            return
        begin = position + (body[position : position + 1] == b"\n")
        stop = body.find(b"\n", begin)
        end = len(body) if stop < 0 else stop + 1
        tail = body[begin + len(mark) : min(end, begin + len(mark) + 200)].strip()
        if tail in (b"", b"--"):
            yield position - (body[max(position - 1, 0) : position] == b"\r"), end, tail == b"--"
        position = body.find(b"\n" + mark, max(end - 1, begin))
    raise LimitError("too many lines like a delimiter")


def _decode_headers(lines_by_name: list[tuple[bytes, list[bytes]]]) -> tuple[Header, ...]:
    joined_headers = [
        (name.lower(), b" ".join(v.strip() for v in values)) for name, values in lines_by_name
    ]
    kind = next((value for name, value in joined_headers if name == b"content-type"), b"")
    named = CHARSET.search(kind[:MAX_PARAMETER_CHARACTERS])
    charset = named.group(1).decode("ascii") if named else ""
    read = [index for index, (name, _) in enumerate(joined_headers) if name in DECODED_HEADERS][
        :MAX_DECODED_HEADERS
    ]
    return tuple(
        (
            name.decode("ascii", "replace"),
            decode_header_value(value, charset if index in read else None),
        )
        for index, (name, value) in enumerate(joined_headers)
    )


def _parameter(fields: Message, name: str) -> str:
    value = fields.get_param(name)
    return _decode_parameter(value).strip()


def _content_type(fields: Message) -> str:
    """Return the declared type, also where its semicolon is missing or its halves are swapped."""
    kind = next(iter(fields.get_content_type().split()), "text/plain")
    return {"plain/text": "text/plain", "html/text": "text/html"}.get(kind, kind)


def _charset(value: str) -> str:
    """Return the character set that a Content-Type names outside of well-formed parameters."""
    declaration = CHARSET.search(value[:MAX_PARAMETER_CHARACTERS].encode("ascii", "replace"))
    return declaration.group(1).decode("ascii") if declaration else ""


def _flow(fields: Message) -> Flow:
    if _parameter(fields, "format").lower() != "flowed":
        return Flow.FIXED
    return Flow.DELETED if _parameter(fields, "delsp").lower() == "yes" else Flow.FLOWED


def _filename(fields: Message) -> str:
    value = fields.get_param("filename", None, "content-disposition") or fields.get_param("name")
    return decode_encoded_words(_decode_parameter(value))


def _decode_parameter(value: object) -> str:
    if isinstance(value, tuple):
        try:
            return replace_surrogates(collapse_rfc2231_value(value))
        except (LookupError, ValueError):
            return str(value[2])
    return value if isinstance(value, str) else ""
