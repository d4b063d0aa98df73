"""Finds passwords in questions without a word for password: "Was Rex&Max07 leaked?"."""

import re
from collections.abc import Iterator

from bot.redact.normalize import lowered
from bot.redact.prose.tokenizer import Token, TokenShape, tokenize
from bot.redact.prose.value_candidates import count_digits
from bot.redact.word_lists import is_name, word_list

# Most characters of a question that are read, from its end; earlier ones are another statement.
MAX_QUESTION_CHARACTERS = 200
# Length of a password that a person chooses and remembers.
MIN_CHARACTERS, MAX_CHARACTERS = 7, 24
# Letters with digits behind or inside, or with inner punctuation that names do not have.
CHOSEN = re.compile(
    r"(?:[^\W\d_]{3,}\d{1,4}[!?$#]?|[^\W\d_]+\d[^\W\d_]+\w*[!?$#]?|[^\W_]*[!#$%^&*][^\W_][\w!#$%^&*]*)"
)

BEGINNING = re.compile(r"[^\W\d_]+\d+")


def find_asked_passwords(text: str) -> Iterator[tuple[int, int]]:
    """Yield values in questions that ask whether they leaked, are safe or must be changed.

    `text` is that of a folded text.
    """
    if "?" not in text or not any(char.isdigit() for char in text):
        return
    low = lowered(text)
    position = 0
    while (mark := low.find("?", position)) >= 0:
        begin = max(position, mark - MAX_QUESTION_CHARACTERS, low.rfind("\n", position, mark) + 1)
        words = set(re.findall(r"[^\W\d_]+", low[begin:mark]))
        if words & word_list("exposure_words"):
            row = list(tokenize(text, begin, mark))
            yield from (
                (each.start, each.end)
                for index, each in enumerate(row)
                if _is_chosen(each) and not _is_labelled(row, index)
            )
        position = mark + 1


def _is_chosen(token: Token) -> bool:
    text = token.text
    begins = BEGINNING.match(text)
    if begins and is_name(lowered(begins.group())):
        return False  # the name of a product with its number
    return (
        token.shape is TokenShape.STRONG
        and MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS
        and count_digits(text) > 0
        and bool(CHOSEN.fullmatch(text))
    )


def _is_labelled(row: list[Token], index: int) -> bool:
    """Return whether the word before calls the token an account, a number or a product."""
    before = lowered(row[index - 1].text) if index else ""
    listed = word_list("labels") | word_list("account_names") | word_list("named_things")
    return before in listed or "#" in row[index].lead or "@" in row[index].lead
