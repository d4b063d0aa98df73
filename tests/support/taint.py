"""Secrets to plant, and every place where one could come to light again."""

import base64
import io
import json
import logging
import random
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy import Engine

from bot.infra.logs import JsonFormatter

KINDS = ("token", "password", "code", "card", "pem")
MARK = "Zanzibar"  # stands beside each secret: a sink without it was not looked into


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A sentence that holds a secret, and the part of it that must be found nowhere."""

    kind: str
    place: str
    sentence: str
    needle: str


def plant(kind: str, place: str) -> Plant:
    """Made here and now, another one for every place."""
    drawn = random.Random(f"{kind} {place}")
    letters = string.ascii_letters + string.digits
    match kind:
        case "token":
            needle = "sk-" + "proj-" + "".join(drawn.choices(letters, k=60))
            said = f"My API key is {needle}."
        case "password":
            needle = f"Tulip-{''.join(drawn.choices(letters, k=6))}-{drawn.randint(100, 999)}"
            said = f"My password is {needle}."
        case "code":
            needle = str(drawn.randint(10_000_000, 99_999_999))
            said = f"My verification code is {needle}."
        case "card":
            needle = _card(drawn)
            said = f"My card number is {needle}."
        case _:
            lines = ["".join(drawn.choices(letters + "+/", k=64)) for _ in range(6)]
            needle = lines[2]
            said = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"])
    return Plant(kind=kind, place=place, sentence=said, needle=needle)


def holds_needle(needle: str, data: str) -> bool:
    """Does it stand there, as it is or as a file or wire would encode it?"""
    return any(form in _joined(data) for form in _forms(needle))


def leaks(plants: list[Plant], sinks: dict[str, str]) -> list[str]:
    """Which secret came to light where."""
    told: list[str] = []
    for name, data in sinks.items():
        text = _joined(data)
        told += [
            f"{each.kind} from {each.place} in {name}"
            for each in plants
            if any(form in text for form in _forms(each.needle))
        ]
    return told


def _joined(data: str) -> str:
    """Quoted-printable breaks lines anywhere."""
    return data.replace("=\r\n", "").replace("=\n", "")


def _forms(needle: str) -> Iterator[str]:
    yield needle
    yield needle[::-1]
    yield needle.encode().hex()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + needle.encode()).decode().rstrip("=")
        yield encoded[before + 1 if before else 0 : -2]


def tables(engine: Engine, *, but: frozenset[str] = frozenset()) -> dict[str, str]:
    """Every table of the database, the engine's too; `but`: table.column that may hold it."""
    told: dict[str, str] = {}
    meta = sql.MetaData()
    meta.reflect(engine)
    with engine.connect() as db:
        for name, table in meta.tables.items():
            columns = [c for c in table.columns if f"{name}.{c.name}" not in but]
            rows = db.execute(sql.select(*columns)).all() if columns else []
            told[f"table {name}"] = "\n".join(_told(value) for row in rows for value in row)
    return told


def files(home: Path) -> dict[str, str]:
    """Every file of a home but the raw mails, which stay in the mailbox, and the model's weights."""
    told: dict[str, str] = {}
    for top in home.iterdir():
        inside = [top] if top.is_file() else sorted(top.resolve().rglob("*"))
        for path in inside:
            raw = top.name == "mail" and path.relative_to(top.resolve()).parts[0] != "sent"
            if path.is_file() and not raw and top.name != "models":
                told[f"file {top.name} {path.name}"] = path.read_bytes().decode("latin-1")
    return told


@contextmanager
def desk_log() -> Iterator[io.StringIO]:
    """What the desk writes to stderr with DESK_LOG=DEBUG, and its libraries too."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def _told(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _card(drawn: random.Random) -> str:
    """Sixteen digits with their check digit."""
    digits = [4, *(drawn.randrange(10) for _ in range(14))]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits)]
    return "".join(map(str, [*digits, -sum(doubled) % 10]))
