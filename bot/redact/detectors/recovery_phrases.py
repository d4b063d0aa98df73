"""Finds recovery phrases of wallets: 12 to 24 plain words without words of grammar."""

from collections.abc import Iterator

import re2

from bot.redact.word_lists import word_list

# Characters behind a keyword in which a phrase is searched.
MAX_PHRASE_CHARACTERS = 600
# Characters of a list number before a word: "12.) ".
MAX_NUMBER_CHARACTERS = 6
WORD_RUNS = tuple(
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
LIST_NUMBER = re2.compile(rb"\b[0-9]{1,2} ?[.):-]? ?$")
# Least number of words of a phrase behind a keyword; a partial phrase is masked too.
MIN_WORDS_AFTER_KEYWORD = 6
# Words of a recovery phrase (BIP 39).
PHRASE_LENGTHS = frozenset({12, 15, 18, 21, 24})
# A phrase may have one word of grammar by chance in this many words.
WORDS_PER_GRAMMAR_WORD = 12


def find_phrases(lowered_text: str) -> Iterator[tuple[int, int]]:
    """Yield runs of twelve or more words without words of grammar; `lowered_text` is lowered."""
    raw = lowered_text.encode("latin-1", "replace")
    for run in WORD_RUNS:
        for match in run.finditer(raw):
            spans = [m.span() for m in WORD.finditer(raw, *match.span())]
            for start, end in _stretches_without_grammar(raw, spans):
                yield _start_with_number(lowered_text, start), end


def _stretches_without_grammar(
    raw: bytes, spans: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    stretch: list[tuple[int, int]] = []
    for span in [*spans, (0, 0)]:
        if span[1] and not _is_grammar_word(raw[slice(*span)]):
            stretch.append(span)
            continue
        if (
            len(stretch) in PHRASE_LENGTHS
            and len({raw[slice(*s)] for s in stretch}) > len(stretch) * 2 // 3
        ):
            yield stretch[0][0], stretch[-1][1]
        stretch = []


def _start_with_number(lowered_text: str, start: int) -> int:
    """Return `start`, moved before the list number of the first word, if it has one."""
    before = max(0, start - MAX_NUMBER_CHARACTERS)
    match = LIST_NUMBER.search(lowered_text[before:start].encode("latin-1", "replace"))
    return before + match.start() if match else start


def _is_grammar_word(word: bytes) -> bool:
    return word.decode() in word_list("stop_words")


def find_phrase_after(lowered_text: str, start: int) -> Iterator[tuple[int, int]]:
    """Yield the words behind a keyword up to the end of the sentence, if hardly any is grammar."""
    end = _end_of_list(lowered_text, start, min(len(lowered_text), start + MAX_PHRASE_CHARACTERS))
    row = _find_words(lowered_text, start, end)
    leading = word_list("copulas") | word_list("fillers") | LEADING_WORDS
    while row and lowered_text[slice(*row[0])] in leading:
        row = row[1:]
    while len(row) not in PHRASE_LENGTHS | {0} and (
        lowered_text[slice(*row[-1])] in word_list("stop_words")
        or lowered_text[slice(*row[-1])] in word_list("conjunctions")
    ):
        row = row[:-1]
    grammar = sum(lowered_text[slice(*span)] in word_list("stop_words") for span in row[1:])
    if len(row) >= MIN_WORDS_AFTER_KEYWORD and grammar <= max(
        1, len(row) // WORDS_PER_GRAMMAR_WORD
    ):
        yield _start_with_number(lowered_text, row[0][0]), row[-1][1]


def _end_of_list(lowered_text: str, start: int, stop: int) -> int:
    """Return the end of a list: a full stop behind a word, as one behind a number only counts."""
    for index in range(start, stop):
        char = lowered_text[index]
        if char in "?!。" or (char == "." and index > start and lowered_text[index - 1].isalpha()):
            return index
        if lowered_text.startswith("\n\n", index) and index > start + 2:
            return index
    return stop


def _find_words(lowered_text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    position = start
    while position < end:
        if not lowered_text[position].isalpha():
            position += 1
            continue
        first = position
        while position < end and (
            lowered_text[position].isalpha() or lowered_text[position] == "'"
        ):
            position += 1
        spans.append((first, position))
    return spans


LEADING_WORDS = frozenset(
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
