"""Finds the desk's own reply in what somebody sends back, however it is quoted.

A reply comes back with quote marks or without, wrapped at another width, out of a table or a ticket
system. Its sentences are compared by their letters alone, so none of that matters.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Self

import re2

from bot.text.unicode import without_surrogates

# Letters of a sentence that nobody writes by chance.
MIN_SENTENCE_WEIGHT = 24
# Letters from here on stand for syllables or words, and so many Latin letters.
FIRST_WIDE_LETTER, WIDE_LETTER_WEIGHT = "\u2e80", 3
# Sentences in a row that are a quotation even in the middle of a line.
MIN_QUOTED_SENTENCES = 3
# Letters of a paragraph that is pasted, not quoted in passing.
MIN_PASTED_LETTERS = 100
# Letters between two sentences of ours that are looked at.
MAX_GAP_LETTERS = 320
# Letters before or after a sentence of ours in which a greeting or label is looked for.
MAX_LABEL_DISTANCE = 80
# Characters of a text that is searched; a longer one is left as it is.
MAX_CHARACTERS = 300_000
# Lines of copied headers above a quotation.
MAX_HEADER_LINES = 14
# Words of an attribution by name alone: "Incident Desk said:".
MAX_SHORT_ATTRIBUTION = 8
# Characters that are remembered: more than any script in daily use has. All that exist would take
# 126 MB, and a few mails can hold them.
MOST_LETTERS = 2**14
QUOTE_MARKS = re2.compile(r"(?m)^[ \t]*(?:(?:[>|]|[A-Z]{1,3}>)[ \t]*)+")
LINK = re2.compile(r"(?:https?://|www\.|mailto:)[^\s<>\"]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
SENTENCE = re2.compile(r"[.!?:。！？：؟।]+(?:\s+|$)|[。！？।؟]|\n")
ASKING = re2.compile(r"[?？؟]|(?:か|吗|嗎|까요?|나요)[。.]?\s*$")
HEADER = re2.compile(r"^\W{0,4}\pL[\pL\pM .'’()\-]{0,30}?\W{0,3}[:：|]\s*\S")
DATED = re2.compile(
    r"\d{1,2}[:.h時时]\s?\d{2}|\b(?:19|20)\d\d\b|\d{4}年|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
)
ADDRESS = re2.compile(r"[^\s<>\"]@[^\s<>\"]")
RULE_LINE = re2.compile(r"^\W{0,3}[-_=*—–#]{4,}")
EDGES = " \t\r>|*_-—–=#\u00a0\u200e\u200f\u202a\u202b\u202c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A run of our own sentences in a text, by its offsets."""

    start: int
    end: int
    replied: int = 0  # sentences that only a reply of ours has
    published: int = 0  # sentences of the post
    letters: int = 0
    whole: bool = False  # nothing else stands on its lines


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWords:
    """The letters of all sentences that a reply of ours may hold."""

    replies: tuple[str, ...] = ()  # of templates: nobody but us writes them
    published: tuple[str, ...] = ()  # of the post: an asker may quote one
    labels: tuple[str, ...] = ()  # greetings and labels, which go with a sentence beside them
    headings: tuple[str, ...] = ()  # over passages; an asker may use the same words
    fillers: tuple[str, ...] = ()  # what may stand between two sentences of ours
    links: tuple[str, ...] = ()  # links and addresses that a reply names

    @classmethod
    def of(
        cls, *, replies: Iterable[str], lines: Iterable[str], published: Iterable[str],
        labels: Iterable[str], headings: Iterable[str] = (),
    ) -> Self:  # fmt: skip
        """Builds them from templates, lines that a reply puts together, passages and labels.

        `lines` join a label and a title, `published` are passages of the post, `labels` are
        greetings and labels, and `headings` stand over passages.
        """
        replies, labels = list(replies), list(labels)
        ours = [*_sentence_letters(replies), *map(_letters, lines)]
        theirs = _sentence_letters(published)
        links = [_letters(link) for text in (*replies, *labels) for link in LINK.findall(text)]
        short = [p for p in (*ours, *theirs) if _weight(p) < MIN_SENTENCE_WEIGHT]
        return cls(
            replies=_longest_first(p for p in ours if _weight(p) >= MIN_SENTENCE_WEIGHT),
            published=_longest_first(p for p in theirs if _weight(p) >= MIN_SENTENCE_WEIGHT),
            labels=_longest_first(p for p in (*map(_letters, labels), *links) if p),
            headings=_longest_first(letters for h in headings if (letters := _letters(h))),
            fillers=_longest_first(short),
            links=_longest_first(links),
        )

    def without(self, text: str) -> str:
        """Returns `text` without our own sentences and the lines that introduce them.

        A sentence of the post that is quoted within somebody's own line stays: it says what is
        asked about. The result is empty when nothing but our own words was sent.
        """
        cuts = self.stretches(text)
        if not cuts:
            return text
        kept: list[str] = []
        last = 0
        for cut in cuts:
            before = text[last : cut.start]
            kept.append(_without_introduction(before) if cut.whole else before)
            last = cut.end
        kept.append(text[last:])
        lines = "\n".join(piece.strip("\n") for piece in kept).split("\n")
        remaining = "\n".join(
            line for line in lines if not line.strip() or _without_quote_marks(line).strip()
        )
        return remaining.strip() if any(c.isalnum() for c in remaining) else ""

    def holds(self, text: str) -> bool:
        """Is `text` nothing but our own words?"""
        letters = _letters(text)
        return bool(letters) and bool(_matcher(self).between.fullmatch(letters))

    def stretches(self, text: str) -> list[Stretch]:
        """Returns the runs of our own sentences that are a quotation, in order."""
        if not self.replies or len(text) > MAX_CHARACTERS:
            return []
        readable = without_surrogates(text)
        quotations = [
            s
            for s in _find_runs(self, readable)
            if s.whole or s.replied + s.published >= MIN_QUOTED_SENTENCES
        ]
        replied = any(s.replied for s in quotations)
        if replied:
            return quotations
        pasted = [s for s in quotations if s.published > 1 or s.letters >= MIN_PASTED_LETTERS]
        remaining = "".join(_text_between(readable, pasted))
        return pasted if ASKING.search(remaining) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matcher:
    """The patterns of some own words, over letters alone."""

    replies: re2._Regexp
    sentences: re2._Regexp
    between: re2._Regexp
    before: re2._Regexp
    after: re2._Regexp


@lru_cache(maxsize=4)
def _matcher(own: OwnWords) -> _Matcher:
    options = re2.Options()
    options.max_mem = 256 << 20
    replies, published, labels = map(_any_of, (own.replies, own.published, own.labels))
    filler, headings = _any_of((*own.labels, *own.headings, *own.fillers)), _any_of(own.headings)
    return _Matcher(
        replies=re2.compile(replies, options),
        sentences=re2.compile(f"{replies}|{published}", options),
        between=re2.compile(f"(?:{filler}|{replies}|{published}|\\d)*", options),
        # No heading stands above the greeting: there it is the asker's own question.
        before=re2.compile(f"(?:(?:{labels}|\\d)+|(?:{headings}|\\d)+)$", options),
        after=re2.compile(f"^(?:{filler}|\\d)+", options),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _LocatedLetters:
    """The letters of a text, without quote marks and links, and where each of them stands."""

    text: str
    letters: str
    places: list[int]


def _find_runs(own: OwnWords, text: str) -> Iterator[Stretch]:
    """Yields our sentences with only fillers between them, widened to the lines that they fill."""
    matcher, read = _matcher(own), _locate_letters(text, own.links)
    run: Stretch | None = None  # its offsets count letters until it is widened
    for match in matcher.sentences.finditer(read.letters):
        start, end = match.span()
        gap = read.letters[run.end : start] if run else ""
        if run and (len(gap) > MAX_GAP_LETTERS or not matcher.between.fullmatch(gap)):
            yield _widen(read, matcher, run)
            run = None
        current = run or Stretch(start=start, end=end)
        replied = bool(matcher.replies.fullmatch(match.group()))
        run = replace(
            current,
            end=end,
            replied=current.replied + replied,
            published=current.published + (not replied),
        )
    if run:
        yield _widen(read, matcher, run)


def _widen(read: _LocatedLetters, matcher: _Matcher, run: Stretch) -> Stretch:
    """Returns the run with the labels beside it and the rest of its lines, where that says
    nothing.
    """
    text, letters, places = read.text, read.letters, read.places
    first, last = run.start, run.end
    if label := matcher.before.search(letters[max(0, first - MAX_LABEL_DISTANCE) : first]):
        begin = first - len(label.group())
        first = begin if _is_line_start(text, places[begin]) else first
    if more := matcher.after.match(letters[last : last + MAX_LABEL_DISTANCE]):
        last += len(more.group())
    start, end = places[first], places[last - 1] + 1
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    whole = not _letters(_without_marks_and_links(text[line_start:start])) and not _letters(
        _without_marks_and_links(text[end:line_end])
    )
    return replace(
        run, start=line_start if whole else start, end=line_end if whole else end,
        letters=last - first, whole=whole,
    )  # fmt: skip


def _is_line_start(text: str, place: int) -> bool:
    return not _letters(_without_marks_and_links(text[text.rfind("\n", 0, place) + 1 : place]))


def _without_introduction(text: str) -> str:
    """Returns `text` without the attribution or the copied headers at its end, in any language."""
    lines = text.rstrip(EDGES + "\n").split("\n")
    end = len(lines)
    block = _count_header_lines(lines)
    if block:
        end -= block
    elif _is_attribution(lines[end - 1]):
        end -= 1
    else:
        end -= _count_attribution_lines(lines)
    if end == len(lines):
        return text
    while end and (not lines[end - 1].strip(EDGES) or RULE_LINE.search(lines[end - 1])):
        end -= 1
    return "\n".join(lines[:end])


def _count_header_lines(lines: list[str]) -> int:
    """Counts lines at the end that are copied headers ("Word: value") with an address or a date."""
    named = 0
    for count, line in enumerate(reversed(lines[-MAX_HEADER_LINES:]), 1):
        bare = line.strip(EDGES)
        # A long value is wrapped: such lines count when one with a name stands above them.
        if not bare or RULE_LINE.search(line) or count - named > 3:
            break
        named = count if HEADER.search(bare) and not ASKING.search(bare) else named
    block = "\n".join(lines[-named:]) if named else ""
    return named if named > 1 and (ADDRESS.search(block) or DATED.search(block)) else 0


def _is_attribution(line: str) -> bool:
    """Does the line end in a colon and name somebody or a time, or is it short?"""
    bare = line.strip(EDGES)
    origin = [bool(ADDRESS.search(line)), bool(DATED.search(line))]
    if ASKING.search(bare):
        return False
    if bare.endswith((":", "：")):
        return any(origin) or len(bare.split()) <= MAX_SHORT_ATTRIBUTION
    return all(origin)


def _count_attribution_lines(lines: list[str]) -> int:
    """Counts the lines of an attribution over several lines, or of a ticket system's name and
    date.
    """
    for count in (2, 3, 4):
        joined = " ".join(line.strip(EDGES) for line in lines[-count:])
        names_origin = ADDRESS.search(joined) and DATED.search(joined)
        if names_origin and len(joined) < 300 and _is_attribution(joined):
            return count
    last = lines[-1].strip(EDGES)
    if (
        DATED.search(last)
        and len(last.split()) <= MAX_SHORT_ATTRIBUTION
        and not ASKING.search(last)
    ):
        named = len(lines) > 1 and 0 < len(lines[-2].split()) <= MAX_SHORT_ATTRIBUTION // 2
        return 2 if named and not ASKING.search(lines[-2]) else 1
    return 0


def _text_between(text: str, cuts: list[Stretch]) -> Iterator[str]:
    last = 0
    for cut in cuts:
        yield text[last : cut.start]
        last = cut.end
    yield text[last:]


def _locate_letters(text: str, links: tuple[str, ...]) -> _LocatedLetters:
    """Returns the letters of the text and their places; links are left out unless they are ours.

    A link of ours may be broken over lines; others come in between.
    """
    skipped = bytearray(len(text))
    for pattern in (QUOTE_MARKS, LINK):
        for match in pattern.finditer(text):
            start, end = match.span()
            named = _letters(match.group())
            if not named or not any(link.startswith(named) for link in links):
                skipped[start:end] = b"\1" * (end - start)
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if not skipped[place] and (letter := _letter(char)):
            letters.append(letter)
            places += [place] * len(letter)
    return _LocatedLetters(text=text, letters="".join(letters), places=places)


def _sentence_letters(texts: Iterable[str]) -> list[str]:
    """Returns the letters of each sentence, and of those with a link also without it."""
    pieces: list[str] = []
    for text in texts:
        for part in (text, *LINK.split(text)):
            sentences = [letters for s in SENTENCE.split(part) if (letters := _letters(s))]
            pieces += sentences
            # "No." and the like are only known as the beginning of what follows.
            pieces += [a + b for a, b in pairwise(sentences) if _weight(a) < MIN_SENTENCE_WEIGHT]
    return pieces


def _without_quote_marks(line: str) -> str:
    return str(QUOTE_MARKS.sub("", line))


def _without_marks_and_links(line: str) -> str:
    return str(LINK.sub(" ", _without_quote_marks(line)))


def _letters(text: str) -> str:
    return "".join(map(_letter, text))


@lru_cache(maxsize=MOST_LETTERS)
def _letter(char: str) -> str:
    """Returns the letter or digit without case, width and accents; empty for any other
    character.
    """
    level = unicodedata.normalize("NFKD", char).casefold()
    return "".join(c for c in level if c.isalnum())


def _weight(letters: str) -> int:
    return sum(WIDE_LETTER_WEIGHT if c >= FIRST_WIDE_LETTER else 1 for c in letters)


def _longest_first(pieces: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(pieces), key=lambda p: (-len(p), p)))


def _any_of(pieces: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(pieces)})" if pieces else "(?:[^\\s\\S])"
