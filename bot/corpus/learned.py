"""Reads and writes exercises/learned.yaml: questions that people answered, to be learned from.

They are labelled messages like any others, one a line, so that a person can read, change and delete
them and a commit shows what was learned. The desk only ever adds lines, and takes out those of
people whose data is erased.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from bot.corpus.messages import LabelledMessage, MessageKind
from bot.files import locked_folder, replace_file
from bot.resources import read_own_text
from bot.text.printable import printable_line

LEARNED = Path("exercises/learned.yaml")  # in the knowledge folder
HEAD = """\
# Questions that people asked and staff answered, one a line; two people agreed to each. The desk
# learns from them. Delete a line, and it is forgotten; `incident-desk knowledge labels` adds some.
"""
AUTHOR = "asked"  # one author for all, as it is unknown which of them one person wrote
PREFIX = "label-"
NUMBER = re.compile(rf'- \{{"id": "{PREFIX}(\d+)"')


def labels_version(folder: Path) -> str:
    """Return a digest of the content of the file; empty where there is none."""
    path = folder / LEARNED
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else ""


def labelled_question(
    number: int, text: str, *, language: str, passages: tuple[str, ...]
) -> LabelledMessage:
    """Return a labelled question that each of `passages` answers; without any, nothing does."""
    return LabelledMessage(
        id=f"{PREFIX}{number}", author=AUTHOR, lang=language, text=printable_line(text),
        kind=MessageKind.ANSWERABLE if passages else MessageKind.UNANSWERABLE,
        gold=(passages,) if passages else (),
    )  # fmt: skip


def read_numbers(folder: Path) -> frozenset[int]:
    """Return the numbers of the labels that stand in a knowledge folder."""
    return numbers_where(folder, bool)


def numbers_where(folder: Path, holds: Callable[[str], bool]) -> frozenset[int]:
    """Return the numbers of the labels in a knowledge folder for whose lines `holds` is true."""
    return frozenset(number for line in _lines(folder) if (number := _number(line)) and holds(line))


def append_labels(folder: Path, labels: Iterable[LabelledMessage]) -> int:
    """Add labels that are not there yet and return how many; OSError when it cannot be written."""
    with locked_folder(folder):
        lines, known = _lines(folder), read_numbers(folder)
        added = [_line(each) for each in labels if int(each.id.removeprefix(PREFIX)) not in known]
        if added:
            _write(folder, [*(lines or HEAD.splitlines(keepends=True)), *added])
    return len(added)


def remove_labels(folder: Path, numbers: Collection[int]) -> int:
    """Take out the labels with these numbers and return how many; OSError when it cannot be."""
    with locked_folder(folder):
        lines = _lines(folder)
        kept = [line for line in lines if _number(line) not in numbers]
        if len(kept) < len(lines):
            _write(folder, kept)
    return len(lines) - len(kept)


def _lines(folder: Path) -> list[str]:
    path = folder / LEARNED
    return read_own_text(path).splitlines(keepends=True) if path.exists() else []


def _number(line: str) -> int:
    """Return the number of the label on a line of the file; 0 for any other line."""
    found = NUMBER.match(line)
    return int(found.group(1)) if found else 0


def _line(label: LabelledMessage) -> str:
    """Return the label as one line of YAML, written as JSON so that any text is safe in it."""
    stated = label.model_dump(mode="json", exclude_defaults=True)
    return f"- {json.dumps(stated, ensure_ascii=False)}\n"


def _write(folder: Path, lines: Iterable[str]) -> None:
    replace_file(folder / LEARNED, "".join(lines))
