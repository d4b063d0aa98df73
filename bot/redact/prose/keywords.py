"""Where a text speaks of a password, a code, a key or a recovery phrase, in any language."""

import re
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import re2

from bot.domain import SecretKind
from bot.redact.lexicon import SHARED, listed, load_lexicon, words
from bot.redact.normalize import found_words

SLUG = re.compile(r"((?:-[^\W_]+)+)(?![\w!@#$%^&*=?])")
SETTING = re.compile(r"_\w{2,40}")
NEIGHBOUR = 24  # characters in which the word before or behind a cue is sought
SHORT_WORD = 4
MASK, LONGEST_MASK = "[removed: ", 28


class SecretRole(StrEnum):
    """What kind of value belongs to a cue; the sections of `cues` in secret_words.yaml."""

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


KINDS = {
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


# These part no password from its value: "my password for everything is …".
WEAK = frozenset([SecretRole.LOGIN, SecretRole.HABIT, SecretRole.SENT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    role: SecretRole
    word: str
    language: str  # of the first list that has the word
    start: int
    end: int


def cues(low: str) -> Iterator[Keyword]:
    """In order, not overlapping. `low` is lowered(view.text)."""
    flat = low.replace("_", " ").replace("-", " ")
    for start, end in found_words(_any_cue(), flat):
        if flat.rfind(MASK, max(0, start - LONGEST_MASK), start) >= 0:
            continue  # what an earlier redaction left
        role, language = _role(flat[start:end])
        if flat[start].isascii() or _whole_word(flat, start, end):
            before, behind = _neighbours(flat, start, end)
            if _in_name(low, end) or (flat[start:end] == "pass" and not _is_noun(flat, start, end)):
                continue
            in_brackets = role is SecretRole.BARE_CODE and flat[start - 1 : start] == "("
            if not in_brackets and not _of_another_kind(role, flat[start:end], before, behind):
                language = SHARED if flat[start:end] in words("shared_cues") else language
                yield Keyword(
                    role=role, word=flat[start:end], language=language, start=start, end=end
                )


class Nearby:
    """The cues of some roles, asked whether a place stands near one."""

    def __init__(self, keywords: Sequence[Keyword], roles: Container[SecretRole]) -> None:
        self._starts = [cue.start for cue in keywords if cue.role in roles]

    def __bool__(self) -> bool:
        return bool(self._starts)

    def to(self, start: int, end: int, *, behind: int, before: int) -> bool:
        """Does a cue begin within `behind` before `start`, or `before` behind `end`?"""
        place = bisect_left(self._starts, start - behind)
        return place < len(self._starts) and self._starts[place] <= end + before


def _in_name(low: str, end: int) -> bool:
    """The word is a part of another name, or itself the value of one."""
    return _in_slug(low, end) or _in_query(low, end) or _in_setting(low, end)


def _in_setting(low: str, end: int) -> bool:
    """password_reset_timeout, code_challenge_method."""
    name = SETTING.match(low, end)
    return bool(name and words("settings") & set(name[0].split("_")))


def _in_slug(low: str, end: int) -> bool:
    """password-reset-2025: a name of a page, a file or a rule."""
    if low[end : end + 1] != "-":
        return False
    slug = SLUG.match(low, end)
    return bool(slug and (slug[1].count("-") > 1 or slug[1][1:].isalpha()))


def _in_query(low: str, end: int) -> bool:
    """?q=password&lang=en: the word itself is a value."""
    return low[end : end + 1] == "&" and low[end + 1 : end + 2].isalpha()


def _is_noun(flat: str, start: int, end: int) -> bool:
    """ "pass" is mostly a verb or a verdict (spf=pass); a password stands right behind the noun."""
    if flat[start - 1 : start] == "=":
        return False
    marked = flat[end : end + 5].replace(" is", "").replace(" was", "").strip()[:1] in (":", "=")
    return marked or any(c.isdigit() for c in flat[end : end + NEIGHBOUR])


def _whole_word(flat: str, start: int, end: int) -> bool:
    """Scripts that bend their words: a short ending may follow, an article may stand before."""
    script = _script(flat[start])
    if script == "joined":
        return True
    before = after = 0
    while before < SHORT_WORD and start - before > 0 and flat[start - before - 1].isalpha():
        before += 1
    while after <= SHORT_WORD and end + after < len(flat) and flat[end + after].isalpha():
        after += 1
    allowed = 2 if end - start <= SHORT_WORD else SHORT_WORD
    return after <= allowed and before <= (3 if script == "semitic" else 0)


def _script(char: str) -> str:
    """How words are put together: with articles and endings, with endings, or without gaps."""
    if "\u0590" <= char <= "\u08ff":
        return "semitic"
    if "\u0370" <= char <= "\u058f" or "\u0900" <= char <= "\u0d7f" or "\u10a0" <= char <= "\u10ff":
        return "bent"
    return "joined"


def _neighbours(flat: str, start: int, end: int) -> tuple[str, str]:
    before = flat[max(0, start - NEIGHBOUR) : start].split()
    behind = flat[end : end + NEIGHBOUR].split()
    return (before[-1] if before else "").strip(".,;:!?\"'()"), (behind[0] if behind else "").strip(
        ".,;:!?\"'()"
    )


def _of_another_kind(role: SecretRole, cue: str, before: str, behind: str) -> bool:
    """An error code, a postal code, a public key, a key point."""
    if role is SecretRole.BARE_CODE:
        return before in words("other_codes", "before") or behind in words("other_codes", "behind")
    if role is SecretRole.PASSWORD:
        if cue in ("pass", "passes") and before in words("other_passwords", "passes"):
            return True
        worded = cue in words("other_passwords", "words")
        other = worded and before in words("other_passwords", "before")
        return other or behind in words("other_passwords", "behind")
    if role is SecretRole.KEY:
        bare = before in words("other_keys", "before") if " " not in cue else before == "public"
        return bare or behind in words("other_keys", "behind")
    return False


def _role(cue: str) -> tuple[SecretRole, str]:
    whole = _roles()
    if cue in whole:
        return whole[cue]
    return next(load_lexicon for stem, load_lexicon in _stems() if stem in cue)


@cache
def _roles() -> dict[str, tuple[SecretRole, str]]:
    """Words taken as they are; of two roles the one named first counts."""
    roles: dict[str, tuple[SecretRole, str]] = {}
    for word, role, language in _listed_words():
        if "*" not in word:
            roles.setdefault(word, (role, language))
    return roles


@cache
def _stems() -> tuple[tuple[str, tuple[SecretRole, str]], ...]:
    stems = [
        (word.strip("*"), (role, language))
        for word, role, language in _listed_words()
        if "*" in word
    ]
    return tuple(sorted(stems, key=lambda pair: -len(pair[0])))


@cache
def _listed_words() -> tuple[tuple[str, SecretRole, str], ...]:
    return tuple(
        (word.replace("-", " ").replace("_", " "), role, language)
        for role in SecretRole
        for language, text in load_lexicon()["cues"][role.value].items()
        for word in listed(text)
    )


@cache
def _any_cue() -> Any:
    cue_words = {word for word, _, _ in _listed_words()}
    longest_first = sorted(cue_words, key=lambda word: (-len(word), word))
    options = re2.Options()
    options.max_mem = 128 << 20
    options.never_capture = True
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile("|".join(map(_pattern, longest_first)).encode(), options)


def _pattern(word: str) -> str:
    stem = word.strip("*")
    bare = str(re2.escape(stem))
    if not stem[0].isascii():
        return bare
    front = r"\b[a-z]{0,24}" if word.startswith("*") else r"\b"
    if word.endswith("*"):
        tail = r"[a-z]{0,9}\b" if stem[-1].isascii() else r"(?:[a-z]{1,9}\b)?"
        return front + bare + tail
    return rf"{front}{bare}\b" if stem[-1].isascii() else front + bare
