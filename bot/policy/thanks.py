"""Recognises a message that only says thanks, or that the matter is settled.

The desk neither replies to such a message nor opens a case, so that one wrongly taken for it would
be lost. Therefore each stretch of text between two punctuation marks must consist entirely of
phrases of bot/data/thanks.yaml, or of words of bot/data/thanks_words.yaml in any order. Only a
signature may follow.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import re2
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.errors import KnowledgeError
from bot.policy.automata import compiled_anew
from bot.policy.disguises import fold, visible
from bot.resources import read_yaml

TABLE, WORDS = "thanks.yaml", "thanks_words.yaml"
EVERY = "any"  # key of the phrases for texts of every language
LONGEST = 700  # characters; a longer message says more than thanks
MEMORY = 128 << 20  # bytes; RE2 falls back to a slow path when its states do not fit
MOST_SIGNED = 8  # the most lines of a signature
MOST_WORDS = 8  # the most words of a line of a signature
NAME_WORDS = 3  # the most words of a name that stands alone below the thanks
CASELESS_WORDS, CASELESS_LETTERS = 2, 5  # most words, and letters a word, without capitals

# Emoji and emoticons that say no more than "good"; any other makes the message more than thanks.
FRIENDLY = re.compile(
    "[👍👌🙏🙂😊😀😃😄😁😇🤗🥰😍😉☺✅✔👏🎉🙌💪❤💛💚💙💜🧡🤝💯⭐🌟🌸🌹🌻✨🤩😌🙇🏻🏼🏽🏾🏿♀♂\ufe0f\u200d]"
    r"|(?<!\w)(?:[:;=]-?[)DPp]|<3|\^\^|m\(_ _\)m|\(y\))"
)
BETWEEN = re.compile(
    r"[.,;:!¡…~()\[\]*_|/\"“”„«»،؛।॥。！、，；：·•]+|\s[-–—]+\s|^[-–—]+\s|\s[-–—]+$"
)
QUESTION = re.compile(r"[?？؟¿]")
CONTACT = re.compile(
    r"@|\bwww\.|https?:|\+?\d[\d ()/.-]{5,}\d|\b[a-z0-9-]+\.(?:com|org|net|example)\b"
)
POSTSCRIPT = re.compile(r"^\s*p\.? ?p?\.?s\b", re.IGNORECASE)
ARABIC = str.maketrans("أإآٱؤئى", "اااا" + "ويي")


Model = TypeVar("Model", bound=BaseModel)


class ThanksGrammarRow(BaseModel):
    """One language of thanks_words.yaml; the comment at the top of the file explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    says: str
    around: str
    open: str
    goes_on: str
    joined: bool = False


class ThanksRow(BaseModel):
    """One language of thanks.yaml; the comment at the top of the file explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    closes: list[str]
    beside: list[str] = []
    what: str = ""
    name: str = ""
    parting: list[str] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The compiled words of one language: they tell whether a stretch of text says only thanks."""

    says: "re2._Regexp[str]"
    every: "re2._Regexp[str]"
    open: "re2._Regexp[str]"
    goes_on: "re2._Regexp[str]"

    def thanks(self, folded: str) -> bool:
        """Return whether every word is known, one at least is of `says`, and none is of `open`."""
        made = self.every.fullmatch(folded) and self.says.search(folded)
        return bool(made) and not self.open.search(folded)

    def continues(self, folded: str) -> bool:
        """Return whether the stretch only continues thanks: "that you told us so soon"."""
        made = self.every.fullmatch(folded) and self.goes_on.search(folded)
        return bool(made) and not self.open.search(folded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """The compiled phrases of one language, together with those of every language."""

    closes: "re2._Regexp[str]"
    made_of: "re2._Regexp[str]"
    parting: "re2._Regexp[str]"
    grammar: Grammar | None = None


@dataclass(slots=True)
class ThanksChecker:
    """The state of checking a message line by line against the phrases of one language."""

    phrases: Phrases
    closed: bool = False  # did a stretch say thanks?
    parted: bool = False  # did a closing formula come, so that a signature follows?
    signed: list[str] = field(default_factory=list)  # lines of the signature so far

    def takes(self, line: str) -> bool:
        """Return whether `line` consists of phrases, or is part of a signature below them."""
        if self.phrases.parting.fullmatch(_folded(line).strip(" .,;:!-–—*،、，。！")):
            self.parted = self.closed or self.parted
            return True
        if not self.signed and all(self._phrase(stretch) for stretch in _stretches(line)):
            self.parted = self.parted or (self.closed and line.endswith(","))
            return True
        self.signed.append(line)
        return self.closed and len(self.signed) <= MOST_SIGNED and self._signs(line)

    def _phrase(self, stretch: str) -> bool:
        """Return whether the stretch consists of phrases, perhaps with a name at its end."""
        words = stretch.split()
        for kept in (words, *_without_name(words)):
            folded = _folded(" ".join(kept))
            if self.phrases.made_of.fullmatch(folded):
                self.closed = self.closed or bool(self.phrases.closes.search(folded))
                return True
            if self.phrases.grammar and self.phrases.grammar.thanks(folded):
                self.closed = True
                return True
            if self.phrases.grammar and self.phrases.grammar.continues(folded):
                return True
        return self.closed and _is_name(words)

    def _signs(self, line: str) -> bool:
        words = line.split()
        if QUESTION.search(line) or POSTSCRIPT.match(line) or len(words) > MOST_WORDS:
            return False
        if self.parted:
            return bool(CONTACT.search(line.lower())) or _is_named(words)
        return len(self.signed) == 1 and _is_name(words)


def only_thanks(text: str) -> bool:
    """Return whether `text` only says thanks, or that the matter is settled, in any language."""
    shown = visible(text).strip()
    if not shown or len(shown) > LONGEST or QUESTION.search(shown):
        return False
    bare = FRIENDLY.sub(" ", shown)
    if not bare.strip(" .,!\n"):
        return bool(FRIENDLY.search(shown))
    lines = [line.strip() for line in bare.split("\n") if line.strip(" .,!-–—")]
    return any(_settles(lines, phrases) for phrases in _packaged().values())


def _settles(lines: Iterable[str], phrases: Phrases) -> bool:
    checker = ThanksChecker(phrases)
    return all(checker.takes(line) for line in lines) and checker.closed


def _stretches(line: str) -> list[str]:
    return [part.strip() for part in BETWEEN.split(line) if part and part.strip(" '’")]


def _folded(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode()  # RE2 rejects lone surrogates
    return " ".join(fold(whole).translate(ARABIC).split())


def _without_name(words: list[str]) -> Iterable[list[str]]:
    """Yield the words without the last one, two or three, where these may be a name."""
    for count in range(1, min(NAME_WORDS, len(words) - 1) + 1):
        if all(_capital(word) for word in words[-count:]):
            yield words[:-count]


def _is_name(words: list[str]) -> bool:
    """Return whether the words are one to three with a capital each."""
    return 0 < len(words) <= NAME_WORDS and all(map(_capital, words))


def _is_named(words: list[str]) -> bool:
    """Return whether a line below a closing formula may be a name, an office or a company.

    At least half of the words must have a capital. In a script without capitals it may be one or
    two words that are as short as names.
    """
    joined = "".join(words)
    if any(c.lower() != c.upper() for c in joined):
        return 2 * sum(map(_capital, words)) >= len(words)
    return len(words) <= CASELESS_WORDS and len(joined) <= CASELESS_LETTERS * len(words)


def _capital(word: str) -> bool:
    return word[:1].isupper() or word.strip(".,-&|") == ""


@compiled_anew
def _packaged() -> dict[str, Phrases]:
    """Return the compiled phrases by language, from the tables that ship."""
    table = {language: _valid(ThanksRow, raw) for language, raw in _table(TABLE).items()}
    words = {language: _valid(ThanksGrammarRow, raw) for language, raw in _table(WORDS).items()}
    every = table.pop(EVERY)
    return {each: _compiled(table[each], every, words.get(each)) for each in table}


def _table(name: str) -> dict[str, object]:
    try:
        return dict(read_yaml(name))
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise KnowledgeError(f"{name}: {' '.join(str(error).split())[:300]}") from None


def _valid(model: type[Model], raw: object) -> Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise KnowledgeError(f"{TABLE}: {' '.join(str(error).split())[:300]}") from None


def _compiled(words: ThanksRow, every: ThanksRow, vocabulary: ThanksGrammarRow | None) -> Phrases:
    closes = [_filled(p, words) for p in (*words.closes, *every.closes)]
    beside = [_filled(p, words) for p in (*words.beside, *every.beside)]
    if words.name:
        beside.append(words.name)
    return Phrases(
        closes=_one_of(closes),
        made_of=_pattern(f"(?:(?:{'|'.join(map(_group, [*closes, *beside]))}) *)+"),
        parting=_one_of([_filled(p, words) for p in (*words.parting, *every.parting)]),
        grammar=_grammar(vocabulary) if vocabulary else None,
    )


def _grammar(vocabulary: ThanksGrammarRow) -> Grammar:
    thanking, around = _alternatives(vocabulary.says), _alternatives(vocabulary.around)
    begins, ends = ("", " ?") if vocabulary.joined else ("(?:^| )", "(?: |$)")
    return Grammar(
        says=_pattern(f"{begins}(?:{thanking}){ends}"),
        every=_pattern(f"(?:(?:{thanking}|{around}){ends})+"),
        open=_pattern(_alternatives(vocabulary.open)),
        goes_on=_pattern(vocabulary.goes_on),
    )


def _alternatives(listed: str) -> str:
    """Return the alternatives of a list that is written on several lines as one pattern."""
    return listed.replace("\n", "")


def _filled(pattern: str, words: ThanksRow) -> str:
    return pattern.replace("{what}", f"(?:{words.what})")


def _group(pattern: str) -> str:
    return f"(?:{pattern})"


def _one_of(patterns: list[str]) -> "re2._Regexp[str]":
    return _pattern("|".join(map(_group, patterns)))


def _pattern(expression: str) -> "re2._Regexp[str]":
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    try:
        return re2.compile(fold(expression).translate(ARABIC), options)
    except re2.error as error:
        raise KnowledgeError(f"{TABLE}: RE2 cannot read a pattern: {error}") from None
