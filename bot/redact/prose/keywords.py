"""Finds where a text speaks of a password, a code, a key or a recovery phrase, in any language."""

import re
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import re2

from bot.domain import SecretKind
from bot.redact.normalize import find_words
from bot.redact.word_lists import ANY_LANGUAGE, load_word_lists, split_list, word_list

SLUG = re.compile(r"((?:-[^\W_]+)+)(?![\w!@#$%^&*=?])")
SETTING = re.compile(r"_\w{2,40}")
# Characters before and behind a keyword in which the neighbouring word is searched.
NEIGHBOUR_CHARACTERS = 24
# Most letters of a short word, and of the ending of a longer one.
MAX_SHORT_WORD = 4
# The beginning of a mask of an earlier redaction, and the most characters to the end of its kind.
MASK, MAX_MASK_CHARACTERS = "[removed: ", 28


class SecretRole(StrEnum):
    """The kind of value that belongs to a keyword; the sections of `cues` in secret_words.yaml."""

    PASSWORD = "password"  # noqa: S105 - the name of a section
    CODE = "code"
    BARE_CODE = "bare_code"
    SENT = "sent"
    CARD_CODE = "card_code"
    RECOVERY = "recovery"
    PHRASE = "phrase"
    ANSWER = "answer"
    KEY = "key"
    LOGIN = "login"
    HABIT = "habit"


KIND_OF_ROLE = {
    SecretRole.PASSWORD: SecretKind.PASSWORD,
    SecretRole.CODE: SecretKind.CODE,
    SecretRole.BARE_CODE: SecretKind.CODE,
    SecretRole.CARD_CODE: SecretKind.CODE,
    SecretRole.RECOVERY: SecretKind.RECOVERY,
    SecretRole.PHRASE: SecretKind.RECOVERY,
    SecretRole.ANSWER: SecretKind.RECOVERY,
    SecretRole.KEY: SecretKind.API_KEY,
    SecretRole.LOGIN: SecretKind.PASSWORD,
    SecretRole.SENT: SecretKind.CODE,
    SecretRole.HABIT: SecretKind.PASSWORD,
}


# Roles of keywords that may be between a password and its value: "my password for everything is …".
WEAK_ROLES = frozenset([SecretRole.LOGIN, SecretRole.HABIT, SecretRole.SENT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """A word or phrase that announces a secret, with its position in the text."""

    role: SecretRole
    word: str
    language: str  # of the first list that has the word
    start: int
    end: int


def find_keywords(lowered_text: str) -> Iterator[Keyword]:
    """Yield the keywords in order, not overlapping. `lowered_text` is lowered."""
    flat = lowered_text.replace("_", " ").replace("-", " ")
    for start, end in find_words(_keyword_pattern(), flat):
        if flat.rfind(MASK, max(0, start - MAX_MASK_CHARACTERS), start) >= 0:
            continue  # a mask of an earlier redaction
        role, language = _find_role(flat[start:end])
        if flat[start].isascii() or _is_whole_word(flat, start, end):
            before, behind = _neighbours(flat, start, end)
            if _is_in_name(lowered_text, end) or (
                flat[start:end] == "pass" and not _is_noun(flat, start, end)
            ):
                continue
            in_brackets = role is SecretRole.BARE_CODE and flat[start - 1 : start] == "("
            if not in_brackets and not _is_of_another_kind(role, flat[start:end], before, behind):
                language = ANY_LANGUAGE if flat[start:end] in word_list("shared_cues") else language
                yield Keyword(
                    role=role, word=flat[start:end], language=language, start=start, end=end
                )


class KeywordProximity:
    """The positions of the keywords of some roles, to find whether a place is near one."""

    def __init__(self, keywords: Sequence[Keyword], roles: Container[SecretRole]) -> None:
        self._starts = [keyword.start for keyword in keywords if keyword.role in roles]

    def __bool__(self) -> bool:
        return bool(self._starts)

    def to(self, start: int, end: int, *, behind: int, before: int) -> bool:
        """Return whether a keyword begins between `start - behind` and `end + before`."""
        position = bisect_left(self._starts, start - behind)
        return position < len(self._starts) and self._starts[position] <= end + before


def _is_in_name(lowered_text: str, end: int) -> bool:
    """Return whether the word before `end` is part of a technical name, or the value of one."""
    return (
        _is_in_slug(lowered_text, end)
        or _is_in_query(lowered_text, end)
        or _is_in_setting(lowered_text, end)
    )


def _is_in_setting(lowered_text: str, end: int) -> bool:
    """Return whether it is in a setting: password_reset_timeout, code_challenge_method."""
    name = SETTING.match(lowered_text, end)
    return bool(name and word_list("settings") & set(name[0].split("_")))


def _is_in_slug(lowered_text: str, end: int) -> bool:
    """Return whether it is in the name of a page, file or rule: password-reset-2025."""
    if lowered_text[end : end + 1] != "-":
        return False
    slug = SLUG.match(lowered_text, end)
    return bool(slug and (slug[1].count("-") > 1 or slug[1][1:].isalpha()))


def _is_in_query(lowered_text: str, end: int) -> bool:
    """Return whether the word itself is the value of a URL parameter: ?q=password&lang=en."""
    return lowered_text[end : end + 1] == "&" and lowered_text[end + 1 : end + 2].isalpha()


def _is_noun(flat: str, start: int, end: int) -> bool:
    """Return whether "pass" is a noun with a password right behind it.

    Mostly it is a verb or a verdict (spf=pass).
    """
    if flat[start - 1 : start] == "=":
        return False
    marked = flat[end : end + 5].replace(" is", "").replace(" was", "").strip()[:1] in (":", "=")
    return marked or any(c.isdigit() for c in flat[end : end + NEIGHBOUR_CHARACTERS])


def _is_whole_word(flat: str, start: int, end: int) -> bool:
    """Return whether it is a whole word; in inflecting scripts, with an article or ending."""
    script = _word_formation(flat[start])
    if script == "joined":
        return True
    before = after = 0
    while before < MAX_SHORT_WORD and start - before > 0 and flat[start - before - 1].isalpha():
        before += 1
    while after <= MAX_SHORT_WORD and end + after < len(flat) and flat[end + after].isalpha():
        after += 1
    allowed = 2 if end - start <= MAX_SHORT_WORD else MAX_SHORT_WORD
    return after <= allowed and before <= (3 if script == "semitic" else 0)


def _word_formation(char: str) -> str:
    """Return how the script of a character forms words.

    "semitic" has joined articles and endings, "bent" has endings, "joined" has no spaces.
    """
    if "\u0590" <= char <= "\u08ff":
        return "semitic"
    if "\u0370" <= char <= "\u058f" or "\u0900" <= char <= "\u0d7f" or "\u10a0" <= char <= "\u10ff":
        return "bent"
    return "joined"


def _neighbours(flat: str, start: int, end: int) -> tuple[str, str]:
    before = flat[max(0, start - NEIGHBOUR_CHARACTERS) : start].split()
    behind = flat[end : end + NEIGHBOUR_CHARACTERS].split()
    return (before[-1] if before else "").strip(".,;:!?\"'()"), (behind[0] if behind else "").strip(
        ".,;:!?\"'()"
    )


def _is_of_another_kind(role: SecretRole, keyword: str, before: str, behind: str) -> bool:
    """Return whether its neighbours change its meaning: error code, public key, key point."""
    if role is SecretRole.BARE_CODE:
        return before in word_list("other_codes", "before") or behind in word_list(
            "other_codes", "behind"
        )
    if role is SecretRole.PASSWORD:
        if keyword in ("pass", "passes") and before in word_list("other_passwords", "passes"):
            return True
        worded = keyword in word_list("other_passwords", "words")
        other = worded and before in word_list("other_passwords", "before")
        return other or behind in word_list("other_passwords", "behind")
    if role is SecretRole.KEY:
        bare = (
            before in word_list("other_keys", "before")
            if " " not in keyword
            else before == "public"
        )
        return bare or behind in word_list("other_keys", "behind")
    return False


def _find_role(keyword: str) -> tuple[SecretRole, str]:
    whole = _roles_by_word()
    if keyword in whole:
        return whole[keyword]
    return next(role for stem, role in _roles_by_stem() if stem in keyword)


@cache
def _roles_by_word() -> dict[str, tuple[SecretRole, str]]:
    """Return the role and language of each word without a wildcard; the first role counts."""
    roles: dict[str, tuple[SecretRole, str]] = {}
    for word, role, language in _keyword_list():
        if "*" not in word:
            roles.setdefault(word, (role, language))
    return roles


@cache
def _roles_by_stem() -> tuple[tuple[str, tuple[SecretRole, str]], ...]:
    stems = [
        (word.strip("*"), (role, language))
        for word, role, language in _keyword_list()
        if "*" in word
    ]
    return tuple(sorted(stems, key=lambda pair: -len(pair[0])))


@cache
def _keyword_list() -> tuple[tuple[str, SecretRole, str], ...]:
    return tuple(
        (word.replace("-", " ").replace("_", " "), role, language)
        for role in SecretRole
        for language, text in load_word_lists()["cues"][role.value].items()
        for word in split_list(text)
    )


@cache
def _keyword_pattern() -> Any:
    keyword_list = {word for word, _, _ in _keyword_list()}
    longest_first = sorted(keyword_list, key=lambda word: (-len(word), word))
    options = re2.Options()
    options.max_mem = 128 << 20
    options.never_capture = True
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile("|".join(map(_word_pattern, longest_first)).encode(), options)


def _word_pattern(word: str) -> str:
    stem = word.strip("*")
    bare = str(re2.escape(stem))
    if not stem[0].isascii():
        return bare
    front = r"\b[a-z]{0,24}" if word.startswith("*") else r"\b"
    if word.endswith("*"):
        tail = r"[a-z]{0,9}\b" if stem[-1].isascii() else r"(?:[a-z]{1,9}\b)?"
        return front + bare + tail
    return rf"{front}{bare}\b" if stem[-1].isascii() else front + bare
