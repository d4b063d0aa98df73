"""Takes out lines above and below a message that ask their reader something.

A gateway's banner asks whether the reader knows the sender, Outlook's asks why it is important that
an address does not write often, and a footer asks whether its reader still wants the mails. Such a
line is told by three things together: where it stands, what it speaks of (the sender, the mail, the
newsletter, the service), and that nobody speaks of himself in it. The words of all languages stand
in bot/data/edge_lines.yaml; bot/text/boilerplate.py recognizes the lines that ask nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from bot.resources import read_yaml
from bot.text.boilerplate import (
    ADDRESS,
    FRAME,
    NEAR,
    QUOTED,
    SENTENCE_END,
    UNSPACED,
    Parted,
    Sentence,
    blocks,
    fold,
    has_words,
    label_of,
    read,
)

TOP_BLOCKS = 4  # paragraphs that a banner may take
BOTTOM_LINES = 8  # lines with words, from the end of a text, that a footer may take
MAX_LINE = 1500  # characters of a line that is looked at
ENOUGH = 3  # weight of a banner: what it says, and ASKED for each of its questions
ASKED, LABELLED = 1, 2
SHORT = 4  # words of a question that only leads to an offer
SHORT_LETTERS = 20
ASKS = re.compile(r"[?？؟]\s*(?:<[^<>]*>|\([^()]*\)|\[[^\[\]]*\]|https?://\S+)?[\s*|]*$")
LINK = re.compile(r"https?://|www\.|\w\.[a-z]{2,6}/|<[^<>\s]+\.[^<>\s]+>")


@dataclass(frozen=True, slots=True)
class Phrases:
    """Folded phrases; a phrase with a * in the table has two parts that stand near each other."""

    parts: tuple[tuple[str, ...], ...]

    def occur(self, folded: str) -> bool:
        """Does a folded text hold any of the phrases?"""
        return any(_stands_in(folded, parts) for parts in self.parts)


def part_asking_edges(text: str) -> Parted:
    """The text without a banner or footer that asks its reader something, and what was taken out.

    `text` is unwrapped: each paragraph is one line. At least one line of the person's stays.
    """
    groups = list(blocks(text.split("\n")))
    kept, top = _without_banner(groups)
    lines = [line for block in kept for line in block]
    rest, bottom = _without_footer(lines)
    if not has_words(rest):
        return Parted(own=text, removed="")
    return Parted(own="\n".join(rest).strip(), removed="\n".join([*top, *bottom]))


def _without_banner(groups: Sequence[list[str]]) -> tuple[list[list[str]], list[str]]:
    """The paragraphs without the beginning that is a banner, and that beginning."""
    taken: list[str] = []
    skipped = 0  # paragraphs that only tell, above one that asks
    for place, block in enumerate(groups[: 2 * TOP_BLOCKS]):
        if not block[0].strip():
            continue
        own, banner, asks = _part_banner(block)
        if not banner:
            break
        if asks:
            taken += [line for each in groups[skipped:place] for line in each if line.strip()]
            taken += banner
            skipped = place + 1
        if own:
            return ([own, *groups[place + 1 :]] if asks else list(groups[skipped:])), taken
    return list(groups[skipped:]), taken


def _part_banner(block: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """The person's lines of a paragraph, the banner above them, and whether the banner asks."""
    banner: list[str] = []
    weights: dict[str, int] = {}
    asked = label_weight = 0
    for place, line in enumerate(block):
        label, rest = label_of(line)
        if label:
            label_weight += LABELLED
            banner.append(label)
        said = _sentences(rest)
        for number, sentence in enumerate(said):
            if not sentence.text.strip(FRAME):
                continue
            if _asks_of_sender(sentence):
                asked += 1
            elif weight := _banner_weights(sentence):
                weights |= {name: max(w, weights.get(name, 0)) for name, w in weight.items()}
            else:
                own = " ".join(each.text for each in said[number:])
                return _weighed([own, *block[place + 1 :]], banner, weights, asked, label_weight)
            banner.append(sentence.text)
    return _weighed([], banner, weights, asked, label_weight)


def _weighed(
    own: list[str], banner: list[str], weights: dict[str, int], asked: int, label_weight: int
) -> tuple[list[str], list[str], bool]:
    """The parts of a paragraph where the banner tells enough; else all of it is the person's."""
    telling = label_weight + sum(weights.values())
    if not telling or telling + ASKED * asked < ENOUGH:
        return [*banner, *own], [], False
    return own, banner, asked > 0


def _banner_weights(sentence: Sentence) -> dict[str, int]:
    """What a sentence that asks nothing says of a banner's things."""
    if sentence.is_personal or ASKS.search(sentence.text):
        return {}
    if ADDRESS.search(sentence.text) and _holds(sentence, "often"):
        return {"unknown": ENOUGH}
    return {name: weight for name, weight in sentence.weights["banner"].items() if weight}


def _asks_of_sender(sentence: Sentence) -> bool:
    """Does it ask its reader whether he knows the sender or expects the mail, or why it matters?"""
    if not ASKS.search(sentence.text) or sentence.is_personal:
        return False
    known = _holds(sentence, "expects") and (_holds(sentence, "sender") or _holds(sentence, "mail"))
    return known or (_holds(sentence, "reason") and _holds(sentence, "important"))


def _without_footer(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines without questions of footers among the last ones, and those questions."""
    kept, taken = list(lines), list[str]()
    seen = 0
    for place in range(len(kept) - 1, 0, -1):
        line = kept[place]
        if not line.strip():
            continue
        seen += 1
        if seen > BOTTOM_LINES or QUOTED.match(line) or not has_words(kept[:place]):
            break
        own, footer = _part_footer(line)
        kept[place] = own
        taken += footer
    return kept, taken


def _part_footer(line: str) -> tuple[str, list[str]]:
    """The person's part of a line, and the footer's question with all that follows it."""
    said = _sentences(line)
    for place, sentence in enumerate(said):
        if ASKS.search(sentence.text) and _is_footers(sentence, said[place + 1 :]):
            first = place
            while first and not said[first - 1].is_personal and said[first - 1].weight("footer"):
                first -= 1  # "This mail is confidential. Are you not the addressee? Delete it."
            return " ".join(each.text for each in said[:first]), [e.text for e in said[first:]]
    return line, []


def _is_footers(question: Sentence, after: Sequence[Sentence]) -> bool:
    """Does a footer ask this of its reader? What follows in the line may only offer something."""
    if any(ASKS.search(each.text) and each.is_personal for each in after):
        return False
    follows = fold(" ".join(each.text for each in after))
    links = bool(LINK.search(f"{question.text} {follows}"))
    if _offers(question, follows) or (links and _serves(question, follows)):
        return True
    if _speaks_for_himself(question):
        return False
    if _holds(question, "recipient") and (_said(follows, "discards") or not after):
        return bool(after)
    if _serves(question, follows):
        return True
    unwanted = _holds(question, "wants") and _holds(question, "no_longer")
    return unwanted and _holds(question, "mail")


def _offers(question: Sentence, follows: str) -> bool:
    """Is it a few words above a link, such as "Questions? Book a call"?"""
    short = len(question.text.split()) <= SHORT and len(question.text) <= SHORT_LETTERS
    return short and bool(LINK.search(follows)) and _said(follows, "offers")


def _serves(question: Sentence, follows: str) -> bool:
    """Does it ask how the reader was served, and for his opinion?"""
    return _holds(question, "served") and (_said(follows, "rates") or _holds(question, "rates"))


def _speaks_for_himself(sentence: Sentence) -> bool:
    """Does its writer say I, or we? "Our mails" is what a footer says."""
    return sentence.is_personal and not _holds(sentence, "mail")


def _sentences(line: str) -> list[Sentence]:
    if len(line) > MAX_LINE:
        return [read(line)]
    return [read(part) for part in SENTENCE_END.split(line) if part.strip()]


def _holds(sentence: Sentence, name: str) -> bool:
    return _said(fold(sentence.text), name)


def _said(folded: str, name: str) -> bool:
    return _lists()[name].occur(folded)


@cache
def _lists() -> dict[str, Phrases]:
    table = read_yaml("edge_lines.yaml")
    return {name: phrases_in(rows) for name, rows in table.items()}


def phrases_in(rows: Iterable[str]) -> Phrases:
    """The phrases of some rows, in which commas part them."""
    phrases = sorted({fold(phrase) for row in rows for phrase in row.split(",")} - {""})
    return Phrases(tuple(tuple(phrase.split("*")) for phrase in phrases))


def _stands_in(folded: str, parts: Sequence[str]) -> bool:
    """Does the text hold the first part where a word begins, and the second soon after it?"""
    return any(
        len(parts) == 1 or parts[1] in folded[end : end + NEAR]
        for _, end in _places(folded, parts[0])
    )


def _places(folded: str, phrase: str) -> Iterator[tuple[int, int]]:
    """Where the phrase begins and ends in the text, at the beginning of a word."""
    place = folded.find(phrase)
    while place >= 0:
        before = folded[place - 1 : place]
        within = before.isalnum() and before < UNSPACED
        if not within or phrase[0] >= UNSPACED or not phrase[0].isalnum():
            yield place, place + len(phrase)
        place = folded.find(phrase, place + 1)
