"""Recognizes passwords that are plain words, by their context alone."""

from bot.redact.normalize import lowered
from bot.redact.prose.keywords import Keyword, SecretRole
from bot.redact.prose.tokenizer import Token, TokenShape
from bot.redact.prose.value_candidates import Candidate, KeywordContext, ends_clause
from bot.redact.word_lists import (
    ANY_LANGUAGE,
    is_copula,
    is_descriptive_word,
    is_listed_descriptive_word,
    is_name,
    word_list,
)

# Languages whose words about passwords are listed; in others a bare word needs a ":" or "=".
LISTED_LANGUAGES = frozenset(
    [ANY_LANGUAGE, "en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "no"]
)
# Languages in other scripts, in which a word in Latin letters is not part of the sentence.
OTHER_ALPHABETS = frozenset(
    "ar bn el fa gu he hi hy ja ka kk ko ru sr ta th uk ur zh".split(" "),  # noqa: SIM905 - a list
)
# Languages in which not only names have a capital: nouns in German, titles in English.
CAPITAL_LANGUAGES = frozenset([ANY_LANGUAGE, "en", "de"])
# Least length of two words joined by a dash.
MIN_PAIR_CHARACTERS = 10
# Least length of a word that is alone on the next line.
MIN_ALONE_LETTERS = 8
# Least length of a word, and of one directly behind ":" or "=".
MIN_WORD_LETTERS, MIN_MARKED_LETTERS = 4, 3
# Most words of a phrase that are read.
MAX_WORDS = 8
# Most words between keyword and copula: "the password for my account is".
MAX_WORDS_TO_COPULA = 4


def is_single_word_password(candidate: Candidate) -> bool:
    """Return whether it is a plain word as password: "my password is dragon"."""
    context, text = candidate.context, candidate.token.text
    word = lowered(text)
    if any(
        rule(candidate, word)
        for rule in (_is_before_account, _is_alone_in_script, _is_noted, _is_capitalized_name)
    ):
        return True
    if not _binds_words(context) or not (context.marked or _is_foreign_to(candidate.keyword, word)):
        return False
    least = MIN_MARKED_LETTERS if context.marked else MIN_WORD_LETTERS
    chained = word.count("-") > 1 or _ends_line(candidate)
    descriptive = is_listed_descriptive_word(word) if chained else is_descriptive_word(word)
    if len(word) < least or descriptive or is_name(word):
        return False
    if context.lines and not (
        text.islower() and (context.marked or len(word) >= MIN_ALONE_LETTERS)
    ):
        return False
    return ends_clause(candidate.row, candidate.index)


def _is_before_account(candidate: Candidate, word: str) -> bool:
    """Return whether a word for an account follows: "password lemoncake username janet"."""
    behind = (
        lowered(candidate.row[candidate.index + 1].text)
        if candidate.index + 1 < len(candidate.row)
        else ""
    )
    plain = (
        candidate.beside and len(word) >= MIN_WORD_LETTERS and not is_listed_descriptive_word(word)
    )
    return plain and not candidate.token.trail and behind in word_list("account_names")


def _is_alone_in_script(candidate: Candidate, word: str) -> bool:
    """Return whether it is in Latin letters behind a word of another script: "пароль solnyshko"."""
    latin = (
        candidate.token.text.isascii()
        and candidate.token.text.islower()
        and len(word) > MIN_WORD_LETTERS
    )
    plain = latin and not is_listed_descriptive_word(word) and not is_name(word)
    foreign = candidate.keyword.language in OTHER_ALPHABETS
    return plain and foreign and candidate.beside and ends_clause(candidate.row, candidate.index)


def _is_capitalized_name(candidate: Candidate, word: str) -> bool:
    """Return whether it has a capital in a language where only names do: "şifrem Kapadokya"."""
    capital = (
        candidate.token.text.isalpha()
        and candidate.token.text[0].isupper()
        and len(word) > MIN_WORD_LETTERS
    )
    is_near_keyword = candidate.beside or (
        candidate.context.bound and not candidate.context.loose and candidate.context.words <= 1
    )
    other = (
        candidate.keyword.language not in CAPITAL_LANGUAGES
        and not candidate.context.sentences
        and not candidate.context.lines
    )
    plain = not (is_listed_descriptive_word(word) or is_name(word))
    return (
        capital
        and is_near_keyword
        and other
        and plain
        and ends_clause(candidate.row, candidate.index)
    )


def _is_noted(candidate: Candidate, word: str) -> bool:
    """Return whether it is a short note such as "pwd butterfly"."""
    last = (
        candidate.index + 1 == len(candidate.row) or "\n" in candidate.row[candidate.index + 1].lead
    )
    ends = last and not set(candidate.token.trail) & {"?", ")"} and not candidate.context.loose
    note = candidate.keyword.word in word_list("notes") and candidate.beside and ends
    return (
        note
        and len(word) > MIN_WORD_LETTERS
        and not is_descriptive_word(word)
        and not is_name(word)
    )


def is_word_before_keyword(candidate: Candidate) -> bool:
    """Return whether it is a password before its keyword: "I used walnut as my password"."""
    word = lowered(candidate.token.text)
    put = candidate.index > 0 and lowered(candidate.row[candidate.index - 1].text) in word_list(
        "puts"
    )
    put = put or (
        candidate.index == 0 and candidate.token.text.islower() and len(word) >= MIN_ALONE_LETTERS
    )
    plain = len(word) >= MIN_WORD_LETTERS and not is_descriptive_word(word) and not is_name(word)
    return candidate.context.bound and put and plain and not candidate.token.trail


def _ends_line(candidate: Candidate) -> bool:
    """Return whether it is behind ":" or "=" and the last on its line."""
    last = (
        candidate.index + 1 == len(candidate.row) or "\n" in candidate.row[candidate.index + 1].lead
    )
    return candidate.context.marked and last and "?" not in candidate.token.trail


def _is_foreign_to(keyword: Keyword, word: str) -> bool:
    """Return whether a word can be distinguished from the other words of the sentence.

    It must be ASCII, and either the words about passwords in the language are listed, or its script
    is another, or two words are joined by a dash.
    """
    if not word.replace("-", "").replace("'", "").isascii():
        return False
    known = keyword.language in LISTED_LANGUAGES or keyword.language in OTHER_ALPHABETS
    return known or (word.count("-") == 1 and len(word) >= MIN_PAIR_CHARACTERS)


def _binds_words(context: KeywordContext) -> bool:
    """Return whether the keyword binds plain words: in its own sentence and close to it."""
    if not context.bound or context.sentences or context.taken:
        return False
    return context.marked or (
        not context.loose and context.words <= (0 if context.lines else MAX_WORDS_TO_COPULA)
    )


def find_end_of_words(candidate: Candidate) -> int:
    """Return the end of a phrase of plain words ("correct horse battery staple"); 0 for none."""
    worded = candidate.keyword.role in (SecretRole.PASSWORD, SecretRole.PHRASE, SecretRole.ANSWER)
    if not worded or candidate.context.before_keyword or not _binds_words(candidate.context):
        return 0
    run = _run_of_words(candidate)
    if not run or not ends_clause(candidate.row, candidate.index + len(run) - 1):
        return 0
    if candidate.keyword.role is SecretRole.ANSWER:
        descriptive = candidate.is_year or any(
            is_descriptive_word(lowered(token.text)) for token in run
        )
        return run[-1].end if len(run) <= MAX_WORDS_TO_COPULA and not descriptive else 0
    return run[-1].end if _is_phrase(candidate.keyword, candidate.context, run) else 0


def _run_of_words(candidate: Candidate) -> list[Token]:
    """Return the words up to the end of the clause or the first word of grammar."""
    run: list[Token] = []
    for index in range(candidate.index, min(len(candidate.row), candidate.index + MAX_WORDS)):
        token = candidate.row[index]
        if token.shape in (TokenShape.NEVER, TokenShape.EMPTY) or (run and token.lead):
            break
        word = lowered(token.text)
        if word in word_list("stop_words") or is_copula(
            token.word, word, candidate.keyword.language
        ):
            break
        run.append(token)
        if ends_clause(candidate.row, index):
            break
    return run


def _is_phrase(keyword: Keyword, context: KeywordContext, run: list[Token]) -> bool:
    """Return whether the words are a phrase: several, hardly one of which is about passwords.

    Two suffice where the last has digits.
    """
    descriptive = sum(is_descriptive_word(lowered(token.text)) for token in run)
    if (
        len(run) > 1
        and run[-1].shape in (TokenShape.NUMBER, TokenShape.USUAL, TokenShape.STRONG)
        and not descriptive
    ):
        return True
    known = context.marked or keyword.language in LISTED_LANGUAGES
    if not known or not all(token.text.isascii() for token in run):
        return False
    least = 2 if context.marked and not context.words else 3
    return (len(run) > MAX_WORDS_TO_COPULA - 1 and descriptive <= 1) or (
        len(run) >= least and not descriptive
    )
