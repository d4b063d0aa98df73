"""The one table of letters: what passes for what, what shows nothing, what people are shown."""

import unicodedata

import pytest

from bot.text.printable import printable, printable_line, quote_lines
from bot.text.unicode import (
    INVISIBLE,
    ascii_readings,
    bare_letters,
    latin_look_alikes,
    level_forms,
    ligatures,
    look_alikes,
    plain_forms,
    reading_table,
    without_invisible,
)

WORD = "\u0440\u0430\u0455\u0455\u051d\u043e\u0433\u0501"  # Cyrillic letters that read "password"


def test_letters_of_other_scripts_are_read_as_the_latin_ones_they_pass_for() -> None:
    assert WORD.translate(latin_look_alikes()) == "password"
    assert "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ".translate(latin_look_alikes()) == "ABEZHIKMNOPTYX"
    assert "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ".translate(latin_look_alikes()) == "abcdefghijklmnoprstuvwyz"
    assert "🅰🄱🇨".translate(reading_table()) == "ABC"


def test_a_character_that_passes_for_several_has_every_reading() -> None:
    assert set("Il1") <= set(ascii_readings()["Ι"])
    assert ascii_readings()["Ι"][0] == "I"
    assert ascii_readings()["О"] == "O0"
    assert ascii_readings()["٥"][0] == "5"
    assert "o" in ascii_readings()["٥"]
    assert {reading_table(place)[ord("Ι")] for place in range(3)} == set("Il1")


def test_forms_of_a_letter_are_read_as_the_letter() -> None:
    for char in ("Ａ", "𝐀", "𝔸", "𝚨", "Á", "Ⓐ", "🄰", "🅐"):
        assert ascii_readings()[char][0] == "A", char
    assert ligatures()["ﬁ"] == "fi"
    assert "№" not in look_alikes()


def test_every_reading_is_one_visible_ascii_character() -> None:
    assert len(ascii_readings()) > 3000
    for char, read in ascii_readings().items():
        assert not char.isascii()
        assert read
        assert len(set(read)) == len(read)
        assert all("!" <= one <= "~" for one in read)


def test_plain_forms_keep_one_character_for_one() -> None:
    told = "“ａ１٣–—\u2212\u00a0\ud800»"
    assert told.translate(plain_forms()) == '"a13--- \ufffd"'
    assert "éß".translate(bare_letters()) == "es"
    assert unicodedata.normalize("NFD", "é’ł").translate(level_forms()) == "e'l"


@pytest.mark.parametrize(
    "code",
    [0x00AD, 0x034F, 0x061C, 0x200B, 0x200D, 0x200E, 0x200F, 0x202E, 0x2060, 0x2066, 0x3164,
     0xFE0F, 0xFEFF, 0xE0041, 0xE0101, 0x00, 0x1B, 0x7F, 0x9B],
)  # fmt: skip
def test_what_shows_nothing_is_not_searched(code: int) -> None:
    assert chr(code) in INVISIBLE
    assert without_invisible(f"a{chr(code)}b") == "ab"


def test_every_character_that_unicode_lets_programs_ignore_is_invisible() -> None:
    formats = {chr(c) for c in range(0x20, 0x110000) if unicodedata.category(chr(c)) == "Cf"}
    # Signs that stand before a number or in a verse are formats by their category and are seen.
    seen = {
        c for c in formats if unicodedata.name(c, "").startswith(("ARABIC", "SYRIAC", "KAITHI"))
    }
    seen |= {c for c in formats if "HIEROGLYPH" in unicodedata.name(c, "")}
    assert formats - seen <= INVISIBLE | {"\u061c"}


def test_people_are_shown_no_control_characters_and_no_turned_text() -> None:
    shown = printable("a\x1b[31mb\x07\u202edc\u2069\r\ne\rf\x85g\u2028h\x0bi\tj\x00\ud800\x1ck")
    assert shown == "a[31mbdc\ne\nf\ng\nh\ni\tjk"
    assert printable_line("a\n\tb\u2029c\r") == "a  b c "
    assert quote_lines("a\n--- draft") == "| a\n| --- draft"
