"""Where a value begins and ends, once it is taken for one; numbers that spaces part."""

from dataclasses import replace

from bot.redact.pieces import Piece, Shape

OWN_SIGNS = "*~"
LONG = 200  # a value that long may have been cut by the window it was read in


def widened(text: str, piece: Piece, end: int, *, bound: bool) -> tuple[int, int]:
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


def joined_numbers(row: list[Piece], text: str) -> list[Piece]:
    """Groups of figures parted by one space are one number."""
    made: list[Piece] = []
    for piece in row:
        if made and _goes_on(made[-1], piece):
            last = made[-1]
            made[-1] = replace(last, text=text[last.start : piece.end], trail=piece.trail)
            continue
        made.append(piece)
    return made


def _goes_on(last: Piece, piece: Piece) -> bool:
    numbers = last.shape is Shape.NUMBER and piece.shape is Shape.NUMBER
    return numbers and piece.start == last.end + 1 and not last.trail and not piece.lead
