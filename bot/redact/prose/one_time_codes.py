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


def is_one_time_code(candidate: Candidate) -> bool:
    """Return whether it is a code behind "verification code" or "PIN"."""
    if candidate.digits not in CODE_DIGITS:
        placed = candidate.token.start > candidate.keyword.end or candidate.context.bound
        return _is_prefixed_code(candidate) or (placed and _is_mixed_code(candidate))
    if candidate.context.bound or candidate.context.taken:
        return True
    if candidate.is_year:
        return False
    named = (
        candidate.index > 0 and candidate.row[candidate.index - 1].text[:1].isupper()
    )  # "my Nokia 3310"
    last = ends_clause(candidate.row, candidate.index) and not named
    return candidate.context.words <= (
        MAX_WORDS_IN_SENTENCE
        if candidate.digits >= USUAL_CODE_DIGITS
        else USUAL_CODE_DIGITS
        if last
        else MAX_WORDS_NEAR - 1
    )


def is_bare_code(candidate: Candidate) -> bool:
    """Return whether it is a code behind the ambiguous word "code" alone."""
    context = candidate.context
    if candidate.digits not in CODE_DIGITS:
        beside = (
            candidate.beside
            and candidate.token.shape is TokenShape.STRONG
            and len(candidate.token.text) > USUAL_CODE_DIGITS
        )
        return (
            beside or _is_prefixed_code(candidate) or (context.bound and _is_mixed_code(candidate))
        )
    if context.bound or candidate.beside:
        dated = candidate.is_year and (context.before_keyword or not context.bound)
        return context.words <= USUAL_CODE_DIGITS and not dated
    return candidate.digits == USUAL_CODE_DIGITS and context.words <= MAX_WORDS_IN_HALF


def is_sent_code(candidate: Candidate) -> bool:
    """Return whether it has six digits near "a text" or "verify", or a prefix as G-482913 has."""
    return (
        candidate.digits == USUAL_CODE_DIGITS and candidate.context.words <= MAX_WORDS_IN_HALF
    ) or _is_prefixed_code(candidate)


def is_card_code(candidate: Candidate) -> bool:
    """Return whether it is the code of three or four digits that is printed on a card."""
    near = candidate.context.bound or candidate.context.words <= 1
    return candidate.digits in CARD_DIGITS and near and not candidate.context.before_keyword


def is_recovery_code(candidate: Candidate) -> bool:
    """Return whether it is a recovery code; they come in lists, so one may follow another."""
    context, text = candidate.context, candidate.token.text
    if candidate.token.shape is TokenShape.STRONG:
        return context.bound or not context.before_keyword
    is_near_keyword = (
        context.bound or context.taken > 0 or context.words == 0
    ) and not context.before_keyword
    match candidate.token.shape:
        case TokenShape.NUMBER:
            loose = context.words < MAX_WORDS_NEAR and not candidate.is_year
            return (
                not context.before_keyword
                and candidate.digits >= CODE_DIGITS[0]
                and (is_near_keyword or loose)
            )
        case TokenShape.USUAL:
            return is_near_keyword and len(text) >= CODE_DIGITS[0] and count_digits(text) > 0
        case TokenShape.CASED:
            return is_near_keyword and context.bound
        case TokenShape.WORD:
            return is_near_keyword and context.bound and "-" in text and len(text) > MIN_WORDY_CODE
        case TokenShape.EMPTY | TokenShape.NEVER:
            return False


def _is_mixed_code(candidate: Candidate) -> bool:
    """Return whether it is a code of letters and digits, bound to its keyword."""
    text = candidate.token.text
    if is_name(text.lower()):
        return False
    if candidate.token.shape is TokenShape.STRONG:
        return candidate.context.words <= MAX_WORDS_NEAR
    plain = text.replace("-", "").isalnum() and len(text) in range(
        MAX_WORDS_NEAR, MAX_MIXED_CODE + 1
    )
    return (
        candidate.token.shape is TokenShape.USUAL
        and candidate.context.bound
        and candidate.mixed
        and plain
    )


def _is_prefixed_code(candidate: Candidate) -> bool:
    """Return whether it is a code with a prefix of letters, such as G-482913."""
    letters, _, number = candidate.token.text.partition("-")
    if (
        not letters.isalpha()
        or len(letters) >= MAX_WORDS_NEAR
        or candidate.context.words > MAX_WORDS_IN_HALF
    ):
        return False
    return number.isdigit() and len(number) in PREFIXED_CODE_DIGITS
