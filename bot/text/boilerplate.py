"""Takes out of a message what no person wrote in it: banners, disclaimers, footers, device lines.

Mail gateways, companies and mail programs put sentences around a person's text. `part_boilerplate`
recognizes them by what they say, not by their exact wording: bot/data/boilerplate.yaml lists, by
language, phrases for the things that such texts speak of (mail from outside, links, the intended
recipient, a mistake, printing), each with a weight. A stretch of sentences whose weights add up to
ENOUGH is boilerplate, unless its writer speaks of himself or asks something in it. Lines at the end
that name only a device, or a mail that is quoted below, are recognized by their form.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

from bot.resources import read_yaml

ENOUGH = 3  # weights of a stretch that is boilerplate
PLAIN = 4  # of one above which nothing stands: it might be all that the person wrote
NEAR = 40  # characters between two parts of a phrase
OPENS = 2  # of the sentence that begins a disclaimer
FOLLOWS = 2  # of a line below one that is boilerplate
MAX_LINE = 6000  # characters of a line that is looked at
MAX_DEVICE_LINE = 90
MAX_DEVICE_WORDS = 10
FIRST, LAST = 5, 10  # characters from either end of a device's line within which its verb stands
MAX_ATTRIBUTION = 300
MAX_TRAILER = 20  # lines of devices and attributions at the end
GROUPS = ("banner", "footer")
COUNTED = "register"  # each further phrase of it weighs one more: companies list their numbers
UNSPACED = "\u0590"  # from here on scripts have prefixes, or no spaces: phrases match anywhere

SENTENCE_END = re.compile(r"(?<=[.!?。！？؟।])(?:[\"'”’»)*\]]*\s+|(?<=[。！？]))(?=\S)")
ACCENTS = re.compile("[\u0300-\u036f\u064b-\u0652\u0640]")
DIRECTION = {
    ord(c): None
    for c in "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u00ad"
}
FIRST_PERSON = re.compile(r"\bI\b(?!\.)")  # with a small letter it is a word of other languages
ASKING = ("?", "？", "؟")
ADDRESS = re.compile(r"[^\s<>@\"]@[^\s<>@\"]")
DATED = re.compile(r"\b(?:19|20)\d\d\b|\d{4}年|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b")
TIMED = re.compile(r"\d{1,2}\s?[:.h時시点]\s?\d{2}")
QUOTED = re.compile(r"^\s{0,3}[>|]")
FRAME = " \t*_-–—=~#<>|[](){}!⚠️:：.,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """A text in two: what the person wrote, and the boilerplate that was around it."""

    own: str
    removed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence with what it speaks of, and whether a person speaks in it."""

    text: str
    weights: Mapping[str, Mapping[str, int]]  # group -> thing it speaks of -> weight
    is_personal: bool  # its writer speaks of himself
    asks: bool  # and not whether the mail need be printed

    def weight(self, group: str) -> int:
        return sum(self.weights[group].values())


def part_boilerplate(text: str) -> Parted:
    """The person's own lines of `text`, and the lines and sentences that are boilerplate.

    `text` is unwrapped: each paragraph is one line. Nothing is lost: every sentence is in one of
    the two results. `own` is empty where the whole text is boilerplate.
    """
    kept: list[str] = []
    removed: list[str] = []
    follows = dict.fromkeys(GROUPS, False)
    for block in blocks(text.split("\n")):
        if _is_boilerplate(block, is_first=not has_words(kept)):
            removed += block
            continue
        for line in block:
            own, taken = _part_line(line, is_first=not has_words(kept), follows=follows)
            removed += taken
            if line.strip():
                follows = {g: not own and (follows[g] or g == _kind(taken)) for g in GROUPS}
            if own or not line.strip():
                kept.append(own)
    own_lines, trailing = _without_trailer(kept)
    return Parted(own="\n".join(own_lines).strip(), removed="\n".join([*removed, *trailing]))


def blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Neighbouring lines with words, and blank lines each alone."""
    for _, group in groupby(lines, key=lambda line: bool(line.strip())):
        block = list(group)
        if block[0].strip():
            yield block
        else:
            yield from ([line] for line in block)


def _is_boilerplate(block: Sequence[str], *, is_first: bool) -> bool:
    """Is a paragraph whose lines its writer broke boilerplate as a whole?"""
    if len(block) < 2 or any(QUOTED.match(line) or len(line) > MAX_LINE for line in block):
        return False
    sentences = [read(line) for line in block]
    if any(s.is_personal or s.asks for s in sentences):
        return False
    for group in GROUPS:
        names = {name for s in sentences for name in s.weights[group]}
        telling = sum(s.weight(group) > 0 for s in sentences)
        plain = _weight(sentences, group) >= (PLAIN + is_first) and "message" in names
        if (plain or "unknown" in names) and telling * 2 >= len(block):
            return True
    return False


def _part_line(line: str, *, is_first: bool, follows: Mapping[str, bool]) -> tuple[str, list[str]]:
    """The person's part of a line, and the sentences of it that are boilerplate."""
    if not line.strip() or QUOTED.match(line) or len(line) > MAX_LINE:
        return line, []
    label, rest = label_of(line)
    if not rest:
        return "", [label]
    sentences = [read(sentence) for sentence in SENTENCE_END.split(rest) if sentence.strip()]
    for group in GROUPS:
        enough = PLAIN if is_first and group == "footer" else ENOUGH
        enough = FOLLOWS if follows[group] else enough - (1 if label and group == "banner" else 0)
        stretch = next(_stretches(sentences, group, enough, may_ask=not is_first), None)
        if stretch and (follows[group] or not _is_report(sentences, stretch, group)):
            taken = [s.text for s in sentences[stretch]]
            others = (*sentences[: stretch.start], *sentences[stretch.stop :])
            own = " ".join(s.text for s in others if any(c.isalnum() for c in s.text))
            return own, [label, *taken] if label else taken
    return (rest, [label]) if label else (line, [])


def _is_report(sentences: Sequence[Sentence], stretch: slice, group: str) -> bool:
    """Does a person only tell that a mail came from outside, beside something of his own?"""
    spoken = {name for s in sentences[stretch] for name in s.weights[group]}
    return spoken <= {"outside", "message"} and len(sentences[stretch]) < len(sentences)


def _stretches(
    sentences: Sequence[Sentence], group: str, enough: int, *, may_ask: bool
) -> Iterator[slice]:
    """The longest stretches of neighbouring sentences that are boilerplate of one group.

    With `may_ask`, a sentence that asks may be among them where it speaks of the same things:
    "Do not want these emails? Unsubscribe here."
    """
    place = 0
    while place < len(sentences):
        end = place
        while end < len(sentences) and _may_belong(sentences[end], group, may_ask=may_ask):
            end += 1
        last = end
        while end < len(sentences) and last > place and not sentences[last - 1].weight(group):
            last -= 1  # a person's sentence follows: what says nothing of the kind is the person's
        for first in range(place, last):
            if _begins(sentences, first, last, group, enough):
                yield _whole(sentences, first, last, group)
                break
        place = end + 1


def _may_belong(sentence: Sentence, group: str, *, may_ask: bool) -> bool:
    """May the sentence be part of boilerplate?"""
    if sentence.is_personal:
        return False
    return not sentence.asks or (may_ask and sentence.weight(group) > 0)


def _begins(sentences: Sequence[Sentence], first: int, last: int, group: str, enough: int) -> bool:
    """Does a stretch of boilerplate begin with sentence `first`?"""
    stretch = sentences[first:last]
    if _weight(stretch, group) < enough:
        return False
    opens = min(OPENS, enough)
    if not any(s.weight(group) >= opens and not s.asks for s in stretch):
        return False
    leads = first == 0 and sentences[0].weight(group) > 0  # what begins a line may say less
    return stretch[0].weight(group) >= opens or leads


def _whole(sentences: Sequence[Sentence], first: int, last: int, group: str) -> slice:
    """The stretch from `first`; a banner ends where a sentence says nothing of its kind."""
    if group == "banner":
        end = first
        while end < last and sentences[end].weight(group):
            end += 1
        return slice(first, end)
    return slice(first, last)


def _weight(sentences: Iterable[Sentence], group: str) -> int:
    """The weight of all that the sentences speak of, each thing counted once."""
    weights: dict[str, int] = {}
    for sentence in sentences:
        for name, weight in sentence.weights[group].items():
            weights[name] = max(weight, weights.get(name, 0))
    return sum(weights.values())


def _kind(taken: Sequence[str]) -> str:
    """The group that the taken sentences fit better."""
    sentences = [read(text) for text in taken]
    return max(GROUPS, key=lambda group: _weight(sentences, group))


@lru_cache(maxsize=1024)
def read(sentence: str) -> Sentence:
    folded = fold(sentence)
    weights: dict[str, dict[str, int]] = {group: {} for group in GROUPS}
    for list_name, phrases in _found(folded).items():
        group, _, name = list_name.partition(".")
        if name:
            more = len(phrases) - 1 if name == COUNTED else 0
            weights[group][name] = int(_table()[group][name]["weight"]) + more
    asks = sentence.rstrip(FRAME + "\"'”’»").endswith(ASKING)
    footer = weights["footer"]
    prints = "printing" in footer and sum(footer.values()) >= ENOUGH
    ours = asks and not footer.keys() & {"marketing", "application"} and _is_ours(sentence)
    return Sentence(
        text=sentence.strip(),
        weights=weights,
        is_personal=ours or _speaks_of_oneself(sentence, folded),
        asks=asks and not prints,
    )


def _is_ours(sentence: str) -> bool:
    """Does the sentence speak of we or our?"""
    return not _words("our_voice").isdisjoint(_spoken_words(sentence))


def _spoken_words(sentence: str) -> list[str]:
    """The words with their accents, for ją is not ja, in small letters."""
    words = sentence.casefold().replace("’", "'").split()
    return [word.strip(".,;:!?¿¡\"'()") for word in words]


def _speaks_of_oneself(sentence: str, folded: str) -> bool:
    """Does the writer say I or my?"""
    if FIRST_PERSON.search(sentence) and sentence != sentence.upper():
        return True
    spoken = set(_spoken_words(sentence))
    if spoken & _words("own_voice"):
        return True
    if spoken & _words("french_voice") and spoken & _words("french_words"):
        return True
    return any(word in folded for word in _table()["own_voice_within"].split())


def label_of(line: str) -> tuple[str, str]:
    """A mark such as [EXTERNAL] at the beginning of a line, and the rest of the line."""
    bare = line.strip()
    if fold(bare.strip(FRAME)) in _labels():
        return bare, ""
    match = re.match(r"^[*\s]*[\[(【]{1,2}([^\]\)】\[]{2,30})[\])】]{1,2}[*:\s]*", bare)
    if match and fold(match.group(1).strip(FRAME)) in _labels():
        return match.group().strip(), bare[match.end() :]
    return "", line


def _without_trailer(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines without those of devices and attributions at the end, and those taken out."""
    kept, taken = list(lines), list[str]()
    place = len(kept) - 1
    while place > 0 and len(taken) < MAX_TRAILER:
        line = kept[place]
        if line.strip() and not QUOTED.match(line):
            count = _trailer(kept, place)
            if not count or not has_words(kept[: place + 1 - count]):
                break
            taken += kept[place + 1 - count : place + 1]
            del kept[place + 1 - count : place + 1]
            place -= count - 1
        place -= 1
    return kept, taken


def _trailer(lines: Sequence[str], place: int) -> int:
    """How many lines, up to the one at `place`, are one line of a device or an attribution."""
    line = lines[place].translate(DIRECTION).strip()
    if _is_device_line(line) or _is_attribution(line):
        return 1
    before = lines[place - 1].translate(DIRECTION).strip()
    return 2 if before and _is_attribution(f"{before} {line}") and not _is_ended(before) else 0


def _is_device_line(line: str) -> bool:
    """Is it a line such as `Sent from my iPhone`, of a device or mail program, in any language?"""
    if len(line) > MAX_DEVICE_LINE or line.rstrip().endswith(ASKING):
        return False
    folded = fold(line).strip(FRAME)
    if len(folded.split()) > MAX_DEVICE_WORDS or "devices" not in _found(folded):
        return False
    return any(map(_is_sending, folded.split(",")))


def _is_sending(clause: str) -> bool:
    """Does a verb of sending stand first or last? In "my iPhone sent it" it stands between."""
    bare = clause.strip(FRAME)
    verbs = _found(bare).get("sent", {})
    return any(
        start <= FIRST or start + len(phrase) >= len(bare) - LAST for phrase, start in verbs.items()
    )


def _is_attribution(line: str) -> bool:
    """Does the line say who wrote the mail below, and when, in whatever language?"""
    bare = line.rstrip(" *_\u00a0")
    if (
        len(bare) > MAX_ATTRIBUTION
        or not bare.endswith((":", "："))
        or any(c in bare for c in ASKING)
    ):
        return False
    dated, timed = bool(DATED.search(bare)), bool(TIMED.search(bare))
    if ADDRESS.search(bare):
        return dated or timed
    return dated and timed and not _speaks_of_oneself(line, fold(line))


def _is_ended(line: str) -> bool:
    return line.rstrip(FRAME.replace(".", "")).endswith((".", "!", *ASKING, "。"))


def has_words(lines: Iterable[str]) -> bool:
    """Does any of the lines hold words of the person's?"""
    return any(line.strip(FRAME) and not QUOTED.match(line) for line in lines)


def fold(text: str) -> str:
    """Compatibility forms, case, accents and apostrophes levelled."""
    level = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = ACCENTS.sub("", level.translate(DIRECTION)).replace("’", "'")
    return " ".join(unicodedata.normalize("NFC", bare).split())


@cache
def _table() -> dict[str, Any]:
    return dict(read_yaml("boilerplate.yaml"))


@cache
def _index() -> Mapping[str, Sequence[tuple[str, str]]]:
    """The first two characters of a phrase -> the phrases, each with the name of its list."""
    lists = {
        f"{group}.{name}": row["phrases"]
        for group in GROUPS
        for name, row in _table()[group].items()
    }
    lists |= {name: _rows(name) for name in ("sent", "devices")}
    index: dict[str, list[tuple[str, str]]] = {}
    for list_name, rows in lists.items():
        for phrase in sorted({fold(phrase) for row in rows for phrase in row.split(",")} - {""}):
            index.setdefault(phrase[:2], []).append((list_name, phrase))
    return index


def _found(folded: str) -> dict[str, dict[str, int]]:
    """The lists of which a folded text holds phrases -> those phrases -> where each begins last."""
    occurrences: dict[str, dict[str, int]] = {}
    index = _index()
    for place, letter in enumerate(folded):
        before = folded[place - 1 : place]
        if letter.isalnum() and letter < UNSPACED and before.isalnum() and before < UNSPACED:
            continue  # within a word
        for list_name, phrase in (
            *index.get(folded[place : place + 2], ()),
            *index.get(letter, ()),
        ):
            if _stands_at(folded, place, phrase):
                occurrences.setdefault(list_name, {})[phrase] = place
    return occurrences


def _stands_at(folded: str, place: int, phrase: str) -> bool:
    """Does the phrase begin here? A * in it stands for up to NEAR characters."""
    first, _, second = phrase.partition("*")
    end = place + len(first)
    return folded.startswith(first, place) and second in folded[end : end + NEAR + len(second)]


@cache
def _labels() -> frozenset[str]:
    return frozenset(fold(label) for label in _table()["labels"].split(","))


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(word for row in _rows(name) for word in row.split())


def _rows(name: str) -> Sequence[str]:
    rows = _table()[name]
    return [rows] if isinstance(rows, str) else rows
