"""Recovery phrases of a wallet: a dozen or two of plain words with no grammar between them."""

from collections.abc import Iterator

import re2

from bot.redact.lexicon import words

REACH = 600
LONGEST_NUMBER = 6  # "12.) "
RUNS = tuple(
    re2.compile(rb"(?:\b" + head + rb"[a-z]{3,8}" + gap + rb"){11,}" + head + rb"[a-z]{3,8}\b")
    for head, gap in (
        (rb"", rb" {1,2}"),
        (rb"", rb", ?"),
        (rb"", rb" ?[|>-] ?"),
        (rb"", rb",?[ \t]?\r?\n[ \t>]*"),
        (rb"[0-9]{1,2} ?[.):-]? ?", rb"[\s,;]{1,4}"),
    )
)
WORD = re2.compile(rb"[a-z]+")
NUMBERED = re2.compile(rb"\b[0-9]{1,2} ?[.):-]? ?$")
BESIDE_CUE = 6
LENGTHS = frozenset({12, 15, 18, 21, 24})
# Grammar that no wallet's list of words holds, in the languages that write short lower-case words.
GRAMMAR_SHARE = 12  # one word of grammar in so many is chance


def phrases_anywhere(low: str) -> Iterator[tuple[int, int]]:
    """Twelve words and more with no grammar at all; `low` is lowered(view.text)."""
    raw = low.encode("latin-1", "replace")
    for run in RUNS:
        for match in run.finditer(raw):
            spans = [m.span() for m in WORD.finditer(raw, *match.span())]
            for start, end in _bare_stretches(raw, spans):
                yield _numbered_start(low, start), end


def _bare_stretches(raw: bytes, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    held: list[tuple[int, int]] = []
    for span in [*spans, (0, 0)]:
        if span[1] and not _is_grammar(raw[slice(*span)]):
            held.append(span)
            continue
        if len(held) in LENGTHS and len({raw[slice(*s)] for s in held}) > len(held) * 2 // 3:
            yield held[0][0], held[-1][1]
        held = []


def _numbered_start(low: str, start: int) -> int:
    """The number of the first word goes with it."""
    before = max(0, start - LONGEST_NUMBER)
    match = NUMBERED.search(low[before:start].encode("latin-1", "replace"))
    return before + match.start() if match else start


def _is_grammar(word: bytes) -> bool:
    return word.decode() in words("stop_words")


def phrase_after(low: str, start: int) -> Iterator[tuple[int, int]]:
    """The words behind a cue, to the end of the sentence, when hardly one is grammar."""
    end = _end_of_list(low, start, min(len(low), start + REACH))
    row = _words_in(low, start, end)
    leading = words("copulas") | words("fillers") | LEADERS
    while row and low[slice(*row[0])] in leading:
        row = row[1:]
    while len(row) not in LENGTHS | {0} and (
        low[slice(*row[-1])] in words("stop_words") or low[slice(*row[-1])] in words("conjunctions")
    ):
        row = row[:-1]
    grammar = sum(low[slice(*span)] in words("stop_words") for span in row[1:])
    if len(row) >= BESIDE_CUE and grammar <= max(1, len(row) // GRAMMAR_SHARE):
        yield _numbered_start(low, row[0][0]), row[-1][1]


def _end_of_list(low: str, start: int, stop: int) -> int:
    """A full stop behind a word ends the list; behind a number it only counts."""
    for place in range(start, stop):
        char = low[place]
        if char in "?!。" or (char == "." and place > start and low[place - 1].isalpha()):
            return place
        if low.startswith("\n\n", place) and place > start + 2:
            return place
    return stop


def _words_in(low: str, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    place = start
    while place < end:
        if not low[place].isalpha():
            place += 1
            continue
        first = place
        while place < end and (low[place].isalpha() or low[place] == "'"):
            place += 1
        spans.append((first, place))
    return spans


LEADERS = frozenset(
    [
        "for",
        "wallet",
        "from",
        "metamask",
        "ledger",
        "trezor",
        "words",
        "list",
        "order",
        "phrase",
        "in",
        "is",
        "are",
        "the",
        "my",
        "a",
        "here",
        "it",
        "these",
        "this",
        "i",
        "have",
        "got",
        "of",
        "meine",
        "mein",
        "der",
        "die",
        "das",
        "ma",
        "mon",
        "la",
        "le",
        "est",
        "mi",
        "es",
        "minha",
        "é",
        "mia",
        "il",
        "mijn",
        "de",
    ],
)
