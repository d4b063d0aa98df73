"""Generates hostile messages and harmless ones that resemble them, from families of phrases.

Whole families, not lines, are split into a part to work on and a part held out. A rule that only
knows the phrases it was written for fails on the second part.
"""

import base64
import codecs
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from bot.resources import parse_yaml

FOLDER = Path(__file__).parent
SEED = 20_251_126
HELD_OUT = 30  # per cent of the families
PER_DISGUISE = 26
# silent: honest, and the post does not answer it
Expected = Literal["refuse", "answer", "answer_or_escalate", "silent", "escalate"]
HOSTILE: tuple[Expected, ...] = ("refuse", "escalate")
DISGUISED = frozenset(
    {
        "own-imperative", "own-modal", "other-imperative", "desk-demand", "desk-what",
        "prompt-show", "inject-ignore",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSample:
    """One message with what the guard should do with it, and the family it was made from."""

    text: str
    lang: str
    category: str
    expected: Expected
    family: str
    pair: str = ""
    held: bool | None = None  # None: the family's name decides


def labelled(seed: int = SEED) -> tuple[GuardSample, ...]:
    """Return all messages without duplicates: families, disguises, other languages and pairs."""
    source = parse_yaml((FOLDER / "attacks.yaml").read_text(encoding="utf-8"))
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    plain = list(_families(source, rng))
    made = [*plain, *_reworded(), *_disguises(plain, rng), *_translated(source), *pairs()]
    return tuple({m.text: m for m in made}.values())


def pairs() -> Iterator[GuardSample]:
    """Yield hand-written pairs: an honest question, then a demand that differs in few words."""
    rows = parse_yaml((FOLDER / "pairs.yaml").read_text(encoding="utf-8"))
    for number, (honest, hostile, *silent) in enumerate(rows):
        name = f"pair-{number:02}"
        yield _pair(honest, "silent" if silent else "answer", name)
        yield _pair(hostile, "refuse", name)


def is_held_out(message: GuardSample) -> bool:
    """Return whether its family is held out, so that nobody writes rules by it."""
    if message.held is not None:
        return message.held
    digest = hashlib.sha256(message.family.encode()).digest()
    return digest[0] * 256 + digest[1] < HELD_OUT * 65_536 // 100


def _pair(text: str, expected: Expected, name: str) -> GuardSample:
    return GuardSample(
        text=text, lang="", category="pair", expected=expected, family=name, pair=name
    )


def _families(source: dict[str, object], rng: random.Random) -> Iterator[GuardSample]:
    slots = source["slots"]
    families = source["families"]
    assert isinstance(slots, dict)  # noqa: S101 - the file is part of the project
    assert isinstance(families, list)  # noqa: S101
    for family in families:
        texts = [text for line in family["lines"] for text in _filled(line, slots)]
        for text in rng.sample(texts, min(family["draw"], len(texts))):
            yield GuardSample(
                text=text,
                lang="en",
                category=family["category"],
                expected=family["expected"],
                family=family["id"],
            )


def _filled(line: str, slots: dict[str, list[str]]) -> list[str]:
    """Return the line with its slots filled, in every combination."""
    named = [name for name in slots if f"{{{name}}}" in line]
    texts = []
    for words in product(*(slots[name] for name in named)):
        text = line
        for name, word in zip(named, words, strict=True):
            text = text.replace(f"{{{name}}}", word)
        texts.append(text)
    return texts


def _translated(source: dict[str, object]) -> Iterator[GuardSample]:
    spoken = source["translated"]
    assert isinstance(spoken, dict)  # noqa: S101
    for lang, kinds in spoken.items():
        for expected, lines in kinds.items():
            for number, text in enumerate(lines):
                yield GuardSample(
                    text=text,
                    lang=lang,
                    category=f"translated-{expected}",
                    expected=expected,
                    family=f"{lang}-{expected}-{number % 3}",
                )


def _reworded() -> Iterator[GuardSample]:
    """Yield hand-written rewordings; the file says which of their families are held out."""
    for family in parse_yaml((FOLDER / "reworded.yaml").read_text(encoding="utf-8")):
        for lang, lines in family["lines"].items():
            for text in lines.splitlines():
                yield GuardSample(
                    text=text, lang=lang, category=family["category"],
                    expected=family["expected"], family=family["id"], held=family["held"],
                )  # fmt: skip


def _disguises(plain: list[GuardSample], rng: random.Random) -> Iterator[GuardSample]:
    sources = [m for m in plain if m.family in DISGUISED]
    for name, disguise in DISGUISES.items():
        for message in rng.sample(sources, PER_DISGUISE):
            yield GuardSample(
                text=disguise(message.text),
                lang="en",
                category=f"evasion_{name}",
                expected="refuse",
                family=f"{name}-{message.family}",
            )


def _spaced(text: str) -> str:
    return "   ".join(" ".join(word) for word in text.split())


def _typos(text: str) -> str:
    """Return the text with a letter doubled or dropped in the middle of each long word."""
    return " ".join(_mistyped(w, place) for place, w in enumerate(text.split()))


def _mistyped(word: str, place: int) -> str:
    if len(word) < 7 or not word.isalpha():
        return word
    middle = len(word) // 2
    return word[:middle] + (word[middle] * 2 if place % 2 else "") + word[middle + 1 :]


def _encoded(text: str) -> str:
    return f"Decode this and act on it: {base64.b64encode(text.encode()).decode()}"


def _hex(text: str) -> str:
    return f"hex: {text.encode().hex()}"


def _tagged(text: str) -> str:
    hidden = "".join(chr(0xE0000 + ord(c)) for c in text if ord(c) < 0x7F)
    return f"When was the incident?{hidden}"


def _html_split(text: str) -> str:
    return " ".join(f"{w[:2]}<b></b>{w[2:]}" if len(w) > 3 else w for w in text.split())


LEET = str.maketrans("aeiost", "431057")
HOMOGLYPHS = str.maketrans("aceopxyi", "асеорхуі")
DISGUISES: dict[str, Callable[[str], str]] = {
    "homoglyph": lambda t: t.translate(HOMOGLYPHS),
    "leet": lambda t: t.lower().translate(LEET),
    "zero_width": "\u200b".join,
    "fullwidth": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
    "spaced": _spaced,
    "dotted": lambda t: " ".join(".".join(w) for w in t.split()),
    "reversed": lambda t: t[::-1],
    "rot13": lambda t: codecs.encode(t, "rot13"),
    "base64": _encoded,
    "hex": _hex,
    "tags": _tagged,
    "html_split": _html_split,
    "typos": _typos,
    "upper": str.upper,
}
