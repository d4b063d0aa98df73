"""Finds where a person is named, in texts and in raw mails, and erases the names from a text.

A raw mail is searched as bytes and not parsed, so that no hostile mail can stall the search and
names in an attached mail or a text file are found too. Compressed attachments (archives, most
office files, PDF) are not opened.
"""

import binascii
import json
import quopri
from collections.abc import Iterator, Sequence

import re2

ERASED = "[erased]"
MIN_CHARACTERS = 5  # of a name; a shorter one would be found in every other text
MAX_NESTING = 3  # levels of Base64 within Base64, as in a mail that is attached as a file
# A run of Base64 over any number of lines; 16 characters hold less than the shortest address.
BASE64_RUN = re2.compile(rb"[A-Za-z0-9+/]{16,}={0,2}(?:\r?\n[A-Za-z0-9+/]+={0,2})*")
ENCODED_WORD = re2.compile(rb"=\?[A-Za-z0-9_-]+\?([BbQq])\?([^?\s]*)\?=")
BETWEEN_WORDS = re2.compile(rb"\?=\s+=\?")
IN_LOCAL_PART = frozenset("._%+-")  # continue an address to the left: `x.ana@…` is another one


class Mentions:
    """A searcher for one person, by an e-mail address and other texts that name this person."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names; raise ValueError for one that is too short to be searched for."""
        self.names = tuple(dict.fromkeys(" ".join(name.split()) for name in names))
        for name in self.names:
            if len(name) < MIN_CHARACTERS:
                raise ValueError(f"{name!r} is too short to be searched for")
        written = tuple(dict.fromkeys(w for name in self.names for w in _written_forms(name)))
        forms = (r"\s+".join(map(re2.escape, form.split())) for form in written)
        self._pattern = re2.compile("(?i)" + "|".join(forms))
        # One word of each form, as Python finds a plain text much faster than any pattern.
        self._words = tuple({max(form.lower().split(), key=len) for form in written})

    def are_in(self, text: str) -> bool:
        """Return whether `text` names the person."""
        return next(self._spans(text), None) is not None

    def are_in_bytes(self, raw: bytes) -> bool:
        """Return whether a mail or another file names the person, in whatever encoding it uses."""
        return any(self.are_in(view) for view in _views(raw))

    def take_out(self, text: str) -> str:
        """Return `text` with ERASED in the place of each name; JSON text stays JSON."""
        parts, end = [], 0
        for start, stop in self._spans(text):
            parts.append(text[end:start])
            end = stop
        return ERASED.join([*parts, text[end:]])

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the start and end of each name that is no part of a longer address or word."""
        low = text.lower()
        if not any(word in low for word in self._words):
            return
        for found in self._pattern.finditer(text):
            start, stop = found.span()
            within = IN_LOCAL_PART if "@" in found.group() else frozenset()
            if not _goes_on(text[start - 1 : start], within) and not _ends_later(text[stop:][:2]):
                yield start, stop


def _goes_on(letter: str, within: frozenset[str]) -> bool:
    return letter.isalnum() or (letter != "" and letter in within)


def _ends_later(rest: str) -> bool:
    """Return whether the text behind a name continues its word or domain.

    A full stop continues it only before a letter or digit; else it ends a sentence.
    """
    return rest[:1].isalnum() or (rest[:1] in {"-", "."} and rest[1:].isalnum())


def _written_forms(name: str) -> Iterator[str]:
    """Yield the spellings of a name, also as JSON escapes them."""
    for each in _spellings(name):
        yield each
        for written in (each, each.lower(), each.upper(), each.title()):
            if not written.isascii():
                yield json.dumps(written)[1:-1]


def _spellings(name: str) -> Iterator[str]:
    """Yield a name; for an address with an international domain also its other form (IDNA)."""
    yield name
    local, at, domain = name.rpartition("@")
    try:
        if at and not domain.isascii():
            yield f"{local}@{domain.encode('idna').decode()}"
        elif at and "xn--" in domain.lower():
            yield f"{local}@{domain.encode().decode('idna')}"
    except UnicodeError:
        return


def _views(raw: bytes, nesting: int = MAX_NESTING) -> Iterator[str]:
    """Yield the decoded texts of a mail or file, one for each encoding that may be used in it."""
    yield from _decoded(raw)
    if b"=" in raw:
        yield from _decoded(quopri.decodestring(raw))
    if b"=?" in raw:
        yield from _decoded(ENCODED_WORD.sub(_word, BETWEEN_WORDS.sub(b"?==?", raw)))
    if not nesting:
        return
    for run in BASE64_RUN.findall(raw):
        letters = b"".join(run.split())
        try:
            inside = binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
        except binascii.Error:
            continue
        yield from _views(inside, nesting - 1)


def _decoded(raw: bytes) -> Iterator[str]:
    text = raw.decode("utf-8", "replace")
    yield text
    if "\ufffd" in text:
        yield raw.decode("latin-1")


def _word(found: "re2._Match[bytes]") -> bytes:
    """Return the bytes that an encoded word of RFC 2047 stands for."""
    kind, text = found.group(1).upper(), found.group(2)
    if kind == b"Q":
        return quopri.decodestring(text.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        return b""
