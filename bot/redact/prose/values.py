"""Finds the start and end of a value, and joins values that contain spaces."""

from dataclasses import replace

from bot.redact.prose.tokenizer import Token, TokenShape, classify_shape

OWN_SIGNS = "*~"
# Least number of single letters that are a value; fewer are initials.
MIN_SPACED_LETTERS = 5
# Least length of a value that may have been cut off by the window in which it was read.
MIN_CUT_CHARACTERS = 200


def extend_span(text: str, token: Token, end: int, *, bound: bool) -> tuple[int, int]:
    """Return the span of a value with the punctuation that may be part of it.

    Examples: *Oscar65, Berlin91*, a "?" in a statement.
    """
    start = token.start
    while start > 0 and text[start - 1] in "*~-" and token.start - start < len(token.lead):
        start -= 1
    while end < len(text) and _belongs_to_value(text[end], end - start):
        end += 1
    goes_on = text[end + 1 : end + 3].strip()[:1]
    if text[end : end + 1] == "?" and (bound or goes_on.islower() or goes_on in ("(", ",")):
        end += 1
    return start, end


def _belongs_to_value(char: str, length: int) -> bool:
    return char in OWN_SIGNS or (length > MIN_CUT_CHARACTERS and "!" <= char <= "~")


def join_spaced_letters(row: list[Token], text: str) -> list[Token]:
    """Return the row with spaced-out letters and digits joined into one token: F l u f f y 9 9."""
    joined: list[Token] = []
    run: list[Token] = []
    for token in [*row, None]:
        if token and len(token.text) == 1 and not token.lead and not (run and run[-1].trail):
            run.append(token)
            continue
        if len(run) >= MIN_SPACED_LETTERS:
            spaced = text[run[0].start : run[-1].end]
            compact = "".join(each.text for each in run)
            run = [replace(run[0], text=spaced, shape=classify_shape(compact), trail=run[-1].trail)]
        joined += [*run, token] if token else run
        run = []
    return joined


def join_number_groups(row: list[Token], text: str) -> list[Token]:
    """Return the row with groups of digits that one space separates joined into one number."""
    joined: list[Token] = []
    for token in row:
        if joined and _goes_on(joined[-1], token):
            last = joined[-1]
            joined[-1] = replace(last, text=text[last.start : token.end], trail=token.trail)
            continue
        joined.append(token)
    return joined


def _goes_on(last: Token, token: Token) -> bool:
    numbers = last.shape is TokenShape.NUMBER and token.shape is TokenShape.NUMBER
    return numbers and token.start == last.end + 1 and not last.trail and not token.lead
