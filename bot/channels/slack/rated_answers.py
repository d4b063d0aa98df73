"""Writes answers that staff rated to a file of masked questions for `python -m evals add`."""

import json
import os
from pathlib import Path
from typing import Any

from bot.files import locked_folder, make_private_folder, private_opener
from bot.journal.slack_records import SlackEvent


def record_wrong_answer(path: Path, asked: SlackEvent, *, kind: str, note: str, by: str) -> None:
    """Append a question whose answer was wrong, and what the person `by` thinks is right."""
    _append(path, asked, {"verdict": "wrong", "kind": kind, "note": note, "by": by})


def record_right_answer(path: Path, asked: SlackEvent, *, verdict: str, by: str) -> None:
    """Append a question whose answer was right, so that it may become a case that must stay so."""
    _append(path, asked, {"verdict": verdict, "by": by})


def answered_passages(asked: SlackEvent) -> list[str]:
    """Return the best passage of each answer to a question, for the statistics."""
    said = json.loads(asked.result).get("about", {}).get("said", []) if asked.result else []
    rows = [row for row in said if row["decision"] == "answer"]
    return list(dict.fromkeys(passage for row in rows for passage in row["passages"][:1]))


def _append(path: Path, asked: SlackEvent, row: dict[str, Any]) -> None:
    answer = json.loads(asked.result) if asked.result else {}
    turns = [{"role": "user", "text": asked.payload["text"]}]
    line = {"turns": turns, "channel": "slack", **row, **answer.get("about", {})}
    make_private_folder(path.parent)
    with (
        locked_folder(path.parent),  # an erasure puts another file in its place
        open(path, "a", encoding="utf-8", opener=private_opener) as file,
    ):
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
