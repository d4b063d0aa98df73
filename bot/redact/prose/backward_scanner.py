""" "… is my password", "… als Passwort": values that come before their word."""

from collections.abc import Iterator
from dataclasses import replace

from bot.redact.lexicon import words
from bot.redact.normalize import lowered
from bot.redact.prose.candidates import Candidate, Place
from bot.redact.prose.classifier import quoted_fits, value_fits
from bot.redact.prose.keywords import Keyword
from bot.redact.prose.tokenizer import JOINED_RUN, Token, TokenShape, pieces
from bot.redact.prose.values import joined_numbers, widened

ALTERNATIVE = 2  # pieces back from a value to the one before "or"
CLOSE = 3  # words from a copula to its cue: "… is my old bank password"
REACH, LONGEST = 60, 180  # characters read before a cue, to the start of a value
ENDS = frozenset(".?!…")
QUOTES = frozenset("\"'")


def values_before(text: str, cue: Keyword, previous: int) -> Iterator[tuple[int, int]]:
    """The nearest value before `cue`, in its sentence; no further back than `previous`."""
    row = _row_before(text, cue, previous)
    if row and (
        lowered(row[-1].text) in words("poor")
        or any(lowered(piece.text) in words("generally") for piece in row)
    ):
        return  # "… is a bad password", "people use …" speak of passwords as such
    place = Place(before_cue=True)
    for index in range(len(row) - 1, -1, -1):
        piece = row[index]
        if _parts(piece, last=index == len(row) - 1):
            return
        if place.words <= CLOSE and not place.loose and _binds(piece):
            place = replace(place, bound=True)
            continue
        if piece.text and (
            value_fits(Candidate(cue=cue, place=place, row=row, index=index))
            or _in_quotes(cue, place, piece)
        ):
            yield widened(text, piece, piece.end, bound=False)
            if other := _alternative(row, index):
                yield widened(text, other, other.end, bound=False)
            return
        apart = place.bound and bool({",", ";"} & set(piece.trail))  # "…, is my password safe"
        place = replace(place, bound=False, words=place.words + 1, loose=place.loose or apart)


def _alternative(row: list[Token], index: int) -> Token | None:
    """The first of "Sparrow1 or Sparrow2"."""
    if index < ALTERNATIVE or lowered(row[index - 1].text) not in words("alternatives"):
        return None
    other = row[index - ALTERNATIVE]
    return other if other.shape is TokenShape.STRONG else None


def _in_quotes(cue: Keyword, place: Place, piece: Token) -> bool:
    """I used "ilovecats" as my password."""
    quoted = bool(QUOTES & set(piece.lead[-1:])) and piece.trail[:1] == piece.lead[-1:]
    return quoted and place.bound and quoted_fits(cue, place, piece.text)


def _row_before(text: str, cue: Keyword, previous: int) -> list[Token]:
    start = max(previous, cue.start - REACH)
    while start > previous and "!" <= text[start - 1] <= "~" and cue.start - start < LONGEST:
        start -= 1
    return joined_numbers([p for p in pieces(text, start, cue.start) if p.end <= cue.start], text)


def _parts(piece: Token, *, last: bool) -> bool:
    """Another sentence, another line, or a heading."""
    ended = ENDS & set(piece.trail) or "\n" in piece.lead
    return bool(ended and not last) or (":" in piece.trail and piece.shape is not TokenShape.STRONG)


def _binds(piece: Token) -> bool:
    if JOINED_RUN.match(piece.text):
        return any(char in piece.text for char in words("cjk_copulas"))
    return lowered(piece.text) in words("back_copulas")
