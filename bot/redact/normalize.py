"""Gives readings of a text in which disguised secrets show, each with the way back to the text.

A MappedText holds one character for each character that it kept, so a place in it becomes a place
in the original by one look-up: no diffing, no search.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import re2

from bot.text.unicode import (
    INVISIBLE,
    LINE_BREAKS,
    MARKS,
    ascii_readings,
    bare_letters,
    ligatures,
    look_alikes,
    other_script_letters,
    plain_forms,
    reading_table,
)

RUN = re.compile(r"\S+")
WORD = re.compile(r"[^\W_]+")
# Characters of a run that may hold a part of a token.
MIN_RUN_CHARACTERS = 5
# Characters beside such a run in which its keyword may stand.
CONTEXT_CHARACTERS = 120
# A token holds digits, letters that change case, or marks: a word with an umlaut does not.
TOKEN_LIKE = re.compile(r"[0-9=/_:]|[a-z][A-Z]")
QUOTE_MARKER = re2.compile(rb"(?:\n|^)[ \t]*(?:[>|][ \t]?|[-*][ \t]+)+")
SOFT_BREAK = re2.compile(rb"=[ \t]*\r?\n")
# What a page or a program puts inside a key: tags of a line, the joint of two string constants.
TAG = re2.compile(
    rb"</?(?i:b|i|u|em|strong|span|font|a|code|mark|wbr|br|div)\b[^<>]{0,200}>|<!--[^<>]{0,80}-->"
)
JOINT = re2.compile(
    rb"[\"'][ \t]{0,9}[+.&\\]?[ \t]{0,9}\r?\n[ \t]{0,40}[+.&]?[ \t]{0,9}[\"']|"
    rb"[\"'](?:[ \t]{0,9}[+.&][ \t]{0,9})?[\"']"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedText:
    """A reading of a text: `text[i]` stands at `at[i]` of the original."""

    text: str
    at: Sequence[int]
    # Where the original goes on behind each character, when some stand for several.
    behind: Sequence[int] | None = None

    def start(self, place: int) -> int:
        """Returns the place in the original of the character at `place`."""
        return self.at[place]

    def end(self, place: int) -> int:
        """Returns the place in the original behind the character before `place`.

        So nothing that was dropped after that character is masked.
        """
        if not place:
            return 0
        return self.behind[place - 1] if self.behind else self.at[place - 1] + 1


def folded(text: str) -> MappedText:
    """Returns the usual reading: nothing invisible; full-width forms, digits, dashes and quotes
    plain.
    """
    return _with_plain_forms(without_marks(text))


def without_marks(text: str) -> MappedText:
    """Returns `text` without what shows nothing, every other character as it stands.

    Marks on letters are dropped: those of no script anywhere, those of another script behind an
    ASCII character, which no language writes.
    """
    odd = {c for c in set(text) if c in INVISIBLE or unicodedata.category(c) in ("Mn", "Me")}
    if not odd:
        return MappedText(text=text, at=range(len(text)))
    at = [i for i, kept in enumerate(_is_read(text, odd)) if kept]
    return MappedText(text="".join(text[i] for i in at), at=at)


def _with_plain_forms(mapped: MappedText) -> MappedText:
    return replace(mapped, text=mapped.text.translate(plain_forms()))


def _is_read(text: str, odd: set[str]) -> Iterator[bool]:
    """Yields for each character whether it is read."""
    last = ""
    for char in text:
        kept = char not in odd or not (char in INVISIBLE or char in MARKS or ("!" <= last <= "~"))
        last = char if kept else last
        yield kept


def look_alike_readings(mapped: MappedText) -> Iterator[MappedText]:
    """Yields readings in which the letters that pass for ASCII ones are ASCII, likeliest first.

    `mapped` is a text without marks or one with decoded escapes, for a digit of another script may
    pass for a letter. Only what mixes such letters with ASCII characters is read so, so that an
    honest text in another script has no such reading: words of letters, and runs that may hold a
    token. A character that passes for several, as Ι for I and l, gives several readings; nothing
    else makes more than one.
    """
    if mapped.text.isascii() or look_alikes().isdisjoint(mapped.text):
        return
    parts = [match.span() for match in RUN.finditer(mapped.text) if _is_mixed_run(match.group())]
    parts += [match.span() for match in WORD.finditer(mapped.text) if _is_mixed_word(match.group())]
    place = 0
    while parts:
        yield _read_as_ascii(mapped, sorted(parts), place)
        place += 1
        parts = [part for part in parts if _has_reading(mapped.text[slice(*part)], place)]


def _is_mixed_run(run: str) -> bool:
    if len(run) < MIN_RUN_CHARACTERS or run.isascii() or not TOKEN_LIKE.search(run):
        return False
    return not look_alikes().isdisjoint(run)


def _is_mixed_word(word: str) -> bool:
    """Does the word have letters of two scripts, as pаssword with a Cyrillic а?"""
    return not (word.isascii() or other_script_letters().isdisjoint(word)) and any(
        c.isascii() for c in word
    )


def _has_reading(part: str, place: int) -> bool:
    return any(len(ascii_readings().get(char, "")) > place for char in set(part))


def _read_as_ascii(mapped: MappedText, parts: list[tuple[int, int]], place: int) -> MappedText:
    """Returns `parts` read by their candidate number `place`, with the text that lies near them.

    A ligature becomes its letters.
    """
    start = mapped.text.rfind(" ", 0, max(0, parts[0][0] - CONTEXT_CHARACTERS)) + 1
    stop = mapped.text.find(" ", max(end for _, end in parts) + CONTEXT_CHARACTERS)
    stop = len(mapped.text) if stop < 0 else stop
    read: list[str] = []
    done = start
    for low, high in parts:
        read += [
            mapped.text[done:low],
            mapped.text[max(low, done) : high].translate(reading_table(place)),
        ]
        done = max(done, high)
    near = MappedText(
        text="".join([*read, mapped.text[done:stop]]),
        at=mapped.at[start:stop],
        behind=mapped.behind and mapped.behind[start:stop],
    )
    return _with_plain_forms(_without_ligatures(near))


def _without_ligatures(mapped: MappedText) -> MappedText:
    """Returns the text with each ligature as its letters, which stand for one character."""
    if ligatures().keys().isdisjoint(mapped.text):
        return mapped
    read = [ligatures().get(char, char) for char in mapped.text]
    kept = [i for i, letters in enumerate(read) for _ in letters]
    return MappedText(
        text="".join(read),
        at=[mapped.at[i] for i in kept],
        behind=[mapped.end(i + 1) for i in kept],
    )


def to_latin1(text: str) -> bytes:
    """Returns one byte a character, so that a match in bytes is a match in characters."""
    return text.encode("latin-1", "replace")


def lowered(text: str) -> str:
    """Returns the text in lower case and bare letters, still one character for each."""
    return text.translate(bare_letters()).lower()


def find_words(regex: Any, text: str) -> Iterator[tuple[int, int]]:
    """Yields the matches of a bytes pattern in any script, as places of characters, in one pass."""
    encoded = text.encode()
    place = seen = 0
    for match in regex.finditer(encoded):
        start, end = match.span()
        place += len(encoded[seen:start].decode())
        length = len(encoded[start:end].decode())
        yield place, place + length
        place, seen = place + length, end


def without_gaps(mapped: MappedText) -> MappedText:
    """Returns the text without spaces, soft breaks, quote marks, tags and escaping backslashes."""
    raw = to_latin1(mapped.text)
    dropped = bytearray(len(raw))
    for pattern in (QUOTE_MARKER, SOFT_BREAK, TAG, JOINT):
        for match in pattern.finditer(raw):
            start, end = match.span()
            dropped[start:end] = b"\1" * (end - start)
    spaces = b" \t\\*" + LINE_BREAKS.encode("latin-1", "ignore")
    kept = [i for i, b in enumerate(raw) if not dropped[i] and b not in spaces]
    return MappedText(
        text="".join(mapped.text[i] for i in kept).translate(reading_table()), at=kept
    )
