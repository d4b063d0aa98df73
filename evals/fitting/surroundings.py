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
    drawn = _seeded(text, side)
    lines = _lines_in(language)
    if drawn.choice(FORMS) == "words":
        first, last = (drawn.choice(some[side::2]) for some in (lines.before, lines.after))
    else:
        first = f"{_one(drawn, lines.labels, side)} {_number(drawn)}"
        last = drawn.choice(MATERIAL)(drawn, lines, side)
    place = drawn.random()
    before, after = place < 2 / 3, place > 1 / 3
    return BREAK.join([*([first] if before else []), text, *([last] if after else [])])


def follow_reply(text: str, language: str) -> str:
    """Return `text` after a line about an answer of ours, in the same paragraph or the next."""
    drawn = _seeded(text, Side.LEARNED)
    lines = _lines_in(language)
    return f"{drawn.choice(lines.replies)}{drawn.choice([' ', BREAK])}{text}"


def with_aside(text: str, language: str) -> str:
    """Return `text` with a few words in brackets behind it."""
    drawn = _seeded(text, Side.LEARNED)
    lines = _lines_in(language)
    return f"{text} ({drawn.choice(lines.asides)})"


def bare_numbers() -> list[str]:
    """Return messages that only give a number, as people send them when asked for one."""
    openings = [line for lines in _every_language().values() for line in lines.numbers]
    drawn = random.Random(0)  # noqa: S311 - examples to learn from, nothing secret
    return [f"{line} {_number(drawn)}" for line in openings for _ in range(BARE)]


def statements() -> list[str]:
    """Return messages that hand over a document or say what was done, and ask for nothing."""
    return [line for lines in _every_language().values() for line in lines.statements]


def _signature(drawn: random.Random, _lines: Lines, side: Side) -> str:
    """Return a signature: a rule, a name, an address, a telephone number and a link."""
    rule = drawn.choice("-_=*━─") * drawn.randint(8, 40)
    name = " ".join(_word(drawn).capitalize() for _ in range(2))
    street = f"{_word(drawn).capitalize()} {drawn.randint(1, 99)}, {drawn.randint(10000, 99999)}"
    phone = f"+{drawn.randint(1, 99)} {drawn.randint(100, 999)} {drawn.randint(10000, 9999999)}"
    return "\n".join([rule, name, street, phone, _link(drawn), rule][: 6 if side else 5])


def _program(drawn: random.Random, lines: Lines, side: Side) -> str:
    """Return a line of a mail program with its link."""
    return f"{_one(drawn, lines.programs, side)}<{_link(drawn)}>"


def _picture(drawn: random.Random, _lines: Lines, _side: Side) -> str:
    """Return the plain text that stands for a picture in a signature."""
    return f"[{_link(drawn)}.png?w={drawn.randint(10, 400)}]<{_link(drawn)}?src={_word(drawn)}>"


def _frame(drawn: random.Random, _lines: Lines, _side: Side) -> str:
    """Return a PGP signature block with random Base64."""
    body = [base64.b64encode(drawn.randbytes(48)).decode() for _ in range(3)]
    return "\n".join(["-----BEGIN PGP SIGNATURE-----", *body, "-----END PGP SIGNATURE-----"])


MATERIAL: tuple[Callable[[random.Random, Lines, Side], str], ...] = (
    _signature, _program, _picture, _frame
)  # fmt: skip


def _number(drawn: random.Random) -> str:
    """Return a number as in a ticket system: digits, a prefix with digits, or a hexadecimal id."""
    form = drawn.randrange(4)
    digits = "".join(drawn.choices(string.digits, k=drawn.randint(5, 18)))
    if form == 0:
        return digits
    if form == 1:
        return f"{drawn.choice(PREFIXES)}-{drawn.randint(2020, 2026)}-{digits}"
    raw = drawn.randbytes(16).hex()
    return raw if form == 2 else "-".join([raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]])


def _link(drawn: random.Random) -> str:
    return f"https://{_word(drawn)}.example/{''.join(drawn.choices(LETTERS, k=8))}"


def _word(drawn: random.Random) -> str:
    pairs = zip(drawn.choices("bdfgklmnprstvz", k=3), drawn.choices("aeiou", k=3), strict=True)
    return "".join(a + b for a, b in pairs)


def _one(drawn: random.Random, some: tuple[str, ...], side: Side) -> str:
    return drawn.choice(some[side::2] or some)


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
