"""Provides the tables of characters: look-alikes, invisible characters, and plain forms.

The guard, the redactor and everything that shows a text to people use these tables, so that no
disguise is known to one of them and missed by another. The data is bot/data/confusables.yaml.
"""

import re
import unicodedata
from functools import cache

from bot.resources import read_yaml

# Unicode blocks that hold digits, or characters whose compatibility form is one ASCII character.
COMPATIBLE_BLOCKS = (
    range(0x80, 0x3400), range(0xA600, 0xAC00), range(0xF900, 0x10000), range(0x10480, 0x10500),
    range(0x11000, 0x12000), range(0x1D400, 0x1D800), range(0x1F100, 0x1F200),
    range(0x1FBF0, 0x1FBFA),
)  # fmt: skip
# The most letters that one character stands for: a ligature, a Roman numeral.
MAX_LIGATURE_LETTERS = 4
# Combining marks that belong to no script and may stand on any letter.
MARKS = frozenset(
    chr(code)
    for block in (
        range(0x0300, 0x0370), range(0x0483, 0x048A), range(0x1AB0, 0x1B00), range(0x1DC0, 0x1E00),
        range(0x20D0, 0x2100), range(0xFE20, 0xFE30),
    )
    for code in block
)  # fmt: skip
# Unicode's Default_Ignorable_Code_Point, annotation signs, and control characters that are no
# white space. The escape character is among them, so that no escape sequence reaches a terminal.
INVISIBLE = frozenset(
    chr(code)
    for block in (
        range(0x09), range(0x0E, 0x1C), range(0x7F, 0x85), range(0x86, 0xA0),
        (0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
        range(0x180B, 0x1810), range(0x200B, 0x2010), range(0x202A, 0x202F), range(0x2060, 0x2070),
        range(0xFE00, 0xFE10), range(0xFFF0, 0xFFFC), range(0x1BCA0, 0x1BCA4),
        range(0x1D173, 0x1D17B), range(0xE0000, 0xE1000),
    )
    for code in block
)  # fmt: skip
# Invisible by themselves, but Persian, Hindi and emoji are misspelt without them.
JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")
QUOTES, APOSTROPHES = "“”„‟«»「」『』《》″〝〞＂", "‘’‚‛‹›`´′ʼ"
DASHES = "\u2212\u2043\u02d7"  # characters that look like dashes and have another category
HYPHENS = "‐‑‒–—―"
ARABIC_VOWELS = (*range(0x064B, 0x0653), 0x0640)  # with tatweel, which only widens a word
DIGRAPHS = {"æ": "ae", "œ": "oe"}
LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
OTHER_SPACES = "\x1c\x1d\x1e\x1f"
SURROGATE_CODES = range(0xD800, 0xE000)  # surrogates, which UTF-8 cannot carry
LETTERS = frozenset(["Lu", "Ll", "Lt", "Nl"])  # Nl: Roman numerals
LATIN = "LATIN "
# Latin letters that decomposition does not reduce to an ASCII letter, as their stroke is no mark.
STROKED_LETTERS = {"ı": "i", "ø": "o", "đ": "d", "ł": "l"}
SURROGATES = re.compile("[\ud800-\udfff]")


def without_invisible(text: str) -> str:
    """Return `text` without invisible characters; to search in, not to show.

    Joiners are removed too, without which some scripts are misspelt.
    """
    return text.translate(_invisible_table())


@cache
def ascii_readings() -> dict[str, str]:
    """Return the ASCII characters that each look-alike can be read as, the likeliest first.

    The first reading of another script's digit is its value. Compatibility forms and letters with
    accents are read as the character that they consist of.
    """
    readings = _listed_look_alikes()
    for code in (code for block in COMPATIBLE_BLOCKS for code in block):
        char = chr(code)
        reading = _digit_value(char) + (readings.get(char) or _reading_of_parts(char, readings))
        if reading:
            readings[char] = "".join(dict.fromkeys(reading))
    return readings


@cache
def reading_table(number: int = 0) -> dict[int, str]:
    """Return a table for str.translate, from each look-alike to its reading `number`.

    A look-alike with fewer readings becomes its last one.
    """
    return {ord(char): read[min(number, len(read) - 1)] for char, read in ascii_readings().items()}


@cache
def latin_look_alikes() -> dict[int, str]:
    """Return a table for str.translate, from letters of other scripts to Latin look-alikes."""
    return {
        ord(char): read[0]
        for char, read in ascii_readings().items()
        if read[0].isalpha() and not _digit_value(char) and not _is_accented_latin(char)
    }


@cache
def ligatures() -> dict[str, str]:
    """Return the characters that stand for several ASCII letters or digits: ﬁ for fi."""
    expansions = {}
    for code in (code for block in COMPATIBLE_BLOCKS for code in block):
        plain = unicodedata.normalize("NFKC", chr(code))
        letters = unicodedata.category(chr(code)) in LETTERS
        if (
            letters
            and 1 < len(plain) <= MAX_LIGATURE_LETTERS
            and plain.isascii()
            and plain.isalnum()
        ):
            expansions[chr(code)] = plain
    return expansions


@cache
def look_alikes() -> frozenset[str]:
    """Return the characters that pass for ASCII ones and that `plain_forms` does not replace."""
    plain = plain_forms()
    read = {c for c, alike in ascii_readings().items() if plain.get(ord(c)) != alike}
    return frozenset(read | ligatures().keys())


@cache
def other_script_letters() -> frozenset[str]:
    """Return the look-alikes of ASCII letters and digits that belong to another script."""
    return frozenset(
        char
        for char, read in ascii_readings().items()
        if read[0].isalnum() and not unicodedata.name(char, "").startswith(LATIN)
    )


@cache
def plain_forms() -> dict[int, str]:
    """Return a table for str.translate that makes characters plain, one for one.

    Full width and other compatibility forms, digits of all scripts, dashes, spaces and quotes
    become their ASCII form; surrogates become U+FFFD, which UTF-8 can encode.
    """
    table: dict[int, str] = {}
    for code in (code for block in COMPATIBLE_BLOCKS for code in block):
        char = chr(code)
        plain = unicodedata.normalize("NFKC", char)
        if len(plain) == 1 and plain != char and plain.isascii():
            table[code] = plain
        elif unicodedata.category(char) == "Nd":
            table[code] = _digit_value(char)
        elif unicodedata.category(char) == "Pd" or char in DASHES:
            table[code] = "-"
        elif unicodedata.category(char) == "Zs":
            table[code] = " "
    table |= dict.fromkeys(SURROGATE_CODES, "\ufffd")
    table |= dict.fromkeys(map(ord, QUOTES), '"')
    table |= dict.fromkeys(map(ord, APOSTROPHES), "'")
    table |= {0x2028: "\n", 0x2029: "\n", 0x85: "\n", 0x2192: ">", 0x21D2: ">", 0x27A1: ">"}
    return table


@cache
def bare_letters() -> dict[int, str]:
    """Return a table for str.translate that takes accents off Latin letters, one for one.

    It also maps the dotted capital I, whose lower case is two characters, and the Russian ё.
    """
    table = {ord(char): bare for char, bare in STROKED_LETTERS.items()}
    table |= {ord(char.upper()): bare for char, bare in STROKED_LETTERS.items() if char != "ı"}
    table |= {0x130: "i", 0xDF: "s", 0x451: "е", 0x401: "е"}
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        bare = unicodedata.normalize("NFD", chr(code))[0]
        if bare.isascii():
            table[code] = bare
    return table


@cache
def level_forms() -> dict[int, str]:
    """Return a table for str.translate that takes accents off a decomposed text in lower case.

    Combining marks (MARKS) and Arabic vowels are removed; the vowel signs of Indic scripts stay,
    because they are letters. Apostrophes and hyphens become ASCII.
    """
    table = dict.fromkeys((*map(ord, MARKS), *ARABIC_VOWELS), "")
    table |= {ord(char): bare for char, bare in (STROKED_LETTERS | DIGRAPHS).items()}
    table |= dict.fromkeys(map(ord, APOSTROPHES), "'")
    return table | dict.fromkeys(map(ord, HYPHENS + DASHES), "-")


def _listed_look_alikes() -> dict[str, str]:
    alike_by_reading: dict[str, str] = read_yaml("confusables.yaml")
    return {char: read for read, alike in alike_by_reading.items() for char in alike}


def _digit_value(char: str) -> str:
    """Return the value of a digit of any script, also in a circle; empty for no digit."""
    value = unicodedata.digit(char, None)
    return "" if value is None else str(value)


def _reading_of_parts(char: str, readings: dict[str, str]) -> str:
    """Return the ASCII readings of a compatibility form or accented letter; empty for none."""
    parts = unicodedata.normalize("NFKD", char)
    bare = "".join(part for part in parts if part not in MARKS)
    if len(bare) != 1 or bare == char:
        return ""
    return bare if "!" <= bare <= "~" else readings.get(bare, "")


def _is_accented_latin(char: str) -> bool:
    """Is it a Latin letter with an accent? An accent is spelling and no disguise."""
    parts = unicodedata.normalize("NFD", char)
    return len(parts) > 1 and parts[0].isascii()


@cache
def _invisible_table() -> dict[int, None]:
    return dict.fromkeys(map(ord, INVISIBLE))


def without_surrogates(text: str) -> str:
    """Return `text` with each surrogate, which UTF-8 cannot encode, as U+FFFD; same length."""
    return SURROGATES.sub("\ufffd", text)
