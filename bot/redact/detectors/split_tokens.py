"""Finds tokens that a mail program, a page or a person has split into pieces.

A token is searched in the text without gaps (squeezed), and then followed in the original, piece by
piece: the next piece belongs to it if it looks random too, so that text behind a key is kept.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import re2

from bot.redact.format_checks import count_case_changes, looks_random
from bot.redact.normalize import MappedText, to_latin1, without_gaps
from bot.redact.patterns import SecretFormat, SecretMatch, prefixed_formats
from bot.redact.word_lists import word_list

# Gaps that always join two pieces of a token: a soft break, an inline tag, joined string constants.
JOINT = re2.compile(
    rb"[ \t]*=|\\$|\*+$|[\"'].*[+.&\\].*[\"']$|"
    rb"(?:</?(?i:b|i|u|em|strong|span|font|a|code|mark|wbr)\b[^<>]*>|<!--[^<>]*-->)+$"
)
# Least length of a token with gaps.
MIN_TOKEN_CHARACTERS = 20
# Pieces of equal length from which on this is no coincidence.
MIN_EVEN_PIECES = 3
# Most characters of a piece that is too short to look random or not.
MAX_SHORT_PIECE = 3
# Most pieces of one token that are followed.
MAX_PIECES = 300
# Characters of the prefix of a token, which may have gaps too: "sk - proj - …".
MAX_PREFIX_CHARACTERS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _SqueezedText:
    """A text and the same without its gaps, both with one byte for each character."""

    raw: bytes
    squeezed: bytes
    at: Sequence[int]  # offset in `raw` of each byte of `squeezed`

    def text(self, span: tuple[int, int]) -> str:
        """Return a stretch of the squeezed text."""
        return self.squeezed[slice(*span)].decode("latin-1")

    def gap_before(self, position: int) -> bytes:
        """Return the gap in the original before a place of the squeezed text."""
        return self.raw[self.at[position - 1] + 1 : self.at[position]] if position else b""

    def is_cut(self, position: int) -> bool:
        """Return whether the word in the original continues behind the place."""
        behind = self.at[position - 1] + 1
        return self.raw[behind : behind + 1].isalnum()


def find_split_tokens(mapped: MappedText, plain: list[SecretMatch]) -> Iterator[SecretMatch]:
    """Yield tokens with gaps inside; `plain` is what was found without squeezing."""
    raw = to_latin1(mapped.text)
    squeezed = without_gaps(MappedText(text=mapped.text, at=range(len(mapped.text))))
    tight = _SqueezedText(raw=raw, squeezed=to_latin1(squeezed.text), at=squeezed.at)
    taken = sorted({match.start: match.end for match in plain}.items())
    for secret_format in prefixed_formats():
        for match in secret_format.regex.finditer(tight.squeezed):
            span = _follow_token(secret_format, tight, *match.span())
            if span and _is_new(taken, *span):
                yield SecretMatch(secret_format.kind, *span)


def _is_new(taken: list[tuple[int, int]], low: int, high: int) -> bool:
    """Return whether the span is longer than one found before, without overlapping the next one."""
    position = bisect_left(taken, (low, 0))
    if position < len(taken) and taken[position][0] == low:
        return taken[position][1] < high and (
            position + 1 == len(taken) or taken[position + 1][0] >= high
        )
    return position == len(taken) or taken[position][0] >= high


def _follow_token(
    secret_format: SecretFormat, tight: _SqueezedText, start: int, end: int
) -> tuple[int, int] | None:
    """Return the span of the token in the original; None if it is only squeezed prose."""
    first = tight.at[start]
    if tight.raw[max(0, first - 1) : first].isalnum():
        return None
    stop = _end_of_token(tight, list(islice(_find_pieces(tight, start, end), MAX_PIECES + 1)))
    if stop - start < MIN_TOKEN_CHARACTERS:
        return None
    whole = secret_format.regex.match(tight.squeezed, start, stop)
    if not whole or not looks_random(tight.text(whole.span())):
        return None
    return first, tight.at[whole.end() - 1] + 1


def _find_pieces(tight: _SqueezedText, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of squeezed text without gaps; a single dash belongs to the next one."""
    low = start
    for index in range(start + 1, end):
        parted = tight.at[index] != tight.at[index - 1] + 1
        if parted and tight.squeezed[low:index] not in (b"-", b"_"):
            yield low, index
            low = index
    yield low, end


def _end_of_token(tight: _SqueezedText, pieces: list[tuple[int, int]]) -> int:
    """Return the end of the last piece that belongs to the token."""
    longest = 0
    for count, (low, high) in enumerate(pieces[:MAX_PIECES]):
        in_head = high - pieces[0][0] <= MAX_PREFIX_CHARACTERS
        if count and not in_head and not _is_regular(tight, pieces[: count + 2], count, longest):
            cut = tight.is_cut(high)
            if not _belongs_to_token(
                tight.text((low, high)), tight.gap_before(low), longest, cut=cut
            ):
                return low
        longest = max(longest, len(tight.squeezed[low:high].strip(b"-_.")))
    return pieces[:MAX_PIECES][-1][1]


def _is_regular(
    tight: _SqueezedText, pieces: list[tuple[int, int]], count: int, longest: int
) -> bool:
    """Return whether the piece is one of a token that was cut into pieces of equal length.

    Then the next piece has that length too or looks random, and the last one is shorter.
    """
    low, high = pieces[count]
    unspeakable = _is_unspeakable(tight.text((low, high)))
    if high - low == longest:
        behind = [tight.text(span) for span in pieces[count + 1 :]]
        return unspeakable or any(len(text) == longest or _looks_random(text) for text in behind)
    even = count >= MIN_EVEN_PIECES and all(b - a == longest for a, b in pieces[1:count])
    return even and high - low < longest and not _is_grammar_word(tight.text((low, high)))


def _is_grammar_word(piece: str) -> bool:
    word = piece.lower()
    if len(piece) == 1 and piece.isupper() and piece not in "AI":
        return False
    return word in word_list("stop_words") or word in word_list("conjunctions")


def _is_unspeakable(piece: str) -> bool:
    return piece.isupper() or not set(piece.lower()) & set("aeiouy")


def _belongs_to_token(piece: str, gap: bytes, longest: int, *, cut: bool) -> bool:
    if JOINT.match(gap):
        return True
    if cut and piece.isalpha() and piece[1:].islower():
        return False
    if longest <= MAX_SHORT_PIECE and len(piece) <= longest:
        return True
    if (
        b"\n" not in gap
        and longest >= 2 * MIN_TOKEN_CHARACTERS
        and len(piece) < MIN_TOKEN_CHARACTERS // 2
    ):
        return (
            any(map(str.isdigit, piece))
            and any(map(str.isupper, piece))
            and any(map(str.islower, piece))
        )
    return _looks_random(piece) or (len(piece) == longest and not piece.isalpha())


def _looks_random(piece: str) -> bool:
    """Return whether the piece has letters and digits, inner changes of case, or inner dashes."""
    letters = sum(c.isalpha() for c in piece)
    digits = sum(c.isdigit() for c in piece)
    capital = piece[:1].isupper() and piece[1:].islower()
    if digits and letters:
        return True
    if piece.isdigit():
        return len(piece) > MAX_SHORT_PIECE
    return (count_case_changes(piece) >= 1 and not capital) or (
        ("-" in piece or "_" in piece) and len(piece) < MIN_TOKEN_CHARACTERS
    )
