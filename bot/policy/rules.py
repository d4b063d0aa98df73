"""Compiles the rules of policy_rules.yaml, in the order in which they are tried.

The table is data, so that a security reviewer reads and edits it without reading code. Every
pattern runs on RE2: no message can make it slow.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import re2
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.domain import EscalationReason, Priority, RefusalReason
from bot.errors import KnowledgeError
from bot.policy.automata import compiled_anew
from bot.policy.disguises import fold
from bot.policy.verdict import Escalate, Refuse, Verdict
from bot.resources import data_path, parse_yaml

TABLE = data_path("policy_rules.yaml")
ANY = "any"  # words and exceptions of every language
EACH = "each"  # a pattern that is written once, for every language that has its words
SET_ASIDE = " … ".encode()
# Bytes that RE2 may keep of the states of one pattern. It makes them as texts need them, which is
# what the memory of a desk grows by. With 8 MB the largest patterns fall back to a path four times
# as slow; on 12,000 random texts 32 MB cost 5 % more time than 256 MB, and the growth ends.
MEMORY = 32 << 20
MAX_HITS = 200  # lines of one text that a rule is tried on; attackers pad
WORD = re.compile(r"\{([a-z_]+)\}")
WIDE_MARK = re.compile("[？（）＊＋［］｛｝｜＾＄．]")
UPPER_ESCAPE = re.compile(r"\\[A-Z]")

Words = Mapping[str, Mapping[str, str]]  # name -> language -> words


class Row(BaseModel):
    """One rule as it stands in the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    why: str = ""
    decision: Literal["refuse", "escalate"]
    reason: str
    priority: Priority = Priority.NORMAL
    quotes: Literal["read", "skip"] = "skip"
    patterns: dict[str, list[str]]
    also: dict[str, list[str]] = {}
    unless: dict[str, list[str]] = {}
    topics: dict[str, list[str]] = {}
    given: dict[str, list[str]] = {}
    beside: dict[str, list[str]] = {}


class Table(BaseModel):
    """The whole file: the words that patterns may name, and the rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    words: dict[str, dict[str, str]]
    signs: dict[str, str] = {}
    rules: list[Row]
    suspect: Row | None = None
    samples: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePatterns:
    """The patterns of one language, and what in that language leaves a sentence alone."""

    language: str
    when: "re2._Regexp[bytes]"
    also: tuple["re2._Regexp[bytes]", ...]
    unless: "re2._Regexp[bytes] | None"
    topics: "re2._Regexp[bytes] | None"

    def fits(self, lines: bytes) -> bool:
        """Is there a line that fits `when` and all of `also`, and not `unless`?"""
        return any(self._means(line) and not self._excused(line) for line in self._hits(lines))

    def spares(self, lines: bytes) -> bool:
        """Is there a line that fits but for what leaves it alone?"""
        return any(self._means(line) and self._excused(line) for line in self._hits(lines))

    def _means(self, line: bytes) -> bool:
        return all(also.search(line) for also in self.also)

    def _excused(self, line: bytes) -> bool:
        return bool(self.unless and self.unless.search(line)) or self._is_topic(line)

    def _is_topic(self, line: bytes) -> bool:
        """Does the line fit only by what it speaks about?"""
        rest = self.topics.sub(SET_ASIDE, line) if self.topics else line
        return rest != line and not (self.when.search(rest) and self._means(rest))

    def _hits(self, lines: bytes) -> Iterator[bytes]:
        place = 0
        for _ in range(MAX_HITS):
            match = self.when.search(lines, place)
            if not match:
                return
            begin = lines.rfind(b"\n", 0, match.start()) + 1
            end = lines.find(b"\n", match.end())
            if end < 0:
                yield lines[begin:]
                return
            yield lines[begin:end]
            place = end + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Hits a sentence that one of its readings fits, in a thread that fits `given`.

    Another sentence that fits `beside` says what the message is really about, and spares it.
    """

    id: str
    verdict: Verdict
    reads_quotes: bool
    when: "re2._Regexp[bytes]"  # all languages at once: most texts fit none
    readings: tuple[LanguagePatterns, ...]
    given: "re2._Regexp[bytes] | None"
    beside: "re2._Regexp[bytes] | None"

    def hits(self, lines: bytes, thread: bytes) -> bool:
        """Does a line of `lines` fit? Both texts are folded, one sentence a line."""
        if not self.when.search(lines) or (self.given and not self.given.search(thread)):
            return False
        if self.beside and self.beside.search(lines):
            return False
        return any(reading.fits(lines) for reading in self.readings)

    def spares(self, lines: bytes) -> bool:
        """Does any language leave a line alone?"""
        return any(reading.spares(lines) for reading in self.readings)

    def names(self, lines: bytes) -> bool:
        """Does any line have the words, whatever else it says?"""
        return bool(self.when.search(lines))


@cache
def _packaged() -> Table:
    """The table that comes with the package."""
    return read_table(TABLE)


@compiled_anew
def packaged_rules() -> tuple[Rule, ...]:
    """The rules of that table."""
    return compiled(_packaged())


def packaged_samples() -> dict[str, str]:
    """What a quoted mail does -> the words in which it is looked up."""
    return _packaged().samples


@compiled_anew
def packaged_suspect() -> Rule:
    """The rule of that table which only weighs what the evidence says."""
    return _beside(_packaged().suspect, "suspect")


def _beside(row: Row | None, name: str) -> Rule:
    table = _packaged()
    if row is None:
        raise KnowledgeError(f"policy_rules.yaml: there is no {name}")
    return _rule(row, table.words, _signs(table))


def read_table(path: Path) -> Table:
    """The table as written; KnowledgeError names what is wrong in it."""
    try:
        return Table.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"{path}: {' '.join(str(error).split())[:300]}") from None


def compiled(table: Table) -> tuple[Rule, ...]:
    """Every rule with its patterns of all languages in one expression each."""
    ids = [row.id for row in table.rules]
    if twice := {i for i in ids if ids.count(i) > 1}:
        raise KnowledgeError(f"policy_rules.yaml: rule id used twice: {', '.join(sorted(twice))}")
    signs = _signs(table)
    return tuple(_rule(row, table.words, signs) for row in table.rules)


def _signs(table: Table) -> dict[str, "re2._Regexp[bytes]"]:
    return {lang: _compiled("signs", [sign]) for lang, sign in table.signs.items()}


def _rule(row: Row, words: Words, signs: Mapping[str, "re2._Regexp[bytes]"]) -> Rule:
    spelled = {lang: ps for lang, ps in _spelled(row.id, row.patterns, words).items() if ps}
    also = _spelled(row.id, row.also, words)
    unless = _spelled(row.id, row.unless, words)
    topics = _spelled(row.id, row.topics, words)
    given = [p for ps in _spelled(row.id, row.given, words).values() for p in ps]
    beside = [p for ps in _spelled(row.id, row.beside, words).values() for p in ps]
    if not spelled:
        raise KnowledgeError(f"policy_rules.yaml: rule {row.id} has no patterns")
    readings = tuple(
        LanguagePatterns(
            language=language,
            when=_compiled(row.id, patterns),
            also=tuple(
                found
                for found in (signs.get(language), _optional(row.id, also.get(language, [])))
                if found
            ),
            unless=_optional(row.id, [*unless.get(language, []), *unless.get(ANY, [])]),
            topics=_optional(row.id, topics.get(language, [])),
        )
        for language, patterns in spelled.items()
    )
    return Rule(
        id=row.id,
        verdict=_verdict(row),
        reads_quotes=row.quotes == "read",
        when=_compiled(row.id, [p for ps in spelled.values() for p in ps]),
        readings=readings,
        given=_optional(row.id, given),
        beside=_optional(row.id, beside),
    )


def _verdict(row: Row) -> Verdict:
    try:
        if row.decision == "refuse":
            return Refuse(reason=RefusalReason(row.reason), rule=row.id)
        return Escalate(reason=EscalationReason(row.reason), priority=row.priority, rule=row.id)
    except ValueError as error:
        raise KnowledgeError(f"policy_rules.yaml: rule {row.id}: {error}") from None


def _optional(rule: str, patterns: list[str]) -> "re2._Regexp[bytes] | None":
    return _compiled(rule, patterns) if patterns else None


def _compiled(rule: str, patterns: list[str]) -> "re2._Regexp[bytes]":
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    expression = "(?m:" + "|".join(f"(?:{fold(p)})" for p in dict.fromkeys(patterns)) + ")"
    try:
        return re2.compile(expression.encode(), options)
    except re2.error as error:
        raise KnowledgeError(
            f"policy_rules.yaml: rule {rule}: RE2 cannot read a pattern: {error}"
        ) from None


def _spelled(rule: str, lines: Mapping[str, list[str]], words: Words) -> dict[str, list[str]]:
    """Language -> its patterns with the words of that language put in."""
    spelled: dict[str, list[str]] = {}
    for named, patterns in lines.items():
        for pattern in patterns:
            _check(rule, pattern)
            for language in _languages(pattern, words) if named == EACH else [named]:
                filled = _filled(rule, language, pattern, words)
                spelled.setdefault(language, []).append(filled)
    return spelled


def _check(rule: str, pattern: str) -> None:
    if UPPER_ESCAPE.search(pattern):
        raise KnowledgeError(
            f"policy_rules.yaml: rule {rule}: patterns are read in lower case, so \\S and the "
            f"like mean something else; write [^ ] instead: {pattern}"
        )
    if WIDE_MARK.search(pattern):
        raise KnowledgeError(
            f"policy_rules.yaml: rule {rule}: a full-width mark is read as its plain form, and so "
            f"as a sign of the pattern language; write that in brackets: {pattern}"
        )


def _languages(pattern: str, words: Words) -> list[str]:
    """The languages that have every word which the pattern names."""
    named = [words.get(name, {}) for name in WORD.findall(pattern)]
    known = {lang for spoken in named for lang in spoken} - {ANY}
    return sorted(lang for lang in known if all(lang in n or ANY in n for n in named))


def _filled(rule: str, language: str, pattern: str, words: Words) -> str:
    def word(match: re.Match[str]) -> str:
        spoken = words.get(match.group(1), {})
        found = spoken.get(language) or spoken.get(ANY)
        if found is None:
            raise KnowledgeError(
                f"policy_rules.yaml: rule {rule}: {match.group()} has no words in {language}"
            )
        return f"(?:{found})"

    filled = pattern
    while WORD.search(filled):  # words may name words
        filled = WORD.sub(word, filled)
    return filled
