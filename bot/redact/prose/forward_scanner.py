"""Values behind their word: the text is read on from it, keeping account of what binds the two."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bot.redact.lexicon import is_copula, words
from bot.redact.normalize import lowered
from bot.redact.prose.candidates import Candidate, Place
from bot.redact.prose.classifier import quoted_fits, value_fits
from bot.redact.prose.keywords import Keyword, SecretRole
from bot.redact.prose.tokenizer import JOINED_RUN, Token, TokenShape, pieces, shape
from bot.redact.prose.values import joined_letters, joined_numbers, widened
from bot.redact.prose.word_passwords import words_fit

REACH, LONG_REACH = 90, 600  # characters read behind a cue; recovery codes come in lists
LINES, LONG_LINES = 2, 10
MOST_WORDS = 14
MARK_WORDS = 6  # "the password of the account that we share:"
DASH_WORDS = 3  # "the password for it - …"
LONGEST_QUOTE = 64
LONGEST_AS = 8  # "als Passwort …"
ENDS = frozenset(".?!…")
QUOTES = frozenset("\"'")
NUMBERING = re.compile(r"\d{1,2}[.)]+$")
PAIR = re.compile(r"([A-Za-z_.-]{2,32}[:=])([^/\s]\S*)$")  # root:secret


def values_behind(text: str, cue: Keyword, following: int) -> Iterator[tuple[int, int]]:
    """Each value that belongs to `cue`; `following` is where the next cue begins."""
    used_as = lowered(text[: cue.start][-LONGEST_AS:]).split()[-1:]
    place = Place(bound=bool(used_as) and used_as[0] in words("as_words"))
    reader = _Reader(text=text, cue=cue, following=following, place=place)
    end = min(following + 1, len(text), cue.end + (LONG_REACH if reader.listed else REACH))
    tokens = list(pieces(text, _end_of_name(text, cue.end), end))
    row = joined_numbers(joined_letters(tokens, text), text)
    for index, piece in enumerate(row):
        if piece.start < reader.taken_to:
            continue
        if reader.is_over(piece):
            return
        if span := reader.read(row, index):
            yield span


def _end_of_name(text: str, end: int) -> int:
    """password_confirmation: the name goes on behind the cue."""
    if text[end : end + 1] != "_":
        return end
    stop = min(len(text), end + REACH)
    while end < stop and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return end


@dataclass(slots=True, kw_only=True)
class _Reader:
    text: str
    cue: Keyword
    following: int
    place: Place = field(default_factory=Place)
    taken_to: int = 0

    @property
    def listed(self) -> bool:
        return self.cue.role is SecretRole.RECOVERY

    def is_over(self, piece: Token) -> bool:
        place = self.place
        lines = LONG_LINES if self.listed else LINES
        if place.words > MOST_WORDS or place.sentences > 1 or place.lines > lines:
            return True
        if self.following >= piece.end:
            return False
        holds_cue = piece.start <= self.following and piece.shape is TokenShape.STRONG
        return not (place.bound and holds_cue)

    def read(self, row: list[Token], index: int) -> tuple[int, int] | None:
        piece = row[index]
        self._meet(piece.lead)
        span = self._quoted(piece) if QUOTES & set(piece.lead) else None
        if span:
            return span
        if piece.text:
            span = self._judged(row, index)
        if piece.trail and not NUMBERING.match(piece.text + piece.trail):
            self._leave(piece.trail)
        return span

    def _meet(self, lead: str) -> None:
        """Marks before a piece: ":" and "=" bind, a line break binds what stands under the cue."""
        place = self.place
        if "\n" in lead:
            bound = place.sentences == 0 and (place.words == 0 or place.bound)
            marked = place.marked and bound
            self.place = replace(place, lines=place.lines + 1, bound=bound, marked=marked)
        elif ":" in lead or "=" in lead or lead.endswith(">"):
            self.place = replace(place, bound=True, marked=True)
        elif lead in ("-", "--"):
            self.place = replace(place, bound=place.words <= DASH_WORDS)

    def _leave(self, trail: str) -> None:
        """Marks behind a piece: some bind the next, the end of a sentence parts it."""
        place = self.place
        opens = trail.endswith((":", "=", ">")) and not trail.startswith((")", "]"))
        named = place.words <= MARK_WORDS and not place.sentences
        if named and (opens or trail.rstrip("\"')").endswith(":")):
            self.place = replace(place, bound=True, marked=True)
        elif ENDS & set(trail):
            self.place = replace(place, sentences=place.sentences + 1, bound=False, marked=False)
        elif "," in trail or ";" in trail:
            self.place = replace(place, loose=True)

    def _quoted(self, piece: Token) -> tuple[int, int] | None:
        quote = next(char for char in reversed(piece.lead) if char in QUOTES)
        start = piece.start - len(piece.lead) + piece.lead.rindex(quote) + 1
        end = self.text.find(quote, start, start + LONGEST_QUOTE)
        if end <= start or "\n" in self.text[start:end]:
            return None
        if not quoted_fits(self.cue, self.place, self.text[start:end]):
            return None
        self._took(end)
        return start, end

    def _judged(self, row: list[Token], index: int) -> tuple[int, int] | None:
        piece, word = row[index], lowered(row[index].text)
        if self._binds(piece, word):
            return None
        if not self.place.bound or self.cue.role is SecretRole.LOGIN:
            row = self._without_name(row, index)
        piece, bound = row[index], self.place.bound
        at = Candidate(cue=self.cue, place=self.place, row=row, index=index)
        end = piece.end if value_fits(at) else 0
        if not end or self.cue.role is SecretRole.ANSWER:
            end = max(end, words_fit(at))
        if not end:
            self._pass_by(piece, word)
            return None
        span = widened(self.text, piece, end, bound=bound)
        self._took(span[1])
        return span

    def _without_name(self, row: list[Token], index: int) -> list[Token]:
        """The value of root:secret, bound to its name."""
        piece = row[index]
        pair = PAIR.match(piece.text)
        if not pair or piece.shape is TokenShape.NEVER:
            return row
        self.place = replace(self.place, bound=True, marked=True, identified=True)
        start, text = piece.start + len(pair.group(1)), pair.group(2)
        value = Token(text=text, start=start, shape=shape(text), lead=":", trail=piece.trail)
        return [*row[:index], value, *row[index + 1 :]]

    def _binds(self, piece: Token, word: str) -> bool:
        """A copula, or a word that may stand between it and the value."""
        place = self.place
        if JOINED_RUN.match(piece.text):
            self._meet_joined(piece.text)
            return True
        if not place.marked and is_copula(piece.word, word, self.cue.language):
            self.place = replace(place, bound=True, marked=False)
            return True
        if piece.start == self.cue.end and piece.text.isalpha():
            return True  # the ending of an inflected cue
        return place.bound and word in words("fillers")

    def _meet_joined(self, text: str) -> None:
        """Scripts without gaps: a particle anywhere in the run binds."""
        self.place = replace(
            self.place,
            bound="。" not in text and any(char in text for char in words("cjk_copulas")),
            marked=False,
            words=self.place.words + 1,
            sentences=self.place.sentences + ("。" in text),
        )

    def _pass_by(self, piece: Token, word: str) -> None:
        place = self.place
        named = piece.shape is not TokenShape.WORD or place.bound or place.words == 0
        relative = place.relative or (place.words == 0 and word in words("relatives"))
        self.place = replace(
            place,
            bound=False,
            marked=False,
            words=place.words + 1,
            before=word,
            identified=place.identified or named,
            relative=relative,
            loose=place.loose or (not relative and word in words("turns")),
        )

    def _took(self, end: int) -> None:
        self.taken_to = end
        taken = self.place.taken + 1
        self.place = replace(
            self.place, bound=False, marked=False, taken=taken, before="", sentences=0
        )
