"""Surrounds a labelled message with text that is common in real mails and asks for nothing.

Sentences of people and programs come from evals/data/surroundings.yaml. Numbers, links, signatures
and frames are drawn from a seed. Every other line is used for learning and the rest for measuring,
so that a classifier is measured with surroundings that it has not seen.
"""

import base64
import hashlib
import random
import string
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

FILE = Path(__file__).parents[1] / "data" / "surroundings.yaml"
OTHERS = "en"  # its lines surround messages in a language without lines of its own
LETTERS = string.ascii_letters + string.digits
FORMS = ("words", "words", "material")  # people's sentences are twice as frequent as material
BREAK = "\n\n"  # between paragraphs
PREFIXES = ("INC", "CS", "TT", "PO", "A")  # of ticket numbers
BARE = 6  # messages that only give a number, for each opening line


class Side(IntEnum):
    """The half of the lines that is used: for learning or for measuring."""

    LEARNED = 0
    MEASURED = 1


class Lines(BaseModel):
    """The lines that surround messages in one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    before: tuple[str, ...]
    after: tuple[str, ...]
    labels: tuple[str, ...]  # a number follows
    numbers: tuple[str, ...]  # openings of a message that only gives a number
    programs: tuple[str, ...]  # a link follows
    replies: tuple[str, ...]  # tell of an answer of ours
    statements: tuple[str, ...]  # whole messages that ask for nothing
    asides: tuple[str, ...]  # stand in brackets behind a question


def surround(text: str, language: str, side: Side) -> str:
    """Return `text` with lines before or after it, or both; the same text gets the same lines."""
    rng = _seeded(text, side)
    lines = _lines_in(language)
    if rng.choice(FORMS) == "words":
        first, last = (rng.choice(some[side::2]) for some in (lines.before, lines.after))
    else:
        first = f"{_one(rng, lines.labels, side)} {_number(rng)}"
        last = rng.choice(MATERIAL)(rng, lines, side)
    place = rng.random()
    before, after = place < 2 / 3, place > 1 / 3
    return BREAK.join([*([first] if before else []), text, *([last] if after else [])])


def follow_reply(text: str, language: str) -> str:
    """Return `text` after a line about an answer of ours, in the same paragraph or the next."""
    rng = _seeded(text, Side.LEARNED)
    lines = _lines_in(language)
    return f"{rng.choice(lines.replies)}{rng.choice([' ', BREAK])}{text}"


def with_aside(text: str, language: str) -> str:
    """Return `text` with a few words in brackets behind it."""
    rng = _seeded(text, Side.LEARNED)
    lines = _lines_in(language)
    return f"{text} ({rng.choice(lines.asides)})"


def bare_numbers() -> list[str]:
    """Return messages that only give a number, as people send them when asked for one."""
    openings = [line for lines in _every_language().values() for line in lines.numbers]
    rng = random.Random(0)  # noqa: S311 - examples to learn from, nothing secret
    return [f"{line} {_number(rng)}" for line in openings for _ in range(BARE)]


def statements() -> list[str]:
    """Return messages that hand over a document or say what was done, and ask for nothing."""
    return [line for lines in _every_language().values() for line in lines.statements]


def _signature(rng: random.Random, _lines: Lines, side: Side) -> str:
    """Return a signature: a rule, a name, an address, a telephone number and a link."""
    rule = rng.choice("-_=*━─") * rng.randint(8, 40)
    name = " ".join(_word(rng).capitalize() for _ in range(2))
    street = f"{_word(rng).capitalize()} {rng.randint(1, 99)}, {rng.randint(10000, 99999)}"
    phone = f"+{rng.randint(1, 99)} {rng.randint(100, 999)} {rng.randint(10000, 9999999)}"
    return "\n".join([rule, name, street, phone, _link(rng), rule][: 6 if side else 5])


def _program(rng: random.Random, lines: Lines, side: Side) -> str:
    """Return a line of a mail program with its link."""
    return f"{_one(rng, lines.programs, side)}<{_link(rng)}>"


def _picture(rng: random.Random, _lines: Lines, _side: Side) -> str:
    """Return the plain text that stands for a picture in a signature."""
    return f"[{_link(rng)}.png?w={rng.randint(10, 400)}]<{_link(rng)}?src={_word(rng)}>"


def _frame(rng: random.Random, _lines: Lines, _side: Side) -> str:
    """Return a PGP signature block with random Base64."""
    body = [base64.b64encode(rng.randbytes(48)).decode() for _ in range(3)]
    return "\n".join(["-----BEGIN PGP SIGNATURE-----", *body, "-----END PGP SIGNATURE-----"])


MATERIAL: tuple[Callable[[random.Random, Lines, Side], str], ...] = (
    _signature, _program, _picture, _frame
)  # fmt: skip


def _number(rng: random.Random) -> str:
    """Return a number as in a ticket system: digits, a prefix with digits, or a hexadecimal id."""
    form = rng.randrange(4)
    digits = "".join(rng.choices(string.digits, k=rng.randint(5, 18)))
    if form == 0:
        return digits
    if form == 1:
        return f"{rng.choice(PREFIXES)}-{rng.randint(2020, 2026)}-{digits}"
    raw = rng.randbytes(16).hex()
    return raw if form == 2 else "-".join([raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]])


def _link(rng: random.Random) -> str:
    return f"https://{_word(rng)}.example/{''.join(rng.choices(LETTERS, k=8))}"


def _word(rng: random.Random) -> str:
    pairs = zip(rng.choices("bdfgklmnprstvz", k=3), rng.choices("aeiou", k=3), strict=True)
    return "".join(a + b for a, b in pairs)


def _one(rng: random.Random, some: tuple[str, ...], side: Side) -> str:
    return rng.choice(some[side::2] or some)


def _seeded(text: str, side: Side) -> random.Random:
    seed = hashlib.sha256(f"{side} {text}".encode()).digest()
    return random.Random(seed)  # noqa: S311 - examples to learn from, nothing secret


def _lines_in(language: str) -> Lines:
    every = _every_language()
    return every.get(language) or every[OTHERS]


@cache
def _every_language() -> dict[str, Lines]:
    read = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Lines]).validate_python(read)
