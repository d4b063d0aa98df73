"""Resolves names of character sets and decodes those for which Python's codecs do not suit mail."""

import codecs
from functools import cache, lru_cache
from typing import Any

import re2

from bot.resources import read_yaml

JAPANESE = "iso-2022-jp"
# Python's own transformations: they are quadratic in time, or no character sets at all.
UNUSABLE_CODECS = ("punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined")
SPOILT_PREFIX = re2.compile(r"^(?:charset=|3d|x-|cs(?:iso|shift|windows|euc|big))")
STATE_SWITCH = re2.compile(rb"\x1b(\$\([@BDO-Q]|\$[@B]|\([BJIH]|\([A-Z])|[\x0e\x0f]")
# Bytes at the start of a page in which its declaration is looked for.
MAX_SNIFFED_BYTES = 4096
MOST_CHARSETS = 256  # that are remembered; a mail may name any number
CHARSET_DECLARATION = re2.compile(
    rb"(?i)<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})|"
    rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{2,40})|"
    rb"@charset\s+[\"']([\w.:-]{2,40})"
)
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@cache
def charset_table() -> dict[str, Any]:
    """Return the package's table of character sets (bot/data/charsets.yaml)."""
    tables: dict[str, Any] = read_yaml("charsets.yaml")
    return tables


@lru_cache(maxsize=MOST_CHARSETS)
def python_codec(charset: str) -> str:
    """Return Python's name of a declared character set; empty when it names none that can be
    read.
    """
    wanted = charset.strip().strip("'\" ").lower()[:60]
    for _ in range(3):
        wanted = _alias(wanted) or _without_spoilt_prefix(wanted)
    if wanted == JAPANESE:
        return JAPANESE
    try:
        info = codecs.lookup(wanted)
        b"a\0\0\0".decode(info.name)
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if info.name.replace("-", "_") in UNUSABLE_CODECS else info.name


def charset_of_byte_order_mark(content: bytes) -> str:
    """Return the character set that a byte order mark names; empty without one."""
    return next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), "")


def charset_in_source(page: bytes) -> str:
    """Return the character set that HTML, XML or CSS declares at its start; empty without one."""
    declaration = CHARSET_DECLARATION.search(page[:MAX_SNIFFED_BYTES])
    name = next((group for group in declaration.groups() if group), b"") if declaration else b""
    # A page whose declaration could be read as ASCII is in no set of two or four bytes a letter.
    return "" if name.lower().startswith((b"utf-16", b"utf-32")) else name.decode("ascii")


def decode_strictly(content: bytes, name: str) -> str | None:
    """Return the text of `content` in the character set `name`; None where a byte does not fit."""
    if name == JAPANESE:
        return decode_iso_2022_jp(content)
    if name == "utf-16" and not charset_of_byte_order_mark(content):
        name = _guess_utf16_order(content)
    try:
        return content.decode(name)
    except (UnicodeError, ValueError):
        return None


def decode_iso_2022_jp(content: bytes) -> str:
    """Decode ISO-2022-JP as mail programs write it (cp50221), which Python's codec refuses.

    It has NEC's signs and half-width letters. Bytes that do not fit become U+FFFD.
    """
    pieces: list[str] = []
    state, last = "(B", 0
    for switch in STATE_SWITCH.finditer(content):
        pieces.append(_decode_stretch(content[last : switch.start()], state))
        escape, last = switch.group(1), switch.end()
        state = escape.decode("ascii") if escape else "(I" if switch.group() == b"\x0e" else "(B"
    pieces.append(_decode_stretch(content[last:], state))
    return "".join(pieces)


def _decode_stretch(content: bytes, state: str) -> str:
    """Decode a stretch without escapes; a line end always ends a stretch of two-byte letters."""
    if not content or state in ("(B", "(J", "(H"):
        return content.decode("cp932", "replace")
    if state == "(I":
        return bytes(b | 0x80 if 0x20 < b < 0x60 else b for b in content).decode("cp932", "replace")
    if not state.startswith("$"):
        return content.decode("ascii", "replace")
    lines = content.splitlines(keepends=True)
    return "".join(_decode_two_byte_line(line, extra=state == "$(D") for line in lines)


def _decode_two_byte_line(line: bytes, *, extra: bool) -> str:
    letters = line.rstrip(b"\r\n")
    if extra:
        pairs = (letters[at : at + 2] for at in range(0, len(letters), 2))
        raised = b"".join(b"\x8f" + bytes(b | 0x80 for b in pair) for pair in pairs)
        return raised.decode("euc_jp", "replace") + line[len(letters) :].decode("ascii")
    return _to_shift_jis(letters).decode("cp932", "replace") + line[len(letters) :].decode("ascii")


def _to_shift_jis(letters: bytes) -> bytes:
    """Renumber two-byte letters of JIS X 0208 as Shift_JIS."""
    shifted = bytearray()
    position = 0
    while position < len(letters):
        row, cell = letters[position], letters[position + 1] if position + 1 < len(letters) else 0
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            shifted.append(row if row < 0x80 else 0x3F)
            position += 1
            continue
        lead = (row + 1) // 2 + (0x70 if row <= 0x5E else 0xB0)
        trail = cell + (0x1F if row % 2 and cell < 0x60 else 0x20 if row % 2 else 0x7E)
        shifted += bytes((lead, trail))
        position += 2
    return bytes(shifted)


def _guess_utf16_order(content: bytes) -> str:
    """Guess the byte order of UTF-16 without a mark: the high bytes of a script vary less."""
    even, odd = set(content[0:4000:2]), set(content[1:4000:2])
    return "utf-16-le" if len(odd) < len(even) else "utf-16-be"


def _without_spoilt_prefix(name: str) -> str:
    return str(SPOILT_PREFIX.sub("", name)).strip("'\" ")


def _alias(name: str) -> str:
    names: dict[str, str] = charset_table()["names"]
    return names.get(name, "") or names.get(name.replace("_", "-"), "")
