"""Compiles the patterns that recognize mail written by programs, and splits texts into sentences.

The patterns are in bot/data/mail_programs.yaml and mail_statements.yaml; the head of the first
explains their syntax. A text is normalized before matching: without case and accents, and with a
space on either side of each word, so that a pattern can tell where a word begins.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import re2

from bot.resources import read_yaml

TABLES = ("mail_programs.yaml", "mail_statements.yaml")
# Characters of a text that are split into sentences.
MAX_TEXT_CHARACTERS = 6000
# Sentences of a text that are looked at.
MAX_SENTENCES = 150
# Characters of a sentence in which patterns are looked for.
MAX_SENTENCE_CHARACTERS = 400
# The last word of a pattern matches longer words that begin with it, unless it has at most this
# many letters: then it matches whole words only.
MAX_WHOLE_WORD = 3
ADDRESS = re2.compile(r"[^\s<>()\[\],;:\"|@]+@[^\s<>()\[\],;:\"|@/]+\.[^\s<>()\[\],;:\"|@/]+")
# Stands for an address in a text, and for "@" in a pattern.
ADDRESS_WORD = "zzaddress"
LINK = re2.compile(r"(?i)\b(?:https?://|www\.)[^\s<>]+")
# Matches the dot of "5. December", which ends no sentence.
DATE_DOT = re2.compile(r"(\d)\.([ \t]+)(?:\b|$)")
NON_WORD = re2.compile(r"[^\pL\pN\pM]+")
# Scripts that put no spaces between words, or attach particles to them.
UNSPACED = re2.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Devanagari}\p{Arabic}\p{Hebrew}]"
)
SENTENCE_END = re2.compile(r"([.!?:;؟।]+[)\"'»”’]*(?:\s|$)|[。！？：；]+[」』）]*)")
LIST_ITEM = re2.compile(r"^\s*(?:[-*•·–▪●]|\d{1,2}[.)])\s+")
QUESTION_MARKS = ("?", "？", "؟")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSentence:
    """One sentence of a mail.

    `text` is as written; `form` is its normal form, which patterns are matched against; `question`
    says whether a question mark ends it; `listed` whether it stands in a list.
    """

    text: str
    form: str
    question: bool
    listed: bool


def normal_form(text: str) -> str:
    """Return the text without case, accents and marks, with a space on either side of each
    word.
    """
    plain = unicodedata.normalize("NFKD", text.replace("’", "'")).casefold()
    kept = "".join(c for c in plain if unicodedata.category(c) != "Mn")
    words = NON_WORD.sub(" ", kept).split()
    return "".join(f" {word} " for word in words)


def split_mail_sentences(text: str) -> list[MailSentence]:
    """Return the sentences of the beginning of a text; lines of a paragraph are joined."""
    result: list[MailSentence] = []
    plain = DATE_DOT.sub(r"\1 ", LINK.sub(" ", text[:MAX_TEXT_CHARACTERS]))
    for paragraph, listed in _paragraphs(plain):
        pieces = SENTENCE_END.split(paragraph)
        for index in range(0, len(pieces), 2):
            words = pieces[index].strip()
            end = pieces[index + 1] if index + 1 < len(pieces) else ""
            if words and len(result) < MAX_SENTENCES:
                result.append(
                    MailSentence(
                        text=words,
                        form=normal_form(words[:MAX_SENTENCE_CHARACTERS]),
                        question=any(mark in end for mark in QUESTION_MARKS),
                        listed=listed,
                    )
                )
    return result


def _paragraphs(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each paragraph or list item as one line, and whether it is a list item.

    Quoted lines are left out.
    """
    lines: list[str] = []
    listed = False
    for line in [*text.splitlines(), ""]:
        if line.lstrip().startswith(">"):  # quoted: not said by this sender
            continue
        item = LIST_ITEM.match(line)
        if lines and (item or not line.strip()):
            yield " ".join(lines), listed
            lines, listed = [], False
        if item:
            line, listed = line[item.end() :], True  # noqa: PLW2901 - without its mark
        if line.strip():
            lines.append(line.strip())


@cache
def pattern_table() -> dict[str, dict[object, list[str]] | list[str]]:
    """Return the contents of both TABLES as one mapping, with patterns not yet compiled."""
    return {key: value for name in TABLES for key, value in read_yaml(name).items()}


@cache
def compile_patterns(name: str, row: object = None) -> "re2._Regexp[str] | None":
    """Return one expression that matches any pattern listed under `name`; None without any.

    `row` is the key of a list of patterns where `name` stands for a mapping.
    """
    value = pattern_table()[name]
    lines = value.get(row, []) if isinstance(value, dict) else value
    patterns = [_pattern_expression(pattern) for pattern in _split_patterns(lines)]
    options = re2.Options()
    options.max_mem = 64 * 1024 * 1024
    return re2.compile("|".join(patterns), options) if patterns else None


def holds_pattern(name: str, text: str, row: object = None) -> bool:
    """Does a text in its normal form hold a pattern of this name?"""
    pattern = compile_patterns(name, row)
    return bool(pattern and pattern.search(text))


def _split_patterns(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from (pattern.strip() for pattern in line.split(",") if pattern.strip())


def _pattern_expression(pattern: str) -> str:
    pieces = [
        "".join(
            _place_expression(word, after=index > 0) for index, word in enumerate(piece.split())
        )
        for piece in pattern.split("…")
        if piece.strip()
    ]
    return f"(?:{'.*'.join(pieces)})"


def _place_expression(word: str, *, after: bool) -> str:
    """Return the expression for one word of a pattern, or for alternatives separated by "|".

    With `after`, the word follows another one; in a script without spaces, an ending of that word
    may then stand between the two.
    """
    expressions = [_choice_expression(choice) for choice in word.split("|")]
    between = "[^ ]* *" if after and UNSPACED.search(word) else ""
    return f"{between}(?:{'|'.join(choice for choice in expressions if choice)})"


def _choice_expression(choice: str) -> str:
    if choice == "@":
        return f" {ADDRESS_WORD} "
    words = normal_form(choice.replace("_", " ")).split()
    if any(UNSPACED.search(word) for word in words):
        return "[^ ]* *".join(re2.escape(word) for word in words)
    if not words:
        return ""
    last = words[-1]
    open_end = "" if len(last) <= MAX_WHOLE_WORD or choice.endswith("=") else "[^ ]*"
    whole = "".join(f" {re2.escape(word)} " for word in words[:-1])
    return f"{whole} {re2.escape(last)}{open_end} "
