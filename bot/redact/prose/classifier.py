"""Decides whether a token is the secret value of a keyword, by its shape and its link to it.

A token directly behind ":", "=" or a copula is bound to the keyword; for it, a weaker shape
suffices.
"""

import re
from collections.abc import Callable

from bot.redact.format_checks import SPELT_WORDS, UUID, count_case_changes, looks_random
from bot.redact.normalize import lowered
from bot.redact.prose.keywords import Keyword, SecretRole
from bot.redact.prose.one_time_codes import (
    CODE_DIGITS,
    USUAL_CODE_DIGITS,
    is_bare_code,
    is_card_code,
    is_one_time_code,
    is_recovery_code,
    is_sent_code,
)
from bot.redact.prose.tokenizer import Token, TokenShape, classify_shape
from bot.redact.prose.value_candidates import Candidate, KeywordContext, count_digits, ends_clause
from bot.redact.prose.word_passwords import (
    MAX_WORDS,
    is_single_word_password,
    is_word_before_keyword,
)
from bot.redact.word_lists import is_descriptive_word, is_name, word_list

# A number with more digits behind "in" or "since" is no year.
YEAR_DIGITS = 4
# Most parts of a hyphenated value; more are the words of a name.
MAX_NAME_PARTS = 3
# Most characters of a password in another sentence than its keyword.
MAX_PASSWORD_CHARACTERS = 20
# Least length of a key that is bound, of a random one right behind its keyword, and of any other.
MIN_KEY_CHARACTERS, MIN_RANDOM_KEY_CHARACTERS, MIN_LOOSE_KEY_CHARACTERS = 8, 10, 16
# Least number of digits of a password that is printed on a router.
MIN_PRINTED_DIGITS = 16
# Least number of digits of a key of digits alone.
MIN_KEY_DIGITS = 10
# Least length of an answer to a security question.
MIN_ANSWER_CHARACTERS = 3
# Most words between a keyword and a strong token behind it, before it, and an API key behind it.
MAX_WORDS_AFTER, MAX_WORDS_BEFORE, MAX_WORDS_TO_KEY = 10, 6, 8
# Most words between a keyword and a quotation that is its value.
MAX_WORDS_TO_QUOTE = 2
# Most words of a phrase in which none may be descriptive; a longer one may have some of these.
MAX_STRICT_PHRASE_WORDS = 3
# Most words between "everywhere" or the like and a password.
MAX_WORDS_TO_HABIT = 5
INNER_SIGN = re.compile(
    r"[^\W\d_]{2}[!#$%^*~&@?]+\w|\d[!#$%^*~&@?]+[^\W_]|[^\W\d_]\d+[^\W\d]|\d[!$#%]$"
)
WORD_WITH_YEAR = re.compile(r"[^\W\d_]{4,}(?:\d{2,4}|[-_]?\d{4})[!?$#]?$")
CHANGE_WORDS = frozenset(["from", "to", "into", "von", "auf", "zu", "de", "à", "a", "por", "para"])
WITH_WORDS = frozenset(["with", "using", "mit", "avec", "con", "com", "med", "met", "с", "ile"])
AND_WORDS = frozenset(
    ["and", "und", "et", "y", "e", "en", "и", "then", "dann", "puis", "luego", "dan"]
)
PAIR_SEPARATORS, PAIR_BARS = frozenset("/|:,+&"), frozenset("/|")


def is_secret_value(candidate: Candidate) -> bool:
    """Return whether the token is the value of its keyword."""
    if candidate.context.before in word_list("examples"):
        return False  # "a password like hunter2"
    other = (
        _counts_something(candidate) or _is_elsewhere(candidate) or _is_slug(candidate.token.text)
    )
    return not other and CLASSIFIERS[candidate.keyword.role](candidate)


def _is_slug(text: str) -> bool:
    """Return whether the text is a hyphenated name of topic words: faq-were-passwords-api-keys."""
    parts = text.split("-")
    return (
        len(parts) > MAX_NAME_PARTS and text.islower() and sum(map(is_descriptive_word, parts)) > 1
    )


def _is_elsewhere(candidate: Candidate) -> bool:
    """Return whether it is in another clause than its keyword, or labelled as something else."""
    context, before = candidate.context, candidate.neighbours[0].rstrip(".")
    if context.bound or candidate.keyword.role not in (SecretRole.PASSWORD, SecretRole.KEY):
        return False
    labelled = (
        before in word_list("labels") and before not in word_list("time_labels") | CHANGE_WORDS
    )
    behind = context.sentences > 0 and len(candidate.token.text) > MAX_PASSWORD_CHARACTERS
    return labelled or behind or (context.before_keyword and context.loose)


def _counts_something(candidate: Candidate) -> bool:
    """Return whether the words around a number make it an order number, a price, or a duration."""
    if (
        candidate.token.shape not in (TokenShape.NUMBER, TokenShape.USUAL)
        or candidate.context.marked
    ):
        return False
    before, behind = candidate.neighbours
    if before.startswith("+") or candidate.token.lead.endswith("#"):
        return True
    named = before in word_list("labels") or before.rstrip(".") in word_list("labels")
    if before in word_list("time_labels") and candidate.digits > YEAR_DIGITS:
        return False
    if named and (candidate.context.before_keyword or not candidate.context.bound):
        return before not in CHANGE_WORDS or candidate.digits < USUAL_CODE_DIGITS
    return behind in word_list("units")


def _is_password(candidate: Candidate) -> bool:
    context, text = candidate.context, candidate.token.text
    match candidate.token.shape:
        case TokenShape.STRONG:
            return context.words <= (
                MAX_WORDS_BEFORE if context.before_keyword else MAX_WORDS_AFTER
            )
        case TokenShape.CASED:
            return context.bound or candidate.beside
        case TokenShape.USUAL:
            handle = candidate.beside and text[0] in "@#" and count_digits(text) > 0
            long = context.marked or len(text) >= USUAL_CODE_DIGITS
            named = candidate.token.word.rstrip("!?") in word_list("names", "words")
            return handle or (
                (context.bound or _ends_beside_keyword(candidate)) and long and not named
            )
        case TokenShape.NUMBER:
            return _is_numeric_password(candidate)
        case TokenShape.WORD:
            return (
                is_word_before_keyword(candidate)
                if context.before_keyword
                else is_single_word_password(candidate)
            )
        case TokenShape.EMPTY | TokenShape.NEVER:
            return False


def _is_phrase_word(candidate: Candidate) -> bool:
    """Return whether it is a password, and not a number, for which "seed" is also a word."""
    return candidate.token.shape is not TokenShape.NUMBER and _is_password(candidate)


def _ends_beside_keyword(candidate: Candidate) -> bool:
    """Return whether it has letters and digits and is the last word: "… password Lavande-83"."""
    alone = (
        candidate.beside
        and candidate.mixed
        and not candidate.token.text.isupper()
        and len(candidate.token.text) >= USUAL_CODE_DIGITS
    )
    return (
        alone
        and count_digits(candidate.token.text) > 1
        and ends_clause(candidate.row, candidate.index)
    )


def _is_numeric_password(candidate: Candidate) -> bool:
    """Return whether it is a password of digits alone."""
    if candidate.context.bound or candidate.beside:
        return candidate.digits >= CODE_DIGITS[0] and (
            candidate.context.marked or not candidate.is_year
        )
    changed = (
        candidate.digits >= USUAL_CODE_DIGITS
        and candidate.context.before in CHANGE_WORDS
        and not candidate.is_year
    )
    return changed or (
        candidate.digits >= MIN_PRINTED_DIGITS and candidate.context.words <= MAX_WORDS_BEFORE
    )


def _is_answer(candidate: Candidate) -> bool:
    """Return whether it is the answer to a security question."""
    word = lowered(candidate.token.text)
    if candidate.is_year:
        return False
    apposed = (
        candidate.beside
        and candidate.token.text[:1].isupper()
        and candidate.token.trail.startswith(",")
    )
    bound = (candidate.context.bound or apposed) and not candidate.context.before_keyword
    named = bound and candidate.token.shape is not TokenShape.NEVER
    return named and len(word) >= MIN_ANSWER_CHARACTERS and not is_descriptive_word(word)


def _is_key(candidate: Candidate) -> bool:
    context, text, token_shape = candidate.context, candidate.token.text, candidate.token.shape
    if token_shape in (TokenShape.EMPTY, TokenShape.NEVER):
        return False
    if token_shape is TokenShape.NUMBER:
        return context.bound and candidate.digits >= MIN_KEY_DIGITS
    if context.bound and (
        candidate.mixed or (token_shape is TokenShape.CASED and looks_random(text))
    ):
        named = is_name(text.lower()) or (
            text.islower() and SPELT_WORDS.match(text) and not text.startswith("sk-")
        )
        return (
            len(text) >= (USUAL_CODE_DIGITS if context.marked else MIN_KEY_CHARACTERS) and not named
        )
    drawn = (
        candidate.beside
        and token_shape is TokenShape.STRONG
        and count_case_changes(text) > 1
        and looks_random(text)
    )
    if len(text) < (MIN_RANDOM_KEY_CHARACTERS if drawn else MIN_LOOSE_KEY_CHARACTERS):
        return False
    if candidate.beside and candidate.mixed:
        return not UUID.match(text)
    return (
        token_shape is TokenShape.STRONG
        and looks_random(text)
        and context.words <= MAX_WORDS_TO_KEY
    )


def _is_habitual_password(candidate: Candidate) -> bool:
    """Return whether it is a word with punctuation or digits near "everywhere" or the like."""
    text = candidate.token.text
    loud = (
        len(text) >= MIN_KEY_CHARACTERS
        and candidate.token.shape is TokenShape.STRONG
        and bool(INNER_SIGN.search(text) or WORD_WITH_YEAR.match(text))
    )
    return loud and candidate.context.words <= MAX_WORDS_TO_HABIT


def _is_login_password(candidate: Candidate) -> bool:
    """Return whether it follows a user name and a separator, or "logged in with"."""
    context = candidate.context
    if context.before_keyword or candidate.index == 0:
        return False
    last, strong = candidate.row[candidate.index - 1], candidate.token.shape is TokenShape.STRONG
    if strong and (
        "@" in last.text or (context.before in WITH_WORDS and context.words <= MAX_WORDS_TO_QUOTE)
    ):
        return True
    if not context.identified or context.words > MIN_ANSWER_CHARACTERS:
        return False
    apart = set((last.trail if last.text else last.lead) + candidate.token.lead)
    return bool(PAIR_SEPARATORS & apart or context.before in AND_WORDS) and _is_second_of_pair(
        candidate, apart
    )


def _is_second_of_pair(candidate: Candidate, apart: set[str]) -> bool:
    parted, text = bool(PAIR_BARS & apart), candidate.token.text
    match candidate.token.shape:
        case TokenShape.STRONG | TokenShape.CASED:
            return True
        case TokenShape.WORD:
            common = len(text) < CODE_DIGITS[0] or is_descriptive_word(lowered(text))
            return (
                parted
                and _follows_name(candidate)
                and not common
                and ends_clause(candidate.row, candidate.index)
            )
        case TokenShape.NUMBER:
            return parted and candidate.digits >= CODE_DIGITS[0]
        case TokenShape.USUAL | TokenShape.EMPTY | TokenShape.NEVER:
            return False


def _follows_name(candidate: Candidate) -> bool:
    """Return whether it follows an address or a user name behind ":": "login: anna / dragonfly"."""
    earlier = [token for token in candidate.row[: candidate.index] if token.text]
    if not earlier or candidate.context.words > 1:
        return False
    if earlier[-1].shape is TokenShape.NEVER:
        return True
    named = candidate.row.index(earlier[-1])
    return ":" in earlier[-1].lead or (named > 0 and ":" in candidate.row[named - 1].lead)


def is_secret_quotation(keyword: Keyword, context: KeywordContext, inside: str) -> bool:
    """Return whether `inside`, a quotation near a keyword, is its value."""
    row = inside.split()
    near = context.bound or context.words <= MAX_WORDS_TO_QUOTE
    if not near or not any(char.isalnum() for char in inside):
        return False
    shapes = [classify_shape(word) for word in row]
    if keyword.role in (SecretRole.CODE, SecretRole.BARE_CODE):
        return set(shapes) == {TokenShape.NUMBER} and count_digits(inside) in CODE_DIGITS
    if keyword.role is SecretRole.KEY:
        alone = [Token(text=inside, start=0, shape=shapes[0])]
        whole = len(row) == 1 and context.bound
        return whole and _is_key(Candidate(keyword=keyword, context=context, row=alone, index=0))
    return (
        keyword.role in WORD_ROLES
        and TokenShape.NEVER not in shapes
        and _is_quoted_secret(context, row, shapes)
    )


def _is_quoted_secret(context: KeywordContext, row: list[str], shapes: list[TokenShape]) -> bool:
    """Return whether a quotation is a password or an answer, and no word about passwords."""
    if len(row) == 1 and shapes[0] is not TokenShape.WORD:
        return shapes[0] is not TokenShape.USUAL or context.bound
    single = context.words == 0 and len(row) == 1 and len(row[0]) >= CODE_DIGITS[0]
    descriptive = sum(is_descriptive_word(lowered(word)) or is_name(word.lower()) for word in row)
    few = descriptive == 0 or (len(row) > MAX_STRICT_PHRASE_WORDS and descriptive * 2 < len(row))
    return (context.bound or single) and len(row) < MAX_WORDS and few


WORD_ROLES = (SecretRole.PASSWORD, SecretRole.PHRASE, SecretRole.RECOVERY, SecretRole.ANSWER)
CLASSIFIERS: dict[SecretRole, Callable[[Candidate], bool]] = {
    SecretRole.PASSWORD: _is_password,
    SecretRole.PHRASE: _is_phrase_word,
    SecretRole.CODE: is_one_time_code,
    SecretRole.BARE_CODE: is_bare_code,
    SecretRole.CARD_CODE: is_card_code,
    SecretRole.RECOVERY: is_recovery_code,
    SecretRole.ANSWER: _is_answer,
    SecretRole.KEY: _is_key,
    SecretRole.LOGIN: _is_login_password,
    SecretRole.SENT: is_sent_code,
    SecretRole.HABIT: _is_habitual_password,
}
