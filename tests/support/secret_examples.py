"""The formats that the desk masks, and texts that hold each of them, drawn when a test runs."""

import random
from collections.abc import Iterator
from pathlib import Path

import yaml

from bot.redact.format_checks import CHECKS, PLACEHOLDER
from evals.generators.draws import fill
from tests.support.masking import MARKED, SEED, marked

ROOT = Path(__file__).parents[2]
FORMATS = yaml.safe_load(
    (ROOT / "bot" / "data" / "secret_formats.yaml").read_text(encoding="utf-8")
)
EXAMPLES = yaml.safe_load(
    (ROOT / "tests" / "data" / "secret_examples.yaml").read_text(encoding="utf-8")
)
STRINGS = {**EXAMPLES["tokens"], **EXAMPLES["places"]}
ROWS = {row["name"]: row for group in FORMATS.values() for row in group}


def examples(name: str) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Texts that hold the format, each with the place of its secret."""
    drawn = random.Random(SEED)
    if name in STRINGS:
        for draw in STRINGS[name]:
            yield marked(_drawn(draw if "[[" in draw else f"[[{draw}]]", "random", drawn))
        return
    row = EXAMPLES["numbers"][name]
    for near in row["near"]:
        number = _drawn(row["draw"], row.get("check", "none"), drawn)
        yield marked(near.replace("[[]]", f"[[{number}]]"))


def _drawn(draw: str, check: str, drawn: random.Random) -> str:
    """Drawn until its check digits are right, and never what reads as a placeholder."""
    for _ in range(20_000):
        text = fill(draw, drawn)
        secrets = MARKED.findall(text)
        if not any(map(PLACEHOLDER.search, secrets)) and (check == "random" or CHECKS[check](text)):
            return text
    raise AssertionError(draw)
