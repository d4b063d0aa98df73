"""Generates texts with labelled secrets as people paste them, and with look-alikes, from a seed.

Whole families, not lines, are split into a part to work on and a part held out.
"""

import base64
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bot.domain import SecretKind, Span
from bot.resources import parse_yaml
from evals.generators.draws import STYLES, fill

SOURCE = Path(__file__).with_name("secrets.yaml")
HELD_OUT = 30  # per cent of the families
SECRETS_OF_ELEVEN = 6  # six secrets, then five look-alikes
HIDDEN_TOKENS = (
    "openai_project",
    "openai_classic",
    "github_classic",
    "slack_bot",
    "gitlab",
    "google_key",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledText:
    """A text and the secrets in it; a look-alike has none."""

    text: str
    spans: tuple[Span, ...]
    kind: SecretKind | None
    family: str
    lang: str
    formatted: bool = True  # the secret has a known format, plain or disguised; else it is prose


def secrets(seed: int, count: int) -> Iterator[LabelledText]:
    """Yield `count` texts, six with a secret to five look-alikes, the families in turn."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    genuine, alike = cycle(_secret_families()), cycle(_alike_families())
    for place in range(count):
        source = genuine if place % 11 < SECRETS_OF_ELEVEN else alike
        yield next(source)(rng)


def with_secret(seed: int, count: int) -> list[LabelledText]:
    return list(islice((t for t in secrets(seed, count * 2) if t.spans), count))


def lookalikes(seed: int, count: int) -> list[LabelledText]:
    return list(islice((t for t in secrets(seed, count * 3) if not t.spans), count))


def is_family_held_out(family: str) -> bool:
    """Return whether the family is held out, so that nobody writes rules by it."""
    digest = hashlib.sha256(family.encode()).digest()
    return int.from_bytes(digest[:2], "big") % 100 < HELD_OUT


def families() -> frozenset[str]:
    source = _source()
    return frozenset(
        name for part in ("tokens", "numbers", "disguises", "prose") for name in source[part]
    )


Maker = Callable[[random.Random], LabelledText]


@cache
def _source() -> dict[str, Any]:
    source: dict[str, Any] = parse_yaml(SOURCE.read_text(encoding="utf-8"))
    return source


@cache
def _secret_families() -> tuple[Maker, ...]:
    source = _source()
    tokens = [
        _token(name, row) for part in ("tokens", "numbers") for name, row in source[part].items()
    ]
    hidden = [_disguised(name) for name in source["disguises"]]
    prose = [_prose(name, row) for name, row in source["prose"].items()]
    return (*tokens, *hidden, *prose)


@cache
def _alike_families() -> tuple[Maker, ...]:
    return tuple(_alike(name, lines) for name, lines in _source()["lookalikes"].items())


def _token(name: str, row: dict[str, Any]) -> Maker:
    def make(rng: random.Random) -> LabelledText:
        secret = fill(rng.choice(row["make"]), rng)
        sentence, lang = _sentence(row, rng)
        return _labelled(sentence, [secret], kind=SecretKind(row["kind"]), family=name, lang=lang)

    return make


def _sentence(row: dict[str, Any], rng: random.Random) -> tuple[str, str]:
    if "in" in row:
        return rng.choice(row["in"]), "en"
    places = _source()["places"]["key"]
    lang = rng.choice([*places, "en", "en"])
    return rng.choice(places[lang]), lang


def _prose(name: str, row: dict[str, Any]) -> Maker:
    style = STYLES[row.get("style", "any")]

    def make(rng: random.Random) -> LabelledText:
        sentence = rng.choice(row["in"])
        found = [style(rng) for _ in range(sentence.count("{}"))]
        text = _labelled(
            sentence, found, kind=SecretKind(row["kind"]), family=name, lang=row["lang"]
        )
        return replace(text, formatted=False)

    return make


def _labelled(
    sentence: str, found: list[str], *, kind: SecretKind, family: str, lang: str
) -> LabelledText:
    """Return the sentence with the secrets filled in, and their spans."""
    parts = sentence.split("{}")
    text, spans = parts[0], []
    for secret, part in zip(found, parts[1:], strict=True):
        spans.append(Span(kind=kind, start=len(text), end=len(text) + len(secret)))
        text += secret + part
    return LabelledText(text=text, spans=tuple(spans), kind=kind, family=family, lang=lang)


def _alike(name: str, lines: list[str]) -> Maker:
    def make(rng: random.Random) -> LabelledText:
        text = fill(rng.choice(lines), rng)
        return LabelledText(text=text, spans=(), kind=None, family=name, lang="")

    return make


def _disguised(name: str) -> Maker:
    change = DISGUISES[name]

    def make(rng: random.Random) -> LabelledText:
        row = _source()["tokens"][rng.choice(HIDDEN_TOKENS)]
        secret = change(fill(rng.choice(row["make"]), rng), rng)
        sentence = rng.choice(("my key: {}\nplease check", "here it is\n{}", "{} is it safe?"))
        return _labelled(sentence, [secret], kind=SecretKind(row["kind"]), family=name, lang="en")

    return make


def _cut(secret: str, rng: random.Random) -> int:
    return rng.randint(12, len(secret) - 8)


def _joined_by(gap: str) -> Callable[[str, random.Random], str]:
    def change(secret: str, rng: random.Random) -> str:
        place = _cut(secret, rng)
        return f"{secret[:place]}{gap}{secret[place:]}"

    return change


def _tagged(secret: str, rng: random.Random) -> str:
    place, tag = _cut(secret, rng), rng.choice(("b", "i", "span", "code"))
    return f"{secret[: place - 4]}<{tag}>{secret[place - 4 : place]}</{tag}>{secret[place:]}"


def _full_width(secret: str, _drawn: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) for c in secret)


DISGUISES: dict[str, Callable[[str, random.Random], str]] = {
    "wrapped_line": _joined_by("\n"),
    "wrapped_soft": _joined_by("=\n"),
    "wrapped_quoted": _joined_by("\n> "),
    "wrapped_indent": _joined_by("\n    "),
    "zero_width": _joined_by("\u200b"),
    "one_gap": _joined_by(" "),
    "spaced_out": lambda secret, _: " ".join(secret),
    "chunked": lambda secret, _: " ".join(secret[i : i + 6] for i in range(0, len(secret), 6)),
    "percent": lambda secret, _: secret.replace("-", "%2D").replace("_", "%5F"),
    "percent_whole": lambda secret, _: "".join(f"%{ord(c):02X}" for c in secret),
    "entities": lambda secret, rng: "".join(
        f"&#{rng.choice((str(ord(c)), f'x{ord(c):x}'))};" if c in "-_" or rng.random() < 0.2 else c
        for c in secret
    ),
    "unicode_escapes": lambda secret, _: "".join(f"\\u{ord(c):04x}" for c in secret),
    "tagged": _tagged,
    "constants": lambda secret, rng: _joined_by(rng.choice(('" + "', "' +\n  '")))(secret, rng),
    "bullets": lambda secret, _: "\n- ".join(secret[i : i + 16] for i in range(0, len(secret), 16)),
    "shouted": lambda secret, _: secret.upper(),
    "underscored": lambda secret, _: secret.replace("-", "_"),
    "spaced_dashes": lambda secret, _: secret.replace("-", " - ", 3),
    "backwards": lambda secret, _: secret[::-1],
    "dotted": lambda secret, rng: rng.choice((".", "-", "*", ", ")).join(secret),
    "soft_hyphens": _joined_by("\u00ad"),
    "hex": lambda secret, rng: secret.encode().hex(rng.choice((":", " "))),
    "base64_twice": lambda secret, _: base64.b64encode(base64.b64encode(secret.encode())).decode(),
    "odd_dashes": lambda secret, rng: secret.replace("-", rng.choice("‐‑–—−")),
    "full_width": _full_width,
    "base64": lambda secret, _: base64.b64encode(secret.encode()).decode(),
    "escaped": lambda secret, _: secret.replace("_", r"\_").replace("-", r"\-"),
}
