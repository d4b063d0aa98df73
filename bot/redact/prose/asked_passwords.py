"""Finds passwords in questions that name no password: "Was Rex&Max07 leaked?"."""

import re
from collections.abc import Iterator

from bot.redact.normalize import lowered
from bot.redact.prose.tokenizer import Token, TokenShape, tokenize
from bot.redact.prose.value_candidates import count_digits
from bot.redact.word_lists import is_name, word_list

# Characters of a question that is read; what stands before in a longer one is another statement.
MAX_QUESTION_CHARACTERS = 200
# Characters of a value that people choose as a password and remember.
MIN_CHARACTERS, MAX_CHARACTERS = 7, 24
# Letters with figures behind or inside, or with a mark inside that names do not have.
CHOSEN = re.compile(
    r"(?:[^\W\d_]{3,}\d{1,4}[!?$#]?|[^\W\d_]+\d[^\W\d_]+\w*[!?$#]?|[^\W_]*[!#$%^&*][^\W_][\w!#$%^&*]*)"
)

BEGINNING = re.compile(r"[^\W\d_]+\d+")


def find_asked_passwords(text: str) -> Iterator[tuple[int, int]]:
    """Yields values in questions whether they leaked, are safe or must change.

    `text` is that of a folded text.
    """
    if "?" not in text or not any(char.isdigit() for char in text):
        return
    low = lowered(text)
    place = 0
    while (mark := low.find("?", place)) >= 0:
        begin = max(place, mark - MAX_QUESTION_CHARACTERS, low.rfind("\n", place, mark) + 1)
        words = set(re.findall(r"[^\W\d_]+", low[begin:mark]))
        if words & word_list("exposure_words"):
            row = list(tokenize(text, begin, mark))
            yield from (
                (each.start, each.end)
                for index, each in enumerate(row)
                if _is_chosen(each) and not _is_labelled(row, index)
            )
        place = mark + 1


def _is_chosen(token: Token) -> bool:
    text = token.text
    begins = BEGINNING.match(text)
    if begins and is_name(lowered(begins.group())):
        return False  # a model, with its number
    return (
        token.shape is TokenShape.STRONG
        and MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS
        and count_digits(text) > 0
        and bool(CHOSEN.fullmatch(text))
    )


def _is_labelled(row: list[Token], index: int) -> bool:
    """Does the word before say that it is an account, a number or the name of a product?"""
    before = lowered(row[index - 1].text) if index else ""
    listed = word_list("labels") | word_list("account_names") | word_list("named_things")
    return before in listed or "#" in row[index].lead or "@" in row[index].lead
