"""Decodes the bytes of a mail: transfer encodings, character sets and encoded words.

Never raises.
"""

import base64
import binascii
import quopri
from collections.abc import Sequence

import re2

from bot.channels.mail.charset_guess import WIDE_CHARSETS, fits_charset, guess_charset, is_plausible
from bot.channels.mail.charsets import (
    JAPANESE,
    charset_of_byte_order_mark,
    decode_iso_2022_jp,
    decode_strictly,
    python_codec,
)

# Characters of a header value in which encoded words are resolved; the rest is cut off.
MAX_ENCODED_CHARACTERS = 20_000
ENCODED_WORD = re2.compile(r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
# A soft line break to which a relay added spaces, which the standard decoder does not expect.
SPACED_SOFT_BREAK = re2.compile(rb"=[ \t]+\r?\n")
# With a larger share of replaced characters the declared character set counts as wrong.
MAX_REPLACED_SHARE = 0.02
# Matches UTF-8 that was mistaken for a Latin or Cyrillic character set and encoded once more.
DOUBLE_ENCODED = re2.compile(
    r"[\x{c2}-\x{f4}][\x{80}-\x{bf}\x{152}\x{153}\x{160}\x{161}\x{178}\x{17d}\x{17e}\x{192}\x{2c6}\x{2dc}"
    r"\x{2013}-\x{203a}\x{20ac}\x{2122}]|[РС][\x{80}-\x{bf}Ђ-Џђ-џ‚-›€™Ґґ]"
)
# What remains of letters that a program has thrown away, and of UTF-8 that cannot be restored.
LOST_LETTERS = re2.compile(r"\x{fffd}|锟斤拷|ï¿½|[ÃÂ][\x{80}-\x{bf}]|â€|Ã[ƒ‚„†‡œŸšžŠŽ]")
# The largest share of lost letters in a text that is still decided on automatically.
MAX_LOST_SHARE = 0.003
# A text with at least so many letters beyond ASCII is not valid UTF-8 by chance.
MIN_UTF8_LETTERS = 3
# The tails of ISO-2022-JP escapes, which some gateways leave when they take the escapes out.
STRIPPED_ESCAPES = re2.compile(rb"(\$[B@])((?:[!-~][!-~])+?)(\([BJ])")
SEVEN_BIT_CODECS = frozenset({"utf-7", "hz", "iso2022_kr", "utf-16"})


def decode_transfer_encoding(body: bytes, encoding: str) -> bytes:
    """Return the body without base64 or quoted-printable; unchanged where that fails."""
    match encoding.partition(";")[0].partition("(")[0].strip().lower():
        case "base64":
            return _decode_base64(body)
        case "quoted-printable":
            return quopri.decodestring(SPACED_SOFT_BREAK.sub(b"=\n", body))
        case _:
            return body


def decode_text(content: bytes, charset: str, *, hints: Sequence[str] = ()) -> str:
    """Return the text of a part.

    `charset` is what the part's header declares, `hints` what other places name (the page itself,
    the subject). A character set that gives no plausible text is not believed, and one is guessed
    from the bytes. Where no guess is safe, each byte beyond ASCII becomes U+FFFD, which
    `is_garbled` finds.
    """
    if content.isascii():
        return replace_surrogates(_decode_seven_bit(content, charset))
    name = _choose_charset(content, (charset, *hints))
    text = decode_strictly(content, name) if name else None
    if text is None:
        text = _decode_line_by_line(content, charset)
    return repair_double_encoding(replace_surrogates(text))


def is_garbled(text: str) -> bool:
    """Has the text lost letters, so that nobody should decide on what is left?"""
    if "\ufffd" not in text and not LOST_LETTERS.search(text):
        return False
    return len(LOST_LETTERS.findall(text)) > MAX_LOST_SHARE * len(text)


def repair_double_encoding(text: str) -> str:
    """Return `text` with UTF-8 that was encoded twice decoded correctly.

    A line is repaired only where all of it can be.
    """
    if not DOUBLE_ENCODED.search(text):
        return text
    return "".join(_repair_line(line) for line in text.splitlines(keepends=True))


def _repair_line(line: str) -> str:
    for _ in range(2):
        if not DOUBLE_ENCODED.search(line):
            break
        decoded = (
            _remove_one_encoding(line, "cp1252")
            or _remove_one_encoding(line, "cp1251")
            or _remove_one_encoding(line, "mac_roman")
        )
        if not decoded or not is_plausible(decoded):
            break
        line = decoded
    return line


def _remove_one_encoding(line: str, name: str) -> str:
    """Return the line with its UTF-8 decoded once more; empty where a letter does not fit.

    `name` is the character set for which the UTF-8 was mistaken.
    """
    try:
        return decode_strictly(line.encode(name), "utf-8") or ""
    except UnicodeError:
        raw = bytearray()
    for char in line:
        try:
            raw += char.encode(name)
        except UnicodeError:
            if ord(char) > 0xFF:
                return ""
            raw.append(ord(char))
    return decode_strictly(bytes(raw), "utf-8") or ""


def _decode_seven_bit(content: bytes, charset: str) -> str:
    """Decode seven-bit bytes: plain ASCII, or one of the sets that switch by escapes."""
    name = python_codec(charset)
    if b"\x1b$" in content or b"\x1b(I" in content:
        korean = b"\x1b$)C" in content
        return (decode_strictly(content, "iso2022_kr") if korean else None) or decode_iso_2022_jp(
            content
        )
    if name == JAPANESE and STRIPPED_ESCAPES.search(content):
        return decode_iso_2022_jp(STRIPPED_ESCAPES.sub(rb"\x1b\1\2\x1b\3", content))
    wide = name if name in SEVEN_BIT_CODECS else "utf-16" if _has_zeros(content) else "ascii"
    return decode_strictly(content, wide) or content.decode("ascii")


def _choose_charset(content: bytes, declared: Sequence[str]) -> str:
    """Return the character set of `content`; empty where none is found.

    It comes from a byte order mark, a declaration or the bytes themselves.
    """
    if mark := charset_of_byte_order_mark(content):
        return mark
    names = [name for charset in declared if (name := python_codec(charset))]
    utf8 = decode_strictly(content, "utf-8")
    # A few letters of two bytes may happen to be UTF-8 as well.
    wide = bool(names) and names[0] in WIDE_CHARSETS and fits_charset(content, names[0])
    if utf8 is not None and not (wide and sum(not c.isascii() for c in utf8) < MIN_UTF8_LETTERS):
        return "utf-8"
    if _has_zeros(content):
        return "utf-16"
    return next(
        (name for name in names if _gives_plausible_text(content, name)), ""
    ) or guess_charset(content)


def _gives_plausible_text(content: bytes, name: str) -> bool:
    """Does the set give a plausible text? A set of one byte a letter must also fit a language."""
    text = decode_strictly(content, name)
    if text is None or not is_plausible(text):
        return False
    return (
        name.startswith("utf")
        or fits_charset(content, name)
        or guess_charset(content) in ("", name)
    )


def _has_zeros(content: bytes) -> bool:
    return content[:4000].count(0) > 0.2 * len(content[:4000])


def _decode_line_by_line(content: bytes, charset: str) -> str:
    """Decode a body whose lines are in two character sets, or one with a few broken letters."""
    name = python_codec(charset) or "utf-8"
    text = decode_iso_2022_jp(content) if name == JAPANESE else content.decode(name, "replace")
    if text.count("\ufffd") <= MAX_REPLACED_SHARE * len(text) and is_plausible(
        text.replace("\ufffd", "")
    ):
        return text
    lines = [(line, decode_strictly(line, "utf-8")) for line in content.splitlines(keepends=True)]
    if any(line_text and not line_text.isascii() for _, line_text in lines):
        other_charset = guess_charset(
            b"".join(line for line, line_text in lines if line_text is None)
        )
        return "".join(
            line_text
            if line_text is not None
            else (other_charset and decode_strictly(line, other_charset))
            or _decode_ascii_with_marks(line)
            for line, line_text in lines
        )
    return _decode_ascii_with_marks(content)


def _decode_ascii_with_marks(content: bytes) -> str:
    return content.decode("ascii", "replace")


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which some character sets leave and no database takes."""
    return text.encode("utf-8", "replace").decode()


def decode_header_value(value: bytes, charset: str | None = None) -> str:
    """Return a raw header value as text.

    `charset` is the set of the body, for headers that name none; without one, bytes beyond ASCII
    are UTF-8 or else Latin, which is quick and good enough for headers that nobody reads.
    """
    if value.isascii():
        text = value.decode("ascii")
    elif charset is None:
        text = decode_strictly(value, "utf-8") or value.decode("cp1252", "replace")
    else:
        text = decode_text(value, charset)
    return text.replace("\0", "").strip()


def decode_encoded_words(value: str) -> str:
    """Return a header value with its encoded words resolved, to be shown; no rule may parse it."""
    value = value[:MAX_ENCODED_CHARACTERS]
    if "=?" not in value:
        return " ".join(repair_double_encoding(value).split())
    pieces: list[str] = []
    run, charset, last = b"", "", 0
    for word in ENCODED_WORD.finditer(value):
        between = value[last : word.start()]
        name = word.group(1).lower()
        # A character may be split over two words of one charset, so their bytes are joined first.
        if run and (between.strip() or name != charset):
            pieces.append(decode_text(run, charset))
            run = b""
        if between.strip() or not last:
            pieces.append(between)
        charset, last = name, word.end()
        run += _decode_word(word.group(2), word.group(3))
    pieces += [decode_text(run, charset), value[last:]]
    return " ".join(repair_double_encoding("".join(pieces)).replace("\0", "").split())


def charsets_in_header(value: str) -> tuple[str, ...]:
    """Return the character sets that the encoded words of a header name, in lower case."""
    return tuple(dict.fromkeys(name.lower() for name, _, _ in ENCODED_WORD.findall(value[:2000])))


def _decode_word(kind: str, text: str) -> bytes:
    content = text.encode("utf-8", "replace")
    if kind in "bB":
        return _decode_base64(content)
    return quopri.decodestring(content.replace(b"_", b"=20"))


def _decode_base64(body: bytes) -> bytes:
    for tail in (b"===", b"A===", b""):
        try:
            return base64.b64decode(body + tail)
        except (binascii.Error, ValueError):
            continue
    return body
