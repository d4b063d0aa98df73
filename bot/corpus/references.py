"""Finds references to passages that the post does not have any more, with file and line.

None of them stops the desk: each is ignored where it is used, and a support lead gets a warning.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from bot.corpus.messages import LabelledMessage
from bot.corpus.notes import Notes
from bot.corpus.questions import Wording
from bot.corpus.yaml_files import list_yaml_files


def known_notes(notes: Notes, passages: Collection[str]) -> Notes:
    """Return `notes` without entries on passages that are not among `passages`."""
    return notes.model_copy(
        update={
            "never_quote": [
                each.model_copy(update={"instead": [p for p in each.instead if p in passages]})
                for each in notes.never_quote
                if each.passage in passages
            ],
            "superseded": [
                each
                for each in notes.superseded
                if each.passage in passages and each.by in passages
            ],
            "quote_together": [
                each
                for each in notes.quote_together
                if each.passage in passages and each.together in passages
            ],
            "quote_one_of": [
                each.model_copy(update={"passages": kept})
                for each in notes.quote_one_of
                if len(kept := [p for p in each.passages if p in passages]) > 1
            ],
            "headings": [each for each in notes.headings if each.passage in passages],
            "quote_in_refusals": [p for p in notes.quote_in_refusals if p in passages],
        }
    )


def lost_references(
    folder: Path,
    passages: Collection[str],
    notes: Notes,
    wordings: Iterable[Wording],
    messages: Iterable[LabelledMessage],
) -> tuple[str, ...]:
    """Return a warning for each passage that a file names and the post does not have."""
    lost = [
        *_in_notes(notes, passages),
        *_in_superseded(notes, passages),
        *_in_wordings(wordings, passages),
    ]
    lines = [
        f"{_place(folder, file, name)}: {what} names {name!r}, which the post does not have{then}"
        for file, what, name, then in dict.fromkeys(lost)
    ]
    return (*lines, *_in_messages(folder, messages, passages))


def _in_notes(notes: Notes, passages: Collection[str]) -> Iterator[tuple[str, str, str, str]]:
    file = "notes.yaml"
    for erratum in notes.never_quote:
        for name in _unknown([erratum.passage, *erratum.instead], passages):
            left = name != erratum.passage and not _known(erratum.instead, passages)
            yield file, "never_quote", name, "; nothing is quoted in its place" if left else ""
    for companion in notes.quote_together:
        for name in _unknown([companion.passage, companion.together], passages):
            alone = name == companion.together and companion.passage in passages
            then = f"; {companion.passage} is quoted without it now" if alone else ""
            yield file, "quote_together", name, then
    lists = {
        "quote_one_of": [p for each in notes.quote_one_of for p in each.passages],
        "headings": [each.passage for each in notes.headings],
        "quote_in_refusals": notes.quote_in_refusals,
    }
    for field, names in lists.items():
        yield from ((file, field, name, "") for name in _unknown(names, passages))


def _in_superseded(notes: Notes, passages: Collection[str]) -> Iterator[tuple[str, str, str, str]]:
    for each in notes.superseded:
        for name in _unknown([each.passage, each.by], passages):
            again = name == each.by and each.passage in passages
            then = f"; {each.passage} is quoted again now" if again else ""
            yield "notes.yaml", "superseded", name, then


def _in_wordings(
    wordings: Iterable[Wording], passages: Collection[str]
) -> Iterator[tuple[str, str, str, str]]:
    for wording in wordings:
        if wording.kind == "near":  # it has the passages of its intent, which is reported itself
            continue
        left = wording.kind == "intent" and not _known(wording.passages, passages)
        for name in _unknown(wording.passages, passages):
            then = "; nothing answers it now" if left else ""
            yield f"questions/{wording.file}", wording.label, name, then


def _in_messages(
    folder: Path, messages: Iterable[LabelledMessage], passages: Collection[str]
) -> Iterator[str]:
    """Yield a warning for each passage, with the first message that names it and how many more."""
    count: dict[str, int] = {}
    for message in messages:
        for name in dict.fromkeys(_unknown(message.named, passages)):
            count[name] = count.get(name, 0) + 1
    for name, number in count.items():
        paths = [f"messages/{path.name}" for path in list_yaml_files(folder / "messages")]
        first = next((p for p in paths if _line(folder / p, name)), "messages")
        some = "a message names" if number == 1 else f"{number} messages name"
        yield f"{_place(folder, first, name)}: {some} {name!r}, which the post does not have"


def _unknown(names: Iterable[str], passages: Collection[str]) -> list[str]:
    return [name for name in names if name not in passages]


def _known(names: Sequence[str], passages: Collection[str]) -> list[str]:
    return [name for name in names if name in passages]


def _place(folder: Path, file: str, name: str) -> str:
    """Return the file and the line where it first names the passage, as `FILE:LINE`."""
    line = _line(folder / file, name)
    return f"{file}:{line}" if line else file


def _line(path: Path, name: str) -> int:
    """Return the number of the first line of the file that names the passage; 0 for none."""
    whole = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    if not path.is_file():
        return 0
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((number for number, line in enumerate(lines, 1) if whole.search(line)), 0)
