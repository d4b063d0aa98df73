"""Where a value begins and ends, once it is taken for one; numbers that spaces part."""

from dataclasses import replace

from bot.redact.prose.tokenizer import Token, TokenShape, shape

OWN_SIGNS = "*~"
LEAST_LETTERS = 5  # one by one: fewer are initials
LONG = 200  # a value that long may have been cut by the window it was read in


def widened(text: str, piece: Token, end: int, *, bound: bool) -> tuple[int, int]:
    """With the signs round it that may be its own: *Oscar65, Berlin91*, a "?" in a statement."""
    start = piece.start
    while start > 0 and text[start - 1] in "*~-" and piece.start - start < len(piece.lead):
        start -= 1
    while end < len(text) and _belongs(text[end], end - start):
        end += 1
    goes_on = text[end + 1 : end + 3].strip()[:1]
    if text[end : end + 1] == "?" and (bound or goes_on.islower() or goes_on in ("(", ",")):
        end += 1
    return start, end


def _belongs(char: str, length: int) -> bool:
    return char in OWN_SIGNS or (length > LONG and "!" <= char <= "~")


def joined_letters(row: list[Token], text: str) -> list[Token]:
    """Letters and figures with a space behind each are one value: F l u f f y 9 9."""
    joined: list[Token] = []
    run: list[Token] = []
    for piece in [*row, None]:
        if piece and len(piece.text) == 1 and not piece.lead and not (run and run[-1].trail):
            run.append(piece)
            continue
        if len(run) >= LEAST_LETTERS:
            spaced = text[run[0].start : run[-1].end]
            compact = "".join(each.text for each in run)
            run = [replace(run[0], text=spaced, shape=shape(compact), trail=run[-1].trail)]
        joined += [*run, piece] if piece else run
        run = []
    return joined


def joined_numbers(row: list[Token], text: str) -> list[Token]:
    """Groups of figures parted by one space are one number."""
    joined: list[Token] = []
    for piece in row:
        if joined and _goes_on(joined[-1], piece):
            last = joined[-1]
            joined[-1] = replace(last, text=text[last.start : piece.end], trail=piece.trail)
            continue
        joined.append(piece)
    return joined


def _goes_on(last: Token, piece: Token) -> bool:
    numbers = last.shape is TokenShape.NUMBER and piece.shape is TokenShape.NUMBER
    return numbers and piece.start == last.end + 1 and not last.trail and not piece.lead
