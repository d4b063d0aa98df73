"""Codes beside their word: one-time codes, PINs, the figures on a card, recovery codes."""

from bot.redact.lexicon import is_name
from bot.redact.prose.candidates import Candidate, ends_clause, figures
from bot.redact.prose.tokenizer import TokenShape

CODE_DIGITS = range(4, 9)
CARD_DIGITS = (3, 4)
SIX = 6
LETTERED_DIGITS = range(5, 8)
LONGEST_LETTERED = 12
SENTENCE, HALF, NEAR = 10, 8, 4  # words from the cue
LEAST_WORDY = 8


def code(at: Candidate) -> bool:
    """Behind "verification code" or "PIN"."""
    if at.digits not in CODE_DIGITS:
        placed = at.piece.start > at.cue.end or at.place.bound
        return _with_letters(at) or (placed and _one_time(at))
    if at.place.bound or at.place.taken:
        return True
    if at.is_year:
        return False
    named = at.index > 0 and at.row[at.index - 1].text[:1].isupper()  # my Nokia 3310
    last = ends_clause(at.row, at.index) and not named
    return at.place.words <= (SENTENCE if at.digits >= SIX else SIX if last else NEAR - 1)


def bare_code(at: Candidate) -> bool:
    """Behind "code" alone, which is many things."""
    place = at.place
    if at.digits not in CODE_DIGITS:
        beside = at.beside and at.piece.shape is TokenShape.STRONG and len(at.piece.text) > SIX
        return beside or _with_letters(at) or (place.bound and _one_time(at))
    if place.bound or at.beside:
        dated = at.is_year and (place.before_cue or not place.bound)
        return place.words <= SIX and not dated
    return at.digits == SIX and place.words <= HALF


def sent_code(at: Candidate) -> bool:
    """Near "a text" or "verify": six figures, a form that little else has."""
    return (at.digits == SIX and at.place.words <= HALF) or _with_letters(at)


def card_code(at: Candidate) -> bool:
    near = at.place.bound or at.place.words <= 1
    return at.digits in CARD_DIGITS and near and not at.place.before_cue


def recovery(at: Candidate) -> bool:
    """Recovery codes come in lists: what follows one of them is one too."""
    place, text = at.place, at.piece.text
    if at.piece.shape is TokenShape.STRONG:
        return place.bound or not place.before_cue
    near = (place.bound or place.taken > 0 or place.words == 0) and not place.before_cue
    match at.piece.shape:
        case TokenShape.NUMBER:
            loose = place.words < NEAR and not at.is_year
            return not place.before_cue and at.digits >= CODE_DIGITS[0] and (near or loose)
        case TokenShape.USUAL:
            return near and len(text) >= CODE_DIGITS[0] and figures(text) > 0
        case TokenShape.CASED:
            return near and place.bound
        case TokenShape.WORD:
            return near and place.bound and "-" in text and len(text) > LEAST_WORDY
        case TokenShape.EMPTY | TokenShape.NEVER:
            return False


def _one_time(at: Candidate) -> bool:
    """Codes of letters and figures, bound to their cue."""
    text = at.piece.text
    if is_name(text.lower()):
        return False
    if at.piece.shape is TokenShape.STRONG:
        return at.place.words <= NEAR
    plain = text.replace("-", "").isalnum() and len(text) in range(NEAR, LONGEST_LETTERED + 1)
    return at.piece.shape is TokenShape.USUAL and at.place.bound and at.mixed and plain


def _with_letters(at: Candidate) -> bool:
    """G-482913."""
    letters, _, number = at.piece.text.partition("-")
    if not letters.isalpha() or len(letters) >= NEAR or at.place.words > HALF:
        return False
    return number.isdigit() and len(number) in LETTERED_DIGITS
