"""Joins the lines of paragraphs that a mail program broke at a fixed width.

`unwrap` reads a text line by line and decides for each line break whether it was set by a mail
program (it is then removed) or by the writer (it then stays). A program breaks a line only where
the next word would have passed the right margin, so the lines of a wrapped paragraph are
consistent with one width: no line is longer than it, and every line with the first word of the
next line is. Lines that a writer set apart on purpose stay: lists, quotes, greetings, tables,
copied header lines, indented lines, signatures, and short lines in general.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence

from bot.text.words import listed_words

# Characters up to which a line can come from wrapping; mail programs wrap at no greater width.
MAX_WRAPPED_WIDTH = 140
# A text of more lines is returned as it is.
MAX_LINES = 4000
# Least margin of a wrapped paragraph with one, two, or more breaks that agree on it: a single break
# is weak evidence.
MIN_WIDTHS = (56, 44, 30)
# Characters between which a line that ends in a link can be continued by the next line.
MIN_BROKEN_LINK_LINE, MAX_LINK_LINE = 60, 4000
# Least characters of a line whose sentence can go on in the next line whatever the margin is.
MIN_OPEN_LINE = 25
# MIN_OPEN_LINE for scripts without spaces.
MIN_UNSPACED_LINE = 10
SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "؟", "।", ":", "：", ";", "；", "…")
MARKS_AFTER_END = "\"'”’»)］]】」』*_ "
CONJUNCTIONS = frozenset({
    "und", "oder", "bzw.", "sowie", "en", "of", "et", "ou", "y", "o", "e", "i", "lub", "and", "or",
    "to", "bis", "och", "og",
})  # fmt: skip


LISTED = re.compile(
    r"^\s*(?:[-*+•‣◦▪●○–—·]|\(?\d{1,3}[.):]|\(?[A-Za-z][.)]|\(?[ivx]{1,4}\)|[①-⑳]|[０-９]{1,2}[.．)）]|"
    r"\[[ xX]\])\s+\S|^\s*[・●①-⑳]"
)
QUOTED = re.compile(r"^\s{0,3}[>|]")
HEADER = re.compile(r"^[^\W\d_][\w .'/\-]{0,28}?\s?[:：](?:\s|$)")
SEPARATOR = re.compile(r"^(?:[\W_]+$|[-*=_~#]{2,}|\[\d)")
TABLE = re.compile(r"\S(?:\t| {3,})\S|\s\|\s")
INDENTED = re.compile(r"^(?:\t| {4,})\S")
LINK_GOES_ON = re.compile(r"^[^\s<>\"@]*(?:[/?&=%][^\s<>\"@]*|[\w.~#+-]{24,})$")
OPENS_QUESTION = re.compile(
    r"^(?:who|whom|whose|what|when|where|why|how|which|is|are|was|were|am|do|does|did|has|have|had|"
    r"can|could|should|would|will|shall|may|must)\b",
    re.IGNORECASE,
)


def unwrap(text: str) -> str:
    """Return `text` with the line breaks removed that a mail program set at a fixed width.

    The result has the same words in the same order. Words of scripts that are written without
    spaces (Chinese, Japanese, Thai) are joined without one. Blank lines and all other line breaks
    stay. A text of more than MAX_LINES lines is returned unchanged.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) < 2 or len(lines) > MAX_LINES:
        return text
    lines = _with_whole_links(lines)
    flowing = _breaks_of_programs(lines)
    pieces = [lines[0].rstrip() if 1 in flowing else lines[0]]
    for index, line in enumerate(lines[1:], 1):
        goes_on = index + 1 in flowing
        shown = line.rstrip() if goes_on else line
        if index in flowing:
            pieces += [_joint(lines[index - 1], line), shown.strip()]
        else:
            pieces += ["\n", shown]
    return "".join(pieces)


def _with_whole_links(lines: Sequence[str]) -> list[str]:
    """Return the lines with each link that was broken over several lines put on one."""
    joined = [lines[0]]
    for line in lines[1:]:
        before, first = joined[-1], (line.split(maxsplit=1) or [""])[0]
        full = MIN_BROKEN_LINK_LINE <= len(before) <= MAX_LINK_LINE and _ends_in_link(before)
        if full and not line[:1].isspace() and LINK_GOES_ON.match(first) and "://" not in first:
            joined[-1] = before + line
        else:
            joined.append(line)
    return joined


def _ends_in_link(line: str) -> bool:
    last = line.rsplit(maxsplit=1)[-1].lower()
    return "://" in last or "www." in last


def _breaks_of_programs(lines: Sequence[str]) -> set[int]:
    """Return the numbers of the lines that continue the line before them."""
    runs = _find_runs(lines)
    numbers: set[int] = set()
    for measure in (len, count_columns):
        widest = _width_of_text(lines, runs, measure)
        for run in runs:
            numbers |= _continued_lines(lines, run, measure, widest)
    return numbers


def _find_runs(lines: Sequence[str]) -> list[list[int]]:
    """Return runs of at least two neighbouring lines, by number, that may be one paragraph."""
    runs: list[list[int]] = []
    current: list[int] = []
    for index, line in enumerate(lines):
        if current and not _may_follow(lines[current[-1]], line):
            runs.append(current)
            current = []
        if _may_flow(line):
            current.append(index)
    runs.append(current)
    return [run for run in runs if len(run) > 1]


def _may_flow(line: str) -> bool:
    """May the line be part of a wrapped paragraph? A list item may begin one."""
    bare = line.strip()
    return bool(bare) and not (
        QUOTED.match(line) or SEPARATOR.match(bare) or TABLE.search(bare) or INDENTED.match(line)
    )


def _may_follow(before: str, line: str) -> bool:
    """May `line` continue the paragraph that holds `before`?"""
    if not _may_flow(line) or not _may_flow(before):
        return False
    if LISTED.match(line) or _is_header(line):
        return False
    # A header line is only continued by a line that begins in the middle of a sentence.
    return not _is_header(before) or _starts_within(line)


def _is_header(line: str) -> bool:
    """Does the line begin like `Subject: …`, a name and a colon?"""
    match = HEADER.match(line)
    return bool(match and line[:1].isupper() and len(match.group().split()) <= 3)


def _width_of_text(
    lines: Sequence[str], runs: Sequence[Sequence[int]], measure: Callable[[str], int]
) -> int:
    """Return the greatest length of a line that another line of its run follows, or 0."""
    lengths = (measure(lines[i].rstrip()) for run in runs for i in run[:-1])
    return max((length for length in lengths if length <= MAX_WRAPPED_WIDTH), default=0)


def _continued_lines(
    lines: Sequence[str], run: Sequence[int], measure: Callable[[str], int], widest: int
) -> set[int]:
    """Return the numbers of the lines of one run that continue the line before them.

    `measure` gives the length of a line, `widest` is the margin of the whole text.
    """
    breaks = [
        (i, measure(lines[i].rstrip()), _width_with_next(lines, i, measure)) for i in run[:-1]
    ]
    full = {i for i, length, reached in breaks if length <= MAX_WRAPPED_WIDTH and reached > widest}
    own = max((length for _, length, _ in breaks), default=0)
    own = max(own, measure(lines[run[-1]].rstrip()))
    if own <= MAX_WRAPPED_WIDTH and all(reached > own for _, _, reached in breaks):
        full = {i for i, _, _ in breaks}  # this paragraph has a narrower margin of its own
    reach = max((reached for i, _, reached in breaks if i in full), default=0)
    least = MIN_WIDTHS[min(len(full), len(MIN_WIDTHS)) - 1] if full else 0
    continued = full if reach > least else set()
    if len(continued) == 1:  # one break is no proof of a margin where a sentence ends with the line
        continued = {i for i in continued if not _is_ended(lines[i])}
    continued = continued | {i for i in run[:-1] if _goes_on(lines, i)}
    return {i + 1 for i in continued if not _stands_alone(lines[i], lines[i + 1])}


def _width_with_next(lines: Sequence[str], position: int, measure: Callable[[str], int]) -> int:
    """Return the length that a line would have with the first word of the next line."""
    line, following = lines[position].rstrip(), lines[position + 1].strip()
    word = following.split(maxsplit=1)[0]
    if _is_unspaced(line[-1:]) or _is_unspaced(word[:1]) or _splits_word(line, word):
        # A character that may not begin a line is carried over with the one before it.
        return measure(line) + 2 * measure(word[:1])
    # Programs break after a hyphen too, so that only the part up to it would have had to fit.
    part = re.match(r"\w+-(?=\w)", word)
    return (
        measure(line) + (0 if line.endswith("-") else 1) + measure(part.group() if part else word)
    )


def _goes_on(lines: Sequence[str], position: int) -> bool:
    """Does the sentence of a line plainly go on in the next: no end mark, then a small letter?"""
    line, following = lines[position].rstrip(), lines[position + 1].strip()
    if _is_ended(line):
        return False
    if _is_unspaced(following[:1]):  # people who write so break their lines within sentences
        return len(line) >= MIN_UNSPACED_LINE and _is_unspaced(line[-1]) and _holds_end(following)
    if len(line) < MIN_OPEN_LINE or line.endswith(","):
        return False
    if line.split()[-1].lower() in listed_words("lead_on"):
        return True
    return following[:1].islower() and not OPENS_QUESTION.match(following)


def _holds_end(line: str) -> bool:
    """Does a sentence end in the line?"""
    return any(mark in line for mark in "。！？!?")


def _is_ended(line: str) -> bool:
    """Does the line end with a mark that may end a sentence?"""
    return line.rstrip().rstrip(MARKS_AFTER_END).endswith(SENTENCE_ENDS)


def _starts_within(line: str) -> bool:
    """Does the line begin as no sentence does: with a small letter, or in an unspaced script?"""
    first = line.strip()[:1]
    return first.islower() or _is_unspaced(first)


def _stands_alone(line: str, following: str) -> bool:
    """Are these two sentences without an end mark: `were keys exposed` and `Is MFA needed`?"""
    unended = not _is_ended(line) and not line.rstrip().endswith(",")
    return (
        unended
        and line != line.upper()
        and bool(following[:1].isupper() and OPENS_QUESTION.match(following))
    )


def _joint(line: str, following: str) -> str:
    """Return the space between two joined lines; empty after a hyphen and in unspaced scripts."""
    before, after = line.rstrip(), following.strip()
    word, first = before.rsplit(maxsplit=1)[-1], after.split(maxsplit=1)[0]
    if _is_unspaced(before[-1:]) or _is_unspaced(after[:1]) or _splits_word(before, first):
        return ""
    hyphen = word.endswith("-") and len(word) > 1 and word[-2].isalnum()
    if hyphen and first.lower() not in CONJUNCTIONS and first[:1].isalnum():
        return ""
    return " "


def _splits_word(line: str, following: str) -> bool:
    """Was the line broken within a word of a script without spaces?"""
    last = line.rsplit(maxsplit=1)[-1] if line.split() else ""
    return any(map(_is_unspaced, last)) and any(map(_is_unspaced, following))


def _is_unspaced(letter: str) -> bool:
    """Does the letter belong to a script that puts no space between words?"""
    if not letter or letter < "\u0e00":
        return False
    if letter <= "\u0eff" or "\u1000" <= letter <= "\u109f" or "\u1780" <= letter <= "\u17ff":
        return True  # Thai, Lao, Burmese, Khmer
    return unicodedata.east_asian_width(letter) in "WF" and not "\uac00" <= letter <= "\ud7a3"


def count_columns(text: str) -> int:
    """Count the columns of `text` on a terminal: East Asian wide letters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
