"""Makes detection views: copies of a text from which a disguise such as leetspeak is taken off.

The rules are tried on every view. Each view takes time linear in the text, whose length is capped,
so that no message can make the guard slow: of a longer text only the start and the end are read.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from bot.policy.alphabets import LEET, UPSIDE_DOWN
from bot.policy.spelling import mended
from bot.text.unicode import latin_look_alikes, level_forms, without_invisible

HEAD, TAIL = 30_000, 4_000  # characters that are read at the start and end of a longer text
MAX_DECODED = 6  # encoded stretches of each kind that are decoded
MIN_TEXT = 0.85  # least share of letters and spaces for which decoded bytes count as a text
MIN_LETTERS = 6
MIN_MIXED = 2  # words of letters mixed with digits from which on a text is read as leetspeak
DISGUISED = 0.6  # least share of single letters among the words of a spaced-out text

TAGS = re.compile(r"<[!/a-zA-Z][^<>]{0,400}>")
BLOCKS = re.compile(r"</?(?:p|div|br|li|tr|h[1-6]|table|ul|ol)\b[^<>]{0,400}>", re.IGNORECASE)
SPACES = re.compile(r"[^\S\n]+")
ENCODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,4000}={0,2}")
HEX = re.compile(r"(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s:,]?){8,2000}")
BITS = re.compile(r"(?:[01]{8}[\s,]?){6,500}")
CODES = re.compile(r"(?:\d{2,3}[\s,]+){7,500}\d{2,3}")
PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}|[\w.+-]){6,4000}")
LONE = re.compile(r"(?<![^\W_])[^\W_](?:[\s._*·/|+~'’-]{1,4}[^\W_](?![^\W_])){3,800}")
WIDE = re.compile(r"\s{2,}|\s[/|]\s")
MARKED = re.compile(r"[._*·/|+~-]")
SPLIT_WORD = re.compile(r"(?<=[^\W\d_])[._*·|~+-](?=[^\W\d_])")
WORDS = re.compile(r"\S+")
JOINTS = re.compile(r"(?<![\w.])[^\W\d_]+(?:[._-][^\W\d_]+){3,}(?![\w@])")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
HUMPS = re.compile(r"\b(?:[A-Z][a-z]+|[A-Z]){4,}\b")
PAIRED = re.compile(r"(\w)\1", re.UNICODE)
DOUBLED = 0.9  # least share of letters in pairs of a text with doubled letters
FEWEST = 6  # a text with doubled letters must have more letters
MIXED = frozenset("0123456789@$!|€£")
# An upside-down text has one of these; letters such as o, s and x look alike both ways.
TURNED = frozenset(chr(sign) for sign in UPSIDE_DOWN if sign > 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One detection view of a text; `name` tells staff which disguise was taken off."""

    name: str
    text: str


def detection_views(text: str) -> tuple[View, ...]:
    """Return the plain view, then each other view that differs from those before it."""
    shown = clipped(text)
    plain = fold(visible(shown))
    views = [View(name="plain", text=plain)]
    for name, make in MAKERS:
        made = fold(make(shown))
        if made.strip() and all(made != v.text for v in views):
            views.append(View(name=name, text=made))
    return tuple(views)


def clipped(text: str) -> str:
    """Return `text`; of one longer than HEAD + TAIL characters only its start and its end."""
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}\n{text[-TAIL:]}"


def fold(text: str) -> str:
    """Return `text` without differences of compatibility form, case, accents and white space.

    The patterns of the rules are folded the same way.
    """
    level = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = level.translate(level_forms())
    return SPACES.sub(" ", unicodedata.normalize("NFC", bare))


def visible(text: str) -> str:
    """Return `text` as a reader sees it: without tags, entities and invisible characters."""
    shown = TAGS.sub("", BLOCKS.sub("\n", text)) if "<" in text else text
    if "&" in shown:
        shown = html.unescape(shown)
    return without_invisible(shown)


def _tag_characters(text: str) -> str:
    return "".join(chr(ord(c) - 0xE0000) for c in text if 0xE0020 <= ord(c) <= 0xE007E)


def _unmarked(text: str) -> str:
    """Return a text with its markup, so that attributes and comments are read as well."""
    return without_invisible(text) if "<" in text else ""


def _homoglyphs(text: str) -> str:
    return visible(text).translate(latin_look_alikes())


def _leet(letter_for_one: str) -> Callable[[str], str]:
    table = LEET | {ord("1"): letter_for_one, ord("|"): letter_for_one, ord("!"): letter_for_one}

    def word(match: re.Match[str]) -> str:
        matched = match.group()
        if MIXED.isdisjoint(matched):
            return matched
        body = matched.rstrip("!?.,;:")
        return body.translate(table) + matched[len(body) :]

    def read(text: str) -> str:
        shown = _homoglyphs(text)
        words = WORDS.findall(shown)
        mixed = sum(not MIXED.isdisjoint(w) and any(c.isalpha() for c in w) for w in words)
        return WORDS.sub(word, shown) if mixed >= MIN_MIXED else ""

    return read


def _joined(text: str) -> str:
    """Return `text` with spaced-out letters joined to words; wide gaps separate the words."""

    def run(match: re.Match[str]) -> str:
        found = match.group()
        marks = len(MARKED.findall(found))
        words = found.split() if marks > found.count(" ") else WIDE.split(found)
        return " ".join("".join(c for c in w if c.isalnum()) for w in words)

    return LONE.sub(run, _homoglyphs(text))


def _unsplit(text: str) -> str:
    """Return `text` without marks inside words: `pass-word`, `s.e.n.d`."""
    return SPLIT_WORD.sub("", visible(text))


def _squashed(text: str) -> str:
    """Return a text of mostly single letters without any spaces; empty for any other."""
    words = visible(text).split()
    lone = sum(len(w) == 1 for w in words)
    if len(words) < MIN_LETTERS or lone < len(words) * DISGUISED:
        return ""
    return "".join(c for c in _homoglyphs(text) if c.isalnum())


def _reversed(text: str) -> str:
    return "\n".join(line[::-1] for line in visible(text).split("\n"))


def _words_reversed(text: str) -> str:
    """Return the words of each line in reverse order; empty where the text does not mention that.

    Honest questions read backwards can look like demands.
    """
    if not BACKWARDS.search(text):
        return ""
    return "\n".join(" ".join(reversed(line.split())) for line in visible(text).split("\n"))


def _upside_down(text: str) -> str:
    if TURNED.isdisjoint(text):
        return ""
    return "\n".join(line[::-1] for line in text.translate(UPSIDE_DOWN).split("\n"))


def _rot13(text: str) -> str:
    return codecs.decode(visible(text), "rot13")


def _mended(text: str) -> str:
    return mended(fold(_homoglyphs(text)))


def _decoded(text: str) -> str:
    return "\n".join(_decodings(without_invisible(text)))


def _decodings(text: str) -> Iterator[str]:
    for pattern, decode in DECODERS:
        for count, match in enumerate(pattern.finditer(text)):
            if count >= MAX_DECODED:
                break
            if decoded := _as_text(decode, match.group()):
                yield decoded
                yield codecs.decode(decoded, "rot13")
                yield decoded[::-1]


def _as_text(decode: Callable[[str], bytes], encoded: str) -> str:
    try:
        decoded = decode(encoded).decode("utf-8")
    except (ValueError, binascii.Error):
        return ""
    letters = sum(c.isalpha() or c.isspace() for c in decoded)
    return (
        decoded
        if letters >= max(MIN_LETTERS, MIN_TEXT * len(decoded)) and decoded != encoded
        else ""
    )


def _base64(encoded: str) -> bytes:
    bare = encoded.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def _base32(encoded: str) -> bytes:
    bare = encoded.rstrip("=").upper()
    return base64.b32decode(bare + "=" * (-len(bare) % 8))


def _hexadecimal(encoded: str) -> bytes:
    return bytes.fromhex(re.sub(r"0x|\\x|[\s:,]", "", encoded))


def _bits(found: str) -> bytes:
    return bytes(int(byte, 2) for byte in re.findall(r"[01]{8}", found))


def _codes(found: str) -> bytes:
    return bytes(int(code) for code in re.findall(r"\d+", found))


def _percent(found: str) -> bytes:
    return unquote(found).encode() if "%" in found else b""


def _parted(text: str) -> str:
    """Return the text with joined words separated: `send_me_my_key` and `SendMeMyKey`."""
    apart = JOINTS.sub(lambda m: re.sub(r"[._-]", " ", m.group()), visible(text))
    return HUMPS.sub(lambda m: CAMEL.sub(" ", m.group()), apart)


def _undoubled(text: str) -> str:
    """Return `text` with doubled letters written once; empty where not nearly all are doubled."""
    shown = visible(text)
    letters = sum(c.isalpha() for c in shown)
    twice = 2 * len(PAIRED.findall(shown))
    return PAIRED.sub(r"\1", shown) if twice >= DOUBLED * letters > FEWEST else ""


BACKWARDS = re.compile(
    r"backward|revers|back to front|rückwärts|à l'envers|al revés", re.IGNORECASE
)
DECODERS: tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...] = (
    (ENCODED, _base64),
    (ENCODED, _base32),
    (HEX, _hexadecimal),
    (BITS, _bits),
    (CODES, _codes),
    (PERCENT, _percent),
)
MAKERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("markup", _unmarked),
    ("tag characters", _tag_characters),
    ("homoglyphs", _homoglyphs),
    ("leet, 1 for i", _leet("i")),
    ("leet, 1 for l", _leet("l")),
    ("spaced letters", _joined),
    ("split words", _unsplit),
    ("joined words", _parted),
    ("doubled letters", _undoubled),
    ("no gaps", _squashed),
    ("misspelt", _mended),
    ("reversed", _reversed),
    ("words reversed", _words_reversed),
    ("upside down", _upside_down),
    ("rot13", _rot13),
    ("decoded", _decoded),
)
