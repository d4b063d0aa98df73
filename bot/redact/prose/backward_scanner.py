"""Finds values that come before their keyword: "… is my password", "… als Passwort"."""

from collections.abc import Iterator
from dataclasses import replace

from bot.redact.normalize import lowered
from bot.redact.prose.classifier import is_secret_quotation, is_secret_value
from bot.redact.prose.keywords import Keyword
from bot.redact.prose.tokenizer import JOINED_RUN, Token, TokenShape, tokenize
from bot.redact.prose.value_candidates import Candidate, KeywordContext
from bot.redact.prose.values import extend_span, join_number_groups
from bot.redact.word_lists import word_list

# Distance in tokens from a value back to the one before "or".
ALTERNATIVE_DISTANCE = 2
# Most words from a copula to its keyword: "… is my old bank password".
MAX_WORDS_AFTER_COPULA = 3
# Characters read before a keyword, and to the start of a value that reaches further.
MAX_CHARACTERS_BEFORE, MAX_CHARACTERS_TO_START = 60, 180
SENTENCE_ENDS = frozenset(".?!…")
QUOTES = frozenset("\"'")


def find_values_before(text: str, keyword: Keyword, previous: int) -> Iterator[tuple[int, int]]:
    """Yield the nearest value before `keyword` in its sentence, not before offset `previous`."""
    row = _tokens_before(text, keyword, previous)
    if row and (
        lowered(row[-1].text) in word_list("poor")
        or any(lowered(token.text) in word_list("generally") for token in row)
    ):
        return  # "… is a bad password", "people use …" are about passwords in general
    context = KeywordContext(before_keyword=True)
    for index in range(len(row) - 1, -1, -1):
        token = row[index]
        if _ends_search(token, last=index == len(row) - 1):
            return
        if context.words <= MAX_WORDS_AFTER_COPULA and not context.loose and _is_binding(token):
            context = replace(context, bound=True)
            continue
        if token.text and (
            is_secret_value(Candidate(keyword=keyword, context=context, row=row, index=index))
            or _in_quotes(keyword, context, token)
        ):
            yield extend_span(text, token, token.end, bound=False)
            if other := _find_alternative(row, index):
                yield extend_span(text, other, other.end, bound=False)
            return
        apart = context.bound and bool({",", ";"} & set(token.trail))  # "…, is my password safe"
        context = replace(
            context, bound=False, words=context.words + 1, loose=context.loose or apart
        )


def _find_alternative(row: list[Token], index: int) -> Token | None:
    """Return the first value of "Sparrow1 or Sparrow2"; None where there is none."""
    if index < ALTERNATIVE_DISTANCE or lowered(row[index - 1].text) not in word_list(
        "alternatives"
    ):
        return None
    other = row[index - ALTERNATIVE_DISTANCE]
    return other if other.shape is TokenShape.STRONG else None


def _in_quotes(keyword: Keyword, context: KeywordContext, token: Token) -> bool:
    """Return whether it is a quoted value, as in: I used "ilovecats" as my password."""
    quoted = bool(QUOTES & set(token.lead[-1:])) and token.trail[:1] == token.lead[-1:]
    return quoted and context.bound and is_secret_quotation(keyword, context, token.text)


def _tokens_before(text: str, keyword: Keyword, previous: int) -> list[Token]:
    """Return the tokens shortly before a keyword; a long value is read from its start."""
    start = max(previous, keyword.start - MAX_CHARACTERS_BEFORE)
    while (
        start > previous
        and "!" <= text[start - 1] <= "~"
        and keyword.start - start < MAX_CHARACTERS_TO_START
    ):
        start -= 1
    return join_number_groups(
        [p for p in tokenize(text, start, keyword.start) if p.end <= keyword.start], text
    )


def _ends_search(token: Token, *, last: bool) -> bool:
    """Return whether the search stops at the token: a sentence, line or heading ends there."""
    ended = SENTENCE_ENDS & set(token.trail) or "\n" in token.lead
    return bool(ended and not last) or (":" in token.trail and token.shape is not TokenShape.STRONG)


def _is_binding(token: Token) -> bool:
    if JOINED_RUN.match(token.text):
        return any(char in token.text for char in word_list("cjk_copulas"))
    return lowered(token.text) in word_list("back_copulas")
