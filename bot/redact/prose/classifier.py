"""Is this value a secret, here? The shape of the value against the firmness of its place."""

import re
from collections.abc import Callable

from bot.redact.checks import SPELT, UUID, case_changes, random
from bot.redact.lexicon import is_descriptive_word, is_name, words
from bot.redact.normalize import lowered
from bot.redact.prose.candidates import Candidate, Place, ends_clause, figures
from bot.redact.prose.keywords import Keyword, SecretRole
from bot.redact.prose.one_time_codes import (
    CODE_DIGITS,
    SIX,
    bare_code,
    card_code,
    code,
    recovery,
    sent_code,
)
from bot.redact.prose.tokenizer import Token, TokenShape, shape
from bot.redact.prose.word_passwords import MOST_WORDS, lone_word, word_before

YEAR_DIGITS = 4
SLUG_PARTS = 3
LONGEST_PASSWORD = 20  # in a sentence that does not name it
LEAST_KEY, LEAST_DRAWN, LEAST_LOOSE_KEY = 8, 10, 16
LEAST_PRINTED = 16  # figures of a password that a router carries
LEAST_FIGURES = 10  # of a key of figures alone
LEAST_ANSWER = 3
BEHIND, AHEAD, KEY_AHEAD = 10, 6, 8  # words between a cue and a mixture that is its value
QUOTED_AHEAD = 2
PHRASE_WORDS = 3  # a longer phrase may hold some grammar
HABIT_AHEAD = 5
INNER_SIGN = re.compile(
    r"[^\W\d_]{2}[!#$%^*~&@?]+\w|\d[!#$%^*~&@?]+[^\W_]|[^\W\d_]\d+[^\W\d]|\d[!$#%]$"
)
YEARED = re.compile(r"[^\W\d_]{4,}(?:\d{2,4}|[-_]?\d{4})[!?$#]?$")
CHANGES = frozenset(["from", "to", "into", "von", "auf", "zu", "de", "à", "a", "por", "para"])
WITH = frozenset(["with", "using", "mit", "avec", "con", "com", "med", "met", "с", "ile"])
ALSO = frozenset(["and", "und", "et", "y", "e", "en", "и", "then", "dann", "puis", "luego", "dan"])
SEPARATORS, BARS = frozenset("/|:,+&"), frozenset("/|")


def value_fits(at: Candidate) -> bool:
    """Is the piece the value of its cue?"""
    if at.place.before in words("examples"):
        return False  # "a password like hunter2"
    other = _counts_something(at) or _is_elsewhere(at) or _is_slug(at.piece.text)
    return not other and JUDGES[at.cue.role](at)


def _is_slug(text: str) -> bool:
    """faq-openai-passwords-api-keys: words of the matter, joined for a name."""
    parts = text.split("-")
    return len(parts) > SLUG_PARTS and text.islower() and sum(map(is_descriptive_word, parts)) > 1


def _is_elsewhere(at: Candidate) -> bool:
    """In another clause than its word, or labelled as something else."""
    place, before = at.place, at.neighbours[0].rstrip(".")
    if place.bound or at.cue.role not in (SecretRole.PASSWORD, SecretRole.KEY):
        return False
    labelled = before in words("labels") and before not in words("time_labels") | CHANGES
    behind = place.sentences > 0 and len(at.piece.text) > LONGEST_PASSWORD
    return labelled or behind or (place.before_cue and place.loose)


def _counts_something(at: Candidate) -> bool:
    """An order number, a price, so many days: the words round a number say so."""
    if at.piece.shape not in (TokenShape.NUMBER, TokenShape.USUAL) or at.place.marked:
        return False
    before, behind = at.neighbours
    if before.startswith("+") or at.piece.lead.endswith("#"):
        return True
    named = before in words("labels") or before.rstrip(".") in words("labels")
    if before in words("time_labels") and at.digits > YEAR_DIGITS:
        return False
    if named and (at.place.before_cue or not at.place.bound):
        return before not in CHANGES or at.digits < SIX
    return behind in words("units")


def _password(at: Candidate) -> bool:
    place, text = at.place, at.piece.text
    match at.piece.shape:
        case TokenShape.STRONG:
            return place.words <= (AHEAD if place.before_cue else BEHIND)
        case TokenShape.CASED:
            return place.bound or at.beside
        case TokenShape.USUAL:
            handle = at.beside and text[0] in "@#" and figures(text) > 0
            long = place.marked or len(text) >= SIX
            named = at.piece.word.rstrip("!?") in words("names", "words")
            return handle or ((place.bound or _ends_beside(at)) and long and not named)
        case TokenShape.NUMBER:
            return _number(at)
        case TokenShape.WORD:
            return word_before(at) if place.before_cue else lone_word(at)
        case TokenShape.EMPTY | TokenShape.NEVER:
            return False


def _phrase(at: Candidate) -> bool:
    """Behind "seed", which is a number too."""
    return at.piece.shape is not TokenShape.NUMBER and _password(at)


def _ends_beside(at: Candidate) -> bool:
    """ "… password Lavande-83": a mixture right behind the word, and nothing after it."""
    alone = at.beside and at.mixed and not at.piece.text.isupper() and len(at.piece.text) >= SIX
    return alone and figures(at.piece.text) > 1 and ends_clause(at.row, at.index)


def _number(at: Candidate) -> bool:
    """A password of figures alone."""
    if at.place.bound or at.beside:
        return at.digits >= CODE_DIGITS[0] and (at.place.marked or not at.is_year)
    changed = at.digits >= SIX and at.place.before in CHANGES and not at.is_year
    return changed or (at.digits >= LEAST_PRINTED and at.place.words <= AHEAD)


def _answer(at: Candidate) -> bool:
    """What somebody answers to a security question."""
    word = lowered(at.piece.text)
    if at.is_year:
        return False
    apposed = at.beside and at.piece.text[:1].isupper() and at.piece.trail.startswith(",")
    bound = (at.place.bound or apposed) and not at.place.before_cue
    named = bound and at.piece.shape is not TokenShape.NEVER
    return named and len(word) >= LEAST_ANSWER and not is_descriptive_word(word)


def _key(at: Candidate) -> bool:
    place, text, token_shape = at.place, at.piece.text, at.piece.shape
    if token_shape in (TokenShape.EMPTY, TokenShape.NEVER):
        return False
    if token_shape is TokenShape.NUMBER:
        return place.bound and at.digits >= LEAST_FIGURES
    if place.bound and (at.mixed or (token_shape is TokenShape.CASED and random(text))):
        named = is_name(text.lower()) or (
            text.islower() and SPELT.match(text) and not text.startswith("sk-")
        )
        return len(text) >= (SIX if place.marked else LEAST_KEY) and not named
    drawn = (
        at.beside and token_shape is TokenShape.STRONG and case_changes(text) > 1 and random(text)
    )
    if len(text) < (LEAST_DRAWN if drawn else LEAST_LOOSE_KEY):
        return False
    if at.beside and at.mixed:
        return not UUID.match(text)
    return token_shape is TokenShape.STRONG and random(text) and place.words <= KEY_AHEAD


def _habit(at: Candidate) -> bool:
    """Near "everywhere" or "changed it to": only what has a sign between letters and figures."""
    text = at.piece.text
    loud = (
        len(text) >= LEAST_KEY
        and at.piece.shape is TokenShape.STRONG
        and bool(INNER_SIGN.search(text) or YEARED.match(text))
    )
    return loud and at.place.words <= HABIT_AHEAD


def _login(at: Candidate) -> bool:
    """Only what stands behind a user name and a separator, or behind "logged in with"."""
    place = at.place
    if place.before_cue or at.index == 0:
        return False
    last, strong = at.row[at.index - 1], at.piece.shape is TokenShape.STRONG
    if strong and ("@" in last.text or (place.before in WITH and place.words <= QUOTED_AHEAD)):
        return True
    if not place.identified or place.words > LEAST_ANSWER:
        return False
    apart = set((last.trail if last.text else last.lead) + at.piece.lead)
    return bool(SEPARATORS & apart or place.before in ALSO) and _second_of_pair(at, apart)


def _second_of_pair(at: Candidate, apart: set[str]) -> bool:
    parted, text = bool(BARS & apart), at.piece.text
    match at.piece.shape:
        case TokenShape.STRONG | TokenShape.CASED:
            return True
        case TokenShape.WORD:
            common = len(text) < CODE_DIGITS[0] or is_descriptive_word(lowered(text))
            return parted and _follows_name(at) and not common and ends_clause(at.row, at.index)
        case TokenShape.NUMBER:
            return parted and at.digits >= CODE_DIGITS[0]
        case TokenShape.USUAL | TokenShape.EMPTY | TokenShape.NEVER:
            return False


def _follows_name(at: Candidate) -> bool:
    """Behind an address, or behind what ":" names as the user: "login: anna / dragonfly"."""
    earlier = [piece for piece in at.row[: at.index] if piece.text]
    if not earlier or at.place.words > 1:
        return False
    if earlier[-1].shape is TokenShape.NEVER:
        return True
    named = at.row.index(earlier[-1])
    return ":" in earlier[-1].lead or (named > 0 and ":" in at.row[named - 1].lead)


def quoted_fits(cue: Keyword, place: Place, inside: str) -> bool:
    """Is what stands in quotation marks near a cue its value?"""
    row = inside.split()
    near = place.bound or place.words <= QUOTED_AHEAD
    if not near or not any(char.isalnum() for char in inside):
        return False
    shapes = [shape(word) for word in row]
    if cue.role in (SecretRole.CODE, SecretRole.BARE_CODE):
        return set(shapes) == {TokenShape.NUMBER} and figures(inside) in CODE_DIGITS
    if cue.role is SecretRole.KEY:
        alone = [Token(text=inside, start=0, shape=shapes[0])]
        whole = len(row) == 1 and place.bound
        return whole and _key(Candidate(cue=cue, place=place, row=alone, index=0))
    return (
        cue.role in WORDED and TokenShape.NEVER not in shapes and _quoted_words(place, row, shapes)
    )


def _quoted_words(place: Place, row: list[str], shapes: list[TokenShape]) -> bool:
    """A password or an answer in quotation marks; a word about passwords is none."""
    if len(row) == 1 and shapes[0] is not TokenShape.WORD:
        return shapes[0] is not TokenShape.USUAL or place.bound
    single = place.words == 0 and len(row) == 1 and len(row[0]) >= CODE_DIGITS[0]
    descriptive = sum(is_descriptive_word(lowered(word)) or is_name(word.lower()) for word in row)
    few = descriptive == 0 or (len(row) > PHRASE_WORDS and descriptive * 2 < len(row))
    return (place.bound or single) and len(row) < MOST_WORDS and few


WORDED = (SecretRole.PASSWORD, SecretRole.PHRASE, SecretRole.RECOVERY, SecretRole.ANSWER)
JUDGES: dict[SecretRole, Callable[[Candidate], bool]] = {
    SecretRole.PASSWORD: _password,
    SecretRole.PHRASE: _phrase,
    SecretRole.CODE: code,
    SecretRole.BARE_CODE: bare_code,
    SecretRole.CARD_CODE: card_code,
    SecretRole.RECOVERY: recovery,
    SecretRole.ANSWER: _answer,
    SecretRole.KEY: _key,
    SecretRole.LOGIN: _login,
    SecretRole.SENT: sent_code,
    SecretRole.HABIT: _habit,
}
