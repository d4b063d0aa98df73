"""Separates boilerplate (banners, disclaimers, footers, device lines) from what a person wrote.

Mail gateways, companies and mail programs put sentences around a person's text.
`separate_boilerplate` recognizes them by their topics, not by their exact wording:
bot/data/boilerplate.yaml lists, by language, phrases for the topics of such texts (mail from
outside, links, the intended recipient, a mistake, printing), each topic with a weight. A stretch of
sentences whose weights add up to MIN_STRETCH_WEIGHT is boilerplate, unless it is in the first
person or asks something. Lines at the end that only name a device, or introduce a quoted mail, are
recognized by their form.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

from bot.resources import read_yaml
from bot.text.phrase_index import DIRECTION_MARKS, PhraseIndex, fold_text

# The least weight of a stretch of sentences that is boilerplate.
MIN_STRETCH_WEIGHT = 3
# The same for a stretch with nothing above it: it might be all that the person wrote.
MIN_LONE_WEIGHT = 4
# The least weight of the sentence that begins a disclaimer.
MIN_OPENING_WEIGHT = 2
# The least weight of a stretch in the line below boilerplate of the same group.
MIN_FOLLOWING_WEIGHT = 2
# A longer line is never boilerplate.
MAX_LINE_CHARACTERS = 6000
# The most characters and words of a device line such as "Sent from my iPhone".
MAX_DEVICE_CHARACTERS = 90
MAX_DEVICE_WORDS = 10
# Characters from the start and from the end of a device line within which its verb stands.
MAX_VERB_START, MAX_VERB_DISTANCE = 5, 10
# The most characters of an attribution: a line that says who wrote the mail below.
MAX_ATTRIBUTION_CHARACTERS = 300
# The most device lines and attributions that are taken off the end.
MAX_TRAILER_LINES = 20
GROUPS = ("banner", "footer")
# Each further phrase of this topic adds 1 to its weight: companies list their register numbers.
COUNTED_LIST = "register"

SENTENCE_END = re.compile(r"(?<=[.!?。！？؟।])(?:[\"'”’»)*\]]*\s+|(?<=[。！？]))(?=\S)")
# In lower case, "i" is a word of other languages.
FIRST_PERSON = re.compile(r"\bI\b(?!\.)")
QUESTION_MARKS = ("?", "？", "؟")
ADDRESS = re.compile(r"[^\s<>@\"]@[^\s<>@\"]")
DATED = re.compile(r"\b(?:19|20)\d\d\b|\d{4}年|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b")
TIMED = re.compile(r"\d{1,2}\s?[:.h時시点]\s?\d{2}")
QUOTED = re.compile(r"^\s{0,3}[>|]")
FRAME_MARKS = " \t*_-–—=~#<>|[](){}!⚠️:：.,"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatedText:
    """A text in two parts: what the person wrote, and what was taken out of it."""

    own: str
    removed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedSentence:
    """A sentence with the weights of its boilerplate topics."""

    text: str
    weights: Mapping[str, Mapping[str, int]]  # group -> topic -> weight
    is_personal: bool  # in the first person
    asks: bool  # a question, other than whether the mail need be printed

    def weight(self, group: str) -> int:
        """Return the sum of the weights of the sentence's topics in a group."""
        return sum(self.weights[group].values())


def separate_boilerplate(text: str) -> SeparatedText:
    """Return the person's own lines of `text`, and the lines and sentences that are boilerplate.

    `text` is unwrapped: each paragraph is one line. Every sentence is in one of the two results.
    `own` is empty where the whole text is boilerplate.
    """
    own_parts: list[str] = []
    removed: list[str] = []
    follows = dict.fromkeys(GROUPS, False)
    for block in split_blocks(text.split("\n")):
        if _is_boilerplate(block, is_first=not has_words(own_parts)):
            removed += block
            continue
        for line in block:
            own, taken = _separate_line(line, is_first=not has_words(own_parts), follows=follows)
            removed += taken
            if line.strip():
                follows = {g: not own and (follows[g] or g == _best_group(taken)) for g in GROUPS}
            if own or not line.strip():
                own_parts.append(own)
    own_lines, trailing = _without_trailer(own_parts)
    return SeparatedText(own="\n".join(own_lines).strip(), removed="\n".join([*removed, *trailing]))


def split_blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield each run of lines without a blank one as a block, and each blank line by itself."""
    for _, group in groupby(lines, key=lambda line: bool(line.strip())):
        block = list(group)
        if block[0].strip():
            yield block
        else:
            yield from ([line] for line in block)


def _is_boilerplate(block: Sequence[str], *, is_first: bool) -> bool:
    """Is a paragraph of several lines boilerplate as a whole?"""
    if len(block) < 2 or any(
        QUOTED.match(line) or len(line) > MAX_LINE_CHARACTERS for line in block
    ):
        return False
    sentences = [weigh_sentence(line) for line in block]
    if any(s.is_personal or s.asks for s in sentences):
        return False
    for group in GROUPS:
        names = {name for s in sentences for name in s.weights[group]}
        telling = sum(s.weight(group) > 0 for s in sentences)
        plain = (
            _sum_weights(sentences, group) >= (MIN_LONE_WEIGHT + is_first) and "message" in names
        )
        if (plain or "unknown" in names) and telling * 2 >= len(block):
            return True
    return False


def _separate_line(
    line: str, *, is_first: bool, follows: Mapping[str, bool]
) -> tuple[str, list[str]]:
    """Return the person's part of a line, and the sentences of it that are boilerplate."""
    if not line.strip() or QUOTED.match(line) or len(line) > MAX_LINE_CHARACTERS:
        return line, []
    label, rest = split_label(line)
    if not rest:
        return "", [label]
    sentences = [
        weigh_sentence(sentence) for sentence in SENTENCE_END.split(rest) if sentence.strip()
    ]
    for group in GROUPS:
        enough = MIN_LONE_WEIGHT if is_first and group == "footer" else MIN_STRETCH_WEIGHT
        enough = (
            MIN_FOLLOWING_WEIGHT
            if follows[group]
            else enough - (1 if label and group == "banner" else 0)
        )
        stretch = next(_find_stretches(sentences, group, enough, may_ask=not is_first), None)
        if stretch and (follows[group] or not _is_report(sentences, stretch, group)):
            taken = [s.text for s in sentences[stretch]]
            others = (*sentences[: stretch.start], *sentences[stretch.stop :])
            own = " ".join(s.text for s in others if any(c.isalnum() for c in s.text))
            return own, [label, *taken] if label else taken
    return (rest, [label]) if label else (line, [])


def _is_report(sentences: Sequence[WeighedSentence], stretch: slice, group: str) -> bool:
    """Does a person only report that a mail came from outside?

    That is so where a stretch mentions nothing else and stands beside other sentences.
    """
    spoken = {name for s in sentences[stretch] for name in s.weights[group]}
    return spoken <= {"outside", "message"} and len(sentences[stretch]) < len(sentences)


def _find_stretches(
    sentences: Sequence[WeighedSentence], group: str, enough: int, *, may_ask: bool
) -> Iterator[slice]:
    """Yield the longest stretches of neighbouring sentences that are boilerplate of one group.

    `enough` is the least weight of a stretch. With `may_ask`, a question with a topic of the group
    may be part of it: "Do not want these emails? Unsubscribe here."
    """
    position = 0
    while position < len(sentences):
        end = position
        while end < len(sentences) and _may_belong(sentences[end], group, may_ask=may_ask):
            end += 1
        last = end
        while end < len(sentences) and last > position and not sentences[last - 1].weight(group):
            # A sentence without a topic, right before one of the person's, is the person's too.
            last -= 1
        for first in range(position, last):
            if _begins_boilerplate(sentences, first, last, group, enough):
                yield _whole_stretch(sentences, first, last, group)
                break
        position = end + 1


def _may_belong(sentence: WeighedSentence, group: str, *, may_ask: bool) -> bool:
    """May the sentence be part of boilerplate of this group?"""
    if sentence.is_personal:
        return False
    return not sentence.asks or (may_ask and sentence.weight(group) > 0)


def _begins_boilerplate(
    sentences: Sequence[WeighedSentence], first: int, last: int, group: str, enough: int
) -> bool:
    """Does a stretch of boilerplate begin with sentence `first`?"""
    stretch = sentences[first:last]
    if _sum_weights(stretch, group) < enough:
        return False
    opens = min(MIN_OPENING_WEIGHT, enough)
    if not any(s.weight(group) >= opens and not s.asks for s in stretch):
        return False
    # At the start of a line the first sentence may weigh less.
    leads = first == 0 and sentences[0].weight(group) > 0
    return stretch[0].weight(group) >= opens or leads


def _whole_stretch(
    sentences: Sequence[WeighedSentence], first: int, last: int, group: str
) -> slice:
    """Return the stretch from `first`; a banner ends before a sentence without a topic of it."""
    if group == "banner":
        end = first
        while end < last and sentences[end].weight(group):
            end += 1
        return slice(first, end)
    return slice(first, last)


def _sum_weights(sentences: Iterable[WeighedSentence], group: str) -> int:
    """Return the sum of the weights of the sentences' topics, each topic counted once."""
    weights: dict[str, int] = {}
    for sentence in sentences:
        for name, weight in sentence.weights[group].items():
            weights[name] = max(weight, weights.get(name, 0))
    return sum(weights.values())


def _best_group(taken: Sequence[str]) -> str:
    """Return the group that the sentences fit better."""
    sentences = [weigh_sentence(text) for text in taken]
    return max(GROUPS, key=lambda group: _sum_weights(sentences, group))


@lru_cache(maxsize=1024)
def weigh_sentence(sentence: str) -> WeighedSentence:
    """Return the sentence with the weights of its topics, and whether it is personal or asks."""
    folded = fold_text(sentence)
    weights: dict[str, dict[str, int]] = {group: {} for group in GROUPS}
    for list_name, phrases in _index().find(folded).items():
        group, _, name = list_name.partition(".")
        if name:
            more = len(phrases) - 1 if name == COUNTED_LIST else 0
            weights[group][name] = int(_table()[group][name]["weight"]) + more
    asks = sentence.rstrip(FRAME_MARKS + "\"'”’»").endswith(QUESTION_MARKS)
    footer = weights["footer"]
    prints = "printing" in footer and sum(footer.values()) >= MIN_STRETCH_WEIGHT
    speaks_of_us = (
        asks and not footer.keys() & {"marketing", "application"} and _speaks_of_us(sentence)
    )
    return WeighedSentence(
        text=sentence.strip(),
        weights=weights,
        is_personal=speaks_of_us or _speaks_of_oneself(sentence, folded),
        asks=asks and not prints,
    )


def _speaks_of_us(sentence: str) -> bool:
    """Does the sentence hold a word such as "we" or "our", in any language?"""
    return not _word_list("our_voice").isdisjoint(_spoken_words(sentence))


def _spoken_words(sentence: str) -> list[str]:
    """Return the words in lower case; accents stay, as they distinguish "ją" from "ja"."""
    words = sentence.casefold().replace("’", "'").split()
    return [word.strip(".,;:!?¿¡\"'()") for word in words]


def _speaks_of_oneself(sentence: str, folded: str) -> bool:
    """Does the sentence hold a word such as "I" or "my", in any language?"""
    if FIRST_PERSON.search(sentence) and sentence != sentence.upper():
        return True
    spoken = set(_spoken_words(sentence))
    if spoken & _word_list("own_voice"):
        return True
    if spoken & _word_list("french_voice") and spoken & _word_list("french_words"):
        return True
    return any(word in folded for word in _table()["own_voice_within"].split())


def split_label(line: str) -> tuple[str, str]:
    """Return a mark such as [EXTERNAL] at the beginning of a line, and the rest of the line."""
    bare = line.strip()
    if fold_text(bare.strip(FRAME_MARKS)) in _labels():
        return bare, ""
    match = re.match(r"^[*\s]*[\[(【]{1,2}([^\]\)】\[]{2,30})[\])】]{1,2}[*:\s]*", bare)
    if match and fold_text(match.group(1).strip(FRAME_MARKS)) in _labels():
        return match.group().strip(), bare[match.end() :]
    return "", line


def _without_trailer(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the lines without device lines and attributions at the end, and those taken out."""
    own_lines, trailer = list(lines), list[str]()
    position = len(own_lines) - 1
    while position > 0 and len(trailer) < MAX_TRAILER_LINES:
        line = own_lines[position]
        if line.strip() and not QUOTED.match(line):
            count = _count_trailer_lines(own_lines, position)
            if not count or not has_words(own_lines[: position + 1 - count]):
                break
            trailer += own_lines[position + 1 - count : position + 1]
            del own_lines[position + 1 - count : position + 1]
            position -= count - 1
        position -= 1
    return own_lines, trailer


def _count_trailer_lines(lines: Sequence[str], position: int) -> int:
    """Count the lines that end at `position` and are a device line or an attribution: 0, 1 or 2."""
    line = lines[position].translate(DIRECTION_MARKS).strip()
    if is_device_line(line) or _is_attribution(line):
        return 1
    before = lines[position - 1].translate(DIRECTION_MARKS).strip()
    return 2 if before and _is_attribution(f"{before} {line}") and not _is_ended(before) else 0


def is_device_line(line: str) -> bool:
    """Is it a device line such as `Sent from my iPhone`, in any language?"""
    if len(line) > MAX_DEVICE_CHARACTERS or line.rstrip().endswith(QUESTION_MARKS):
        return False
    folded = fold_text(line).strip(FRAME_MARKS)
    if len(folded.split()) > MAX_DEVICE_WORDS or "devices" not in _index().find(folded):
        return False
    return any(map(_holds_sending_verb, folded.split(",")))


def _holds_sending_verb(clause: str) -> bool:
    """Does a verb of sending begin or end the clause? In "my iPhone sent it" it does neither."""
    bare = clause.strip(FRAME_MARKS)
    verbs = _index().find(bare).get("sent", {})
    return any(
        start <= MAX_VERB_START or start + len(phrase) >= len(bare) - MAX_VERB_DISTANCE
        for phrase, start in verbs.items()
    )


def _is_attribution(line: str) -> bool:
    """Is it a line that says who wrote the mail below, and when, in whatever language?"""
    bare = line.rstrip(" *_\u00a0")
    if (
        len(bare) > MAX_ATTRIBUTION_CHARACTERS
        or not bare.endswith((":", "："))
        or any(c in bare for c in QUESTION_MARKS)
    ):
        return False
    dated, timed = bool(DATED.search(bare)), bool(TIMED.search(bare))
    if ADDRESS.search(bare):
        return dated or timed
    return dated and timed and not _speaks_of_oneself(line, fold_text(line))


def _is_ended(line: str) -> bool:
    return line.rstrip(FRAME_MARKS.replace(".", "")).endswith((".", "!", *QUESTION_MARKS, "。"))


def has_words(lines: Iterable[str]) -> bool:
    """Does any of the lines hold text that is not quoted?"""
    return any(line.strip(FRAME_MARKS) and not QUOTED.match(line) for line in lines)


@cache
def _table() -> dict[str, Any]:
    return dict(read_yaml("boilerplate.yaml"))


@cache
def _index() -> PhraseIndex:
    lists = {
        f"{group}.{name}": row["phrases"]
        for group in GROUPS
        for name, row in _table()[group].items()
    }
    return PhraseIndex(lists | {name: _rows(name) for name in ("sent", "devices")})


@cache
def _labels() -> frozenset[str]:
    return frozenset(fold_text(label) for label in _table()["labels"].split(","))


@cache
def _word_list(name: str) -> frozenset[str]:
    return frozenset(word for row in _rows(name) for word in row.split())


def _rows(name: str) -> Sequence[str]:
    rows = _table()[name]
    return [rows] if isinstance(rows, str) else rows
