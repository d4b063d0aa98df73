"""What the person wrote this time: the mail without quoted history and signature.

A hint for retrieval only; secrets are looked for and rules are applied on the full text. Quoted
lines stay where the person wrote below them: there they say what the answer is about.
"""

from functools import cache
from importlib.resources import files

import re2
import yaml

MAX_LINES = 2000
MAX_LINE = 1000
MAX_TRIES = 30  # each looks at all that follows
WRAPPED = 5  # lines over which a mail program breaks "On … wrote:"
EDGES = " \t*_-—–=#>|.:：[]()<>\u00a0\u200e\u200f\u202a\u202c\ufeff"
INVISIBLE = {ord(c): None for c in "\u200b\u200e\u200f\u202a\u202b\u202c\u2060\ufeff\u1427"}
ADDRESS = re2.compile(r"[^\s<>\"]@[^\s<>\"]")
DATED = re2.compile(r"\d{1,2}[:.h]\d{2}|\b(?:19|20)\d\d\b|\d{4}年")
STARTS_DATED = re2.compile(
    r"^\W{0,4}(?:\w{2,10}[,.]\s+)?(?:(?:19|20)\d\d[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,2}|"
    r"\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)?\d\d|\d{1,2}\.? \pL{3,10}\.? (?:19|20)\d\d)"
)
RULE_LINE = re2.compile(r"^\s*(?:_{20,}|-{30,}|={20,}|\*{20,})\s*$")
QUOTED = re2.compile(r"^\s{0,3}(?:>|\|\s|[A-Z]{1,3}> ?)")
SIGNATURE = re2.compile(r"^(?:--|––|—|——|__|-- ?|_{5,24})\s*$")
HEADER = re2.compile(r"^\W{0,4}([\pL][\pL' \-]{0,24}?)\W{0,3}\s?[:：]")


def visible_reply(text: str) -> str:
    """The part above the quoted history, without signature; everything where nothing is above."""
    lines = text.translate(INVISIBLE).replace("\r", "").split("\n")
    if len(lines) > MAX_LINES:
        return text.strip()
    kept = _own_lines([line.rstrip() for line in lines])
    kept = _unsigned(_untrailed(_unsigned(_untrailed(kept))))
    kept = _untrailed(kept)
    return "\n".join(kept).strip()


def _own_lines(lines: list[str]) -> list[str]:
    kept: list[str] = []
    place = tried = 0
    while place < len(lines):
        if tried < MAX_TRIES and (after := _attribution(lines, place)):
            tried += 1
            if _rest_is_history(lines, after) and _said(kept):
                break
            place = after if _said(kept) else _past_quotes(lines, after)
        elif after := _marker(lines, place):
            if _said(kept):
                break
            place = after
        else:
            kept.append(lines[place])
            place += 1
    return kept


def _said(lines: list[str]) -> bool:
    return any(line.strip(EDGES) for line in lines)


def _past_quotes(lines: list[str], place: int) -> int:
    """Past the quotes that follow, when something of one's own comes after them."""
    here = place
    while here < len(lines) and (not lines[here] or QUOTED.search(lines[here])):
        here += 1
    return here if here < len(lines) else place


def _rest_is_history(lines: list[str], place: int) -> bool:
    """Is all below an attribution old? Not where quotes come first and own text after them."""
    after = [line for line in lines[place:] if line]
    if not after or not QUOTED.search(after[0]):
        return True
    return all(QUOTED.search(line) for line in _unsigned(after))


def _attribution(lines: list[str], place: int) -> int:
    """The line after "On … Ana wrote:" if it begins here, else 0."""
    first = lines[place].strip()
    if not first or QUOTED.search(first):
        return 0
    if _is_attribution(first[:MAX_LINE]):
        return place + 1
    wrapped = WRAPPED if _opens(first) else 2 if ADDRESS.search(first) and len(first) < 100 else 0
    joined = first
    for count in range(1, min(wrapped, len(lines) - place)):
        line = lines[place + count].strip()
        if QUOTED.search(line) and not line.endswith((":", "：")):
            break
        joined = f"{joined} {line}".strip()[:MAX_LINE]
        if _is_attribution(joined):
            return place + count + 1
    return 0


def _opens(line: str) -> bool:
    """May this be the first of several lines of an attribution?"""
    low = line.casefold()
    told = DATED.search(low) or ADDRESS.search(low)
    return bool(STARTS_DATED.search(low) or (told and _begins().search(low)))


def _is_attribution(line: str) -> bool:
    low = line.casefold().rstrip(" -*_—")
    colon = low.endswith((":", "："))
    dated, addressed = bool(DATED.search(low)), bool(ADDRESS.search(low))
    if _wrote().search(low) and (colon or low.endswith(tuple(_phrases("wrote")))):
        return addressed or (dated and bool(_begins().search(low)))
    if STARTS_DATED.search(low):
        return addressed if colon or low.endswith(">") else " gmt" in low
    return False


def _marker(lines: list[str], place: int) -> int:
    """The line after a delimiter or a block of copied headers if it begins here, else 0."""
    line = lines[place]
    if not line.strip() or QUOTED.search(line):
        return 0
    if line.strip(EDGES).casefold() in _phrases("delimiters"):
        return max(place + 1, _past_headers(lines, place + 1))
    if RULE_LINE.search(line):
        return _past_headers(lines, place + 1)
    return _past_headers(lines, place)


def _past_headers(lines: list[str], place: int) -> int:
    """Past a block of copied headers; 0 where there is none."""
    names: list[str] = []
    here = place
    while here < len(lines) and not lines[here] and here < place + 3:
        here += 1
    while here < len(lines) and len(names) < 12:
        near = [_header_name(line) for line in lines[here : here + 3]]
        # A long header is wrapped: lines without a name count when one with a name follows.
        if not near[0] and not (names and any(near)):
            break
        names += near[:1] if near[0] else []
        here += 1
    if len(set(names)) < 2:
        return 0
    origin = names[0] in _phrases("from")
    return here if origin or len(set(names)) > 2 else 0


def _header_name(line: str) -> str:
    found = HEADER.search(line[:MAX_LINE])
    name = found.group(1).strip().casefold() if found else ""
    return name if name in _phrases("from") or name in _phrases("other") else ""


def _untrailed(lines: list[str]) -> list[str]:
    """Without the quotes at the end, unless there is nothing else."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or QUOTED.search(lines[end - 1])):
        end -= 1
    return lines[:end] if end else lines


def _unsigned(lines: list[str]) -> list[str]:
    """Cut at the signature mark or at the line of a telephone."""
    for place, line in enumerate(lines):
        own = _said(lines[:place]) if place < 3 else True
        if own and (SIGNATURE.search(line) or _is_device(line)):
            return lines[:place]
    return lines


def _is_device(line: str) -> bool:
    low = line.strip(EDGES).casefold()
    return len(low) < 80 and low.startswith(tuple(_phrases("devices"))) and "," not in low


@cache
def _wrote() -> re2._Regexp:
    verbs = "|".join(re2.escape(verb) for verb in sorted(_phrases("wrote"), key=len, reverse=True))
    return re2.compile(rf"(?:^|[\s\W])(?:{verbs})(?:$|[\s\W])")


@cache
def _begins() -> re2._Regexp:
    words = "|".join(re2.escape(word) for word in _phrases("begins"))
    return re2.compile(rf"^\W{{0,4}}(?:(?:{words})\b|\d|\pL{{2,10}}[,.] )")


@cache
def _phrases(name: str) -> frozenset[str]:
    text = (files("bot") / "data" / "mail_quotes.yaml").read_text(encoding="utf-8")
    value = yaml.load(text, Loader=yaml.CSafeLoader)[name]
    rows = value if isinstance(value, list) else [value]
    return frozenset(p.strip().casefold() for row in rows for p in str(row).split(","))
