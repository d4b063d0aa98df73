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
ANY = "any"  # key of the words and exceptions for every language
EACH = "each"  # key of patterns that are compiled for each language that has all their words
SET_ASIDE = " … ".encode()
# Bytes of automaton states that RE2 may cache for one pattern. It builds them as texts need them,
# by which the memory of a desk grows. With 8 MB the largest patterns fall back to a path four times
# as slow; on 12,000 random texts 32 MB cost 5 % more time than 256 MB, and the growth ends.
MEMORY = 32 << 20
MAX_HITS = 200  # lines of one text that a rule examines: an attacker may send very many
WORD = re.compile(r"\{([a-z_]+)\}")
WIDE_MARK = re.compile("[？（）＊＋［］｛｝｜＾＄．]")
UPPER_ESCAPE = re.compile(r"\\[A-Z]")

Words = Mapping[str, Mapping[str, str]]  # name -> language -> words


class RuleRow(BaseModel):
    """One rule of a table; the comment at the top of policy_rules.yaml explains the fields."""

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
    """The content of a table file: the words that patterns may name, and the rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    words: dict[str, dict[str, str]]
    signs: dict[str, str] = {}
    rules: list[RuleRow]
    suspect: RuleRow | None = None
    samples: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePatterns:
    """The compiled patterns of a rule for one language, with its exceptions.

    A line fits where `when` and each of `also` match. It is excused where `unless` matches, or
    where nothing fits once the matches of `topics` are taken out.
    """

    language: str
    when: "re2._Regexp[bytes]"
    also: tuple["re2._Regexp[bytes]", ...]
    unless: "re2._Regexp[bytes] | None"
    topics: "re2._Regexp[bytes] | None"

    def fits(self, lines: bytes) -> bool:
        """Return whether a line fits and is not excused."""
        return any(self._means(line) and not self._excused(line) for line in self._hits(lines))

    def spares(self, lines: bytes) -> bool:
        """Return whether a line fits and is excused."""
        return any(self._means(line) and self._excused(line) for line in self._hits(lines))

    def _means(self, line: bytes) -> bool:
        return all(also.search(line) for also in self.also)

    def _excused(self, line: bytes) -> bool:
        return bool(self.unless and self.unless.search(line)) or self._is_topic(line)

    def _is_topic(self, line: bytes) -> bool:
        """Return whether the line fits only because of what it mentions as a topic."""
        rest = self.topics.sub(SET_ASIDE, line) if self.topics else line
        return rest != line and not (self.when.search(rest) and self._means(rest))

    def _hits(self, lines: bytes) -> Iterator[bytes]:
        position = 0
        for _ in range(MAX_HITS):
            match = self.when.search(lines, position)
            if not match:
                return
            begin = lines.rfind(b"\n", 0, match.start()) + 1
            end = lines.find(b"\n", match.end())
            if end < 0:
                yield lines[begin:]
                return
            yield lines[begin:end]
            position = end + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A compiled rule: it hits a text with a sentence that fits in one of its languages.

    `readings` are its patterns by language. With `given`, the thread must match that too; a text in
    which any sentence matches `beside` is about something else and is not hit.
    """

    id: str
    verdict: Verdict
    reads_quotes: bool
    when: "re2._Regexp[bytes]"  # all languages in one pattern, tried first: most texts fit none
    readings: tuple[LanguagePatterns, ...]
    given: "re2._Regexp[bytes] | None"
    beside: "re2._Regexp[bytes] | None"

    def hits(self, lines: bytes, thread: bytes) -> bool:
        """Return whether the rule hits; both texts are folded, with one sentence a line."""
        if not self.when.search(lines) or (self.given and not self.given.search(thread)):
            return False
        if self.beside and self.beside.search(lines):
            return False
        return any(reading.fits(lines) for reading in self.readings)

    def spares(self, lines: bytes) -> bool:
        """Return whether a line fits and is excused, in any language."""
        return any(reading.spares(lines) for reading in self.readings)

    def names(self, lines: bytes) -> bool:
        """Return whether any line matches the patterns, excused or not."""
        return bool(self.when.search(lines))


@cache
def _packaged() -> Table:
    """Return the table that ships, policy_rules.yaml."""
    return read_table(TABLE)


@compiled_anew
def packaged_rules() -> tuple[Rule, ...]:
    """Return the compiled rules of policy_rules.yaml, in order."""
    return compiled(_packaged())


def packaged_samples() -> dict[str, str]:
    """Return, by kind of a shown mail, the text to look up for it."""
    return _packaged().samples


@compiled_anew
def packaged_suspect() -> Rule:
    """Return the rule `suspect`, which tells mentions of secrets; it decides nothing by itself."""
    return _beside(_packaged().suspect, "suspect")


def _beside(row: RuleRow | None, name: str) -> Rule:
    table = _packaged()
    if row is None:
        raise KnowledgeError(f"policy_rules.yaml: there is no {name}")
    return _rule(row, table.words, _signs(table))


def read_table(path: Path) -> Table:
    """Return the table at `path`; raise KnowledgeError, which names the fault, if it is invalid."""
    try:
        return Table.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"{path}: {' '.join(str(error).split())[:300]}") from None


def compiled(table: Table) -> tuple[Rule, ...]:
    """Return the compiled rules of a table; raise KnowledgeError for an invalid rule."""
    ids = [row.id for row in table.rules]
    if twice := {i for i in ids if ids.count(i) > 1}:
        raise KnowledgeError(f"policy_rules.yaml: rule id used twice: {', '.join(sorted(twice))}")
    signs = _signs(table)
    return tuple(_rule(row, table.words, signs) for row in table.rules)


def _signs(table: Table) -> dict[str, "re2._Regexp[bytes]"]:
    return {lang: _compiled("signs", [sign]) for lang, sign in table.signs.items()}


def _rule(row: RuleRow, words: Words, signs: Mapping[str, "re2._Regexp[bytes]"]) -> Rule:
    spelled = {lang: ps for lang, ps in _spelled(row.id, row.patterns, words).items() if ps}
    also = _spelled(row.id, row.also, words)
    unless = _spelled(row.id, row.unless, words)
    topics = _spelled(row.id, row.topics, words)
    required = [p for ps in _spelled(row.id, row.given, words).values() for p in ps]
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
        given=_optional(row.id, required),
        beside=_optional(row.id, beside),
    )


def _verdict(row: RuleRow) -> Verdict:
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
    """Return the patterns by language, with the words of that language filled in."""
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
    """Return the languages that have every list of words which the pattern names."""
    named = [words.get(name, {}) for name in WORD.findall(pattern)]
    known = {lang for spoken in named for lang in spoken} - {ANY}
    return sorted(lang for lang in known if all(lang in n or ANY in n for n in named))


def _filled(rule: str, language: str, pattern: str, words: Words) -> str:
    def word(match: re.Match[str]) -> str:
        spoken = words.get(match.group(1), {})
        phrases = spoken.get(language) or spoken.get(ANY)
        if phrases is None:
            raise KnowledgeError(
                f"policy_rules.yaml: rule {rule}: {match.group()} has no words in {language}"
            )
        return f"(?:{phrases})"

    filled = pattern
    while WORD.search(filled):  # words may name words
        filled = WORD.sub(word, filled)
    return filled
