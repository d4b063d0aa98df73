"""A copy of the shipped knowledge with few wordings and messages, which is learned in a second."""

import shutil
from pathlib import Path

import yaml

from tests.conftest import KNOWLEDGE


def copy_knowledge(
    folder: Path, *, wordings: int = 2, messages: int = 0, intents: int | None = None
) -> Path:
    """Copy the knowledge to `folder`.

    Of each block of wordings the first `wordings` lines stay, of each file the first `intents`
    entries (None: all), and of each file of labelled messages the first `messages`.
    """
    shutil.copytree(KNOWLEDGE, folder)
    for path in (folder / "questions").glob("*.yaml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))[:intents]
        for entry in entries:
            for block in ("ask", "near", "say"):
                for key, lines in entry.get(block, {}).items():
                    entry[block][key] = "\n".join(lines.splitlines()[:wordings])
        path.write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
    for part in ("messages", "exercises"):
        for path in (folder / part).glob("*.yaml"):
            head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
            path.write_text(head + "".join(rows[:messages]), encoding="utf-8")
    return folder
