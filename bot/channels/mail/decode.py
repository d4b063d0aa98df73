"""Bytes of a mail -> text: transfer encodings, character sets, encoded words; never raises."""

import base64
import binascii
import codecs
import quopri
from functools import cache

import re2

MAX_ENCODED = 20_000
# Senders' names for a set -> the superset that they really write.
REAL = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "unicode-1-1-utf-7": "utf-7",
    "windows-874": "cp874",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "utf8mb4": "utf-8",
    "": "utf-8",
}
# Python's own transformations: quadratic, or no character sets at all.
UNFIT = ("punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined")
ENCODED = re2.compile(r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
SPOILT = 0.02  # more than this share of replaced characters: the declared set was wrong


def untransferred(body: bytes, encoding: str) -> bytes:
    """The body without base64 or quoted-printable; as it is where that fails."""
    match encoding.partition(";")[0].partition("(")[0].strip().lower():
        case "base64":
            return _base64(body)
        case "quoted-printable":
            return quopri.decodestring(body)
        case _:
            return body


def decoded(content: bytes, charset: str) -> str:
    """Text of a part; a wrong or unknown charset costs single characters, not the text."""
    name = _codec(charset)
    found = content.decode(name, "replace") if name else ""
    if name and found.count("\ufffd") <= SPOILT * len(found):
        return whole(found)
    for other in ("utf-8", "cp1252"):
        try:
            return content.decode(other)
        except UnicodeError:
            continue
    return found or content.decode("utf-8", "replace")


def whole(text: str) -> str:
    """Without half characters, that some character sets leave and no database takes."""
    return text.encode("utf-8", "replace").decode()


def plain(value: bytes) -> str:
    """A raw header value as text; 8-bit bytes are UTF-8 or, if not, Latin."""
    text = value.decode("ascii") if value.isascii() else decoded(value, "")
    return text.replace("\0", "").strip()


def unencoded(value: str) -> str:
    """Encoded words resolved, for text that is shown; never for what a rule parses."""
    value = value[:MAX_ENCODED]
    if "=?" not in value:
        return " ".join(value.split())
    pieces: list[str] = []
    run, charset, last = b"", "", 0
    for found in ENCODED.finditer(value):
        between = value[last : found.start()]
        name = found.group(1).lower()
        # A character may be split over two words of one charset, so their bytes are joined first.
        if run and (between.strip() or name != charset):
            pieces.append(decoded(run, charset))
            run = b""
        if between.strip() or not last:
            pieces.append(between)
        charset, last = name, found.end()
        run += _word(found.group(2), found.group(3))
    pieces += [decoded(run, charset), value[last:]]
    return " ".join("".join(pieces).replace("\0", "").split())


def _word(kind: str, text: str) -> bytes:
    content = text.encode("utf-8", "replace")
    if kind in "bB":
        return _base64(content)
    return quopri.decodestring(content.replace(b"_", b"=20"))


def _base64(body: bytes) -> bytes:
    for tail in (b"===", b"A===", b""):
        try:
            return base64.b64decode(body + tail)
        except (binascii.Error, ValueError):
            continue
    return body


@cache
def _codec(charset: str) -> str:
    """Python's name of a charset; nothing when there is none for it."""
    wanted = charset.strip().strip("'\"").lower()[:60]
    wanted = REAL.get(wanted, wanted)
    try:
        found = codecs.lookup(wanted)
        b"a".decode(found.name)
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if found.name.replace("-", "_") in UNFIT else found.name
