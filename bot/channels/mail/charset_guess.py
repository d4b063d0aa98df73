"""Guesses which character set some bytes are in, by how likely the text is that each set gives.

General detectors are made for whole pages; most mails hold a handful of letters beyond ASCII.
"""

import unicodedata
from codecs import getincrementaldecoder
from dataclasses import dataclass
from functools import lru_cache

import re2

from bot.channels.mail.charsets import charset_table, decode_strictly

# Bytes of a text that are judged.
MAX_SAMPLE_BYTES = 4_000
# The least fit, from 0 to 1, of a set that is believed without a declaration.
MIN_GUESS_FIT = 0.75
# The lead in fit that the best set must have over another one that gives a different text.
MIN_FIT_LEAD = 0.08
# A declared set of at least this fit is taken without a guess.
MIN_DECLARED_FIT = 0.85
# The largest share of strange characters in a plausible text.
MAX_STRANGE_SHARE = 0.1
# A Latin word with a larger share of letters beyond ASCII belongs to no language.
MAX_ACCENTED_SHARE = 0.7
# So many different letters are enough to know a script by.
MIN_DISTINCT_LETTERS = 4
# The least share of kana in a Japanese text.
MIN_KANA_SHARE = 0.15
# Characters that are remembered: more than a national set has.
MOST_CHARACTERS = 2**14
WORDS = re2.compile(r"[\pL\pM]+")
SIGN_INSIDE_WORD = re2.compile(
    r"\pL[¹²³¼½¾§¶¤¦¢£¥¬¯ƒ†‡ˆ˜‰Ÿ‚¸¨×÷¿¡®©±±ªº<>|\x{2500}-\x{25ff}]\p{Ll}|\p{Ll}[À-ÞŠŒŽŸЀ-Я]\p{Ll}"
)
CAPITAL_AT_END = re2.compile(r"\p{Ll}\p{Lu}(?:\PL|$)")
WIDE_CHARSETS = frozenset({"cp932", "euc_jp", "cp949", "gb18030", "cp950"})
SCRIPTS = ("CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI")


@dataclass(frozen=True, slots=True, kw_only=True)
class CharsetGuess:
    """A character set, the text that it gives, and how well that text fits which languages (0 to
    1).
    """

    name: str
    text: str
    fit: float
    languages: frozenset[str] = frozenset()

    @property
    def confirmed(self) -> bool:
        """Do the words in plain ASCII belong to one of `languages`? True where there are none."""
        return not self.languages or bool(self.languages & _languages_by_words(self.text))


def guess_charset(content: bytes) -> str:
    """Return the name of the set that fits best; empty where none fits or two read differently."""
    return _guess_from_sample(_take_sample(content))


@lru_cache(maxsize=16)
def _guess_from_sample(sample: bytes) -> str:
    guesses = [guess for name in charset_table()["tried"] if (guess := _try_charset(sample, name))]
    best = max((g.fit for g in guesses), default=0.0)
    if best < MIN_GUESS_FIT:
        return ""
    near = sorted((g for g in guesses if g.fit > best - MIN_FIT_LEAD), key=lambda g: -g.fit)
    if len({g.text for g in near}) == 1:
        return near[0].name
    return next((g.name for g in near if g.confirmed), "")


def is_plausible(text: str) -> bool:
    """Is this a text that somebody may have written, not one read with the wrong character set?"""
    sample = text[:MAX_SAMPLE_BYTES]
    beyond = sum(not c.isascii() for c in sample)
    return _count_strange(sample) <= MAX_STRANGE_SHARE * beyond


def fits_charset(content: bytes, name: str) -> bool:
    """Does the declared set `name` give a text whose letters fit some language?"""
    guess = _try_charset(_take_sample(content), name)
    return guess is not None and guess.fit >= MIN_DECLARED_FIT


def _take_sample(content: bytes) -> bytes:
    """Return the first lines with bytes beyond ASCII; the whole text where there are none."""
    if len(content) < MAX_SAMPLE_BYTES:
        return content
    lines = content[: 50 * MAX_SAMPLE_BYTES].splitlines(keepends=True)
    return (b"".join(line for line in lines if not line.isascii()) or content)[:MAX_SAMPLE_BYTES]


def _try_charset(sample: bytes, name: str) -> CharsetGuess | None:
    text = _decode_sample(sample, name)
    if text is None:
        return None
    beyond = [c for c in text if not c.isascii()]
    fit, languages = _measure_fit(beyond, name)
    share = 1 - min(1.0, _count_strange(text) / max(1, len(beyond)))
    return CharsetGuess(name=name, text=text, fit=fit * share, languages=frozenset(languages))


def _decode_sample(sample: bytes, name: str) -> str | None:
    """Decode a sample that may end within a letter; None where a byte does not fit."""
    if len(sample) < MAX_SAMPLE_BYTES:
        return decode_strictly(sample, name)
    try:
        return getincrementaldecoder(name)().decode(sample)
    except UnicodeError:
        return None


def _measure_fit(beyond: list[str], name: str) -> tuple[float, list[str]]:
    """Return the share of `beyond` that a language uses, and the languages that use most of it."""
    letters = [c.lower()[:1] for c in beyond if c not in charset_table()["signs"]]
    if not letters:
        return 0.5, []
    kinds = [_script_of(c) for c in letters]
    if name in WIDE_CHARSETS:
        fit, language = _measure_wide_fit(letters, kinds, name)
        return fit, [language]
    for script in SCRIPTS:
        if kinds.count(script) > 0.8 * len(kinds):
            return _measure_script_fit(letters, kinds, script)
    table_letters: dict[str, str] = charset_table()["letters"]
    shares = {
        code: sum(c in own for c in letters) / len(letters) for code, own in table_letters.items()
    }
    best = max(shares.values())
    return best, [code for code, share in shares.items() if share == best]


def _measure_script_fit(
    letters: list[str], kinds: list[str], script: str
) -> tuple[float, list[str]]:
    """Return how near the share of the script's commonest letters comes to that of a usual
    text.
    """
    common = sum(c in charset_table()["scripts"][script] for c in letters) / len(letters)
    varied = 1.0 if len(set(letters)) >= MIN_DISTINCT_LETTERS else 0.5
    return varied * kinds.count(script) / len(kinds) * min(1.0, common / 0.5), []


def _measure_wide_fit(letters: list[str], kinds: list[str], name: str) -> tuple[float, str]:
    """Return the share of letters in which Chinese, Japanese or Korean is mostly written, and the
    language.
    """
    total = len(letters)
    kana = kinds.count("KANA") / total
    punctuation = kinds.count("PUNCTUATION") / total
    if name in ("cp932", "euc_jp"):
        level = sum(_is_first_level(c, "euc_jp", 0xB0, 0xCF) for c in letters) / total
        return (kana + level + punctuation if kana >= MIN_KANA_SHARE else 0.3), "ja"
    if name == "cp949":
        share = kinds.count("HANGUL") / total
        return 0.6 * (share + punctuation) + 0.4 * _common_share(letters, "ko"), "ko"
    if kana >= MIN_KANA_SHARE:
        return 0.3, ""
    codec, low, high = ("gb2312", 0xB0, 0xD7) if name == "gb18030" else ("big5", 0xA4, 0xC6)
    level = sum(_is_first_level(c, codec, low, high) for c in letters) / total
    return 0.6 * (level + punctuation) + 0.4 * _common_share(letters, "zh"), "zh"


def _common_share(letters: list[str], language: str) -> float:
    """Return the share of the commonest characters against that of a usual text, at most 1."""
    common = charset_table()["common"][language]
    return min(1.0, sum(c in common for c in letters) / (0.35 * len(letters)))


@lru_cache(maxsize=MOST_CHARACTERS)
def _is_first_level(char: str, codec: str, low: int, high: int) -> bool:
    """Is the character among the few thousand that a national set lists first?"""
    try:
        code = char.encode(codec)
    except UnicodeError:
        return False
    return len(code) == 2 and low <= code[0] <= high


@lru_cache(maxsize=MOST_CHARACTERS)
def _script_of(char: str) -> str:
    """Return the script of a character, as far as the fit depends on it."""
    name = unicodedata.name(char, "")
    if name.startswith(("HIRAGANA", "KATAKANA")):
        return "KANA"
    if name.startswith("HANGUL SYLLABLE"):
        return "HANGUL"
    if name.startswith(("IDEOGRAPHIC", "FULLWIDTH", "LEFT CORNER", "RIGHT CORNER")):
        return "PUNCTUATION"
    first = name.split(" ")[0]
    return first if first in SCRIPTS or first == "LATIN" else "CJK" if first == "CJK" else ""


def _languages_by_words(text: str) -> frozenset[str]:
    """Return the languages whose commonest words the text has most of; none where it has none."""
    ascii_words = [word for word in text.lower().split() if word.isascii()]
    words: dict[str, str] = charset_table()["words"]
    counts = {code: sum(word in own.split() for word in ascii_words) for code, own in words.items()}
    best = max(counts.values())
    return frozenset(code for code, count in counts.items() if count == best > 0)


def _count_strange(text: str) -> int:
    """Count the characters that stand where no language has them."""
    count = sum(unicodedata.category(c) in ("Cc", "Co", "Cn", "Cs") for c in text if c > "\x7e")
    count += text.count("\ufffd") + len(SIGN_INSIDE_WORD.findall(text))
    count += sum(not run.isascii() for run in CAPITAL_AT_END.findall(text))
    return count + sum(_count_strange_letters(word) for word in WORDS.findall(text))


def _count_strange_letters(word: str) -> int:
    """Count letters of a word that mixes scripts, or of a Latin one with hardly any plain
    letter.
    """
    if word.isascii():
        return 0
    kinds = [_script_of(c) for c in word if not c.isascii()]
    plain = len(word) - len(kinds)
    scripts = set(kinds) & {*SCRIPTS}
    if len(scripts) > 1 or (scripts and (plain or "LATIN" in kinds or _has_inner_capitals(word))):
        return len(kinds)
    half = sum("\uff61" <= c <= "\uff9f" for c in word) if plain else 0
    latin = kinds.count("LATIN")
    if latin > 2 and latin > MAX_ACCENTED_SHARE * len(word):
        return latin
    wide = len(kinds) - latin
    return half + (wide if latin and wide else 0)


def _has_inner_capitals(word: str) -> bool:
    """Are there capital letters after the first one, among small ones?"""
    return any(c.isupper() for c in word[1:]) and any(c.islower() for c in word)
