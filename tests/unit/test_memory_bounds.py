"""What is remembered of texts that strangers write is bounded."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.text.own_words import MOST_LETTERS, _letter

BOT = Path(__file__).parents[2] / "bot"
# How the product names what a stranger wrote, or a part of it. What is named otherwise, such as the
# name of a list, the product itself has a few of.
STRANGERS = frozenset(
    {"address", "body", "char", "charset", "escape", "folded", "header", "line", "message", "raw",
     "sample", "sender", "sentence", "subject", "text", "value", "word", "words"}
)  # fmt: skip


def remembered_without_bound(source: str) -> Iterator[str]:
    """Yield the functions that keep a result for each text of a stranger for ever."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef):
            continue
        names = {argument.arg for argument in node.args.args}
        marks = {ast.unparse(mark).removeprefix("functools.") for mark in node.decorator_list}
        if names & STRANGERS and marks & {"cache", "lru_cache(maxsize=None)"}:
            yield node.name


@pytest.mark.parametrize(
    ("mark", "found"),
    [("cache", ["f"]), ("functools.cache", ["f"]), ("lru_cache(maxsize=None)", ["f"]),
     ("lru_cache(maxsize=9)", []), ("staticmethod", [])],
)  # fmt: skip
def test_a_memory_without_bound_is_seen(mark: str, found: list[str]) -> None:
    assert list(remembered_without_bound(f"@{mark}\ndef f(text: str) -> str: ...")) == found


def test_no_text_of_a_stranger_is_remembered_without_bound() -> None:
    found = {
        f"{path.relative_to(BOT)}: {name}"
        for path in BOT.rglob("*.py")
        for name in remembered_without_bound(path.read_text(encoding="utf-8"))
    }
    assert found == set()


def test_every_character_that_exists_takes_no_more_than_those_in_use() -> None:
    for number in range(0x1F000):
        _letter(chr(number))
    assert _letter.cache_info().currsize == MOST_LETTERS
