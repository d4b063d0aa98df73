"""Passwords made of plain words: only their place tells them from what is said of a password."""

from bot.redact.lexicon import (
    SHARED,
    is_copula,
    is_descriptive_word,
    is_listed_descriptive_word,
    is_name,
    words,
)
from bot.redact.normalize import lowered
from bot.redact.prose.candidates import Candidate, Place, ends_clause
from bot.redact.prose.keywords import Keyword, SecretRole
from bot.redact.prose.tokenizer import Token, TokenShape

# Languages whose words about passwords are listed: elsewhere a bare word needs a ":" or "=".
KNOWN = frozenset([SHARED, "en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "no"])
# In these a word in Latin letters is no word of the sentence.
OTHER_ALPHABETS = frozenset(
    "ar bn el fa gu he hi hy ja ka kk ko ru sr ta th uk ur zh".split(" "),  # noqa: SIM905 - a list
)
# Here other words begin with a capital too: nouns in German, titles in English.
CAPITALS = frozenset([SHARED, "en", "de"])
LONG_PAIR = 10
LEAST_ALONE = 8  # letters of a word that stands alone on the line below
LEAST_WORD, LEAST_MARKED = 4, 3
MOST_WORDS = 8
CLOSE = 4  # words between cue and copula: "the password for my account is"


def lone_word(at: Candidate) -> bool:
    """A bare word that nothing else explains: "my password is dragon"."""
    place, text = at.place, at.piece.text
    word = lowered(text)
    if any(rule(at, word) for rule in (_before_account, _alone_in_script, _noted, _named)):
        return True
    if not _binds_words(place) or not (place.marked or _foreign_to(at.cue, word)):
        return False
    least = LEAST_MARKED if place.marked else LEAST_WORD
    chained = word.count("-") > 1 or _ends_line(at)
    descriptive = is_listed_descriptive_word(word) if chained else is_descriptive_word(word)
    if len(word) < least or descriptive or is_name(word):
        return False
    if place.lines and not (text.islower() and (place.marked or len(word) >= LEAST_ALONE)):
        return False
    return ends_clause(at.row, at.index)


def _before_account(at: Candidate, word: str) -> bool:
    """ "password lemoncake username janet"."""
    behind = lowered(at.row[at.index + 1].text) if at.index + 1 < len(at.row) else ""
    plain = at.beside and len(word) >= LEAST_WORD and not is_listed_descriptive_word(word)
    return plain and not at.piece.trail and behind in words("account_names")


def _alone_in_script(at: Candidate, word: str) -> bool:
    """ "пароль solnyshko": Latin letters right behind a word of another script."""
    latin = at.piece.text.isascii() and at.piece.text.islower() and len(word) > LEAST_WORD
    plain = latin and not is_listed_descriptive_word(word) and not is_name(word)
    foreign = at.cue.language in OTHER_ALPHABETS
    return plain and foreign and at.beside and ends_clause(at.row, at.index)


def _named(at: Candidate, word: str) -> bool:
    """ "şifrem Kapadokya": a name where the language writes only names with a capital."""
    capital = at.piece.text.isalpha() and at.piece.text[0].isupper() and len(word) > LEAST_WORD
    near = at.beside or (at.place.bound and not at.place.loose and at.place.words <= 1)
    other = at.cue.language not in CAPITALS and not at.place.sentences and not at.place.lines
    plain = not (is_listed_descriptive_word(word) or is_name(word))
    return capital and near and other and plain and ends_clause(at.row, at.index)


def _noted(at: Candidate, word: str) -> bool:
    """ "pwd butterfly"."""
    last = at.index + 1 == len(at.row) or "\n" in at.row[at.index + 1].lead
    ends = last and not set(at.piece.trail) & {"?", ")"} and not at.place.loose
    note = at.cue.word in words("notes") and at.beside and ends
    return note and len(word) > LEAST_WORD and not is_descriptive_word(word) and not is_name(word)


def word_before(at: Candidate) -> bool:
    """ "I used walnut as my password", "walnutcake is my password"."""
    word = lowered(at.piece.text)
    put = at.index > 0 and lowered(at.row[at.index - 1].text) in words("puts")
    put = put or (at.index == 0 and at.piece.text.islower() and len(word) >= LEAST_ALONE)
    plain = len(word) >= LEAST_WORD and not is_descriptive_word(word) and not is_name(word)
    return at.place.bound and put and plain and not at.piece.trail


def _ends_line(at: Candidate) -> bool:
    """Behind ":" or "=", and the line ends with it."""
    last = at.index + 1 == len(at.row) or "\n" in at.row[at.index + 1].lead
    return at.place.marked and last and "?" not in at.piece.trail


def _foreign_to(cue: Keyword, word: str) -> bool:
    """It is no word of the sentence: known language, other alphabet, two joined words."""
    if not word.replace("-", "").replace("'", "").isascii():
        return False
    known = cue.language in KNOWN or cue.language in OTHER_ALPHABETS
    return known or (word.count("-") == 1 and len(word) >= LONG_PAIR)


def _binds_words(place: Place) -> bool:
    """Bare words are believed only in the sentence that speaks of the password, close to it."""
    if not place.bound or place.sentences or place.taken:
        return False
    return place.marked or (not place.loose and place.words <= (0 if place.lines else CLOSE))


def words_fit(at: Candidate) -> int:
    """The end of several bare words, as "correct horse battery staple"; 0 for none."""
    worded = at.cue.role in (SecretRole.PASSWORD, SecretRole.PHRASE, SecretRole.ANSWER)
    if not worded or at.place.before_cue or not _binds_words(at.place):
        return 0
    taken = _run_of_words(at)
    if not taken or not ends_clause(at.row, at.index + len(taken) - 1):
        return 0
    if at.cue.role is SecretRole.ANSWER:
        descriptive = at.is_year or any(is_descriptive_word(lowered(piece.text)) for piece in taken)
        return taken[-1].end if len(taken) <= CLOSE and not descriptive else 0
    return taken[-1].end if _is_phrase(at.cue, at.place, taken) else 0


def _run_of_words(at: Candidate) -> list[Token]:
    """The words up to the end of the clause or the first that is grammar."""
    taken: list[Token] = []
    for place in range(at.index, min(len(at.row), at.index + MOST_WORDS)):
        piece = at.row[place]
        if piece.shape in (TokenShape.NEVER, TokenShape.EMPTY) or (taken and piece.lead):
            break
        word = lowered(piece.text)
        if word in words("stop_words") or is_copula(piece.word, word, at.cue.language):
            break
        taken.append(piece)
        if ends_clause(at.row, place):
            break
    return taken


def _is_phrase(cue: Keyword, place: Place, taken: list[Token]) -> bool:
    """Four words with hardly one that tells of passwords, or fewer that end in figures."""
    descriptive = sum(is_descriptive_word(lowered(piece.text)) for piece in taken)
    if (
        len(taken) > 1
        and taken[-1].shape in (TokenShape.NUMBER, TokenShape.USUAL, TokenShape.STRONG)
        and not descriptive
    ):
        return True
    known = place.marked or cue.language in KNOWN
    if not known or not all(piece.text.isascii() for piece in taken):
        return False
    least = 2 if place.marked and not place.words else 3
    return (len(taken) > CLOSE - 1 and descriptive <= 1) or (
        len(taken) >= least and not descriptive
    )
