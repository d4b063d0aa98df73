"""Finds the desk's own reply in a message that quotes it, in whatever form.

A reply may come back with or without quote marks, wrapped at another width, in a table or from a
ticket system. Its sentences are compared by their letters alone, so that the form does not matter.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Self

import re2

from bot.text.unicode import without_surrogates

# Weight, in letters, from which on nobody writes the same sentence by chance.
MIN_SENTENCE_WEIGHT = 24
# A letter from this one on stands for a syllable or a word, and weighs as much as 3 Latin letters.
FIRST_WIDE_LETTER, WIDE_LETTER_WEIGHT = "\u2e80", 3
# So many sentences of ours in a row are a quotation even in the middle of a line.
MIN_QUOTED_SENTENCES = 3
# A single sentence of the post with so many letters is pasted, and not quoted in passing.
MIN_PASTED_LETTERS = 100
# With more letters between them, two sentences of ours belong to different quotations.
MAX_GAP_LETTERS = 320
# Greetings and labels are looked for within so many letters before and after our sentences.
MAX_LABEL_DISTANCE = 80
# A longer text is not searched.
MAX_CHARACTERS = 300_000
# The most lines of copied headers above a quotation.
MAX_HEADER_LINES = 14
# The most words of a short attribution: "Incident Desk said:".
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
    """A run of our own sentences in a text, by start and end offset."""

    start: int
    end: int
    replied: int = 0  # number of sentences that only a reply of ours has
    published: int = 0  # number of sentences of the post
    letters: int = 0
    whole: bool = False  # nothing else stands on its lines


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWords:
    """The letters of all sentences that a reply of ours may hold, by kind."""

    replies: tuple[str, ...] = ()  # sentences of templates, which nobody else writes
    published: tuple[str, ...] = ()  # sentences of the post, which an asker may quote
    labels: tuple[str, ...] = ()  # greetings and labels; they count only beside a sentence of ours
    headings: tuple[str, ...] = ()  # of passages; an asker may use the same words
    fillers: tuple[str, ...] = ()  # short sentences that may stand between two of ours
    links: tuple[str, ...] = ()  # links and addresses that a reply names

    @classmethod
    def of(
        cls, *, replies: Iterable[str], lines: Iterable[str], published: Iterable[str],
        labels: Iterable[str], headings: Iterable[str] = (),
    ) -> Self:  # fmt: skip
        """Return the own words of these texts.

        `replies` are templates, `lines` are lines made of a label and a title, `published` are
        passages of the post, `labels` are greetings and labels, `headings` those of passages.
        """
        replies, labels = list(replies), list(labels)
        our_sentences = [*_sentence_letters(replies), *map(_letters, lines)]
        published_sentences = _sentence_letters(published)
        links = [_letters(link) for text in (*replies, *labels) for link in LINK.findall(text)]
        short = [
            p for p in (*our_sentences, *published_sentences) if _weight(p) < MIN_SENTENCE_WEIGHT
        ]
        return cls(
            replies=_longest_first(p for p in our_sentences if _weight(p) >= MIN_SENTENCE_WEIGHT),
            published=_longest_first(
                p for p in published_sentences if _weight(p) >= MIN_SENTENCE_WEIGHT
            ),
            labels=_longest_first(p for p in (*map(_letters, labels), *links) if p),
            headings=_longest_first(letters for h in headings if (letters := _letters(h))),
            fillers=_longest_first(short),
            links=_longest_first(links),
        )

    def without(self, text: str) -> str:
        """Return `text` without our own sentences and the lines that introduce them.

        A sentence of the post that the asker quotes within a line of their own stays, because it
        says what they ask about. The result is empty when nothing but our own words was sent.
        """
        cuts = self.stretches(text)
        if not cuts:
            return text
        parts: list[str] = []
        last = 0
        for cut in cuts:
            before = text[last : cut.start]
            parts.append(_without_introduction(before) if cut.whole else before)
            last = cut.end
        parts.append(text[last:])
        lines = "\n".join(piece.strip("\n") for piece in parts).split("\n")
        remaining = "\n".join(
            line for line in lines if not line.strip() or _without_quote_marks(line).strip()
        )
        return remaining.strip() if any(c.isalnum() for c in remaining) else ""

    def holds(self, text: str) -> bool:
        """Is `text` nothing but our own words?"""
        letters = _letters(text)
        return bool(letters) and bool(_matcher(self).between.fullmatch(letters))

    def stretches(self, text: str) -> list[Stretch]:
        """Return the runs of our own sentences that count as quotations, in order.

        Where none of them is a sentence of a template, the asker may have pasted them from the
        post: then they count only where the rest of the text asks something.
        """
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
    """The compiled patterns of some own words; they match texts reduced to letters."""

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
        # A heading above our greeting is not ours: there it is the asker's own question.
        before=re2.compile(f"(?:(?:{labels}|\\d)+|(?:{headings}|\\d)+)$", options),
        after=re2.compile(f"^(?:{filler}|\\d)+", options),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _LocatedLetters:
    """The letters of a text, without quote marks and links, and the offset of each."""

    text: str
    letters: str
    places: list[int]


def _find_runs(own: OwnWords, text: str) -> Iterator[Stretch]:
    """Yield each run of our sentences with only fillers between them, widened to whole lines."""
    matcher, read = _matcher(own), _locate_letters(text, own.links)
    run: Stretch | None = None  # its offsets are into `read.letters` until it is widened
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
    """Return the run with offsets into the text, extended by the labels beside it.

    Where nothing else has letters on its first and last line, it covers these lines whole.
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
    covers_lines = not _letters(_without_marks_and_links(text[line_start:start])) and not _letters(
        _without_marks_and_links(text[end:line_end])
    )
    return replace(
        run, start=line_start if covers_lines else start, end=line_end if covers_lines else end,
        letters=last - first, whole=covers_lines,
    )  # fmt: skip


def _is_line_start(text: str, position: int) -> bool:
    return not _letters(
        _without_marks_and_links(text[text.rfind("\n", 0, position) + 1 : position])
    )


def _without_introduction(text: str) -> str:
    """Return `text` without an attribution or copied mail headers at its end, in any language."""
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
    """Count lines at the end that are copied headers ("Word: value") with an address or a date."""
    headers = 0
    for count, line in enumerate(reversed(lines[-MAX_HEADER_LINES:]), 1):
        bare = line.strip(EDGES)
        # Lines of a wrapped value count when a line with a name stands above them.
        if not bare or RULE_LINE.search(line) or count - headers > 3:
            break
        headers = count if HEADER.search(bare) and not ASKING.search(bare) else headers
    block = "\n".join(lines[-headers:]) if headers else ""
    return headers if headers > 1 and (ADDRESS.search(block) or DATED.search(block)) else 0


def _is_attribution(line: str) -> bool:
    """Is the line an attribution, such as "On 3 May, Ana wrote:"?

    It is where it ends in a colon and has an address, a date or few words, or where it has both an
    address and a date.
    """
    bare = line.strip(EDGES)
    origin = [bool(ADDRESS.search(line)), bool(DATED.search(line))]
    if ASKING.search(bare):
        return False
    if bare.endswith((":", "：")):
        return any(origin) or len(bare.split()) <= MAX_SHORT_ATTRIBUTION
    return all(origin)


def _count_attribution_lines(lines: list[str]) -> int:
    """Count the lines at the end that are a wrapped attribution, or a name and a date.

    Ticket systems write the latter.
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
    """Return the letters of the text and their offsets, without quote marks and foreign links.

    Our own links stay, also where they are broken over lines.
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
    for index, char in enumerate(text):
        if not skipped[index] and (letter := _letter(char)):
            letters.append(letter)
            places += [index] * len(letter)
    return _LocatedLetters(text=text, letters="".join(letters), places=places)


def _sentence_letters(texts: Iterable[str]) -> list[str]:
    """Return the letters of each sentence, and of the parts around each link in one."""
    pieces: list[str] = []
    for text in texts:
        for part in (text, *LINK.split(text)):
            sentences = [letters for s in SENTENCE.split(part) if (letters := _letters(s))]
            pieces += sentences
            # A short sentence such as "No." is recognised only together with the one behind it.
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
    """Return the letter or digit without case, width and accents; empty for any other
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
