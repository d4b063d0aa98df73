"""Implements `index`: brings the index up to date and lists what an edit of the post changed."""

from collections.abc import Iterator
from typing import Protocol

from bot.app import App
from bot.commands.doctor import say_what_was_learned
from bot.corpus.knowledge import IDS
from bot.corpus.passage_ids import PassageChanges
from bot.resources import read_own_text
from bot.text.printable import shorten_line

WARNINGS = "warnings.txt"  # file in the home with those of the last run, to recognize new ones
SHOWN = 100  # characters of a text in a list of passages
SHOWN_OF_CHANGE = 400  # of each of two texts, from shortly before where they part


class HeadedText(Protocol):
    """A passage as it stands, or as it once stood."""

    @property
    def heading(self) -> str:
        """Return the heading under which the passage stands."""

    @property
    def text(self) -> str:
        """Return the text of the passage, without its heading."""


def index_lines(app: App, *, ids: bool) -> Iterator[str]:
    """Index and learn what the knowledge folder holds; yield what changed and what was learned.

    The ids of the passages are written into the folder, so that they stay the same after edits.
    With `ids` all of them are listed. Warnings go to `app.say`; those that the last run did not
    have are called new.
    """
    knowledge = app.knowledge
    warnings_file = app.settings.home / WARNINGS
    before = (
        read_own_text(warnings_file).splitlines()
        if warnings_file.exists()
        else list(knowledge.warnings)
    )
    for warning in knowledge.warnings:
        app.say(f"{'warning' if warning in before else 'new warning'}: {warning}")
    if knowledge.known:
        yield from index_change_lines(knowledge.changes)
    changed = app.index()
    warnings_file.write_text("".join(f"{each}\n" for each in knowledge.warnings), encoding="utf-8")
    try:
        knowledge.keep_ids()
    except OSError as error:
        app.say(f"warning: {knowledge.folder / IDS} cannot be written ({error.strerror})")
    if ids:
        yield from (f"{p.id}  {shorten_line(p.text, SHOWN)}" for p in knowledge.every_passage)
    yield (
        f"knowledge {knowledge.version}: {len(knowledge.passages)} passages, "
        f"{len(knowledge.wordings)} wordings; {changed.added} records added, "
        f"{changed.removed} removed, {changed.kept} unchanged"
    )
    yield say_what_was_learned(app.fit)


def index_change_lines(changes: PassageChanges) -> Iterator[str]:
    """Yield a line for each passage that is new, was changed or has gone, with its words."""
    for passage in changes.added:
        yield f"added    {passage.id}: {shorten_line(passage.text, SHOWN)}"
    for change in changes.changed:
        yield f"changed  {change.now.id}"
        yield from difference_lines(change.before, change.now)
    for known in changes.gone:
        yield f"gone     {known.id}: {shorten_line(known.text, SHOWN)}"


def difference_lines(before: HeadedText, now: HeadedText) -> Iterator[str]:
    """Yield what differs between two texts, from shortly before where they part."""
    if before.heading != now.heading:
        yield f"    heading before: {shorten_line(before.heading, SHOWN)}"
        yield f"    heading now:    {shorten_line(now.heading, SHOWN)}"
    if before.text != now.text:
        first = _first_difference(before.text, now.text)
        yield f"    before: {shorten_line(before.text[first:], SHOWN_OF_CHANGE)}"
        yield f"    now:    {shorten_line(now.text[first:], SHOWN_OF_CHANGE)}"


def _first_difference(one: str, other: str) -> int:
    """Return the offset from which to show two texts, so that their first difference is seen.

    It is the start of a word SHOWN / 2 characters before the difference; 0 for an early one.
    """
    pairs = enumerate(zip(one, other, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    return one.rfind(" ", 0, place - SHOWN // 2) + 1 if place > SHOWN // 2 else 0
