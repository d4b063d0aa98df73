"""Recognizes codes beside their keyword: one-time codes, PINs, card codes, recovery codes."""

from bot.redact.prose.tokenizer import TokenShape
from bot.redact.prose.value_candidates import Candidate, count_digits, ends_clause
from bot.redact.word_lists import is_name

# Digits of one-time codes and PINs, and of the code on a card.
CODE_DIGITS = range(4, 9)
CARD_DIGITS = (3, 4)
# The number of digits of most one-time codes and of little else.
USUAL_CODE_DIGITS = 6
# Digits behind the prefix of a code such as G-482913.
PREFIXED_CODE_DIGITS = range(5, 8)
# Most characters of a code of letters and digits.
MAX_MIXED_CODE = 12
# Most words between a keyword and its code; more are allowed the more certain the code is.
MAX_WORDS_IN_SENTENCE, MAX_WORDS_IN_HALF, MAX_WORDS_NEAR = 10, 8, 4
# A recovery code of joined words is longer than this.
MIN_WORDY_CODE = 8


def is_one_time_code(at: Candidate) -> bool:
    """Return whether it is a code behind "verification code" or "PIN"."""
    if at.digits not in CODE_DIGITS:
        placed = at.token.start > at.keyword.end or at.context.bound
        return _is_prefixed_code(at) or (placed and _is_mixed_code(at))
    if at.context.bound or at.context.taken:
        return True
    if at.is_year:
        return False
    named = at.index > 0 and at.row[at.index - 1].text[:1].isupper()  # "my Nokia 3310"
    last = ends_clause(at.row, at.index) and not named
    return at.context.words <= (
        MAX_WORDS_IN_SENTENCE
        if at.digits >= USUAL_CODE_DIGITS
        else USUAL_CODE_DIGITS
        if last
        else MAX_WORDS_NEAR - 1
    )


def is_bare_code(at: Candidate) -> bool:
    """Return whether it is a code behind the ambiguous word "code" alone."""
    context = at.context
    if at.digits not in CODE_DIGITS:
        beside = (
            at.beside
            and at.token.shape is TokenShape.STRONG
            and len(at.token.text) > USUAL_CODE_DIGITS
        )
        return beside or _is_prefixed_code(at) or (context.bound and _is_mixed_code(at))
    if context.bound or at.beside:
        dated = at.is_year and (context.before_keyword or not context.bound)
        return context.words <= USUAL_CODE_DIGITS and not dated
    return at.digits == USUAL_CODE_DIGITS and context.words <= MAX_WORDS_IN_HALF


def is_sent_code(at: Candidate) -> bool:
    """Return whether it has six digits near "a text" or "verify", or a prefix as G-482913 has."""
    return (
        at.digits == USUAL_CODE_DIGITS and at.context.words <= MAX_WORDS_IN_HALF
    ) or _is_prefixed_code(at)


def is_card_code(at: Candidate) -> bool:
    """Return whether it is the code of three or four digits that is printed on a card."""
    near = at.context.bound or at.context.words <= 1
    return at.digits in CARD_DIGITS and near and not at.context.before_keyword


def is_recovery_code(at: Candidate) -> bool:
    """Return whether it is a recovery code; they come in lists, so one may follow another."""
    context, text = at.context, at.token.text
    if at.token.shape is TokenShape.STRONG:
        return context.bound or not context.before_keyword
    near = (context.bound or context.taken > 0 or context.words == 0) and not context.before_keyword
    match at.token.shape:
        case TokenShape.NUMBER:
            loose = context.words < MAX_WORDS_NEAR and not at.is_year
            return not context.before_keyword and at.digits >= CODE_DIGITS[0] and (near or loose)
        case TokenShape.USUAL:
            return near and len(text) >= CODE_DIGITS[0] and count_digits(text) > 0
        case TokenShape.CASED:
            return near and context.bound
        case TokenShape.WORD:
            return near and context.bound and "-" in text and len(text) > MIN_WORDY_CODE
        case TokenShape.EMPTY | TokenShape.NEVER:
            return False


def _is_mixed_code(at: Candidate) -> bool:
    """Return whether it is a code of letters and digits, bound to its keyword."""
    text = at.token.text
    if is_name(text.lower()):
        return False
    if at.token.shape is TokenShape.STRONG:
        return at.context.words <= MAX_WORDS_NEAR
    plain = text.replace("-", "").isalnum() and len(text) in range(
        MAX_WORDS_NEAR, MAX_MIXED_CODE + 1
    )
    return at.token.shape is TokenShape.USUAL and at.context.bound and at.mixed and plain


def _is_prefixed_code(at: Candidate) -> bool:
    """Return whether it is a code with a prefix of letters, such as G-482913."""
    letters, _, number = at.token.text.partition("-")
    if (
        not letters.isalpha()
        or len(letters) >= MAX_WORDS_NEAR
        or at.context.words > MAX_WORDS_IN_HALF
    ):
        return False
    return number.isdigit() and len(number) in PREFIXED_CODE_DIGITS
