"""Splits a mail's text into what the person wrote this time, their signature and the history.

Text below a signature mark is not read as a question. The policy checks it all the same, because
the mark is only two dashes, below which anybody may write a demand. Quoted lines are kept where the
person wrote below them, since they say what the person's words refer to.
"""

from dataclasses import dataclass
from functools import cache

import re2

from bot.resources import read_yaml

# Lines of a text that are looked at.
MAX_LINES = 2000
# Characters of a line that are looked at.
MAX_LINE = 1000
# Attributions that are tried in one text: each try looks at all that follows.
MAX_ATTRIBUTIONS = 30
# Lines over which a mail program breaks "On … wrote:".
MAX_ATTRIBUTION_LINES = 5
EDGES = " \t*_-—–=#>|.:：[]()<>\u00a0\u200e\u200f\u202a\u202c\ufeff"
INVISIBLE = {ord(c): None for c in "\u200b\u200e\u200f\u202a\u202b\u202c\u2060\ufeff\u1427"}
ADDRESS = re2.compile(r"[^\s<>\"]@[^\s<>\"]")
DATED = re2.compile(r"\d{1,2}[:.h]\d{2}|\b(?:19|20)\d\d\b|\d{4}年")
STARTS_DATED = re2.compile(
    r"^\W{0,4}(?:\w{2,10}[,.]\s+)?(?:(?:19|20)\d\d[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,2}|"
    r"\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)?\d\d|\d{1,2}\.? \pL{3,10}\.? (?:19|20)\d\d)"
)
RULE_LINE = re2.compile(r"^\s*(?:_{20,}|-{30,}|={20,}|\*{20,}|-{3,}[^-].{0,80}-{3,})\s*$")
ANY_HEADER = re2.compile(r"^\W{0,4}\pL[\pL\pM .'’()\-]{0,30}?\W{0,3}\s?[:：|]\s*\S")
QUOTED = re2.compile(r"^\s{0,3}(?:>|\|\s|[A-Z]{1,3}> ?)")
SIGNATURE = re2.compile(r"^(?:--|––|—|——|__|-- ?|_{5,24})\s*$")
HEADER = re2.compile(r"^\W{0,4}([\pL][\pL' \-]{0,24}?)\W{0,3}\s?[:：]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyParts:
    """A text split into its writer's own words, the signature, and a quoted or forwarded mail."""

    own: str
    signature: str = ""  # below a signature mark, or from a line like "Sent from my phone" on
    below: str = ""  # from the line on that introduces the other mail; empty where there is none
    is_bare: bool = False  # nothing stands above that line, so that `own` is what stands below it


def visible_reply(text: str) -> str:
    """Return the text above the quoted history, without signature; all of it where nothing is
    above.
    """
    return split_reply(text).own


def split_reply(text: str) -> ReplyParts:
    """Return the parts of `text`: the person's own words, the signature, and the history.

    The history begins at the first mark, a line that introduces a quoted or forwarded mail. Where
    nothing stands above it, what stands below it counts as the person's own.
    """
    lines = text.translate(INVISIBLE).replace("\r", "").split("\n")
    lines = [line.rstrip() for line in lines]
    own_lines, below = _split_lines(lines[:MAX_LINES])
    if len(lines) > MAX_LINES and below >= MAX_LINES:
        return ReplyParts(own=text.strip())
    own_lines, signature = _split_signature(_without_trailing_quotes(own_lines))
    own_lines = _without_trailing_quotes(own_lines)
    below = min(below, len(_without_trailing_quotes(lines)))
    return ReplyParts(
        own="\n".join(own_lines).strip(),
        signature="\n".join(signature).strip(),
        below="\n".join(lines[below:]).strip(),
        is_bare=not _has_words(lines[:below]),
    )


def _split_lines(lines: list[str]) -> tuple[list[str], int]:
    """Return the writer's own lines, and the place of the first line that introduces a mail."""
    own_lines: list[str] = []
    position = attributions = 0
    introduction = len(lines)
    while position < len(lines):
        if attributions < MAX_ATTRIBUTIONS and (after := _end_of_attribution(lines, position)):
            attributions += 1
            introduction = min(introduction, position)
            if _rest_is_history(lines, after) and _has_words(own_lines):
                break
            position = after if _has_words(own_lines) else _end_of_quotes(lines, after)
        elif after := _end_of_marker(lines, position):
            introduction = min(introduction, position)
            if _has_words(own_lines):
                break
            position = after
        else:
            own_lines.append(lines[position])
            position += 1
    return own_lines, introduction


def _has_words(lines: list[str]) -> bool:
    return any(line.strip(EDGES) for line in lines)


def _end_of_quotes(lines: list[str], start: int) -> int:
    """Return the line after the quotes that begin at `start`; `start` where only quotes follow."""
    position = start
    while position < len(lines) and (not lines[position] or QUOTED.search(lines[position])):
        position += 1
    return position if position < len(lines) else start


def _rest_is_history(lines: list[str], start: int) -> bool:
    """Is all below an attribution history, rather than quotes with the writer's own text below?"""
    after = [line for line in lines[start:] if line]
    if not after or not QUOTED.search(after[0]):
        return True
    return all(QUOTED.search(line) for line in _split_signature(after)[0])


def _end_of_attribution(lines: list[str], start: int) -> int:
    """Return the line after "On … Ana wrote:" if it begins here, else 0."""
    first = lines[start].strip()
    if not first or QUOTED.search(first):
        return 0
    if _is_attribution(first[:MAX_LINE]):
        return start + 1
    wrapped = (
        MAX_ATTRIBUTION_LINES
        if _may_begin_attribution(first)
        else 2
        if ADDRESS.search(first) and len(first) < 100
        else 0
    )
    joined = first
    for count in range(1, min(wrapped, len(lines) - start)):
        line = lines[start + count].strip()
        if QUOTED.search(line) and not line.endswith((":", "：")):
            break
        joined = f"{joined} {line}".strip()[:MAX_LINE]
        if _is_attribution(joined):
            return start + count + 1
    return 0


def _may_begin_attribution(line: str) -> bool:
    """May this be the first of several lines of an attribution?"""
    lowered = line.casefold()
    names_origin = DATED.search(lowered) or ADDRESS.search(lowered)
    return bool(
        STARTS_DATED.search(lowered) or (names_origin and _beginning_pattern().search(lowered))
    )


def _is_attribution(line: str) -> bool:
    lowered = line.casefold().rstrip(" -*_—")
    colon = lowered.endswith((":", "："))
    dated, addressed = bool(DATED.search(lowered)), bool(ADDRESS.search(lowered))
    if _wrote_pattern().search(lowered) and (colon or lowered.endswith(tuple(_phrases("wrote")))):
        return addressed or (dated and bool(_beginning_pattern().search(lowered)))
    if STARTS_DATED.search(lowered):
        return addressed if colon or lowered.endswith(">") else " gmt" in lowered
    return False


def _end_of_marker(lines: list[str], start: int) -> int:
    """Return the line after a delimiter or a block of copied headers if it begins here, else 0."""
    line = lines[start]
    if not line.strip() or QUOTED.search(line):
        return 0
    if line.strip(EDGES).casefold() in _phrases("delimiters"):
        return max(start + 1, _end_of_headers(lines, start + 1))
    if RULE_LINE.search(line):
        return _end_of_headers(lines, start + 1) or _end_of_unknown_headers(lines, start + 1)
    return _end_of_headers(lines, start)


def _end_of_headers(lines: list[str], start: int) -> int:
    """Return the line after a block of copied headers; 0 where there is none."""
    names: list[str] = []
    position = start
    while position < len(lines) and not lines[position] and position < start + 3:
        position += 1
    while position < len(lines) and len(names) < 12:
        next_names = [_header_name(line) for line in lines[position : position + 3]]
        # A long header is wrapped: lines without a name count when one with a name follows.
        if not next_names[0] and not (names and any(next_names)):
            break
        names += next_names[:1] if next_names[0] else []
        position += 1
    if len(set(names)) < 2:
        return 0
    origin = names[0] in _phrases("from")
    return position if origin or len(set(names)) > 2 else 0


def _end_of_unknown_headers(lines: list[str], start: int) -> int:
    """Return the line after "Word: value" lines of any language with an address and a date, else
    0.
    """
    position = start
    while position < len(lines) and not lines[position].strip() and position < start + 2:
        position += 1
    begin = position
    while position < min(len(lines), begin + 12) and ANY_HEADER.search(lines[position][:MAX_LINE]):
        position += 1
    block = " ".join(lines[begin:position])[: 12 * MAX_LINE]
    names_origin = ADDRESS.search(block) and DATED.search(block)
    return position if position - begin > 2 and names_origin else 0


def _header_name(line: str) -> str:
    header = HEADER.search(line[:MAX_LINE])
    name = header.group(1).strip().casefold() if header else ""
    return name if name in _phrases("from") or name in _phrases("other") else ""


def _without_trailing_quotes(lines: list[str]) -> list[str]:
    """Return the lines without the quotes at the end, unless there is nothing else."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or QUOTED.search(lines[end - 1])):
        end -= 1
    return lines[:end] if end else lines


def opens_forward(below: str) -> bool:
    """Does the mark at the start of `below` say that a mail is forwarded?"""
    head = " ".join(line.strip(EDGES).casefold() for line in below.split("\n", 3)[:3])
    return any(phrase in head for phrase in _phrases("forwards"))


def phrases_of(name: str) -> frozenset[str]:
    """Return a list of bot/data/mail_quotes.yaml, in small letters."""
    return _phrases(name)


def text_above_signature(text: str) -> str:
    """Return `text` up to a signature mark, even where nothing stands above it.

    Lines like "Sent from my phone" are left out.
    """
    own_lines: list[str] = []
    for line in text.translate(INVISIBLE).split("\n"):
        if SIGNATURE.search(line):
            break
        if not _is_device(line):
            own_lines.append(line)
    return "\n".join(own_lines)


def _split_signature(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines up to the signature mark or a line like "Sent from my phone", and those
    below.

    The line about a device counts among those below, since it may say more.
    """
    for index, line in enumerate(lines):
        own = _has_words(lines[:index]) if index < 3 else True
        if own and ((is_mark := SIGNATURE.search(line)) or _is_device(line)):
            return lines[:index], lines[index + bool(is_mark) :]
    return lines, []


def _is_device(line: str) -> bool:
    lowered = line.strip(EDGES).casefold()
    return (
        len(lowered) < 80 and lowered.startswith(tuple(_phrases("devices"))) and "," not in lowered
    )


@cache
def _wrote_pattern() -> re2._Regexp:
    verbs = "|".join(re2.escape(verb) for verb in sorted(_phrases("wrote"), key=len, reverse=True))
    return re2.compile(rf"(?:^|[\s\W])(?:{verbs})(?:$|[\s\W])")


@cache
def _beginning_pattern() -> re2._Regexp:
    words = "|".join(re2.escape(word) for word in _phrases("begins"))
    return re2.compile(rf"^\W{{0,4}}(?:(?:{words})\b|\d|\pL{{2,10}}[,.] )")


@cache
def _phrases(name: str) -> frozenset[str]:
    value = read_yaml("mail_quotes.yaml")[name]
    rows = value if isinstance(value, list) else [value]
    return frozenset(p.strip().casefold() for row in rows for p in str(row).split(","))
