"""Readings of a text in which a disguised secret shows, each with the way back to the original.

A view holds one character for each character that it kept, so a place in a view is a place in the
original by one look-up, and never more than that: no diffing, no search.
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
    bare_letters,
    candidates,
    letters_for,
    ligatures,
    look_alikes,
    plain_forms,
    scripted,
)

RUN = re.compile(r"\S+")
WORD = re.compile(r"[^\W_]+")
LEAST_RUN = 5  # characters of a run that may hold a part of a token
# A token holds figures, letters that change case, or marks: a word with an umlaut does not.
AROUND = 120  # characters beside such a run in which its word may stand
DRAWN = re.compile(r"[0-9=/_:]|[a-z][A-Z]")
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
class View:
    """`text[i]` stands at `at[i]` of the original."""

    text: str
    at: Sequence[int]
    behind: Sequence[int] | None = None  # where the original goes on, when some stand for several

    def start(self, place: int) -> int:
        return self.at[place]

    def end(self, place: int) -> int:
        """Behind the character before `place`, so that nothing dropped after it is masked."""
        if not place:
            return 0
        return self.behind[place - 1] if self.behind else self.at[place - 1] + 1


def folded(text: str) -> View:
    """What is read: nothing invisible; full-width forms, digits, dashes and quotes made plain."""
    return _plain(shown(text))


def shown(text: str) -> View:
    """`text` without what shows nothing, every other character as it stands.

    Marks on letters are dropped: those of no script anywhere, those of another script behind an
    ASCII character, which no language writes.
    """
    odd = {c for c in set(text) if c in INVISIBLE or unicodedata.category(c) in ("Mn", "Me")}
    if not odd:
        return View(text=text, at=range(len(text)))
    at = [i for i, kept in enumerate(_kept(text, odd)) if kept]
    return View(text="".join(text[i] for i in at), at=at)


def _plain(view: View) -> View:
    return replace(view, text=view.text.translate(plain_forms()))


def _kept(text: str, odd: set[str]) -> Iterator[bool]:
    """Is each character read?"""
    last = ""
    for char in text:
        kept = char not in odd or not (char in INVISIBLE or char in MARKS or ("!" <= last <= "~"))
        last = char if kept else last
        yield kept


def look_alike_readings(view: View) -> Iterator[View]:
    """Folded views with the letters that pass for ASCII ones read as such, likeliest first.

    `view` is a shown or an unescaped one, for a digit of another script may pass for a letter.
    Only what mixes them with ASCII characters is read so, so that an honest text in another script
    has no such reading: words of letters, and runs that may hold a token. A character that passes
    for several, as Ι for I and l, gives several readings; nothing else makes more than one.
    """
    if view.text.isascii() or look_alikes().isdisjoint(view.text):
        return
    parts = [match.span() for match in RUN.finditer(view.text) if _is_mixed_run(match.group())]
    parts += [match.span() for match in WORD.finditer(view.text) if _is_mixed_word(match.group())]
    place = 0
    while parts:
        yield _read_as_ascii(view, sorted(parts), place)
        place += 1
        parts = [part for part in parts if _has_reading(view.text[slice(*part)], place)]


def _is_mixed_run(run: str) -> bool:
    if len(run) < LEAST_RUN or run.isascii() or not DRAWN.search(run):
        return False
    return not look_alikes().isdisjoint(run)


def _is_mixed_word(word: str) -> bool:
    """Letters of two scripts in one word: pаssword with a Cyrillic а."""
    return not (word.isascii() or scripted().isdisjoint(word)) and any(c.isascii() for c in word)


def _has_reading(part: str, place: int) -> bool:
    return any(len(candidates().get(char, "")) > place for char in set(part))


def _read_as_ascii(view: View, parts: list[tuple[int, int]], place: int) -> View:
    """`parts` read by their candidate number `place`, and no more of the text than lies near them.

    A ligature becomes its letters.
    """
    start = view.text.rfind(" ", 0, max(0, parts[0][0] - AROUND)) + 1
    stop = view.text.find(" ", max(end for _, end in parts) + AROUND)
    stop = len(view.text) if stop < 0 else stop
    read: list[str] = []
    done = start
    for low, high in parts:
        read += [
            view.text[done:low],
            view.text[max(low, done) : high].translate(letters_for(place)),
        ]
        done = max(done, high)
    near = View(
        text="".join([*read, view.text[done:stop]]),
        at=view.at[start:stop],
        behind=view.behind and view.behind[start:stop],
    )
    return _plain(_without_ligatures(near))


def _without_ligatures(view: View) -> View:
    """Each ligature as its letters, which stand for one character of the original."""
    if ligatures().keys().isdisjoint(view.text):
        return view
    read = [ligatures().get(char, char) for char in view.text]
    kept = [i for i, letters in enumerate(read) for _ in letters]
    return View(
        text="".join(read),
        at=[view.at[i] for i in kept],
        behind=[view.end(i + 1) for i in kept],
    )


def latin(text: str) -> bytes:
    """One byte a character, so that a match in bytes is a match in characters."""
    return text.encode("latin-1", "replace")


def lowered(text: str) -> str:
    """Lower case and bare letters, still one character for each."""
    return text.translate(bare_letters()).lower()


def found_words(regex: Any, text: str) -> Iterator[tuple[int, int]]:
    """Matches of a bytes pattern in any script, as characters; one pass over the text."""
    encoded = text.encode()
    place = seen = 0
    for match in regex.finditer(encoded):
        start, end = match.span()
        place += len(encoded[seen:start].decode())
        length = len(encoded[start:end].decode())
        yield place, place + length
        place, seen = place + length, end


def squeezed(view: View) -> View:
    """Without spaces, soft line breaks, marks of quoted lines, tags and escaping backslashes."""
    raw = latin(view.text)
    dropped = bytearray(len(raw))
    for pattern in (QUOTE_MARKER, SOFT_BREAK, TAG, JOINT):
        for match in pattern.finditer(raw):
            start, end = match.span()
            dropped[start:end] = b"\1" * (end - start)
    spaces = b" \t\\*" + LINE_BREAKS.encode("latin-1", "ignore")
    kept = [i for i, b in enumerate(raw) if not dropped[i] and b not in spaces]
    return View(text="".join(view.text[i] for i in kept).translate(letters_for()), at=kept)
